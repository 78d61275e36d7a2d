"""Serves a sandbox app on a loopback port inside the running event loop, for tests and for `nod sandbox`."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

#: The name under `scope["extensions"]` by which an app finds the `HangUp` of its connection.
HANG_UP = "nod.hang_up"

#: Seconds an open answer may go on after the server was told to stop; idle streams never end by themselves.
GRACE = 0.2

#: Seconds that an idle connection is kept: Slack and Teams keep theirs longer than a busy client computes.
KEPT = 75

#: Seconds after which an app that still runs is cancelled.
PATIENCE = 1.0

#: `struct linger` with a wait of nought seconds: closing then sends RST, not FIN (socket(7)).
_LINGER_RESET = struct.pack("ii", 1, 0)


class HangUp(Protocol):
    """Ends a connection in the middle of an exchange."""

    def __call__(self, *, reset: bool) -> None:
        """Drop the connection; `reset` loses what is buffered and sends RST, else what is written arrives."""


class _FragileHTTP(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol, with a connection that the app may drop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        # asyncio does this only where the listener names its protocol; else each answer waits 40 ms for an ACK.
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app: ASGIApp = self.app

        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), HANG_UP: self.hang_up}
            await app(scope, receive, send)

        self.app = with_hang_up

    def hang_up(self, *, reset: bool) -> None:
        """See `HangUp`."""
        if not reset:
            self.transport.close()
            return
        if not self.transport.is_closing():
            connection: socket.socket = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.transport.abort()

    def shutdown(self) -> None:
        """Let the answer in progress finish for `GRACE` seconds, then drop it."""
        super().shutdown()
        self.loop.call_later(GRACE, self.transport.abort)


@asynccontextmanager
async def serve(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, listener: socket.socket | None = None
) -> AsyncIterator[str]:
    """Serve `app` and yield its base URL (`http://127.0.0.1:54321`); on leaving, close within about a second.

    `port` 0 takes a free one; `listener` is a socket that is bound already (it is closed here). No
    lifespan events are sent: what an app needs is opened around it by its caller. No signal handler is
    installed.
    Raises OSError when the address is taken.
    """
    bound = listener or socket.create_server((host, port))
    config = uvicorn.Config(
        app,
        http=_FragileHTTP,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        timeout_keep_alive=KEPT,
    )
    config.load()
    server = uvicorn.Server(config)
    # Server.serve would capture the signals of the whole process; its first step is public and enough.
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound])
    address, at = bound.getsockname()[:2]
    try:
        yield f"http://{address}:{at}"
    finally:
        await _stop(server, bound)


async def _stop(server: uvicorn.Server, listener: socket.socket) -> None:
    # Server.shutdown sleeps a tenth of a second in any case, which hundreds of tests would pay for.
    for accepting in server.servers:
        accepting.close()
    listener.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        _, late = await asyncio.wait(state.tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=GRACE)
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)  # the transports close in the next turn of the loop
