"""HTTP/1.1 on one connection, with bounds in time, one reading of a request, and a cap on connections.

The kernel is asked to look after silent connections: a side that vanished without a word (a lid was shut, a
cable pulled) would otherwise keep its run open.

h11 follows RFC 9112, which lets a server guess: a length beside `Transfer-Encoding` is passed over, the same
length twice is one, a folded line is joined. A proxy before or behind Nod may guess otherwise, and then one
sees one request where the other sees two (request smuggling; RFC 9112 §11.2).
"""

from __future__ import annotations

import asyncio
import heapq
import ipaddress
import re
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

import h11
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

#: Descriptors that are counted on where the system sets no limit.
UNLIMITED = 65_536
#: Connections that there is room for, however few descriptors there are.
FEWEST = 16
#: Of so many, one goes when there is no room: a pass over all of them then makes room for several.
ONE_IN = 16
#: Seconds between two lines in the log about the same.
SAY_EVERY = 60.0

log = structlog.get_logger()


class Stage(Enum):
    """What a connection waits for."""

    IDLE = auto()  #: the next request, if there is one
    HEAD = auto()  #: the head of a request
    BODY = auto()  #: the body of a request that is being answered
    REST = auto()  #: the rest of a body whose request has been answered
    UNREAD = auto()  #: the client, to read its answer
    CLOSING = auto()  #: the same, and then it ends
    ANSWERING = auto()  #: us


#: Here it is the client's turn.
SLOW = frozenset({Stage.HEAD, Stage.BODY, Stage.REST, Stage.UNREAD, Stage.CLOSING})


class OpenConnection(Protocol):
    """One connection, as far as the crowd knows it."""

    stage: Stage
    since: float  #: seconds of the monotonic clock, when the stage began or last got on
    peer: str

    def cut(self) -> None:
        """End it at once."""
        ...

    def look(self, now: float) -> None:
        """End it if it has been slow for too long by `now`, of the monotonic clock."""
        ...


