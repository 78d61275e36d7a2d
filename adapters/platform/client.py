"""The platform over HTTP: `HttpPlatform` is `bot.ports.Source`, and `open_platform` opens it.

Every call has bounds in time and size, is sent once and read to its end, follows no redirect, and ends in one
of the errors of `bot.errors`. Neither keys nor bodies nor arguments are logged.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import structlog

from adapters.http import Transport, http_date, retry_after, why
from adapters.platform import answers
from adapters.platform.answers import LONGEST_WAIT, USUAL, Limits, Names, words_of
from adapters.platform.listing import NOTHING, PIECE, Intake, LastBody, Reader
from bot import __version__
from bot.errors import ConfigError, Forbidden, Gone, ShutOut, Unanswered, Unavailable
from bot.ports import Listing
from bot.protocol import GLAIP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from datetime import datetime

    from adapters.platform.wire import Read
    from bot.errors import NodError
    from bot.ports import Clock
    from bot.protocol import HITLRequest, HITLResponse


#: `zlib.decompressobj` reads a gzip header and trailer with 16 added to the window size (zlib documentation).
_GZIP = 16 + zlib.MAX_WBITS


class Unusable(Exception):
    """The body is too long, or packed in a way that was not asked for, or broken. Never holds its content."""


async def unpacked(chunks: AsyncIterator[bytes], *, encoding: str | None, limit: int) -> AsyncIterator[bytes]:
    """The body of `chunks` (raw, as they came) in small pieces, unpacked if `encoding` is gzip.

    httpx would unpack a chunk of 64 KB into 64 MB before anybody could count, so this unpacks itself.
    Raises Unusable, also for more than `limit` bytes.
    """
    packed = (encoding or "identity").strip().lower()
    if packed not in ("identity", "gzip"):
        raise Unusable("it uses a compression that Nod did not ask for")
    unpack = zlib.decompressobj(_GZIP) if packed == "gzip" else None
    size = 0
    async for chunk in chunks:
        rest = chunk
        while rest:
            try:
                piece = unpack.decompress(rest, PIECE) if unpack else rest
            except zlib.error as error:
                raise Unusable("it is not gzip") from error
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
class Answer:
    """An answer that was read to its end."""

    status: int
    body: bytes
    wait: str | None  #: the Retry-After header
    date: str | None = None  #: the Date header
    names: Names = USUAL

    def trouble(self, *, lost: type[Unavailable], now: datetime) -> NodError | None:
        """The error that the status means; None for a success. `lost` is what a 5xx means."""
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
            words = f"a redirect, which Nod does not follow; set {self.names.url} to the final address"
        return f"{self.names.platform} answered {self.status}" + (f": {words}" if words else "")


class Exchange:
    """Calls of one address over one transport, whose opener closes it.

    A client of httpx around the transport takes as much CPU again: for cookies, redirects and passwords, of
    which there are none here.
    """

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        base: httpx.URL,
        api_key: str,
        limits: Limits,
        names: Names,
    ) -> None:
        """At most `limits.posts` turns at once."""
        self._transport, self._names, self._key = transport, names, api_key.encode()
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.posts)
        self._where = str(base).rstrip("/")
        self._headers = {
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            "Connection": "keep-alive",
            "User-Agent": "nod",
            "X-API-Key": api_key,
        }
        self._bounds = {"timeout": httpx.Timeout(limits.read, connect=limits.connect).as_dict()}

    @asynccontextmanager
    async def turn(self, until: float) -> AsyncIterator[None]:
        """One of the few decisions on their way at once.

        Raises Unavailable when none was free while a tenth of the time was left: what is sent in the last
        moment is sent and not answered, which is worse.
        """
        with translated(to=self._where, lost=Unavailable, names=self._names):
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
        take: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> Answer:
        """One exchange that ends at `until` of the loop's clock; `lost` is raised for one without an end.

        With `take` the body of a success goes there piece by piece, and is not kept. The time that this takes
        is not the platform's. What it raises ends the exchange.
        """
        with translated(to=self._where, lost=lost, names=self._names):
            async with (
                asyncio.timeout_at(until) as bound,
                self._sent(method, path, content) as response,
            ):
                packed, body = response.headers.get("Content-Encoding"), b""
                try:
                    if take is not None and response.is_success:
                        pieces = unpacked(response.aiter_raw(), encoding=packed, limit=self._limits.list)
                        async for piece in pieces:
                            await _in_our_time(take(piece), bound)
                    else:
                        limit = self._limits.question if method == "GET" else self._limits.body
                        body = await read_body(response.aiter_raw(), encoding=packed, limit=limit)
                except Unusable:
                    if response.is_success:
                        raise
                    body = b""  # the status of an error says enough
        # What a platform says about a wrong key may repeat the key, and goes to logs and alerts.
        body = body.replace(self._key, b"[key]") if response.is_error else body
        headers = response.headers
        return Answer(
            status=response.status_code,
            body=body,
            wait=headers.get("Retry-After"),
            date=headers.get("Date"),
            names=self._names,
        )

    @asynccontextmanager
    async def _sent(self, method: str, path: str, content: bytes | None) -> AsyncIterator[httpx.Response]:
        headers = self._headers if content is None else {**self._headers, "Content-Type": "application/json"}
        url = f"{self._where}/{path}"
        request = httpx.Request(method, url, content=content, headers=headers, extensions=dict(self._bounds))
        response = await self._transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()


async def _in_our_time(work: Awaitable[None], bound: asyncio.Timeout) -> None:
    """Work that does not count as time that the platform takes."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await work
    bound.reschedule((bound.when() or begun) + loop.time() - begun)


