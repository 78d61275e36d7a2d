"""Work that can wait until a click is answered: messages to one person, forms, conversations to remember.

Tracked, so that none is lost to the garbage collector and none outlives the connection to its chat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from bot.errors import NodError, Unavailable

#: Seconds that errands get to finish when Nod stops: for each chat separately, and within the total time of a
#: stop (`adapters.watch.watchdog`).
LAST_CALL = 0.2
#: Errands at the same time. More are not started; all that is lost is a message or a refresh.
MOST = 500

#: Seconds before each retry of what the chat could not take, where the chat names no time.
WAITS = (1.0, 2.0, 4.0)
#: The longest such wait, in seconds: later nobody remembers what they pressed.
LONGEST_WAIT = 30.0

log = structlog.get_logger(__name__)


class BackgroundTasks:
    """Runs coroutines whose failure harms nobody: a failure is only logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def repeat(self, errand: Callable[[], Coroutine[Any, Any, object]], *, name: str) -> None:
        """Start it now and return at once; retried a few times while the chat cannot take it."""
        self.send(self._repeated(errand, name), name=name)

    def send(self, errand: Coroutine[Any, Any, object], *, name: str) -> None:
        """Start it now and return at once."""
        if len(self._tasks) >= MOST:
            errand.close()
            log.warning("errand_not_begun", errand=name)
            return
        task = asyncio.create_task(self._run(errand, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    async def close(self) -> None:
        """Let running errands finish, for at most LAST_CALL seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_CALL)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _repeated(self, errand: Callable[[], Coroutine[Any, Any, object]], name: str) -> None:
        for wait in WAITS:
            try:
                await errand()
            except Unavailable as error:
                log.warning("errand_put_off", errand=name, error=str(error))
                await asyncio.sleep(min(max(wait, error.retry_after or 0.0), LONGEST_WAIT))
            else:
                return
        await errand()

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
async def open_background_tasks() -> AsyncIterator[BackgroundTasks]:
    """Errands that have ended when the block is left."""
    background = BackgroundTasks()
    try:
        yield background
    finally:
        await background.close()
