"""Socket Mode: hello, envelopes that must be acked by id, disconnect frames
(docs.slack.dev/apis/events-api/using-socket-mode)."""

import asyncio
import itertools
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.slack.changes import Changes

#: At most this many open connections for one app.
CONNECTIONS = 10


@dataclass(slots=True, eq=False)
class _Connection:
    socket: WebSocket
    leaving: bool = False  #: told to disconnect; gets no more envelopes while another one is there


class Sockets:
    """The app's open sockets. Each envelope goes to one of them, in turn."""

    def __init__(self, *, app_id: str, changes: Changes) -> None:
        """No socket yet; `changes` is bumped when one comes or goes."""
        self._app_id = app_id
        self._changes = changes
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._acks: dict[str, asyncio.Future[Any]] = {}
        self._turn = itertools.count()
        self.opened = 0  #: sockets so far

    @property
    def connected(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    @property
    def ready(self) -> bool:
        """A socket is open that was not told to go."""
        return any(not connection.leaving for connection in self._connections)

    def ticket(self) -> str:
        """A one-use ticket for the address that apps.connections.open gives out."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return ticket

    def envelope(self, payload: Mapping[str, Any]) -> bytes:
        """An interactive envelope with a fresh id."""
        frame = {
            "envelope_id": secrets.token_hex(16),
            "type": "interactive",
            "accepts_response_payload": True,
            "payload": payload,
        }
        return json.dumps(frame, ensure_ascii=False).encode()

    async def send(self, envelope: bytes, *, within: float) -> tuple[int, str]:
        """Send an envelope and wait `within` seconds for its ack: (200, response payload) or (0, "")."""
        waiting = [c for c in self._connections if not c.leaving] or self._connections
        if not waiting:
            return 0, ""
        envelope_id = json.loads(envelope)["envelope_id"]
        ack = self._acks.setdefault(envelope_id, asyncio.get_running_loop().create_future())
        connection = waiting[next(self._turn) % len(waiting)]
        try:
            await connection.socket.send_text(envelope.decode())
            payload = await asyncio.wait_for(asyncio.shield(ack), within)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return 0, ""
        finally:
            self._acks.pop(envelope_id, None)
        return 200, "" if payload is None else json.dumps(payload)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every socket to reconnect: `warning`, `refresh_requested` or `link_disabled`. The socket stays
        open for the app to close, so that it can open the next one first."""
        frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
        for connection in list(self._connections):
            connection.leaving = reason != "warning"
            await connection.socket.send_text(json.dumps(frame))

    async def drop(self) -> None:
        """Close every socket without a word, as a broken network does."""
        for connection in list(self._connections):
            self._connections.remove(connection)
            with suppress(RuntimeError):  # the app closed it in the meantime
                await connection.socket.close(code=1011)
        self._changes.bump()

    async def endpoint(self, socket: WebSocket) -> None:
        """The websocket route: hello, then acks until the app goes."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets or len(self._connections) >= CONNECTIONS:
            await socket.close(code=4001)
            return
        self._tickets.discard(ticket)
        await socket.accept()
        connection = _Connection(socket)
        self.opened += 1
        hello = {
            "type": "hello",
            "num_connections": len(self._connections) + 1,
            "connection_info": {"app_id": self._app_id},
            "debug_info": {"host": "sandbox", "approximate_connection_time": 3600},
        }
        await socket.send_text(json.dumps(hello))
        self._connections.append(connection)
        self._changes.bump()
        try:
            async for text in socket.iter_text():
                self._take(text)
        finally:
            if connection in self._connections:
                self._connections.remove(connection)
            self._changes.bump()

    def _take(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        if not isinstance(frame, dict):
            return
        ack = self._acks.get(str(frame.get("envelope_id")))
        if ack is not None and not ack.done():
            ack.set_result(frame.get("payload"))
