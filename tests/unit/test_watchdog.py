"""The watchdog's arithmetic: what counts as standing still, what is said, and that nothing holds up the end."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.periodic import open_timer
from adapters.watch import EXIT_CODE, NOD, LoopLiveness, Spool, Watchdog, watched
from bot.alerts import SCHEDULER_DEAD

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class EndedError(Exception):
    """Takes the place of the end of the process."""


class Kennel:
    """A watchdog whose wakes a test makes, half a second each, over a pulse of 4 s."""

    def __init__(self, folder: Path) -> None:
        self.pulse, self.spool, self.codes = LoopLiveness(), Spool(folder / "alerts.jsonl"), list[int]()
        self.silent = False
        self.dog = Watchdog(
            pulse=self.pulse, spool=self.spool, clock=lambda: NOW, silent=lambda: self.silent, end=self.end
        )  # fmt: skip

    def end(self, code: int) -> None:
        self.codes.append(code)
        raise EndedError

    def wakes(self, count: int) -> None:
        for _ in range(count):
            self.dog.look()

    def liveness(self, count: int) -> None:
        """So many wakes in which the scheduler is well."""
        for _ in range(count):
            self.pulse.beat()
            self.dog.look()


@pytest.fixture
def kennel(tmp_path: Path) -> Kennel:
    return Kennel(tmp_path)


def test_three_intervals_without_a_pulse_end_the_process(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not at 12 s, but at the next wake: code 70, with a log line that has the stack and an alert kept."""
    kennel.wakes(24)
    assert 12.0 == kennel.pulse.age
    assert [] == kennel.codes

    with pytest.raises(EndedError):
        kennel.wakes(1)

    assert [70] == [EXIT_CODE] == kennel.codes
    (alert,) = kennel.spool.entries()
    assert (NOD, SCHEDULER_DEAD, NOW, None) == (alert.approval_id, alert.cause, alert.raised_at, alert.resolved)
    assert "code 70" in alert.text
    said = capfd.readouterr()
    assert "scheduler_dead" in said.out + said.err
    assert "test_three_intervals_without_a_pulse_end_the_process" in said.out + said.err


def test_each_beat_begins_the_count_anew(kennel: Kennel) -> None:
    """However long it runs: a pulse in time, or late by less than three intervals, ends nothing."""
    for pause in (8, 24, 24, 1, 23):
        kennel.wakes(pause)
        kennel.pulse.beat()
        kennel.wakes(1)
        assert 0.0 == kennel.pulse.age
    assert [] == kennel.codes


def test_a_late_pulse_is_logged_once_with_the_stack(kennel: Kennel, capfd: pytest.CaptureFixture[str]) -> None:
    """After 5 s it says what the loop is busy with, and again the next time only."""
    kennel.wakes(9)
    assert "scheduler_late" not in "".join(capfd.readouterr())
    kennel.wakes(10)
    said = "".join(capfd.readouterr())
    assert 1 == said.count("scheduler_late")
    assert "test_a_late_pulse_is_logged_once_with_the_stack" in said

    kennel.pulse.beat()
    kennel.wakes(11)
    assert 1 == "".join(capfd.readouterr()).count("scheduler_late")


def test_a_disk_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    """The process ends although its last alert cannot be written."""
    go_on, kennel = threading.Event(), Kennel(tmp_path)

    def sync(_: int) -> None:
        go_on.wait(30)

    spool = Spool(tmp_path / "hanging.jsonl", sync=sync)
    dog = Watchdog(pulse=LoopLiveness(), spool=spool, clock=lambda: NOW, end=kennel.end)
    began = time.monotonic()
    for _ in range(24):
        dog.look()
    with pytest.raises(EndedError):
        dog.look()
    assert [70] == kennel.codes
    assert time.monotonic() - began < 10
    go_on.set()


async def test_the_thread_ends_with_the_block_and_the_ticker_feeds_it(tmp_path: Path) -> None:
    """A ticker that beats keeps the process alive for far more than three intervals."""
    pulse, codes = LoopLiveness(), list[int]()
    every = timedelta(seconds=0.2)
    dog = Watchdog(
        pulse=pulse, spool=Spool(tmp_path / "a"), clock=lambda: NOW, every=every, wake=0.05, end=codes.append
    )
    async with open_timer({"pulse": (every, pulse.beat)}):
        with watched(dog):
            assert "watchdog" in [thread.name for thread in threading.enumerate()]
            await asyncio.sleep(1.5)
    assert "watchdog" not in [thread.name for thread in threading.enumerate()]
    assert [] == codes


def test_a_database_that_stays_silent_ends_the_process(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    """After 27 s of it, which is 35 s with those until it is noticed; one answer begins them again."""
    kennel.silent = True
    kennel.liveness(54)
    kennel.silent = False
    kennel.liveness(1)
    kennel.silent = True
    kennel.liveness(54)
    assert [] == kennel.codes
    with pytest.raises(EndedError):
        kennel.liveness(1)
    assert [EXIT_CODE] == kennel.codes
    said = capfd.readouterr()
    assert "database_silent" in said.out + said.err
