"""Requests and answers through the relay: what goes on as it is, what stays behind, what is refused."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from starlette.types import ASGIApp, Message
from structlog.testing import capture_logs

from adapters.relay import Relay, open_relay, serve_relay
from adapters.serving import HANG_UP
from bot.errors import ConfigError
from tests.contract.relay_rig import RUN, Line, Rig, behind, relayed, upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
KEY = "key-hunter2"


class Upstream:
    """Keeps what it was sent, and gives one answer."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.got: list[bytes] = []

    async def act(self, line: Line) -> None:
        await line.send(self.answer)
        self.got.append(line.head + await line.reader.read())

    def relayed(self) -> AbstractAsyncContextManager[Rig]:
        return behind(self.act)

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields of the last request, names in lower case."""
        lines = self.got[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


async def test_fields_of_one_connection_stay_there() -> None:
    """RFC 9110 §7.6.1: what `Connection` names is dropped, all else goes on in its order, the key with it."""
    platform = Upstream()
    given = [
        ("X-API-Key", KEY), ("Connection", "close, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "5"),
        ("TE", "trailers"), ("Upgrade", "h2c"), ("Proxy-Connection", "x"), ("X-Twice", "a"), ("X-Twice", "b"),
    ]  # fmt: skip
    async with platform.relayed() as rig:
        with capture_logs() as logs:
            await rig.client.get("/x", headers=given)

    names = [name for name, _ in platform.fields]
    assert [(b"x-twice", b"a"), (b"x-twice", b"b")] == [f for f in platform.fields if f[0] == b"x-twice"]
    assert {b"x-mine", b"keep-alive", b"te", b"upgrade", b"proxy-connection"}.isdisjoint(names)
    assert (b"x-api-key", KEY.encode()) in platform.fields
    assert [(b"via", b"1.1 nod-relay"), (b"connection", b"close")] == platform.fields[-2:]
    assert rig.url.split("//")[1].encode() != dict(platform.fields)[b"host"]
    assert KEY not in repr(logs)


async def test_fields_of_an_answer_come_back() -> None:
    """In their order and number; no name of ours among them, and nothing of the platform's connection."""
    answer = (
        b"HTTP/1.1 418 Odd\r\nServer: platform\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Run-Id: 7\r\n"
        b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nContent-Length: 2\r\n\r\n{}"
    )
    platform = Upstream(answer)
    async with platform.relayed() as rig:
        got = await rig.client.get("/x", headers={"Connection": "keep-alive"})
        await rig.client.get("/y", headers={"Cookie": ""})

    expected = [
        ("server", "platform"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-run-id", "7"),
        ("content-length", "2"),
    ]  # fmt: skip
    assert (418, expected, b"{}") == (got.status_code, got.headers.multi_items(), got.content)
    assert b"a=1" not in platform.got[-1]


@pytest.mark.parametrize(
    "path", ["/a%2Fb/%2e%2e/c|d?x=%zz&y=%20+", "//double/./dots", "/agents/x/run?stream=1&&"]
)
async def test_the_target_is_not_written_anew(path: str) -> None:
    """The platform gets path and query in the very bytes that the client wrote."""
    platform = Upstream()
    async with platform.relayed() as rig:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        reader, writer = await rig.dial(request)
        await reader.read()
        writer.close()

    assert f"GET {path} HTTP/1.1".encode() == platform.got[-1].split(b"\r\n")[0]


async def test_a_redirect_is_the_clients_business() -> None:
    """It comes back unchanged; the key does not follow it."""
    platform = Upstream(
        b"HTTP/1.1 307 Away\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"
    )
    async with platform.relayed() as rig:
        got = await rig.client.post(RUN, headers={"X-API-Key": KEY})

    assert (307, "http://elsewhere.example/") == (got.status_code, got.headers["location"])
    assert 1 == len(platform.got)


@pytest.mark.parametrize("named", ["Content-Length", "Transfer-Encoding", "Host"])
async def test_what_frames_a_message_is_not_dropped(named: str) -> None:
    """Also where `Connection` names it: without it nobody could tell where the message ends."""
    platform = Upstream()
    frame = (
        ("Content-Length: 2", "hi")
        if named != "Transfer-Encoding"
        else (f"{named}: chunked", "2\r\nhi\r\n0\r\n\r\n")
    )
    async with platform.relayed() as rig:
        head = f"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close, {named}\r\n{frame[0]}\r\n\r\n"
        reader, writer = await rig.dial((head + frame[1]).encode())
        got = await reader.read()
        writer.close()

    assert got.startswith(b"HTTP/1.1 200 ")
    assert platform.got[-1].endswith(b"\r\n\r\n" + frame[1].encode())


async def test_a_request_that_cannot_be_sent_on() -> None:
    """400, and no traceback: what its head promises and its body is are not the same."""

    async def act(line: Line) -> None:
        await line.closed()

    async with upstream(act) as address:
        platform = httpx.URL(address)
        async with httpx.AsyncHTTPTransport() as transport:
            relay = Relay(transport=transport, platform=platform, wake=lambda: None)
            sent = await asked(relay, headers=[(b"content-length", b"1")], body=b"hi")

    assert 400 == sent[0]["status"]
    assert b"BadRequest" in sent[1]["body"]


async def asked(app: ASGIApp, *, headers: list[tuple[bytes, bytes]], body: bytes) -> list[Message]:
    """What an ASGI app answers to a request whose server did not check it."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "raw_path": b"/x", "query_string": b"", "http_version": "1.1",
        "headers": headers, "extensions": {HANG_UP: lambda: None},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


async def test_bodies_of_all_sizes() -> None:
    """A body arrives whole, with its length or in pieces, and so does the answer."""

    async def act(line: Line) -> None:
        length = int(line.head.lower().partition(b"content-length:")[2].split()[0])
        body = await line.reader.readexactly(length)
        await line.send(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + body)

    async with behind(act) as rig:
        for size in (0, 1, 65_536, 3_000_000):
            body = b"\x00\xff" * size
            assert body == (await rig.client.post("/x", content=body)).content


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("OPTIONS", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_answers_without_a_body(method: str, answer: bytes) -> None:
    """They come back with the status and length that they had, and the connection is fit for the next one."""
    platform = Upstream(answer)
    async with platform.relayed() as rig:
        for _ in range(2):
            got = await rig.client.request(method, "/x")
            length = answer.partition(b"Content-Length: ")[2].partition(b"\r")[0].decode() or None
            assert (int(answer[9:12]), length, b"") == (
                got.status_code,
                got.headers.get("content-length"),
                got.content,
            )


async def test_a_client_that_asks_before_it_sends() -> None:
    """`Expect: 100-continue` is answered, and the body goes on (RFC 9110 §10.1.1)."""

    async def act(line: Line) -> None:
        await line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert b"body" == await line.reader.readexactly(4)
        await line.send(OK)

    async with behind(act) as rig, asyncio.timeout(5):
        head = (
            b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n"
        )
        reader, writer = await rig.dial(head + b"\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_platform_that_is_not_there() -> None:
    """502 in the form of the platform's errors, and an event that says what failed, without path or key."""
    async with upstream(asyncio.sleep) as gone:
        pass
    async with relayed(gone) as rig:
        with capture_logs() as logs:
            got = await rig.client.get("/x", headers={"X-API-Key": KEY})

    assert (502, False, "BadGateway") == (got.status_code, got.json()["success"], got.json()["error"])
    why = f"{gone.removeprefix('http://')} refuses the connection"
    assert [{"event": "relay_platform_failed", "reason": why, "log_level": "warning"}] == logs


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 101 Switch\r\n\r\n", b"HTTP/1.1 999 What\r\n\r\n", b"garbage\r\n\r\n", b""]
)
async def test_an_answer_that_is_none(answer: bytes) -> None:
    """What is not HTTP, or changes the protocol, is told as 502."""

    async def act(line: Line) -> None:
        await line.send(answer)

    async with behind(act) as rig:
        assert 502 == (await rig.client.get("/x")).status_code


