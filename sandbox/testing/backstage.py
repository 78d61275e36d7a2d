"""A thread with an event loop for what a test opens, so that the test itself may be plain and may block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds until something that ought to happen at once is given up.
PATIENCE = 30.0


class Backstage:
    """A thread with an event loop, in which everything of a test's is opened and called."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        """Starts it; `backstage` closes it."""
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nod-testing", daemon=True)
        self._thread.start()
        self._open: list[tuple[asyncio.Event, asyncio.Future[None]]] = []

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs there. Raises TimeoutError after `PATIENCE`, and ends it."""
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result(self._patience)
        except TimeoutError:
            running.cancel()
            raise

    def call(self, work: Callable[[], T]) -> T:
        """The result of a function that runs there."""

        async def called() -> T:
            return work()

        return self.wait(called())

    def open(self, made: AbstractAsyncContextManager[T]) -> T:
        """Open something that is closed at the end of the test."""

        async def begin() -> T:
            opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            close = asyncio.Event()

            async def keep() -> None:
                async with made as value:
                    opened.set_result(value)
                    await close.wait()

            task = asyncio.ensure_future(keep())
            both: set[asyncio.Future[Any]] = {task, opened}
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                task.cancel()
                raise
            if not opened.done():
                await task  # it could not be opened, and raises
            self._open.append((close, task))
            return opened.result()

        return self.wait(begin())

    def close(self) -> None:
        """Close everything, the last one first, and end the thread; then raise the first of what went wrong."""

        async def end(close: asyncio.Event, task: asyncio.Future[None]) -> None:
            close.set()
            await task

        failures: list[Exception] = []
        try:
            while self._open:
                try:
                    self.wait(end(*self._open.pop()))
                except Exception as error:  # noqa: BLE001 - it is raised below, once the others are closed
                    failures.append(error)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()
        if failures:
            raise failures[0]


@contextmanager
def backstage() -> Iterator[Backstage]:
    """A `Backstage` for as long as the block runs."""
    made = Backstage()
    try:
        yield made
    finally:
        made.close()
