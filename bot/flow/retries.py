"""When a decision is sent again: by what the platform answered, and by how much time is left."""

from __future__ import annotations

from datetime import timedelta

from bot.errors import Forbidden, ShutOut, Unavailable

#: Waits after the first, second and third attempt, in seconds (the platform's guide).
QUICK_WAITS = (1.0, 2.0, 3.0)
#: After those, a tenth of what is left, within these bounds, in seconds.
SLOW_WAIT_LEAST, SLOW_WAIT_MOST = 2.0, 15.0
#: Near the deadline tries come no closer than this, in seconds.
LEAST_WAIT = 0.5
#: No POST starts later than this before the deadline: the answer would come too late to be believed.
MARGIN = timedelta(milliseconds=500)
#: A last try begins so long before that: there is time for its answer.
LAST_TRY = timedelta(seconds=1)
#: So often a call that the platform says no to, for what it is, is tried before its last try.
TRIES_OF_REFUSED = 3
#: What is called resolved and still listed is sent again after so many seconds, and so often.
SENT_AGAIN_AFTER, MOST_SENT_AGAIN = (1.0, 2.0, 4.0, 10.0), 8


def wait_after(error: Unavailable | Forbidden, *, attempts: int, left: timedelta) -> timedelta:
    """How long to wait after the last of so many attempts, with so much `left` until the last moment.

    As long as is `left`, or longer: there is no further try.
    """
    if isinstance(error, ShutOut):
        return timedelta() if left > LAST_TRY else left  # it waits for a probe, with all the others
    if isinstance(error, Forbidden):
        if attempts >= TRIES_OF_REFUSED:
            return _last_try(left)
        return _half_kept(QUICK_WAITS[attempts - 1], left)
    asked = error.retry_after
    wait = QUICK_WAITS[attempts - 1] if attempts <= len(QUICK_WAITS) else _slow(left)
    if asked is None:
        return _half_kept(wait, left)
    kept = timedelta(seconds=max(wait, asked))
    return kept if kept < left else _last_try(left)


def sent_again_after(times: int) -> timedelta:
    """How long to wait before it is sent again that was called resolved so many times."""
    return timedelta(seconds=SENT_AGAIN_AFTER[min(times, len(SENT_AGAIN_AFTER)) - 1])


def _last_try(left: timedelta) -> timedelta:
    """Until the last try; past the end when that has been."""
    return left - LAST_TRY if left > LAST_TRY else left


def _half_kept(wait: float, left: timedelta) -> timedelta:
    """Half of what is left is kept for another try."""
    return min(timedelta(seconds=wait), max(left / 2, timedelta(seconds=LEAST_WAIT)))


def _slow(left: timedelta) -> float:
    return min(max(left.total_seconds() / 10, SLOW_WAIT_LEAST), SLOW_WAIT_MOST)
