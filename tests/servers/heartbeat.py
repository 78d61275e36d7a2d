"""A dead man's switch: it takes a GET of an address of its own, as healthchecks.io documents its pings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.serve import serve

#: The secret part of the address; anyone who knows it can keep the switch quiet.
CHECK = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"


class DeadMansSwitch:
    """Counts the signs of life of one check; `answers` are given instead, one each."""

    def __init__(self) -> None:
        self.pings = 0
        self.tries = 0
        self.answers: list[Response] = []
        self.hangs = False

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{check}", self.ping, methods=["GET", "HEAD", "POST"])])

    async def ping(self, request: Request) -> Response:
        self.tries += 1
        if self.hangs:
            await asyncio.sleep(30)
        if self.answers:
            return self.answers.pop(0)
        if request.path_params["check"] != CHECK:
            return PlainTextResponse("not found", 404)
        self.pings += 1
        return PlainTextResponse("OK")


@asynccontextmanager
async def open_dribble() -> AsyncIterator[str]:
    """An address whose answer comes byte by byte, one in a twentieth of a second."""

    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            return
        finally:
            writer.close()

    async with await asyncio.start_server(dribble, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/"


@asynccontextmanager
async def open_switch(switch: DeadMansSwitch) -> AsyncIterator[str]:
    """The address of its check on this machine."""
    async with serve(switch.app()) as address:
        yield f"{address}/{CHECK}"
