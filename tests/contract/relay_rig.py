"""A relay over real HTTP, and upstreams in its back that write exactly the bytes that a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

from adapters.relay import open_relay, serve_relay

STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)
RUN = "/agents/one/run"
#: Seconds after which a test has gone wrong.
LONGEST = 60


def hitl_event(decision: str, **more: object) -> bytes:
    """One event of a run, as the platform sends it."""
    hitl = {"required": True, "decision": decision, "request_id": "r1", **more}
    return f"data: {json.dumps({'metadata': {'hitl': hitl}}, ensure_ascii=False)}\n\n".encode()


@dataclass
class Line:
    """One connection to a flaky upstream: what came, and how to write back."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)  #: set when the relay has closed it

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body."""
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def closed(self) -> None:
        """Wait until the relay has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(1024):
                pass
        self.gone.set()


Act = Callable[[Line], Awaitable[None]]


@asynccontextmanager
async def upstream(act: Act) -> AsyncIterator[str]:
    """A server that reads one request's head and then does as it likes."""
    acting: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        acting.add(task)
        try:
            line = Line(reader, writer)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                line.head = await reader.readuntil(b"\r\n\r\n")
                await act(line)
        finally:
            acting.discard(task)
            writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in acting:
            task.cancel()
        await asyncio.gather(*acting, return_exceptions=True)


@dataclass
class Rig:
    """A relay, a client at its front, and how often it would have woken the bot."""

    url: str
    client: httpx.AsyncClient
    woken: list[float]

    async def dial(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection to the relay on which this was written."""
        address = httpx.URL(self.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request)
        return reader, writer


@asynccontextmanager
async def relayed(platform: str) -> AsyncIterator[Rig]:
    """A relay in front of the platform at this address.

    At its end a relay waits for what is under way; in a test that went wrong that would be for ever.
    """
    woken: list[float] = []
    async with (
        asyncio.timeout(LONGEST),
        open_relay(platform, wake=lambda: woken.append(asyncio.get_running_loop().time())) as app,
        serve_relay(app, host="127.0.0.1", port=0) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield Rig(url=url, client=client, woken=woken)


@asynccontextmanager
async def behind(act: Act) -> AsyncIterator[Rig]:
    """A relay in front of a flaky upstream."""
    async with upstream(act) as platform, relayed(platform) as rig:
        yield rig
