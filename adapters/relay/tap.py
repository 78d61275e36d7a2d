"""A tap on one stream: it reads a copy, beside the stream, and lets go of it rather than hold anything up.

A tap that cannot read its stream is blind: then whatever comes may be worth a poll.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from adapters.relay.events import EventReader
from adapters.relay.packed import Unpacker, Unreadable

#: Bytes of the copy that are kept until they are read.
MOST_HELD = 256 * 1024
#: After each reading the tap rests so many times as long as that took, so it has at most a fifth of the time;
#: and at most so many seconds, in case it was not the reading that took long.
REST, LONGEST_REST = 4.0, 0.1
#: Looks that what was held may take, one after the other; what unpacks to more is made to be too much.
MOST_LOOKS = 64
#: Seconds between two polls that a blind tap asks for.
BLIND_EVERY = 1.0

Told = Callable[[str, str], None]  #: which run a request belongs to

log = structlog.get_logger()


def nobody(request_id: str, run_id: str) -> None:
    """Nobody wants to know which run a request belongs to."""


class Tap:
    """What a stream's copy tells. `open_tap` keeps it reading."""

    def __init__(
        self,
        *,
        wake: Callable[[], None],
        unpacker: Unpacker | None,
        told: Told = nobody,
        run_id: str | None = None,
    ) -> None:
        """`wake` is called when a poll of the platform is worth it, and before it `told` for what waits.

        `told` gets the run that the event names, or else `run_id`. Both must return at once. Without `unpacker`
        the tap is blind from the start.
        """
        self._wake, self._tell, self._run_id = wake, told, run_id
        self._held = bytearray()
        self._more = asyncio.Event()
        self._lost = False
        self._looks = 0  #: in succession that left something to unpack
        self._unpacker = unpacker  #: None once blind
        self._reader = EventReader()
        self._told = False  #: something that may still have to be followed up when the stream ends

    def offer(self, chunk: bytes) -> None:
        """Take a copy, and return at once. What is too much is dropped, with what was there before."""
        if self._unpacker is None or len(self._held) + len(chunk) > MOST_HELD:
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
            rest = min(LONGEST_REST, REST * (time.monotonic() - begun))
            await asyncio.sleep(BLIND_EVERY if self._unpacker is None else rest)

    def close(self) -> None:
        """The stream is over: a request that it waited for may be over with it."""
        self._look()
        unread = self._unpacker is not None and (self._unpacker.behind or not self._unpacker.whole)
        if self._told or unread:
            self._wake()

    def _look(self) -> None:
        self._more.clear()
        found = self._unpacked()
        worth_it, self._lost = self._lost, False  # what was dropped may have told something
        if worth_it:
            self._reader.lose()
        worth_it |= self._reader.feed(found)
        for request_id, named in self._reader.runs():
            if run_id := named or self._run_id:
                self._tell(request_id, run_id)
        if worth_it:
            self._told = True
            self._wake()

    def _unpacked(self) -> bytes:
        """What can be read of what is held, as far as one look goes."""
        if self._unpacker is None:
            return b""
        if self._lost and self._unpacker.packed:
            return self._give_up("too much")
        held = b""
        if not self._unpacker.behind:
            held, self._held, self._looks = bytes(self._held), bytearray(), 0
        try:
            found = self._unpacker.feed(held)
        except Unreadable as error:
            return self._give_up(str(error))
        self._looks += 1
        if self._looks > MOST_LOOKS:
            return self._give_up("too much")
        if self._unpacker.behind or self._held:
            self._more.set()
        return found

    def _give_up(self, reason: str) -> bytes:
        """From here on nothing of the stream can be read."""
        log.info("relay_stream_unreadable", reason=reason)
        self._unpacker, self._lost = None, True
        self._held.clear()
        return b""


@asynccontextmanager
async def open_tap(
    *,
    wake: Callable[[], None],
    packings: Sequence[str] = (),
    told: Told = nobody,
    run_id: str | None = None,
) -> AsyncIterator[Tap]:
    """A tap on the stream of this run, which is packed in these ways, reading while the block runs.

    What goes wrong in it is logged, and stays in it.
    """
    try:
        unpacker = Unpacker(packings)
    except Unreadable as error:
        log.info("relay_stream_unreadable", reason=str(error))
        unpacker = None
    tap = Tap(wake=wake, unpacker=unpacker, told=told, run_id=run_id)
    reading = asyncio.create_task(tap.read(), name="tap")
    try:
        yield tap
    finally:
        if reading.done():  # its trouble is not the stream's
            log.error("relay_tap_failed", reason=type(reading.exception()).__name__)
        else:
            reading.cancel()
            tap.close()  # before anything is waited for: whoever ends the block may be cancelled meanwhile
        await asyncio.gather(reading, return_exceptions=True)
