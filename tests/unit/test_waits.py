"""How long is waited after a failed try, also after days of them."""

from __future__ import annotations

import pytest

from bot.errors import Forbidden, NodError, Unanswered, Unavailable
from bot.retry import NOTIFICATION_REFUSED, PAGE, chat_wait, program_wait


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
