"""When a decision is sent again, and how many are on their way at once."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count

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


#: Decisions that wait for a prompt answer at once.
PLACES = 16
#: What has no answer after so many seconds gives its place back, and goes on by itself.
HANGS_AFTER = 1.0
#: So many may go on by themselves, or without a place.
MOST_HANGING = 256
#: A first try waits so long for a place, in seconds, and then goes without one.
FIRST_WAITS = 0.5


class Places:
    """Like a semaphore, but the earliest deadline goes first."""

    def __init__(self, size: int) -> None:
        """`size` may hold a place at once."""
        self._free = size
        self._numbers = count()
        self._waiting: list[tuple[datetime, int, asyncio.Future[None]]] = []

    async def take(self, deadline: datetime) -> None:
        """Return once a place is taken."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (deadline, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had just been handed on
                self.give_back()
            raise

    def give_back(self) -> None:
        """Hand a place on."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Ways:
    """Who may tell the platform now.

    A first try is never held back by what hangs. Retries of what hung go one at a time.
    """

    def __init__(self) -> None:
        self._prompt, self._again = Places(PLACES), Places(1)
        self._all = Places(PLACES + MOST_HANGING)

    @asynccontextmanager
    async def way(
        self, *, deadline: datetime, first: bool, hung: bool, hangs: Callable[[], object]
    ) -> AsyncIterator[None]:
        """Hold a way while the block runs; `hangs` is called when the block has taken HANGS_AFTER."""
        held: list[Places] = []

        def give_back() -> None:
            while held:
                held.pop().give_back()

        def stands_aside() -> None:
            give_back()
            hangs()

        try:
            if hung:
                await self._again.take(deadline)
                held.append(self._again)
            if await _taken(self._prompt, deadline, within=FIRST_WAITS if first else None):
                held.append(self._prompt)
            await self._all.take(deadline)
            timer = asyncio.get_running_loop().call_later(HANGS_AFTER, stands_aside)
            try:
                yield
            finally:
                timer.cancel()
                self._all.give_back()
        finally:
            give_back()


async def _taken(places: Places, deadline: datetime, *, within: float | None) -> bool:
    try:
        async with asyncio.timeout(within):
            await places.take(deadline)
    except TimeoutError:
        return False
    return True
