"""The relay itself: each request to the platform, its answer back as it comes, a tap on streams of events.

Header fields are passed on by RFC 9110 §7.6.1: all but those that are for one connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import h11
import httpx
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http import Transport
from adapters.http import told as told_of
from adapters.relay.stream_observer import Told, nobody, open_observer
from adapters.serving import ALIVE, HANG_UP, KEEP_ALIVE, Patience, listen, room, serve
from bot.errors import ConfigError

Fields = list[tuple[bytes, bytes]]

#: Fields that are about one connection, beside those that `Connection` names (RFC 9110 §7.6.1). Trailers are
#: not passed on (§6.5.1 allows that), so neither is their announcement.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

#: Where a message goes and where it ends: it goes on, or is replaced by ours, also where `Connection` names it.
FRAMING = frozenset((b"content-length", b"transfer-encoding", b"host"))

#: By this name the relay is known in `Via` (RFC 9110 §7.6.3); a request that has it already goes in a circle.
PSEUDONYM = b"nod-relay"


def passed_on(fields: Sequence[tuple[bytes, bytes]]) -> Fields:
    """The fields for the next connection, in their order.

    Where the body came in pieces, a length beside it is not believed (RFC 9112 §6.3): who believed it would
    see two messages in one.
    """
    names = [name.lower() for name, _ in fields]
    dropped = set(HOP_BY_HOP)
    for name, (_, value) in zip(names, fields, strict=True):
        if name == b"connection":
            dropped |= {named.strip().lower() for named in value.split(b",")} - FRAMING
    if b"transfer-encoding" in names:
        dropped.add(b"content-length")
    return [field for name, field in zip(names, fields, strict=True) if name not in dropped]


def to_platform(fields: Sequence[tuple[bytes, bytes]], *, host: bytes, version: str) -> Fields:
    """The fields of a request as the platform gets it: its own `Host`, our `Via`, one request a connection."""
    in_pieces = any(name.lower() == b"transfer-encoding" for name, _ in fields)
    return [
        (b"Host", host),
        *(field for field in passed_on(fields) if field[0].lower() != b"host"),
        (b"Via", version.encode() + b" " + PSEUDONYM),
        (b"Connection", b"close"),
        *([(b"Transfer-Encoding", b"chunked")] if in_pieces else []),
    ]


def in_a_circle(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the request was here before: then the relay's platform is the relay."""
    return any(
        name.lower() == b"via" and PSEUDONYM in value.replace(b",", b" ").split() for name, value in fields
    )


