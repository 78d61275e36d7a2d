"""Clients that hold connections, as many as one likes; those that are cut are dialled again."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import httpx

HEAD = b"POST /slack/events HTTP/1.1\r\nHost: nod\r\nContent-Type: application/json\r\n"

#: Seconds until a connection that was cut is dialled again, as tools of this kind do: what is tried here is
#: slowness, and not a flood.
AGAIN = 10.0
#: An established connection, as the kernel numbers its states.
ESTABLISHED = 1
#: What a client sends before it goes quiet, by what it is slow with.
KINDS = {
    "nothing": b"",
    "head": HEAD + b"X-Slow: ",
    "body": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "rest": b"GET /healthz HTTP/1.1\r\nHost: nod\r\nContent-Length: 1000\r\n\r\n",
    "unread": b"GET /openapi.json HTTP/1.1\r\nHost: nod\r\n\r\n" * 10,
    "idle": b"GET /healthz HTTP/1.1\r\nHost: nod\r\n\r\n",
}


@asynccontextmanager
async def holding(address: str, many: int, *, kinds: Sequence[str] = tuple(KINDS)) -> AsyncIterator[None]:
    """So many connections, all of these kinds, from when all are dialled until the block ends."""
    url = httpx.URL(address)
    dialled = asyncio.Semaphore(0)

    async def hold(what: bytes) -> None:
        while True:
            with suppress(OSError), socket.socket() as one:
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                await loop.sock_connect(one, (url.host, url.port))
                dialled.release()
                await loop.sock_sendall(one, what)
                await _gone(one)
            await asyncio.sleep(AGAIN)

    loop = asyncio.get_running_loop()
    named = itertools.islice(itertools.cycle(kinds), many)
    tasks = [asyncio.create_task(hold(KINDS[kind])) for kind in named]
    try:
        for _ in range(many):
            await dialled.acquire()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(one: socket.socket) -> None:
    """Return once the other side has ended the connection, without reading what it sent (tcp(7), TCP_INFO)."""
    while one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) == ESTABLISHED:
        await asyncio.sleep(0.2)
