"""A tap on one stream: it reads a copy, beside the stream, and lets go of it rather than hold anything up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from adapters.relay.events import EventReader

#: Bytes of the copy that are kept until they are read.
MOST_HELD = 256 * 1024
#: After each reading the tap rests so many times as long as that took, so it has at most a fifth of the time;
#: and at most so many seconds, in case it was not the reading that took long.
REST, LONGEST_REST = 4.0, 0.1

log = structlog.get_logger()


class Tap:
    """What a stream's copy tells. `open_tap` keeps it reading."""

    def __init__(self, *, wake: Callable[[], None]) -> None:
        """`wake` is called when a poll of the platform is worth it; it must return at once."""
        self._wake = wake
        self._held = bytearray()
        self._more = asyncio.Event()
        self._lost = False
        self._reader = EventReader()
        self._told = False  #: something that may still have to be followed up when the stream ends

    def offer(self, chunk: bytes) -> None:
        """Take a copy, and return at once. What is too much is dropped, with what was there before."""
        if len(self._held) + len(chunk) > MOST_HELD:
            self._held.clear()
            self._lost = True
        else:
            self._held += chunk
        self._more.set()

    async def read(self) -> None:
        """Read what was offered, for ever."""
        while True:
            await self._more.wait()
            begun = time.monotonic()
            self._look()
            await asyncio.sleep(min(LONGEST_REST, REST * (time.monotonic() - begun)))

    def close(self) -> None:
        """The stream is over: a request that it waited for may be over with it (protocol.md)."""
        self._look()
        if self._told:
            self._wake()

    def _look(self) -> None:
        self._more.clear()
        held, self._held = bytes(self._held), bytearray()
        worth_it, self._lost = self._lost, False  # what was dropped may have told something
        if worth_it:
            self._reader.lose()
        worth_it |= self._reader.feed(held)
        if worth_it:
            self._told = True
            self._wake()


@asynccontextmanager
async def open_tap(*, wake: Callable[[], None]) -> AsyncIterator[Tap]:
    """A tap that reads while the block runs; what goes wrong in it is logged, and stays in it."""
    tap = Tap(wake=wake)
    reading = asyncio.create_task(tap.read(), name="tap")
    try:
        yield tap
    finally:
        reading.cancel()
        (ended,) = await asyncio.gather(reading, return_exceptions=True)
        if isinstance(ended, asyncio.CancelledError):
            tap.close()
        else:  # its trouble is not the stream's
            log.error("relay_tap_failed", reason=type(ended).__name__)
