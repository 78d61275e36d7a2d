"""How long is waited after a failed try, also after days of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.errors import Forbidden, NodError, ShutOut, Unanswered, Unavailable
from bot.retry import (
    NOTIFICATION_REFUSED,
    PAGE,
    Backoff,
    chat_wait,
    decision_wait,
    program_wait,
    sent_again_after,
)


@pytest.mark.parametrize(
    ("error", "tries", "seconds"),
    [
        (Unavailable("away"), 0, 1),
        (Unavailable("away"), 3, 8),
        (Unavailable("away"), 5, 30),
        (Unavailable("away"), 100_000, 30),
        (Unavailable("too fast", retry_after=90), 100_000, 90),
        (Unanswered("no answer came"), 0, 2),
        (Forbidden("not in the channel"), 0, 15),
        (Forbidden("not in the channel"), 2, 60),
        (Forbidden("not in the channel"), 100_000, 300),
    ],
    ids=str,
)
def test_waits_grow_up_to_a_bound(error: NodError, tries: int, seconds: float) -> None:
    """Doubled for each try; what the other side asked for counts before that."""
    assert seconds == chat_wait(error, tries=tries, refused=NOTIFICATION_REFUSED).total_seconds()


@pytest.mark.parametrize(
    ("error", "tries", "seconds"),
    [
        (Unavailable("away"), 0, 2),
        (Unavailable("away"), 3, 16),
        (Unavailable("away"), 100_000, 60),
        (Unavailable("too fast", retry_after=1), 0, 2),
        (Unavailable("too fast", retry_after=90), 100_000, 90),
        (Forbidden("a wrong key"), 1, 4),
    ],
    ids=str,
)
def test_a_page_waits_longer_for_a_pager_that_asks_for_it(error: NodError, tries: int, seconds: float) -> None:
    """And never shorter than our own doubling."""
    assert seconds == PAGE.after(tries, error)


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"),
    [(1, None, 1), (2, None, 2), (3, None, 3), (9, None, 3), (1, 7, 7), (1, 99, 30)],
)
def test_a_program_waits_as_the_guide_says(attempts: int, asked: float | None, seconds: float) -> None:
    """1 s, 2 s, 3 s, or what the platform asks for, up to 30 s."""
    assert seconds == program_wait(Unavailable("busy", retry_after=asked), attempts=attempts)


def test_the_other_side_that_asks_for_nothing_adds_nothing() -> None:
    """Also to a wait below a second."""
    assert 0.2 == Backoff(first=0.1, last=1.0).after(1, Unavailable("away"))


@pytest.mark.parametrize(
    ("error", "attempts", "left", "seconds"),
    [
        (Unavailable("away"), 1, 60, 1),
        (Unavailable("away"), 2, 60, 2),
        (Unavailable("away"), 3, 60, 3),
        (Unavailable("away"), 4, 60, 6),
        (Unavailable("away"), 4, 15, 2),
        (Unavailable("away"), 4, 600, 15),
        (Unavailable("away"), 1, 1.5, 0.75),
        (Unavailable("away"), 1, 0.6, 0.5),
        (Unavailable("busy", retry_after=0.5), 1, 60, 1),
        (Unavailable("busy", retry_after=40), 1, 60, 40),
        (Unavailable("busy", retry_after=59), 1, 60, 59),
        (Unavailable("busy", retry_after=60), 1, 60, 59),
        (Unavailable("busy", retry_after=60), 1, 1, 1),
        (Unavailable("busy", retry_after=60), 1, 0.9, 0.9),
        (Forbidden("refused"), 1, 60, 1),
        (Forbidden("refused"), 2, 60, 2),
        (Forbidden("refused"), 2, 1.5, 0.75),
        (Forbidden("refused"), 3, 60, 59),
        (Forbidden("refused"), 4, 1, 1),
        (ShutOut("a wrong key"), 1, 60, 0),
        (ShutOut("a wrong key"), 9, 1.1, 0),
        (ShutOut("a wrong key"), 9, 1, 1),
    ],
    ids=str,
)
def test_a_decision_is_sent_again_in_time(error: Any, attempts: int, left: float, seconds: float) -> None:
    """Soon at first, never past the last moment; what is left means that there is no further try."""
    assert seconds == decision_wait(error, attempts=attempts, left=timedelta(seconds=left)).total_seconds()


@pytest.mark.parametrize(("times", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 10), (5, 10), (8, 10)])
def test_what_is_called_resolved_is_sent_again(times: int, seconds: float) -> None:
    """After 1, 2, 4 seconds, then each 10."""
    assert seconds == sent_again_after(times).total_seconds()
