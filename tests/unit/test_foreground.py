"""Clicks and decisions go before redraws, and redraws still get their turn."""

from __future__ import annotations

from contextlib import suppress

from bot.flow import HELD_FOR, Foreground


class Seconds:
    """A monotonic clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_waits_for_what_goes_first() -> None:
    foreground = Foreground(seconds=Seconds())

    assert foreground.take_turn()
    with foreground.work():
        with foreground.work():
            assert not foreground.take_turn()
        assert not foreground.take_turn()
    assert foreground.take_turn()


def test_the_rest_has_a_turn_in_each_second_whatever_goes_before_it() -> None:
    """One click after the other, without a pause, and a look at each tenth of a second."""
    seconds = Seconds()
    foreground = Foreground(seconds=seconds)
    turns = []

    for _ in range(50):
        with foreground.work():
            seconds.now += 0.1
            if foreground.take_turn():
                turns.append(seconds.now)

    waits = [later - earlier for earlier, later in zip([100.0, *turns], turns, strict=False)]
    assert 4 <= len(turns)
    assert max(waits) <= HELD_FOR + 0.25


def test_a_click_long_after_the_last_one_holds_again() -> None:
    """Redraws may have had nothing to do in between, and asked for no turn."""
    seconds = Seconds()
    foreground = Foreground(seconds=seconds)
    with foreground.work():
        assert not foreground.take_turn()
    seconds.now += 100
    with foreground.work():
        assert not foreground.take_turn()


def test_a_click_that_fails_holds_nothing_back() -> None:
    foreground = Foreground(seconds=Seconds())

    with suppress(ZeroDivisionError), foreground.work():
        _ = 1 / 0

    assert foreground.take_turn()


def test_a_post_that_hangs_holds_redraws_back_once() -> None:
    """After a second it counts no more, while a click that comes later does."""
    seconds = Seconds()
    foreground = Foreground(seconds=seconds)
    with foreground.work():
        assert not foreground.take_turn()
        seconds.now += HELD_FOR
        assert foreground.take_turn()
        seconds.now += 0.1
        assert foreground.take_turn()
        with foreground.work():
            assert not foreground.take_turn()
        assert foreground.take_turn()
