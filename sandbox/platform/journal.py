"""What the agents did, line by line, for people who watch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that an agent did, or that was done to it."""

    run_id: str
    agent: str  #: its name
    at: datetime  #: aware, UTC
    #: started, says, calls, waits, approved, rejected, skipped, timeout_skip, tool, finished, or cancelled
    kind: str
    text: str
    request_id: str | None = None


class Journal:
    """An append-only list of lines that can be followed live."""

    def __init__(self) -> None:
        """Begin empty and open."""
        self.lines: list[Line] = []
        self._closed = False
        self._news = asyncio.Event()

    def write(self, line: Line) -> None:
        """Append a line and wake everybody who watches."""
        self.lines.append(line)
        self._wake()

    def close(self) -> None:
        """End every watch once it has seen all lines."""
        self._closed = True
        self._wake()

    async def watch(self) -> AsyncIterator[Line]:
        """All lines so far, then each new one, until the journal closes."""
        seen = 0
        while True:
            news = self._news
            while seen < len(self.lines):
                yield self.lines[seen]
                seen += 1
            if self._closed:
                return
            await news.wait()

    def _wake(self) -> None:
        # A fresh event for the next news: those who hold the old one are woken exactly once.
        news, self._news = self._news, asyncio.Event()
        news.set()
