"""Requests whose end could be read in two ways, and broken ones: 400, closed, and nothing of them goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from adapters.web import front, serve_front
from tests.contract.relay_rig import Line, behind

HEAD = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PIECES = b"\r\n2\r\nhi\r\n0\r\n\r\n"

#: The head alone says already that it cannot be believed.
HEADS = {
    "length beside pieces": HEAD + b"Content-Length: 3\r\n" + CHUNKED + PIECES,
    "pieces beside length": HEAD + CHUNKED + b"Content-Length: 3\r\n" + PIECES,
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "the same length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\nhi",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\nhi",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\nhi",
    "a length in hex": HEAD + b"Content-Length: 0x2\r\n\r\nhi",
    "an empty length": HEAD + b"Content-Length:\r\n\r\nhi",
    "pieces twice": HEAD + CHUNKED + CHUNKED + PIECES,
    "pieces of something": HEAD + b"Transfer-Encoding: gzip, chunked\r\n" + PIECES,
    "pieces by another name": HEAD + b"Transfer-Encoding: xchunked\r\n" + PIECES,
    "pieces in 1.0": HEAD.replace(b"1.1", b"1.0") + CHUNKED + PIECES,
    "a folded line": HEAD + b"X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nhi",
    "a folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n" + PIECES,
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\nhi",
    "a line without a colon": HEAD + b"Content-Length 2\r\n\r\nhi",
    "NUL in a value": HEAD + b"X-A: b\0c\r\n\r\n",
    "NUL in a name": HEAD + b"X\0A: b\r\n\r\n",
    "CR in a value": HEAD + b"X-A: b\rContent-Length: 2\r\n\r\nhi",
    "lines that end in LF": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\nhi",
    "one line that ends in LF": HEAD + b"X-A: b\nContent-Length: 2\r\n\r\nhi",
    "no host": HEAD.replace(b"Host: x\r\n", b"") + b"\r\n",
    "two hosts": HEAD + b"Host: y\r\n\r\n",
    "a head without an end": HEAD + b"X-A: " + b"b" * 100_000,
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "another version": HEAD.replace(b"1.1", b"2.0") + b"\r\n",
}
#: Here it is the body that breaks.
BODIES = {
    "a size that is none": HEAD + CHUNKED + b"\r\nzz\r\nhi\r\n0\r\n\r\n",
    "a signed size": HEAD + CHUNKED + b"\r\n+2\r\nhi\r\n0\r\n\r\n",
    "a size in 0x": HEAD + CHUNKED + b"\r\n0x2\r\nhi\r\n0\r\n\r\n",
    "a huge size": HEAD + CHUNKED + b"\r\n" + b"f" * 30 + b"\r\nhi",
    "a piece that is longer than it says": HEAD + CHUNKED + b"\r\n2\r\nhi!\r\n0\r\n\r\n",
    "a size without CR": HEAD + CHUNKED + b"\r\n2\nhi\r\n0\r\n\r\n",
}


@asynccontextmanager
async def bot() -> AsyncIterator[str]:
    app = front(receivers={}, troubles=list, health=list, metrics=lambda: (b"", "text/plain"))
    async with serve_front(app, host="127.0.0.1", port=0) as address:
        yield address


async def answers(address: str, request: bytes) -> list[bytes]:
    """The status lines of everything that comes back until the other side closes."""
    url = httpx.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request + SECOND)
    said = b""
    try:
        async with asyncio.timeout(10):
            while piece := await reader.read(65536):
                said += piece
    except ConnectionError:  # it was closed while we were still sending
        pass
    finally:
        writer.close()
    return [line for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@pytest.mark.parametrize("request_of", HEADS.values(), ids=HEADS)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(request_of: bytes) -> None:
    """By the bot and by the relay, before anybody else has seen it; what is behind it is not read."""
    reached: list[bytes] = []

    async def platform(line: Line) -> None:
        reached.append(line.head)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with bot() as address:
        assert [b"HTTP/1.1 400 Bad Request"] == await answers(address, request_of)
    async with behind(platform) as rig:
        assert [b"HTTP/1.1 400 Bad Request"] == await answers(rig.url, request_of)
    assert [] == reached


@pytest.mark.parametrize("request_of", BODIES.values(), ids=BODIES)
async def test_a_body_that_breaks_ends_the_connection(request_of: bytes) -> None:
    """Whatever the answer was: nothing after it is read as another request, and the platform sees no end."""
    reached: list[bytes] = []

    async def platform(line: Line) -> None:
        body = b""
        while piece := await line.reader.read(1024):
            body += piece
        reached.append(body)

    async with bot() as address:
        assert len(await answers(address, request_of)) == 1
    async with behind(platform) as rig:
        said = await answers(rig.url, request_of)
    assert said in ([], [b"HTTP/1.1 400 Bad Request"])
    assert not any(body.endswith(b"0\r\n\r\n") or SECOND in body for body in reached)
