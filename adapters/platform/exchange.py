"""One exchange with the platform, within bounds: sent once, read to its end, no redirect followed."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from adapters.http import retry_after, told
from adapters.platform.answers import LONGEST_WAIT, words_of
from bot.errors import Forbidden, ShutOut, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime

    from bot.errors import NodError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much, in seconds and bytes (docs/protocol.md, Connection)."""

    connect: float = 3.0
    read: float = 10.0  #: between two pieces of an answer
    total: float = 15.0  #: of a whole call; a server that drips does not outlast it
    audit: float = 3.0  #: of a whole question to the audit, which is optional
    list: int = (
        110_000_000  #: of the pending list, unpacked; it is read in pieces, and refused a little earlier
    )
    question: int = 20_000_000  #: of the answer to any other question, unpacked
    body: int = 5_000_000  #: of the answer to a decision, unpacked
    posts: int = (
        288  #: decisions on their way at once; the others wait. The flow has fewer (`bot.flow.retries`)
    )
    questions: int = 16  #: questions to the audit at once; the others wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    body: bytes
    wait: str | None  #: the Retry-After header
    date: str | None = None  #: the Date header

    def trouble(self, *, lost: type[Unavailable], now: datetime) -> NodError | None:
        """The error that the status stands for; None for a success. `lost` is what a 5xx means."""
        if 200 <= self.status < 300:
            return None
        wait = retry_after(self.wait, now, longest=LONGEST_WAIT)
        if self.status == 429:
            return Unavailable(self.told, retry_after=wait)
        if self.status >= 500:
            return lost(self.told, retry_after=wait)
        return ShutOut(self.told) if self.status < 400 or self.status in (401, 403) else Forbidden(self.told)

    @property
    def told(self) -> str:
        """What the platform answered, for an operator."""
        words = words_of(self.body)
        if not words and 300 <= self.status < 400:
            words = "a redirect, which is not followed; AIP_API_URL must be the address itself"
        return f"the platform answered {self.status}" + (f": {words}" if words else "")


class Exchange:
    """Calls over one `httpx.AsyncClient`, which has the address and the key; whoever opened it closes it."""

    def __init__(self, *, client: httpx.AsyncClient, limits: Limits) -> None:
        """At most `limits.posts` turns at once."""
        self._client = client
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.posts)

    @asynccontextmanager
    async def turn(self, until: float) -> AsyncIterator[None]:
        """One of the few decisions on their way at once.

        Raises Unavailable when none was free while a tenth of the time was left: what is sent in the last
        moment is sent and not answered, which is worse.
        """
        with translated(lost=Unavailable):
            async with asyncio.timeout_at(until - self._limits.total / 10):
                await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def call(
        self,
        method: str,
        path: str,
        *,
        until: float,
        lost: type[Unavailable],
        content: bytes | None = None,
        take: Callable[[bytes], object] | None = None,
    ) -> Answer:
        """One exchange that ends at `until` of the loop's clock; `lost` is raised for one without an end.

        With `take` the body of a success goes there piece by piece, in a thread, and is not kept. The time that
        this takes is not the platform's. What it raises ends the exchange.
        """
        sent = {} if content is None else {"Content-Type": "application/json"}
        with translated(lost=lost):
            async with (
                asyncio.timeout_at(until) as bound,
                self._client.stream(method, path, content=content, headers=sent) as response,
            ):
                packed, body = response.headers.get("Content-Encoding"), b""
                try:
                    if take is not None and response.is_success:
                        pieces = unpacked(response.aiter_raw(), encoding=packed, limit=self._limits.list)
                        await _handed_on(pieces, take, bound)
                    else:
                        limit = self._limits.question if method == "GET" else self._limits.body
                        body = await read_body(response.aiter_raw(), encoding=packed, limit=limit)
                except Unusable:
                    if response.is_success:
                        raise
                    body = b""  # the status of an error says enough
        # What a platform says about a wrong key may repeat the key, and goes to logs and alerts.
        body = body.replace(self._client.headers["X-API-Key"].encode(), b"[key]") if response.is_error else body
        headers = response.headers
        return Answer(
            status=response.status_code, body=body, wait=headers.get("Retry-After"), date=headers.get("Date")
        )


async def _handed_on(
    pieces: AsyncIterator[bytes], take: Callable[[bytes], object], bound: asyncio.Timeout
) -> None:
    """Some at a time, off the loop: clicks must be acknowledged meanwhile."""
    loop, some = asyncio.get_running_loop(), bytearray()

    async def hand_on() -> None:
        begun = loop.time()
        await asyncio.to_thread(take, bytes(some))
        some.clear()
        bound.reschedule((bound.when() or begun) + loop.time() - begun)

    async for piece in pieces:
        some += piece
        if len(some) >= PIECE:
            await hand_on()
    if some:
        await hand_on()


@contextmanager
def translated(*, lost: type[Unavailable]) -> Iterator[None]:
    """Foreign exceptions as ours, by type: not sent is Unavailable, what broke off after that is `lost`."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unavailable(f"the platform cannot be reached ({told(error)})") from error
    except (httpx.HTTPError, OSError) as error:
        # asyncio's own TimeoutError is an OSError.
        raise lost(f"the platform's answer did not come ({type(error).__name__})") from error
    except Unusable as error:
        raise lost(f"the platform's answer cannot be used: {error}") from error
