"""Serves the relay, so that what it is given leaves at once, and what breaks off breaks off for the client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.relay.alive import keep_asking
from bot.errors import ConfigError

#: By this name in `scope["extensions"]` the relay finds what ends the connection in the middle of an answer.
HANG_UP = "nod.hang_up"
#: Seconds an idle connection of a client is kept. Longer than clients keep theirs (httpx: 5), because a
#: request that is sent into a closing connection is lost.
KEEP_IDLE = 20


class _HTTP(H11Protocol):
    """Uvicorn's HTTP/1.1, with a connection that the app may end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        app: ASGIApp = self.app
        keep_asking(transport.get_extra_info("socket"))

        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), HANG_UP: self.transport.close}
            await app(scope, receive, send)

        self.app = with_hang_up


@asynccontextmanager
async def serve_relay(app: ASGIApp, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve until closed; yields the address. Raises ConfigError when the port cannot be had.

    At the end it takes nothing new, and waits for what is under way: a run is not cut off by a restart here.
    """
    config = uvicorn.Config(
        app,
        http=_HTTP,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_IDLE,
    )
    config.load()
    server = uvicorn.Server(config)
    # Server.serve would take the signals of the whole process, which the root owns; its steps are public.
    server.lifespan = config.lifespan_class(config)
    listening = _listen(host, port)
    await server.startup(sockets=[listening])
    serving = asyncio.create_task(server.main_loop(), name="relay")
    address, bound = listening.getsockname()[:2]
    try:
        yield f"http://{address}:{bound}"
    finally:
        server.should_exit = True
        await serving
        await server.shutdown(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    # asyncio sends small pieces at once only where the listener names its protocol; otherwise each could wait
    # up to 40 ms for an acknowledgement of the one before (TCP_NODELAY, tcp(7)).
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise ConfigError(
            "--port", f"{host}:{port} cannot be used ({error.strerror})", "Choose another with --port."
        ) from error
    return listening
