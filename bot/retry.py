"""How long Nod waits before a retry: every such wait, by name. Pure.

| what failed | waits, in seconds |
|---|---|
| a decision's POST | 1, 2, 3, then a tenth of what is left, from 2 to 15 (`decision_wait`) |
| the same, called resolved and still listed | 1, 2, 4, then 10, eight times at most |
| a program's own POST (`bot.posting`) | 1, 2, 3; what the platform asks for if that is longer, 30 at most |
| a card or a notification | 1, doubled up to 30; what the chat asks for instead, if it does |
| the same, refused by the chat | 15; of a notification doubled up to 300: someone may invite the bot back |
| a page | 2, doubled up to 60; what the pager asks for if that is longer |
| a directory's look-up | 1, 2, 4, then with everyone else |
| a chat's call that came too fast, without a Retry-After | 1, doubled up to 60 |
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from bot.errors import Forbidden, ShutOut, Unanswered, Unavailable

#: Doublings of a wait that are worth computing: hours of retries would make the number too large.
MOST_DOUBLED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds between tries: `first`, times `factor` for each failed try before this one, at most `last`."""

    first: float
    last: float
    factor: float = 2.0
    tries: float = math.inf  #: so many at most

    def after(self, tries: int, error: Exception | None = None) -> float:
        """Seconds to wait after this error, with `tries` failed tries before it.

        As long as the other side asked for, if that is longer.
        """
        wait = min(self.first * self.factor ** min(tries, MOST_DOUBLED), self.last)
        return max(wait, error.retry_after or 0.0) if isinstance(error, Unavailable) else wait


PAGE = Backoff(first=2.0, last=60.0)
TOO_FAST = Backoff(first=1.0, last=60.0)
IN_CHAT = Backoff(first=1.0, last=30.0)
CARD_REFUSED, NOTIFICATION_REFUSED = Backoff(first=15.0, last=15.0, factor=1.0), Backoff(first=15.0, last=300.0)
#: A person who could not be looked up is looked up again this soon, and this often; then with everyone else.
LOOKUP = Backoff(first=1.0, last=4.0, tries=3)
#: Nod searches for a post without an answer after this many seconds, when a chat's history has caught up.
LOOK_AFTER = 2.0


def chat_wait(error: Exception, *, tries: int, refused: Backoff = CARD_REFUSED) -> timedelta:
    """How long to wait after a failed try in a chat, with `tries` failed tries before it.

    The chat's own request takes precedence over Nod's doubling.
    """
    if isinstance(error, Forbidden):
        return timedelta(seconds=refused.after(tries))
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    wait = IN_CHAT.after(tries)
    return timedelta(seconds=max(wait, LOOK_AFTER) if isinstance(error, Unanswered) else wait)


#: Waits after the first, second and third attempt, in seconds (the platform's guide).
QUICK_WAITS = (1.0, 2.0, 3.0)
#: After those, a tenth of what is left, within these bounds, in seconds.
SLOW_WAIT_LEAST, SLOW_WAIT_MOST = 2.0, 15.0
#: Near the deadline, tries are at least this far apart, in seconds.
LEAST_WAIT = 0.5
#: No decision is sent later than this before the deadline: the answer would come too late to be trusted.
MARGIN = timedelta(milliseconds=500)
#: A last try begins this long before that, so there is time for its answer.
LAST_TRY = timedelta(seconds=1)
#: A call that the platform refuses for its own content is tried this often before its last try.
TRIES_OF_REFUSED = 3
#: A call that is called resolved and is still listed is sent again after these many seconds, and this often.
SENT_AGAIN_AFTER, MOST_SENT_AGAIN = (1.0, 2.0, 4.0, 10.0), 8
#: Seconds of a program's longest wait; a platform that asks for more is retried sooner.
LONGEST_OF_PROGRAM = 30.0


def decision_wait(error: Unavailable | Forbidden, *, attempts: int, left: timedelta) -> timedelta:
    """How long to wait after the last of `attempts`, with `left` until the last moment.

    A result of `left` or more means that there is no further try.
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
    """How long to wait before a call is sent again that was called resolved this many times."""
    return timedelta(seconds=SENT_AGAIN_AFTER[min(times, len(SENT_AGAIN_AFTER)) - 1])


def program_wait(error: Unavailable, *, attempts: int) -> float:
    """Seconds that your own program waits after this many attempts."""
    quick = QUICK_WAITS[min(attempts, len(QUICK_WAITS)) - 1]
    return min(max(quick, error.retry_after or 0.0), LONGEST_OF_PROGRAM)


def _last_try(left: timedelta) -> timedelta:
    """Until the last try; past the end if that try has been made."""
    return left - LAST_TRY if left > LAST_TRY else left


def _half_kept(wait: float, left: timedelta) -> timedelta:
    """At most half of what is left, so there is time for another try."""
    return min(timedelta(seconds=wait), max(left / 2, timedelta(seconds=LEAST_WAIT)))


def _slow(left: timedelta) -> float:
    return min(max(left.total_seconds() / 10, SLOW_WAIT_LEAST), SLOW_WAIT_MOST)
