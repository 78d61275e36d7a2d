"""A server that says more than it was asked: what it says on an idle connection answers no later request."""

from __future__ import annotations

import asyncio

import httpx

from adapters.http.client import Transport


def _response(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def test_a_surplus_response_answers_nothing() -> None:
    """Otherwise each answer is that of the request before, and an Approve is confirmed by an old list."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readuntil(b"\r\n\r\n"):
            asked += 1
            writer.write(_response(str(asked)))
            if asked == 1:
                await writer.drain()
                await asyncio.sleep(0.05)  # the first answer was taken, and the connection is idle
                writer.write(_response("stale"))
            await writer.drain()

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(transport=Transport(quick=True)) as client:
        got = []
        for _ in range(4):
            got.append((await client.get(f"http://127.0.0.1:{port}/")).text)
            await asyncio.sleep(0.15)
    assert ["1", "2", "3", "4"] == got
