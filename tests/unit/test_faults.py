"""The faults that the sandbox can produce are real ones, seen by a real HTTP client over a real socket."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sandbox.faults import CONTROL_PATH, Faults, routes
from sandbox.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket


class Till:
    """A tiny app with an effect that can be counted."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.paid: list[bytes] = []

    async def pay(self, request: Request) -> Response:
        self.paid.append(await request.body())
        return JSONResponse({"paid": len(self.paid)})

    async def stream(self, _: Request) -> Response:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(endless())

    async def silent(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()


@asynccontextmanager
async def open_till() -> AsyncIterator[tuple[Till, httpx.AsyncClient]]:
    till = Till()
    app = Starlette(
        routes=[
            Route("/pay", till.pay, methods=["POST"]),
            Route("/stream", till.stream),
            WebSocketRoute("/ws", till.silent),
            *routes(till.faults),
        ]
    )
    async with serve(till.faults.wrap(app)) as url, httpx.AsyncClient(base_url=url, timeout=5) as client:
        yield till, client


async def collect(answer: httpx.Response, into: bytearray) -> None:
    async for chunk in answer.aiter_raw():
        into += chunk


async def test_a_status_with_headers_and_body() -> None:
    """A rule answers in place of the app, as often as it says, and counts."""
    async with open_till() as (till, client):
        rule = till.faults.add(
            path="/pay", times=2, status=429, headers={"Retry-After": "3"}, body={"error": "slow"}
        )

        answers = [await client.post("/pay") for _ in range(3)]

        assert [429, 429, 200] == [answer.status_code for answer in answers]
        assert ("3", {"error": "slow"}) == (answers[0].headers["retry-after"], answers[0].json())
        assert (2, 1) == (rule.hits, len(till.paid))


async def test_only_what_matches() -> None:
    """Method and path glob choose; the first rule with turns left wins; a page of text is a page of text."""
    async with open_till() as (till, client):
        till.faults.add(method="get", status=500)
        till.faults.add(
            method="post",
            path="/p*",
            times=1,
            status=200,
            body="<html>",
            headers={"content-type": "text/html"},
        )
        till.faults.add(path="/pay", status=503)

        first, second = await client.post("/pay"), await client.post("/pay")

        assert (200, "text/html", "<html>") == (first.status_code, first.headers["content-type"], first.text)
        assert 503 == second.status_code


async def test_reset_before() -> None:
    """A reset is a reset on the wire, and nothing was applied."""
    async with open_till() as (till, client):
        till.faults.add(path="/pay", times=1, reset=True)

        with pytest.raises(httpx.ReadError):
            await client.post("/pay", content=b"x" * 100_000)

        assert [] == till.paid
        assert 200 == (await client.post("/pay")).status_code


async def test_reset_is_rst() -> None:
    """The client's socket sees ECONNRESET, not a mannerly end."""
    async with open_till() as (till, client):
        till.faults.add(reset=True)
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")

        with pytest.raises(ConnectionResetError):
            await reader.read()

        writer.close()


@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 502}, {"truncate": True}])
async def test_applied_and_the_answer_lost(fault: dict[str, object]) -> None:
    """With `after` the effect happens exactly once although the client never gets the answer."""
    async with open_till() as (till, client):
        till.faults.add(path="/pay", times=1, after=True, **fault)

        try:
            lost = (await client.post("/pay", content=b"1")).status_code
        except httpx.TransportError:
            lost = 0

        assert lost in (0, 502)
        assert [b"1"] == till.paid


async def test_truncated() -> None:
    """Half a body and then nothing is an error for the client, not a short answer."""
    async with open_till() as (till, client):
        till.faults.add(path="/pay", truncate=True)

        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
            await client.post("/pay")


async def test_a_stream_is_cut() -> None:
    """An endless stream drops after so many bytes, having delivered them."""
    async with open_till() as (till, client):
        till.faults.add(path="/stream", cut_after=12)
        got = bytearray()

        async with client.stream("GET", "/stream") as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await collect(answer, got)

        assert b"tick\ntick\nti" == got


async def test_slow() -> None:
    """A delay outlasts the client's patience; a drip delivers everything in the end."""
    async with open_till() as (till, client):
        till.faults.add(path="/pay", times=1, after=True, delay=0.5)
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/pay", timeout=0.1)
        assert 1 == len(till.paid)

        till.faults.add(path="/pay", drip=0.005)
        assert {"paid": 2} == (await client.post("/pay")).json()


