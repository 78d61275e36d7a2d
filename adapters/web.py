"""One small web front: what chats post, `GET /healthz`, `/readyz`, `/metrics`, `/openapi.json`.

Each receiver describes its own path in the document; the answers that this front gives in its place are added.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from adapters.chat.plugin import Receiver
from adapters.serving import KEEP_ALIVE, Patience, listen, room, serve
from bot import __version__

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TROUBLES: Schema = {"type": "array", "items": _TEXT}
_SOME: Schema = {**_TROUBLES, "minItems": 1}


def document(receivers: Mapping[str, Receiver]) -> Schema:
    """The whole document, with a path for each of `receivers`."""
    schemes: Schema = {}
    paths: Schema = {
        "/healthz": {
            "get": _get(
                "Whether Nod can alert people by itself",
                _json("Nod can alert people by itself", {"status": {"const": "alive"}}),
                _json(
                    "Nod cannot alert people by itself; the body says why",
                    {"status": {"const": "in trouble"}, "troubles": _SOME},
                ),
            )
        },
        "/readyz": {
            "get": _get(
                "Whether Nod can do its work",
                _json(
                    "Nod can do its work, or part of it", {"status": {"const": "ready"}, "troubles": _TROUBLES}
                ),
                _json(
                    "Nod cannot do its work; the body says why",
                    {"status": {"const": "not ready"}, "troubles": _SOME},
                ),
            )
        },
        "/metrics": {"get": _get("Metrics for Prometheus", _plain("The metrics"))},
        "/openapi.json": {"get": _get("This document", _json("OpenAPI 3.1", {"openapi": _TEXT}))},
    }
    for path, receiver in receivers.items():
        paths[path] = {"post": _posted(receiver.operation)}
        schemes |= receiver.schemes
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nod", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": schemes},
    }


def _get(summary: str, well: Schema, unwell: Schema | None = None) -> Schema:
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": well} | ({"503": unwell} if unwell else {}),
    }


def _posted(operation: Mapping[str, Any]) -> Schema:
    own = {
        "408": _plain("The body did not arrive in time"),
        "413": _plain("The body is too large"),
    }
    return {**operation, "responses": own | operation["responses"]}


def _plain(description: str) -> Schema:
    return {"description": description, "content": {"text/plain": {"schema": _TEXT}}}


def _json(description: str, fields: Mapping[str, Schema]) -> Schema:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


#: The largest body that is read, in bytes; Slack's largest payloads stay far below.
LARGEST_BODY = 256 * 1024
#: A body must have arrived within this many seconds.
SLOWEST_BODY = 2.5

#: What did not arrive is not waited for any longer.
_CLOSE = {"Connection": "close"}
#: Half of the descriptors is for the platform, the database, chats and pagers.
SHARE = 0.5
#: Connections at once, however many descriptors there are: each may hold a head and a body in memory.
MOST = 1_024
#: Bytes of a request's head; the longest of Slack and Teams, with a token of 8 kB, stays far below.
LARGEST_HEAD = 16 * 1024
#: Seconds for what is under way at the end. A click takes a fraction of that; the steps end after it.
GRACE = 1


def front(
    *,
    receivers: Mapping[str, Receiver],
    troubles: Callable[[], list[str]],
    health: Callable[[], list[str]],
    partly: Callable[[], list[str]] = list,
    metrics: Callable[[], tuple[bytes, str]],
) -> Starlette:
    """The routes. `receivers` says, by path, who answers what a chat posts there.

    `troubles` says what keeps the bot from its work, in words; empty means ready. `partly` says what keeps it
    from a part of it, such as one source of several: clicks for the others come in here, too. `health` says
    what a person has to know although the alerts cannot be relied on to tell; empty means alive.
    """

    def posted(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                async with asyncio.timeout(SLOWEST_BODY):
                    body = await _body(request)
            except (TimeoutError, ClientDisconnect):
                return PlainTextResponse("The body did not arrive.", status_code=408, headers=_CLOSE)
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
        status = {"status": "not ready" if found else "ready", "troubles": [*found, *partly()]}
        return JSONResponse(status, status_code=503 if found else 200)

    async def measured(_: Request) -> Response:
        text, content_type = metrics()
        return Response(text, media_type=content_type)

    described = JSONResponse(document(receivers)).body

    async def openapi(_: Request) -> Response:
        return Response(described, media_type="application/json")

    asked = {"/healthz": healthz, "/readyz": readyz, "/metrics": measured, "/openapi.json": openapi}
    routes = [Route(path, answer) for path, answer in asked.items()]
    routes += [Route(path, posted(receiver), methods=["POST"]) for path, receiver in receivers.items()]
    app = Starlette(routes=routes)
    # Otherwise `/healthz/` would be answered with a redirect to whatever host the request itself names.
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def serve_front(
    app: Starlette, *, host: str, port: int, keep_alive: float = KEEP_ALIVE, most: int | None = None
) -> AsyncIterator[str]:
    """Serve until closed; yields the address. Raises ConfigError when the port cannot be had.

    An idle connection is kept for `keep_alive` seconds, and at most `most` connections are open at once.
    """
    async with serve(
        app,
        listen(host, port, host_named="NOD_HOST", port_named="NOD_PORT"),
        most=most or room(share=SHARE, most=MOST),
        patience=Patience(idle=keep_alive),
        largest_head=LARGEST_HEAD,
        name="web",
        grace=GRACE,
        dated=True,
    ) as address:
        yield address


async def _body(request: Request) -> bytes | None:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
