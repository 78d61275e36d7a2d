"""How long is waited after a failed try, also after days of them."""

from __future__ import annotations

import pytest

from bot.errors import Forbidden, NodError, Unanswered, Unavailable
from bot.retry import NOTIFICATION_REFUSED, chat_wait


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