async def test_a_relay_in_front_of_itself() -> None:
    """It says so at once, also with others in between, and does not go round until no port is left."""
    platform = Upstream()
    async with platform.relayed() as inner, relayed(inner.url) as outer:
        got = await outer.client.get("/x")
        between = await inner.client.get("/x", headers={"Via": "1.0 a, 1.1 nod-relay, 1.1 b"})
        assert [] == platform.got
        other = await inner.client.get("/x", headers={"Via": "1.1 nod-relays"})

    assert (508, 508, 200) == (got.status_code, between.status_code, other.status_code)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/x", 200),
        ("/x..y", 200),
        ("/../admin", 400),
        ("/a/%2E%2e/b", 400),
        ("/a%2f..%2fb", 400),
        ("http://x/", 400),
    ],
)
async def test_the_platforms_own_path_is_not_left(target: str, status: int) -> None:
    """Where the address has a path, only what is below it can be reached."""
    platform = Upstream()
    async with upstream(platform.act) as url, relayed(f"{url}/api/") as rig:
        reader, writer = await rig.dial(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        got = await reader.read()
        writer.close()

    assert f"HTTP/1.1 {status} ".encode() == got[:13]
    assert [f"GET /api{target} HTTP/1.1".encode()] * (status == 200) == [
        g.split(b"\r\n")[0] for g in platform.got
    ]


@pytest.mark.parametrize(
    "address", ["http://", "http://u:p@host", "http://host/?q=1", "http://host/#f", "http://h:x"]
)
async def test_an_address_that_is_none(address: str) -> None:
    """It is told at the start, by the name of the variable."""
    with pytest.raises(ConfigError, match="AIP_API_URL"):
        async with open_relay(address, wake=lambda: None):
            pass


async def test_a_port_that_is_taken() -> None:
    """It is told as a setting."""
    here = "http://127.0.0.1:1"
    async with relayed(here) as rig, open_relay(here, wake=lambda: None) as app:
        with pytest.raises(ConfigError, match="cannot be used"):
            async with serve_relay(app, host="127.0.0.1", port=httpx.URL(rig.url).port or 0):
                pass
