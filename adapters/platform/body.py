"""Reads an answer's body within bounds: the size counts after unpacking, so that a gzip bomb stays small."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: `zlib.decompressobj` reads a gzip header and trailer with 16 added to the window size (zlib documentation).
_GZIP = 16 + zlib.MAX_WBITS


class Unusable(Exception):
    """The body is too long, or packed in a way that was not asked for, or broken. Never holds its content."""


async def read_body(chunks: AsyncIterator[bytes], *, encoding: str | None, limit: int) -> bytes:
    """The body of `chunks` (raw, as they came), unpacked if `encoding` is gzip, of at most `limit` bytes.

    httpx would unpack a chunk of 64 KB into 64 MB before anybody could count, so this unpacks itself.
    Raises Unusable.
    """
    packed = (encoding or "identity").strip().lower()
    if packed not in ("identity", "gzip"):
        raise Unusable("it is packed in a way that was not asked for")
    unpack = zlib.decompressobj(_GZIP) if packed == "gzip" else None
    body = bytearray()
    async for chunk in chunks:
        try:
            body += unpack.decompress(chunk, limit + 1 - len(body)) if unpack else chunk
        except zlib.error as error:
            raise Unusable("it is no gzip") from error
        if len(body) > limit:
            raise Unusable(f"it is longer than {limit:,} bytes")
    if unpack and not unpack.eof:
        raise Unusable("it ends too early")
    return bytes(body)