def is_event_stream(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a body with these fields is server-sent events, packed or not."""
    found = {name.lower(): value for name, value in fields}
    kind = found.get(b"content-type", b"").partition(b";")[0]
    return kind.strip().lower() == b"text/event-stream"


def packings(fields: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """In which ways the body is packed, in their order, by small names (RFC 9110 §8.4)."""
    named = [value for name, value in fields if name.lower() == b"content-encoding"]
    names = (one.strip().lower().decode("latin-1") for value in named for one in value.split(b","))
    return tuple(name for name in names if name not in ("", "identity"))


class Inbound(httpx.AsyncByteStream):
    """The body, read while it is sent on. Only one of `__aiter__` and `left` reads at a time."""

    def __init__(self, receive: Receive) -> None:
        """Over the connection of one request."""
        self._receive = receive
        self._read = asyncio.Event()  #: nobody reads the body any more
        self._gone = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it comes. It does not end where the client left in the middle."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._read.set()
                # Ending here would end the request for the platform, as if that were all of it.
                await asyncio.Event().wait()
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                self._read.set()
                return

    def let_go(self) -> None:
        """The platform has answered: what is still to come of the body interests nobody."""
        self._read.set()

    async def left(self) -> None:
        """Return when the client is gone."""
        await self._read.wait()
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"


#: Seconds to get a connection to the platform. For all that comes later there is no limit of ours: a run may be
#: silent for as long as its people think.
CONNECT = 10.0

#: Where the platform's answer names the run, besides its events (the platform's own client reads it, too).
RUN_ID = "x-run-id"

log = structlog.get_logger()


class Relay:
    """An ASGI app. What comes for one request goes over one connection to the platform, which ends with it."""

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        platform: httpx.URL,
        wake: Callable[[], None],
        told: Told = nobody,
    ) -> None:
        """`wake` is called when a poll of the platform is worth it, `told` for each request whose run a stream

        names; they must return at once.
        """
        self._transport, self._platform = transport, platform
        self._wake, self._told = wake, told
        self._path = platform.raw_path.rstrip(b"/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: to its end, or until the client leaves; then the platform's side is closed at once."""
        inbound = Inbound(receive)
        carrying = asyncio.create_task(self._carry(scope, inbound, send), name="relay:carry")
        leaving = asyncio.create_task(inbound.left(), name="relay:leave")
        try:
            await asyncio.wait({carrying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if carrying.done() and not carrying.result():
                scope["extensions"][HANG_UP]()
                await leaving
        finally:
            carrying.cancel()
            leaving.cancel()
            await asyncio.gather(carrying, leaving, return_exceptions=True)

    async def _carry(self, scope: Scope, inbound: Inbound, send: Send) -> bool:
        """Send it on and bring the answer back. False when the answer broke off in the middle."""
        raw_path: bytes = scope["raw_path"]
        if refusal := self._refusal(scope, raw_path):
            await _answer(send, *refusal)
            return True
        query: bytes = scope["query_string"]
        target = self._path + raw_path + (b"?" + query if query else b"")
        request = httpx.Request(
            scope["method"],
            self._platform,
            headers=to_platform(scope["headers"], host=self._platform.netloc, version=scope["http_version"]),
            stream=inbound,
            # The target as it came: as part of a URL it would be re-encoded.
            extensions={"target": target, "timeout": {"connect": CONNECT}},
        )
        try:
            response = await self._transport.handle_async_request(request)
        except (h11.LocalProtocolError, httpx.LocalProtocolError) as error:
            log.warning("relay_request_refused", reason=str(error))
            await _answer(send, 400, "nod relay: this request cannot be forwarded")
            return True
        except httpx.TransportError as error:
            log.warning("relay_platform_failed", reason=told_of(error))
            status = 504 if isinstance(error, httpx.ConnectTimeout) else 502
            await _answer(send, status, "nod relay: the platform did not answer")
            return True
        inbound.let_go()
        try:
            return await self._bring_back(response, send)
        finally:
            await response.aclose()

    async def _bring_back(self, response: httpx.Response, send: Send) -> bool:
        if not 200 <= response.status_code < 600:
            await _answer(send, 502, "nod relay: the platform answered with an invalid status")
            return True
        fields = response.headers.raw
        headers = passed_on(fields)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        if is_event_stream(fields):
            run_id = response.headers.get(RUN_ID)
            async with open_observer(
                wake=self._wake, packings=packings(fields), told=self._told, run_id=run_id
            ) as observer:
                return await _stream(response, send, seen=observer.offer)
        return await _stream(response, send, seen=len)

    def _refusal(self, scope: Scope, raw_path: bytes) -> tuple[int, str] | None:
        if in_a_circle(scope["headers"]):
            return 508, "nod relay: AIP_API_URL leads back to the relay"
        if not raw_path.startswith(b"/"):
            return 400, "nod relay: only paths of the platform are forwarded"
        steps = raw_path.lower().replace(b"%2e", b".").replace(b"%2f", b"/").split(b"/")
        if self._path and b".." in steps:
            return 400, "nod relay: this path is outside the path of AIP_API_URL"
        return None


async def _stream(response: httpx.Response, send: Send, *, seen: Callable[[bytes], object]) -> bool:
    """Pass the body on as it comes, each piece before anybody else sees it."""
    try:
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            seen(chunk)
    except httpx.TransportError as error:
        log.warning("relay_stream_broke", reason=type(error).__name__)
        return False
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return True


async def _answer(send: Send, status: int, message: str) -> None:
    """An answer of the relay's own, in the form of the platform's errors."""
    error = {"success": False, "error": "BadRequest" if status == 400 else "BadGateway", "message": message}
    body = json.dumps(error).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def open_relay(platform: str, *, wake: Callable[[], None], told: Told = nobody) -> AsyncIterator[ASGIApp]:
    """A relay in front of the platform at this address, which may have a path of its own.

    No redirect is followed, nothing unpacked, no cookie kept, and no connection
    used twice: a request never meets one that the platform is just closing. Raises ConfigError.
    """
    try:
        address = httpx.URL(platform)
    except httpx.InvalidURL as error:
        raise ConfigError(
            "AIP_API_URL", "is not a URL", "Set it to a URL like http://localhost:8000."
        ) from error
    if not address.host or address.userinfo or address.query or address.fragment:
        raise ConfigError(
            "AIP_API_URL",
            "must have only a scheme, a host and a path",
            "Set it to a URL like http://localhost:8000.",
        )
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with Transport(limits=limits, socket_options=ALIVE) as transport:
        yield Relay(transport=transport, platform=address, wake=wake, told=told)


#: Each connection of a client takes another one to the platform; the relay needs few of its own.
SHARE = 0.4
#: Runs and looks at once, however many descriptors there are.
MOST = 8_192
#: Bytes of a request's head: clients of the platform may bring cookies of other things.
LARGEST_HEAD = 64 * 1024


@asynccontextmanager
async def serve_relay(
    app: ASGIApp, *, host: str, port: int, keep_alive: float = KEEP_ALIVE, most: int | None = None
) -> AsyncIterator[str]:
    """Serve until closed; yields the address. Raises ConfigError when the port cannot be had.

    At the end it takes nothing new, and waits for what is under way: a run is not cut off by a restart here.
    Nor is one cut off whose client reads slowly, unless there is no room for others.
    """
    async with serve(
        app,
        listen(host, port, host_named="--host", port_named="--port"),
        most=most or room(share=SHARE, most=MOST),
        patience=Patience(idle=keep_alive, unread=None),
        largest_head=LARGEST_HEAD,
        name="relay",
    ) as address:
        yield address
