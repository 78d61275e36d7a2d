"""Which decision can be POSTed to the platform now: a few at a time, the earliest deadline first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count

#: Decisions that wait for a prompt answer at once.
PLACES = 16
#: A POST without an answer after so many seconds gives its place back and continues without one.
HANGS_AFTER = 1.0
#: This many can continue without a place.
MOST_HANGING = 256
#: A first try waits this long for a place, in seconds, and then starts without one.
FIRST_WAITS = 0.5


class Places:
    """Like a semaphore, but the earliest deadline goes first."""

    def __init__(self, size: int) -> None:
        """At most `size` callers hold a place at once."""
        self._free = size
        self._numbers = count()
        self._waiting: list[tuple[datetime, int, asyncio.Future[None]]] = []

    async def take(self, deadline: datetime) -> None:
        """Returns when the caller has a place."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (deadline, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place had just been passed on
                self.give_back()
            raise

    def give_back(self) -> None:
        """Pass a place on."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Ways:
    """Who can POST to the platform now.

    Hung POSTs never hold back a first try. Retries of hung POSTs go one at a time.
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

        def steps_aside() -> None:
            give_back()
            hangs()

        try:
            if hung:
                await self._again.take(deadline)
                held.append(self._again)
            if await _taken(self._prompt, deadline, within=FIRST_WAITS if first else None):
                held.append(self._prompt)
            await self._all.take(deadline)
            timer = asyncio.get_running_loop().call_later(HANGS_AFTER, steps_aside)
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
