"""The relay waits for a connection, and for nothing else: a run that is silent for ten minutes goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import Message

from adapters.relay.proxy import CONNECT, Relay


class Upstream(httpx.AsyncBaseTransport):
    """A platform that notes how long it would be waited for."""

    def __init__(self) -> None:
        self.patience: list[dict[str, float]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.patience.append(request.extensions["timeout"])
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))


async def test_only_the_connection_has_a_limit() -> None:
    """What is not named here has no end: reading, writing, a place among the connections."""
    upstream = Upstream()
    relay = Relay(transport=upstream, platform=httpx.URL("http://platform"), wake=lambda: None)
    said: list[Message] = []
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/agents/one/run",
        "raw_path": b"/agents/one/run",
        "query_string": b"",
        "headers": [(b"host", b"relay"), (b"content-length", b"0")],
        "extensions": {},
    }

    said_all = asyncio.Event()

    async def receive() -> Message:
        if said_all.is_set():
            await asyncio.Event().wait()  # the client stays
        said_all.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    async with asyncio.timeout(10):
        await relay(scope, receive, send)

    assert [{"connect": CONNECT}] == upstream.patience
    assert 200 == said[0]["status"]
