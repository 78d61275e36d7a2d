"""Tells watchers that something changed, so that pages redraw and tests wait without polling."""

import asyncio
from collections.abc import Callable


class Changes:
    """A version number that rises with each change."""

    def __init__(self) -> None:
        """Start at version 0."""
        self.version = 0
        self._next = asyncio.Event()

    def bump(self) -> None:
        """Something changed: wake all who wait."""
        self.version += 1
        self._next.set()
        self._next = asyncio.Event()

    async def beyond(self, version: int) -> int:
        """Wait until the version is higher than this one; the version then."""
        while self.version <= version:
            await self._next.wait()
        return self.version

    async def until(self, holds: Callable[[], bool], *, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - a test's patience
        """Wait until something holds, asked again after each change. Raises TimeoutError after `timeout`
        seconds."""
        async with asyncio.timeout(timeout):
            while not holds():
                await self.beyond(self.version)