class Connections:
    """The connections of one server."""

    def __init__(self, *, most: int) -> None:
        """At most so many at once."""
        self.most = most
        self._guests: set[OpenConnection] = set()
        self._said_at = -SAY_EVERY

    def __iter__(self) -> Iterator[OpenConnection]:
        return iter(tuple(self._guests))

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: OpenConnection) -> bool:
        """Let it in. False when there is no room: then everybody waits for us."""
        if len(self._guests) >= self.most and not self._made_room():
            return False
        self._guests.add(guest)
        return True

    def leave(self, guest: OpenConnection) -> None:
        """It has ended, or was never in."""
        self._guests.discard(guest)

    def _made_room(self) -> bool:
        """Idle connections go first, then those whose turn it is: of the peer that has most, the oldest.

        So one peer that takes all the room pushes out its own, and behind a reverse proxy, where all come from
        one peer, a request that takes milliseconds pushes out those that take seconds.
        """
        idle = [guest for guest in self._guests if guest.stage is Stage.IDLE]
        found = idle or [guest for guest in self._guests if guest.stage in SLOW]
        self._say(idle=len(idle), refused=not found)
        held = Counter(guest.peer for guest in self._guests)
        worst = heapq.nsmallest(
            max(1, self.most // ONE_IN), found, key=lambda guest: (-held[guest.peer], guest.since)
        )
        for guest in worst:
            self._guests.discard(guest)
            guest.cut()
        return bool(worst)

    def _say(self, *, idle: int, refused: bool) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY:
            self._said_at = now
            log.warning("connections_full", most=self.most, idle=idle, refused=refused)


def room(*, share: float, most: int) -> int:
    """How many connections may be open, if they may take this share of the process's descriptors.

    `most` bounds what they may take of its memory.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        descriptors = UNLIMITED
    return max(FEWEST, min(most, int(descriptors * share)))


def peer_of(address: object) -> str:
    """Who is at the other end: the address, or for IPv6 the network that one customer has (RFC 6177)."""
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if parsed.version == 4:
        return host
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


#: Seconds of silence before the first question, and between the others; so many unanswered ones are the end.
IDLE, BETWEEN, MOST = 60, 15, 4

#: Options of a socket, as `setsockopt` takes them; the system's own times where it has no name for these.
ALIVE: list[tuple[int, int, int]] = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", IDLE), ("TCP_KEEPINTVL", BETWEEN), ("TCP_KEEPCNT", MOST))
        if hasattr(socket, name)
    ),
]


def keep_asking(connection: socket.socket) -> None:
    """Have the system do so on this connection."""
    for option in ALIVE:
        connection.setsockopt(*option)


_LENGTHS = re.compile(rb"(?im)^(content-length|transfer-encoding):[ \t]*([^\r\n]*?)[ \t]*\r?$")
_FOLDED = re.compile(rb"\n[ \t]")
#: h11 takes a bare LF for the end of a line; others take it for content.
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Framed(h11.Connection):
    """h11's connection of a server, less lenient."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11 has it. Raises h11.RemoteProtocolError for a head whose body could be measured in two ways."""
        if self.their_state is not h11.IDLE:
            return super().next_event()
        before = self.trailing_data[0]
        event = super().next_event()
        if isinstance(event, h11.Request):
            left = len(self.trailing_data[0])
            _check(before[: len(before) - left], version=event.http_version)
        return event


def _check(head: bytes, *, version: bytes) -> None:
    if version not in (b"1.0", b"1.1"):
        raise h11.RemoteProtocolError("this HTTP version is not supported")
    if _FOLDED.search(head) or _BARE_LF.search(head):
        raise h11.RemoteProtocolError("the head has folded lines, or lines that do not end in CRLF")
    lengths = _LENGTHS.findall(head)
    if len(lengths) > 1:
        raise h11.RemoteProtocolError("the length of the body is given more than once")
    for name, value in lengths:
        if name.lower() == b"content-length" and not value.isdigit():
            raise h11.RemoteProtocolError("the length of the body is not a number")
        if name.lower() == b"transfer-encoding" and version != b"1.1":
            raise h11.RemoteProtocolError("Transfer-Encoding needs HTTP/1.1")


#: By this name in `scope["extensions"]` an app finds what ends the connection in the middle of an answer.
HANG_UP = "nod.hang_up"
#: What a connection is told for which there is no room.
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 28\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\nToo many connections at once"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the client may take, in seconds; None is for ever. What it is slow with ends the connection."""

    idle: float  #: between two requests
    head: float = 5.0  #: from the first byte of a request, or the connection, to the end of the head
    rest: float = 5.0  #: for what is left of a body when its request has been answered
    unread: float | None = 10.0  #: for a piece of an answer to be read
    closing: float = 10.0  #: the same, when it is the last one

    @property
    def of(self) -> Mapping[Stage, float | None]:
        """By stage. How long a body may take is for the app to say, which reads it."""
        return {
            Stage.IDLE: self.idle,
            Stage.HEAD: self.head,
            Stage.REST: self.rest,
            Stage.UNREAD: self.unread,
            Stage.CLOSING: self.closing,
        }


class Bounded(H11Protocol):
    """One connection; `OpenConnection`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        crowd: Connections,
        patience: Patience,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = Framed(h11.SERVER, config.h11_max_incomplete_event_size or 16 * 1024)
        self._crowd, self._patience = crowd, patience.of
        self.stage, self.since, self.peer = Stage.HEAD, time.monotonic(), ""
        self._buffered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.peer = peer_of(transport.get_extra_info("peername"))
        keep_asking(transport.get_extra_info("socket"))
        self.app = self._with_hang_up(self.app)
        if not self._crowd.enter(self):
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():  # it came before the transport stopped to read
            return
        super().data_received(data)
        self._note()

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # an answer is under way or over: a second one would be read as part of it, or as the next
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note()

    def cut(self) -> None:
        self.transport.abort()

    def look(self, now: float) -> None:
        """End the connection if its client has been slow for too long."""
        self._note()
        limit = self._patience.get(self.stage)
        if limit is not None and now - self.since >= limit:
            self.cut()

    def _note(self) -> None:
        """Where it is now, and since when. A client that has read something has got on."""
        stage, buffered = self._stage(), self.transport.get_write_buffer_size()
        if stage is not self.stage or (stage in (Stage.UNREAD, Stage.CLOSING) and buffered < self._buffered):
            self.stage, self.since = stage, time.monotonic()
        self._buffered = buffered

    def _stage(self) -> Stage:
        if self.transport.is_closing():
            return Stage.CLOSING
        if self.cycle is None:
            return Stage.HEAD
        arriving = self.conn.their_state is h11.SEND_BODY
        if not self.cycle.response_complete:
            if self.flow.write_paused:
                return Stage.UNREAD
            return Stage.BODY if arriving else Stage.ANSWERING
        if arriving:
            return Stage.REST
        return Stage.HEAD if self.conn.trailing_data[0] else Stage.IDLE

    def _with_hang_up(self, app: ASGIApp) -> ASGIApp:
        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), HANG_UP: self.transport.close}
            await app(scope, receive, send)

        return with_hang_up
