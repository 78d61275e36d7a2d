"""What may wait until after the answer to Teams: places to remember, words to one person. Tracked, so that none
is lost to the garbage collector and none outlives the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from bot.errors import NodError

#: Seconds that errands under way get when Nod stops.
LAST_CALL = 3.0
#: Errands at the same time; what comes beyond is not begun, and what is lost by that is a word or a refresh.
MOST = 500

log = structlog.get_logger(__name__)


class Errands:
    """Runs coroutines whose failure harms nobody: it is logged, and that is all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, errand: Coroutine[Any, Any, object], *, name: str) -> None:
        """Begin it now and return at once."""
        if len(self._tasks) >= MOST:
            errand.close()
            log.warning("errand_not_begun", errand=name)
            return
        task = asyncio.create_task(self._run(errand, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    async def close(self) -> None:
        """Let what is under way end, for at most LAST_CALL seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_CALL)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, errand: Coroutine[Any, Any, object], name: str) -> None:
        try:
            await errand
        except NodError as error:
            log.warning("errand_failed", errand=name, error=str(error))

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("errand_crashed", errand=task.get_name(), exc_info=error)


@asynccontextmanager
async def open_errands() -> AsyncIterator[Errands]:
    """Errands that are over when the block is left."""
    errands = Errands()
    try:
        yield errands
    finally:
        await errands.close()
