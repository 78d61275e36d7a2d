"""One small web front: what chats post, `GET /healthz`, `/readyz`, `/metrics`, `/openapi.json`."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from adapters.web.openapi import document
from adapters.web.receiver import Receiver
from bot.errors import ConfigError

#: The largest body that is read, in bytes; Slack's largest payloads stay far below (reliability.md §5).
LARGEST_BODY = 256 * 1024
#: A body must have arrived within this many seconds.
SLOWEST_BODY = 2.5

#: What is said of a host that leads nowhere, or to another machine; `create_server` makes them all OSErrors.
_NOT_OURS = (socket.EAI_NONAME, socket.EAI_AGAIN, errno.EADDRNOTAVAIL)


def front(
    *,
    receivers: Mapping[str, Receiver],
    troubles: Callable[[], list[str]],
    health: Callable[[], list[str]],
    metrics: Callable[[], tuple[bytes, str]],
) -> Starlette:
    """The routes. `receivers` says, by path, who answers what a chat posts there.

    `troubles` says what keeps the bot from its work, in words; empty means ready. `health` says what a person
    has to know although the alerts cannot be relied on to tell; empty means alive.
    """

    def posted(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                async with asyncio.timeout(SLOWEST_BODY):
                    body = await _body(request)
            except (TimeoutError, ClientDisconnect):
                return PlainTextResponse("The body did not arrive.", status_code=408)
            if body is None:
                return PlainTextResponse("The body is too large.", status_code=413)
            status, headers, text = await receiver.receive(dict(request.headers.items()), body)
            return Response(text, status_code=status, headers=dict(headers))

        return answer

    async def healthz(_: Request) -> Response:
        if found := health():
            return JSONResponse({"status": "in trouble", "troubles": found}, status_code=503)
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        found = troubles()
        status = {"status": "not ready" if found else "ready", "troubles": found}
        return JSONResponse(status, status_code=503 if found else 200)

    async def measured(_: Request) -> Response:
        text, content_type = metrics()
        return Response(text, media_type=content_type)

    described = document(receivers)

    async def openapi(_: Request) -> Response:
        return JSONResponse(described)

    asked = {"/healthz": healthz, "/readyz": readyz, "/metrics": measured, "/openapi.json": openapi}
    routes = [Route(path, answer) for path, answer in asked.items()]
    routes += [Route(path, posted(receiver), methods=["POST"]) for path, receiver in receivers.items()]
    app = Starlette(routes=routes)
    # Otherwise `/healthz/` would be answered with a redirect to whatever host the request itself names.
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def serve_front(app: Starlette, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve until closed; yields the address. Raises ConfigError when the port cannot be had."""
    try:
        listening = socket.create_server((host, port), backlog=512)
    except OSError as error:
        named = "NOD_HOST" if error.errno in _NOT_OURS else "NOD_PORT"
        what = f"{host}:{port} cannot be used ({error.strerror})"
        raise ConfigError(named, what, f"Choose another with {named}.") from error
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=3)
    config.load()
    server = uvicorn.Server(config)
    # Server.serve would take the signals of the whole process, which the root owns; its steps are public.
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    serving = asyncio.create_task(server.main_loop(), name="web")
    address, bound = listening.getsockname()[:2]
    try:
        yield f"http://{address}:{bound}"
    finally:
        server.should_exit = True
        await serving
        await server.shutdown(sockets=[listening])


async def _body(request: Request) -> bytes | None:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
