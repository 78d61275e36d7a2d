"""A clock for deadlines: it goes by time that passes, and by the platform where ours is far from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from adapters.clock import ALL_HEARD, Timepiece

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """Its wall clock, which can be set, and the time that went by."""

    def __init__(self, *, wrong: timedelta = timedelta(), sources: Sequence[str] = ("glaip",)) -> None:
        self.set, self.gone = wrong, 0.0
        self.clock = Timepiece(
            wall=lambda: BEGIN + timedelta(seconds=self.gone) + self.set,
            elapsed=lambda: self.gone,
            sources=sources,
        )

    def poll(self, platform: timedelta = timedelta()) -> timedelta | None:
        """What a poll tells, of a platform whose clock is so far ahead of the true time."""
        true = BEGIN + timedelta(seconds=self.gone)
        return self.clock.heard(self.clock() - true - platform)

    def heard(self, source: str, *, ahead: timedelta = timedelta()) -> timedelta | None:
        """What a poll of this source tells, whose clock is so far ahead of the true time."""
        true = BEGIN + timedelta(seconds=self.gone)
        return self.clock.heard(self.clock() - true - ahead, source=source)

    @property
    def wrong(self) -> timedelta:
        """How far the clock is from the true time."""
        return self.clock() - BEGIN - timedelta(seconds=self.gone)


@pytest.mark.parametrize("step", [HOUR, -HOUR, timedelta(seconds=12), timedelta(seconds=-12)])
def test_a_step_moves_no_deadline(step: timedelta) -> None:
    """At once, and after a poll; the poll still tells how wrong the machine's clock is."""
    machine = Machine()
    machine.gone, machine.set = 10, step
    assert machine.wrong == timedelta()
    machine.gone = 20
    assert machine.poll() == step
    assert machine.wrong == (timedelta() if abs(step) == HOUR else step)


def test_a_clock_that_is_put_right_is_followed() -> None:
    """It was an hour ahead from the start: the platform is followed, then the clock again."""
    machine = Machine(wrong=HOUR)
    assert machine.wrong == HOUR
    assert machine.poll() == HOUR
    assert machine.wrong == timedelta()
    machine.gone, machine.set = 30, timedelta()
    assert machine.poll() == timedelta()
    assert machine.wrong == timedelta()


def test_drift_and_small_skews_are_the_wall_clocks() -> None:
    """A clock that is slewed is followed, and so is one that is half a minute from the platform's."""
    machine = Machine()
    for second in range(60):
        machine.gone, machine.set = second, timedelta(milliseconds=500 * second)
        machine.clock()
    assert machine.wrong == timedelta(seconds=29.5)
    assert machine.poll() == timedelta(seconds=29.5)
    assert machine.wrong == timedelta(seconds=29.5)


def test_where_the_platform_tells_nothing_the_clock_goes_on() -> None:
    """What waits was written down by it; that the machine's clock was set is told all the same."""
    machine = Machine()
    assert machine.clock.heard(None) is None
    machine.set = HOUR
    assert machine.wrong == timedelta()
    assert machine.clock.heard(None) == HOUR
    assert machine.wrong == timedelta()


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_a_platform_that_is_wrong_alone_moves_no_deadline_of_the_others(wrong: timedelta) -> None:
    """Each poll tells how far the machine is from its platform; the clock goes by the one that agrees."""
    machine = Machine()
    for second in range(6):
        machine.gone = second
        source, ahead = ("eu", wrong) if second % 2 else ("glaip", timedelta())
        true = BEGIN + timedelta(seconds=machine.gone)
        told = machine.clock.heard(machine.clock() - true - ahead, source=source)
        assert (-ahead, timedelta()) == (told, machine.wrong)


def test_a_step_of_the_wall_clock_is_told_by_each_of_several() -> None:
    """It is the machine that is wrong then, not the platforms."""
    machine = Machine()
    for source in ("glaip", "eu"):
        machine.clock.heard(timedelta(), source=source)
    machine.gone, machine.set = 10, HOUR
    for source in ("glaip", "eu", "glaip"):
        assert machine.clock.heard(machine.wrong, source=source) == HOUR
        assert machine.wrong == timedelta()


def test_of_several_sources_one_alone_moves_the_clock_only_where_another_agrees() -> None:
    """The others may only be down: what they list would expire by a clock that is theirs no more."""
    machine = Machine(sources=("glaip", "eu", "us"))
    day = timedelta(days=1)
    assert machine.heard("eu", ahead=day) == -day
    assert machine.wrong == timedelta()
    assert machine.heard("us", ahead=day) == -day
    assert machine.wrong == day  # the machine is more likely wrong than both
    assert machine.heard("glaip") == timedelta()
    assert machine.wrong == timedelta()


def test_once_each_was_heard_the_nearest_counts() -> None:
    """As with one: a machine that is an hour ahead is found out by all of them."""
    machine = Machine(wrong=HOUR, sources=("glaip", "eu"))
    assert machine.heard("glaip") == HOUR
    assert machine.wrong == HOUR
    assert machine.heard("eu", ahead=-HOUR) == 2 * HOUR
    assert machine.wrong == timedelta()


def test_a_source_that_tells_no_time_keeps_nobody_waiting() -> None:
    """It has no clock that could disagree."""
    machine = Machine(wrong=HOUR, sources=("glaip", "eu"))
    assert machine.heard("glaip") == HOUR
    assert machine.clock.heard(None, source="eu") is None
    assert machine.heard("glaip") == HOUR
    assert machine.wrong == timedelta()


def test_a_source_that_is_never_heard_keeps_nobody_waiting_for_long() -> None:
    """It is down since the start: after a minute the deadlines of the other are right."""
    machine = Machine(wrong=HOUR, sources=("glaip", "eu"))
    for second, wrong in ((0, HOUR), (ALL_HEARD - 1, HOUR), (ALL_HEARD, timedelta())):
        machine.gone = second
        assert machine.heard("glaip") == HOUR
        assert machine.wrong == wrong