async def test_rules_from_outside() -> None:
    """Another process reads, replaces and clears the rules; a wrong rule changes nothing."""
    async with open_till() as (till, client):
        rules = [{"path": "/pay", "status": 500, "times": 1}]

        assert 200 == (await client.post("/sandbox/faults", json=rules)).status_code
        assert 422 == (await client.post("/sandbox/faults", json=[{"pth": "/pay"}])).status_code
        assert 500 == (await client.post("/pay")).status_code
        assert [1] == [rule["hits"] for rule in (await client.get("/sandbox/faults")).json()]
        assert [] == (await client.delete("/sandbox/faults")).json()
        assert [] == till.faults.rules


async def test_control_is_never_faulty() -> None:
    """A rule for everything can still be taken back."""
    async with open_till() as (till, client):
        till.faults.add(reset=True)

        assert 200 == (await client.delete("/sandbox/faults")).status_code
        assert 200 == (await client.post("/pay")).status_code


async def test_without_a_socket() -> None:
    """An app that is called in the same process gets the reset as an exception."""
    till = Till()
    till.faults.add(reset=True)
    app = till.faults.wrap(Starlette(routes=[Route("/pay", till.pay, methods=["POST"])]))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://till") as client:
        with pytest.raises(ConnectionResetError):
            await client.post("/pay")


async def test_the_server_stops_at_once() -> None:
    """An open stream and an open websocket do not keep the server up for more than about a second."""
    till = Till()
    app = Starlette(routes=[Route("/stream", till.stream), WebSocketRoute("/ws", till.silent)])
    server = AsyncExitStack()
    url = await server.enter_async_context(serve(app))

    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", f"{url}/stream") as answer,
        connect(f"{url.replace('http', 'ws')}/ws") as websocket,
    ):
        parts = answer.aiter_raw()
        await anext(parts)
        began = monotonic()
        await server.aclose()
        took = monotonic() - began

        with pytest.raises(httpx.TransportError):
            _ = [part async for part in parts]
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
    assert took < 1.5


async def test_a_port_bound_before() -> None:
    """The caller may bind the port, to know the address before the server runs; a taken port is refused."""
    till = Till()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    async with serve(Starlette(routes=routes(till.faults)), listener=listener) as url:
        assert f"http://127.0.0.1:{port}" == url
        with pytest.raises(OSError, match="in use"):
            async with serve(Starlette(), port=port):
                pass


@pytest.mark.parametrize(
    "rule",
    [
        {"status": 204, "body": "x"},
        {"status": 304, "body": {"a": 1}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a": "€"}},
        {"headers": {"a b": "c"}},
        {"headers": {"": "c"}},
        {"headers": {"Content-Length": "3"}},
        {"headers": {"transfer-encoding": "chunked"}},
        {"delay": "NaN"},
        {"body": {"a": float("inf")}},
    ],
)
async def test_what_no_server_could_send_is_no_rule(rule: dict[str, object]) -> None:
    """Refused when it is added, with the reason, and not a traceback when it acts."""
    async with open_till() as (till, client):
        with pytest.raises(ValueError, match=r"validation error"):
            till.faults.add(**rule)
        if "body" not in rule or rule.get("status"):
            answer = await client.post(CONTROL_PATH, json=[rule])
            assert 422 == answer.status_code
            assert answer.json()["detail"][0]["loc"]
        assert [] == till.faults.rules


@pytest.mark.parametrize("status", [204, 205, 304])
async def test_an_answer_without_a_body(status: int) -> None:
    """It is its head alone, and the connection goes on."""
    async with open_till() as (till, client):
        till.faults.add(path="/pay", status=status, headers={"X-A": "b"}, times=1)

        answer = await client.post("/pay")

        assert (status, "b", b"") == (answer.status_code, answer.headers["x-a"], answer.content)
        assert 200 == (await client.post("/pay")).status_code


@pytest.mark.parametrize("after", [False, True])
async def test_who_leaves_during_a_delay(caplog: pytest.LogCaptureFixture, after: bool) -> None:
    """Nothing is said about it in the log, and the next one is served."""
    async with open_till() as (till, client):
        till.faults.add(path="/pay", delay=0.2, times=1, after=after)
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/pay", content=b"x", timeout=httpx.Timeout(5, read=0.05))
        await asyncio.sleep(0.4)

        assert 200 == (await client.post("/pay")).status_code
        assert [] == [record for record in caplog.records if record.levelname == "ERROR"]
