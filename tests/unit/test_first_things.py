"""Clicks and decisions go before redraws, and redraws still get their turn."""

from __future__ import annotations

from contextlib import suppress

from bot.flow import HELD_FOR, FirstThings


class Seconds:
    """A monotonic clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_waits_for_what_goes_first() -> None:
    first_things = FirstThings(seconds=Seconds())

    assert first_things.rest_may_go()
    with first_things.first():
        with first_things.first():
            assert not first_things.rest_may_go()
        assert not first_things.rest_may_go()
    assert first_things.rest_may_go()


def test_the_rest_has_a_turn_in_each_second_whatever_goes_before_it() -> None:
    """One click after the other, without a pause, and a look at each tenth of a second."""
    seconds = Seconds()
    first_things = FirstThings(seconds=seconds)
    turns = []

    for _ in range(50):
        with first_things.first():
            seconds.now += 0.1
            if first_things.rest_may_go():
                turns.append(seconds.now)

    waits = [later - earlier for earlier, later in zip([100.0, *turns], turns, strict=False)]
    assert 4 <= len(turns)
    assert max(waits) <= HELD_FOR + 0.25


def test_a_click_that_fails_holds_nothing_back() -> None:
    first_things = FirstThings(seconds=Seconds())

    with suppress(ZeroDivisionError), first_things.first():
        _ = 1 / 0

    assert first_things.rest_may_go()
