"""How long the bot and the relay wait for slow clients, and how long they keep idle connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from adapters.serving import KEEP_ALIVE, Patience, listen, serve
from adapters.settings import Environment
from adapters.settings.environment import RelayEnvironment
from tests.servers.rude import KINDS

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"x" * 8_000_000


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once, whatever may still come of the body; or with more than any buffer holds."""
    body = LARGE if scope["path"] == "/large" else b"ok"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for start in range(0, len(body), 100_000):
        piece = body[start : start + 100_000]
        await send({"type": "http.response.body", "body": piece, "more_body": start + 100_000 < len(body)})


@asynccontextmanager
async def served(**patience: float) -> AsyncIterator[str]:
    listening = listen("127.0.0.1", 0, host_named="--host", port_named="--port")
    kept = Patience(**{"idle": 60, **patience})
    async with serve(app, listening, most=50, patience=kept, largest_head=16384, name="t", grace=1) as address:
        yield address


async def held(address: str, what: bytes, *, read: bool = True) -> float:
    """How many seconds pass until a client that sent this, and no more, is cut off."""
    url = httpx.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
    begun = time.monotonic()
    writer.write(what)
    try:
        async with asyncio.timeout(30):
            if not read:
                await writer.wait_closed() if writer.is_closing() else await _lost(writer)
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass
    finally:
        writer.close()
    return time.monotonic() - begun


async def _lost(writer: asyncio.StreamWriter) -> None:
    """Wait, without reading, until the other side has reset the connection."""
    while True:
        writer.write(b" ")
        await writer.drain()
        if writer.is_closing():
            return
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", ["nothing", "head"])
async def test_a_head_has_its_time(kind: str) -> None:
    """Counted from the connection, and not from the last byte."""
    async with served(head=0.5) as address:
        assert 0.5 <= await held(address, KINDS[kind]) < 20


async def test_a_second_head_has_its_time_too() -> None:
    """From its first byte on; until then the connection is idle."""
    async with served(head=0.5) as address:
        assert 0.5 <= await held(address, HEALTH + KINDS["head"]) < 20


async def test_the_rest_of_a_body_is_not_waited_for() -> None:
    """The request is answered; what drips in behind the answer keeps no connection."""
    async with served(rest=0.5) as address:
        assert 0.5 <= await held(address, KINDS["rest"]) < 20


@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"], ids=["kept", "closing"])
async def test_an_answer_is_read_or_the_connection_ends(closing: bytes) -> None:
    """A client that does not read holds neither a descriptor nor what it was to read."""
    request = b"GET /large HTTP/1.1\r\nHost: x\r\n" + closing + b"\r\n"
    async with served(unread=0.5, closing=0.5) as address:
        assert 0.5 <= await held(address, request, read=False) < 20


async def test_an_idle_connection_is_kept_for_as_long_as_is_said() -> None:
    """And no longer."""
    async with served(idle=2) as address:
        assert 2 <= await held(address, HEALTH) < 20


def test_idle_connections_are_kept_longer_than_proxies_keep_theirs() -> None:
    """A request that a proxy sends into a connection that is just being closed is lost."""
    assert KEEP_ALIVE > 600
    for model in (Environment, RelayEnvironment):
        assert KEEP_ALIVE == model.model_fields["keep_alive"].default


@pytest.mark.slow
async def test_the_front_keeps_an_idle_connection() -> None:
    """It did so for five seconds, and reset what came then."""
    from tests.contract.test_framing import bot

    async with bot() as address:
        url = httpx.URL(address)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for _ in range(2):
            writer.write(HEALTH)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            await reader.readexactly(len(b'{"status":"alive"}'))
            await asyncio.sleep(7)
        writer.close()