@contextmanager
def translated(*, to: str, lost: type[Unavailable], names: Names) -> Iterator[None]:
    """Foreign exceptions as ours, by type: not sent is Unavailable, what broke off after that is `lost`.

    `to` is the platform's address.
    """
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unavailable(f"cannot connect to {to} ({why(error)}). Check {names.url}.") from error
    except (httpx.HTTPError, OSError) as error:
        # asyncio's own TimeoutError is an OSError.
        how = "in time" if isinstance(error, TimeoutError | httpx.TimeoutException) else "completely"
        raise lost(f"{to} did not answer {how}") from error
    except Unusable as error:
        raise lost(f"{names.platform}'s answer cannot be used: {error}") from error


log = structlog.get_logger()

#: Connections beyond those of decisions and questions: a poll, and another that is just ending.
_SPARE_CONNECTIONS = 4
#: Connections that are kept when idle.
_IDLE_CONNECTIONS = 20
#: Seconds an idle connection is kept. Servers close theirs after 5 (uvicorn's default), and a decision that
#: is sent into a closing connection is one that may or may not have arrived.
_KEEP_IDLE = 3.0
_USUAL = Limits()


class HttpPlatform:
    """Implements `bot.ports.Source`; see there for what each call promises."""

    def __init__(
        self, *, exchange: Exchange, host: str, clock: Clock, limits: Limits, name: str, names: Names
    ) -> None:
        """`host` is the platform's, for rules."""
        self.name, self._host, self._names = name, host, names
        self._exchange = exchange
        self._clock = clock
        self._limits = limits
        self._known: Mapping[bytes, Read] = NOTHING  #: the items of the last poll, as read
        self._last: LastBody | None = None
        self._audit_missed = False
        self._questions = asyncio.Semaphore(limits.questions)

    async def pending(self, *, known: str = "") -> Listing:
        """What waits now. Raises Unavailable or Forbidden; then nothing may be concluded."""
        began_at = self._clock()
        reader = partial(Reader, platform=self._host, source=self.name, known=self._known)
        seed = f"{__version__} {self.name} {self._host}"
        intake = Intake(reader, last=self._last, seed=seed, known=known if self._last is None else "")
        try:
            answer = await self._exchange.call(
                "GET", "agents/hitl/pending", until=_in(self._limits.total), lost=Unavailable, take=intake.feed
            )
            if trouble := answer.trouble(lost=Unavailable, now=self._clock()):
                raise trouble
            theirs = http_date(answer.date)
            skew = None if theirs is None else self._clock() - theirs
            read = await intake.end()
        finally:
            if intake.reader is not None:
                self._known = intake.reader.kept
        self._last = intake.last
        return Listing(
            began_at=began_at,
            requests=read.requests if read else (),
            set_aside=read.set_aside if read else (),
            unread_ids=read.unread_ids if read else frozenset(),
            skew=skew,
            fingerprint=intake.fingerprint,
            is_known=read is None,
        )

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Tell it once; no retry inside. Raises Unavailable, Unanswered, Gone or Forbidden."""
        note = response.operator_input
        fields = {
            "request_id": request.request_id,
            "decision": response.decision.value,
            # Half of a surrogate pair is refused with 422: one such sign must not cost a person's decision.
            "operator_input": None if note is None else note.encode(errors="replace").decode(),
            "run_id": request.run_id,
        }
        content = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        until = _in(self._limits.total)
        async with self._exchange.turn(until):
            answer = await self._exchange.call(
                "POST", "agents/hitl/decision", until=until, lost=Unanswered, content=content
            )
        if answer.status in (404, 409):
            raise Gone(answer.told)
        if trouble := answer.trouble(lost=Unanswered, now=self._clock()):
            raise trouble
        if not answers.took(answer.body):
            called = self._names.platform
            raise Unanswered(f"{called} answered {answer.status}, but did not confirm the decision")

    async def word_on(self, request_id: str) -> str | None:
        """What its audit says became of a request; None when it does not tell. Never raises for trouble."""
        path = f"agents/hitl/audit/{quote(request_id, safe='', errors='replace')}"
        try:
            async with self._questions:
                until = _in(self._limits.audit)
                answer = await self._exchange.call("GET", path, until=until, lost=Unavailable)
        except Unavailable as error:
            log.info("audit_question_failed", approval_id=request_id, reason=str(error))
            return None
        if answer.status == 200:
            return answers.audit_word(answer.body, request_id)
        if answer.status != 404:
            log.info("audit_question_failed", approval_id=request_id, status=answer.status)
        elif not self._audit_missed:
            self._audit_missed = True
            log.info("audit_record_missed", approval_id=request_id, note="Nod does not log later misses")
        return None

    async def read(self, path: str) -> bytes:
        """The answer to another question. Raises Gone for 404, Unavailable or Forbidden."""
        answer = await self._exchange.call("GET", path, until=_in(self._limits.total), lost=Unavailable)
        if answer.status == 404:
            raise Gone(answer.told)
        if trouble := answer.trouble(lost=Unavailable, now=self._clock()):
            raise trouble
        return answer.body


@asynccontextmanager
async def open_platform(
    url: str, api_key: str, *, clock: Clock, limits: Limits = _USUAL, name: str = GLAIP, names: Names = USUAL
) -> AsyncIterator[HttpPlatform]:
    """The platform at `url`, which may have a path of its own and may end with a slash.

    No password of the environment is used and no redirect followed: the key goes to this address only.
    Raises ConfigError for an address or a key that cannot be one.
    """
    if not api_key or not all("!" <= sign <= "~" for sign in api_key):
        raise ConfigError(
            names.key, "is empty or contains characters that a key cannot have", "Copy the key again."
        )
    base = _base(url, names.url)
    transport = Transport(
        quick=True,
        limits=httpx.Limits(
            # Our own bounds come first: nobody ever waits in the pool behind what hangs.
            max_connections=limits.posts + limits.questions + _SPARE_CONNECTIONS,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_KEEP_IDLE,
        ),
    )
    async with transport:
        exchange = Exchange(transport=transport, base=base, api_key=api_key, limits=limits, names=names)
        host = base.netloc.decode()
        yield HttpPlatform(exchange=exchange, host=host, clock=clock, limits=limits, name=name, names=names)


def _base(url: str, named: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigError(named, "is not a URL", "Set it to a URL like http://localhost:8000.") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise ConfigError(named, "is not an http or https URL", "Set it to a URL like http://localhost:8000.")
    if base.userinfo or "?" in url or "#" in url:
        raise ConfigError(
            named, "must have only a scheme, a host and a path", "Leave out `user@`, `?...` and `#...`."
        )
    return base


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
