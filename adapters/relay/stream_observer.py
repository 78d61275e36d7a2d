"""A tap on one stream of events: it reads a copy beside the stream, and lets go rather than hold it up.

The form of events is that of the HTML standard, §9.2.6 (lines end with LF, CRLF or CR; a blank line ends an
event), their content that of the platform. Lines are found in bytes and only a whole event is decoded, so a
chunk may be cut anywhere. A packed stream (`Content-Encoding`, RFC 9110 §8.4.1) is unpacked by at most `MOST`
bytes in a step, however small the packed piece was.

A tap that cannot read its stream is blind: then every piece that comes may be worth a poll.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

#: An event that is longer is not read, in bytes. Those that matter have about 2 KB; to read one of this size
#: takes about a millisecond.
LARGEST_EVENT = 128 * 1024
#: What `metadata.hitl.decision` says while a decision is pending, and how that ends.
WORDS = frozenset(("pending", "approved", "rejected", "skipped", "timeout_skip"))

#: May stand before the first line, and is no part of it.
BOM = b"\xef\xbb\xbf"

_LINE_END = re.compile(rb"\r\n|\r|\n")


class EventReader:
    """The events of one stream, piece by piece."""

    def __init__(self) -> None:
        """At the beginning of a stream."""
        self._line = bytearray()  #: begun, not ended
        self._data: list[bytes] = []  #: of the event that is begun
        self._size = 0  #: of the two together
        self._within = False  #: in the middle of a line of which some is lost
        self._after_cr = False
        self._first = True  #: no line of the stream has ended
        self._runs: list[tuple[str, str | None]] = []

    def runs(self) -> list[tuple[str, str | None]]:
        """The requests that wait, by what was fed since the last call, with the runs that their events name."""
        found, self._runs = self._runs, []
        return found

    def lose(self) -> None:
        """Some bytes of the stream will not come: go on with the next line."""
        self._line.clear()
        self._data.clear()
        self._size, self._within, self._after_cr = 0, True, False
        self._first = False

    def feed(self, piece: bytes) -> bool:
        """Take the next bytes. True when they say that a decision is pending, or no longer is.

        True also where an event was too long to be read: it may have told so.
        """
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        worth_it = False
        *ended, rest = _LINE_END.split(piece)
        for line in ended:
            worth_it |= self._end_line(line)
        worth_it |= self._begin_line(rest)
        return worth_it

    def _begin_line(self, piece: bytes) -> bool:
        if self._within:
            return False
        self._line += piece
        self._size += len(piece)
        if self._size <= LARGEST_EVENT:
            return False
        self.lose()
        return True

    def _end_line(self, piece: bytes) -> bool:
        if self._within:
            self._within = False
            return False
        if self._begin_line(piece):
            self._within = False  # the line that was too long is over
            return True
        line = bytes(self._line)
        if self._first:
            line, self._first = line.removeprefix(BOM), False
        self._line.clear()
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return self._is_worth_it(data)
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        else:  # a comment, or a field that tells nothing
            self._size -= len(line)
        return False

    def _is_worth_it(self, data: bytes) -> bool:
        """Whether an event's data is about a tool call that waits, or that waited."""
        if b'"hitl"' not in data:
            return False
        try:
            event = json.loads(data.decode())
        except (ValueError, RecursionError):
            return False
        metadata = event.get("metadata") if isinstance(event, dict) else None
        hitl = metadata.get("hitl") if isinstance(metadata, dict) else None
        if not isinstance(metadata, dict) or not isinstance(hitl, dict) or hitl.get("required") is not True:
            return False
        decision, request_id = hitl.get("decision"), hitl.get("request_id")
        if decision == "pending" and isinstance(request_id, str):
            run_id = event.get("run_id") or metadata.get("run_id")
            self._runs.append((request_id, run_id if isinstance(run_id, str) else None))
        return isinstance(decision, str) and decision in WORDS


#: Bytes that one step gives back; to read them takes milliseconds where they are all short lines.
MOST = 32 * 1024
#: gzip streams that one step ends: an empty one has 20 bytes, and each costs a new start.
MOST_ENDED = 64
#: Packings on top of one another; nobody sends more than one.
MOST_LAYERS = 3

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Unreadable(Exception):
    """Packed in a way that is not known here, or broken; says which."""


