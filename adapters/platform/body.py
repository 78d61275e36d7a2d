"""Reads an answer's body within bounds: the size counts after unpacking, so that a gzip bomb stays small."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: `zlib.decompressobj` reads a gzip header and trailer with 16 added to the window size (zlib documentation).
_GZIP = 16 + zlib.MAX_WBITS

#: Bytes that are unpacked at once.
PIECE = 262_144


class Unusable(Exception):
    """The body is too long, or packed in a way that was not asked for, or broken. Never holds its content."""


async def unpacked(chunks: AsyncIterator[bytes], *, encoding: str | None, limit: int) -> AsyncIterator[bytes]:
    """The body of `chunks` (raw, as they came) in small pieces, unpacked if `encoding` is gzip.

    httpx would unpack a chunk of 64 KB into 64 MB before anybody could count, so this unpacks itself.
    Raises Unusable, also for more than `limit` bytes.
    """
    packed = (encoding or "identity").strip().lower()
    if packed not in ("identity", "gzip"):
        raise Unusable("it is packed in a way that was not asked for")
    unpack = zlib.decompressobj(_GZIP) if packed == "gzip" else None
    size = 0
    async for chunk in chunks:
        rest = chunk
        while rest:
            try:
                piece = unpack.decompress(rest, PIECE) if unpack else rest
            except zlib.error as error:
                raise Unusable("it is no gzip") from error
            rest = unpack.unconsumed_tail if unpack else b""
            size += len(piece)
            if size > limit:
                raise Unusable(f"it is longer than {limit:,} bytes")
            if piece:
                yield piece
    if unpack and not unpack.eof:
        raise Unusable("it ends too early")


async def read_body(chunks: AsyncIterator[bytes], *, encoding: str | None, limit: int) -> bytes:
    """All of it. Raises Unusable."""
    body = bytearray()
    async for piece in unpacked(chunks, encoding=encoding, limit=limit):
        body += piece
    return bytes(body)
