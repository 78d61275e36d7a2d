"""Unpacks the copy of a packed stream (`Content-Encoding`, RFC 9110 §8.4.1), a little at a time. Pure.

One step gives back at most `MOST` bytes, however small the piece was that they were packed in.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

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