class Unpacker:
    """A stream that was packed in these ways, in their order; with none it is what it is."""

    def __init__(self, packings: Sequence[str]) -> None:
        """Raises Unreadable where one of them is not known."""
        if len(packings) > MOST_LAYERS:
            raise Unreadable(f"packed {len(packings)} times")
        self._layers = [_Layer(name) for name in reversed(packings)]

    @property
    def packed(self) -> bool:
        """Whether what is lost of the stream makes the rest unreadable."""
        return bool(self._layers)

    @property
    def behind(self) -> bool:
        """There is more to be had from what was fed; it comes before anything new."""
        return any(layer.behind for layer in self._layers)

    @property
    def whole(self) -> bool:
        """Nothing of the stream is held back by a packing that has not ended."""
        return all(layer.whole for layer in self._layers)

    def feed(self, piece: bytes) -> bytes:
        """The next bytes as they were before; `piece` is empty while `behind`. Raises Unreadable."""
        first = max((number for number, layer in enumerate(self._layers) if layer.behind), default=0)
        for layer in self._layers[first:]:
            piece = layer.feed(piece)
        return piece


class _Layer:
    """One packing."""

    def __init__(self, name: str) -> None:
        if name not in ("gzip", "x-gzip", "deflate"):
            raise Unreadable(f"packed as {name[:20]}")
        self._gzip = name != "deflate"
        self._stream = zlib.decompressobj(_GZIP) if self._gzip else None
        self._rest = b""  #: of what was fed
        self._begun = False
        self.behind = False

    @property
    def whole(self) -> bool:
        return not self._begun and not self._rest

    def feed(self, piece: bytes) -> bytes:
        self._rest += piece
        again, self.behind = self.behind, False
        out = b""
        for _ in range(MOST_ENDED):
            stream = self._begin() if self._rest or again else None
            if stream is None:
                return out
            again = False
            out += self._step(stream, MOST - len(out))
            if len(out) >= MOST:
                self.behind = True  # also with all of the input taken in: zlib may keep output back
                return out
        self.behind = bool(self._rest)
        return out

    def _begin(self) -> zlib._Decompress | None:
        """What unpacks the rest: "deflate" is zlib's form by the standard, and the bare one with some."""
        if self._stream is None and len(self._rest) >= 2:
            head = int.from_bytes(self._rest[:2])
            bare = head >> 8 & 0x0F != 8 or head % 31
            self._stream = zlib.decompressobj(_RAW if bare else _ZLIB)
        return self._stream

    def _step(self, stream: zlib._Decompress, most: int) -> bytes:
        self._begun |= bool(self._rest)
        try:
            out = stream.decompress(self._rest, most)
        except zlib.error as error:
            raise Unreadable("broken") from error
        self._rest = stream.unconsumed_tail
        if stream.eof:  # gzip streams may follow one another (RFC 1952 §2.2)
            self._rest, self._begun = stream.unused_data, False
            self._stream = zlib.decompressobj(_GZIP) if self._gzip else None
        return out


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


class StreamObserver:
    """What a stream's copy tells. `open_observer` keeps it reading."""

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
async def open_observer(
    *,
    wake: Callable[[], None],
    packings: Sequence[str] = (),
    told: Told = nobody,
    run_id: str | None = None,
) -> AsyncIterator[StreamObserver]:
    """A tap on the stream of this run, which is packed in these ways, reading while the block runs.

    What goes wrong in it is logged, and stays in it.
    """
    try:
        unpacker = Unpacker(packings)
    except Unreadable as error:
        log.info("relay_stream_unreadable", reason=str(error))
        unpacker = None
    observer = StreamObserver(wake=wake, unpacker=unpacker, told=told, run_id=run_id)
    reading = asyncio.create_task(observer.read(), name="tap")
    try:
        yield observer
    finally:
        if reading.done():  # its trouble is not the stream's
            log.error("relay_tap_failed", reason=type(reading.exception()).__name__)
        else:
            reading.cancel()
            observer.close()  # before the await below, where this task can be cancelled
        await asyncio.gather(reading, return_exceptions=True)
