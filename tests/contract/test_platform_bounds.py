"""The platform's client keeps within bounds: of origin, size, time and number, and of its own settings."""

from __future__ import annotations

import asyncio
import gzip
import json
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from adapters.platform.answers import Limits
from adapters.platform.client import open_platform
from bot.errors import ConfigError, Forbidden, NodError, Unanswered, Unavailable
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from sandbox import platform as sandbox
from sandbox.serve import serve
from tests.contract.platform_rig import (
    APPROVE,
    DECISION,
    KEY,
    QUICK,
    Rig,
    answering,
    failure_of_decision,
    failure_of_poll,
    now,
    open_rig,
    request_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with open_rig() as one:
        yield one


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_key_never_follows_a_redirect(rig: Rig, status: int) -> None:
    """Another origin hears nothing of us, neither key nor decision."""
    heard: list[Scope] = []

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(scope)
        await JSONResponse([])(scope, receive, send)

    async with serve(elsewhere) as other:
        headers = {"location": f"{other}/agents/hitl/pending"}
        assert isinstance(await failure_of_poll(rig, status=status, headers=headers), Forbidden)
        assert isinstance(await failure_of_decision(rig, status=status, headers=headers), Forbidden)
        rig.faults.add(path="/agents/hitl/audit/*", status=status, headers=headers)
        assert await rig.client.word_on("r") is None
    assert [] == heard


@pytest.mark.parametrize(("status", "expected"), [(200, Unavailable), (403, Forbidden)])
async def test_a_body_without_end_is_not_read_on(status: int, expected: type[NodError]) -> None:
    """The client hangs up once it has seen too much, long before its time is up."""

    async def endless(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        gone = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": status, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": b" " * 1_000_000, "more_body": True})
            await asyncio.sleep(0)
        assert (await gone)["type"] == "http.disconnect"

    began = monotonic()
    async with answering(endless, Limits()) as client:
        with pytest.raises(expected):
            await client.pending()
    assert monotonic() - began < Limits().read


def listing(*items: dict[str, object], times: int = 1) -> ASGIApp:
    """A platform that lists these, the last of them so many times."""
    *first, last = (json.dumps(item).encode() for item in items)

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(receive_end(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number, item in enumerate([*first, *[last] * times]):
            if gone.done():
                return
            piece = (b"[" if not number else b",") + item
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"]"})
        gone.cancel()

    return app


async def receive_end(receive: Receive) -> None:
    """Until the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass


HUGE: dict[str, object] = {"request_id": "huge", "agent_id": "loop-1", "a": "x" * 4_000_000}
SMALL: dict[str, object] = {"request_id": "small", "tool": "pay", "agent_id": "treasury", "arguments": {}}


async def test_a_list_beyond_all_bounds_names_its_agent() -> None:
    """A hundred megabytes, most from one agent: nothing is concluded, and the agent to stop is named."""
    async with answering(listing(SMALL, HUGE, times=27), Limits()) as client:
        with pytest.raises(Unavailable) as error:
            await client.pending()
    assert str(error.value) == (
        "the platform's pending list is longer than 100,000,000 bytes; most of it is from the agent loop-1"
    )


async def test_a_few_huge_calls_are_set_aside_and_the_others_go_on() -> None:
    """Six calls of four megabytes, more than all of the list could once be."""
    async with answering(listing(SMALL, HUGE, times=6), Limits()) as client:
        read = await client.pending()
    assert ["small"] == [request.request_id for request in read.requests]
    assert {"huge"} == read.unread_ids


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", lambda: gzip.compress(b" " * 120_000_000 + b"[]")),  # a second, and only where it is run
        ("gzip", lambda: gzip.compress(b"[]")[:-4]),
        ("gzip", lambda: b"[]"),
        ("br", lambda: b"[]"),
        ("gzip, gzip", lambda: gzip.compress(gzip.compress(b"[]"))),
    ],
    ids=["bomb", "cut", "not gzip", "not asked for", "twice"],
)
async def test_a_bomb_or_a_broken_packing_is_a_failed_call(encoding: str, packed: Callable[[], bytes]) -> None:
    """What cannot be unpacked within bounds is not used."""
    async with answering(Response(packed(), headers={"content-encoding": encoding})) as client:
        with pytest.raises(Unavailable, match=r"cannot be used|longer than"):
            await client.pending()
        with pytest.raises(Unanswered, match="cannot be used"):
            await client.decide(request_of(), APPROVE)


async def test_a_packed_list_is_unpacked() -> None:
    """Platforms behind a compressing proxy work."""
    async with answering(Response(gzip.compress(b"[]"), headers={"content-encoding": "gzip"})) as client:
        assert () == (await client.pending()).requests


async def test_few_decisions_are_on_their_way_at_once() -> None:
    """A storm of clicks is sent in turns, and every one arrives exactly once."""
    now_inside, most, seen = 0, 0, list[str]()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal now_inside, most
        now_inside += 1
        most = max(most, now_inside)
        seen.append((await receive())["body"].decode())
        await asyncio.sleep(0.01)
        now_inside -= 1
        await JSONResponse({"status": "ok"})(scope, receive, send)

    async with answering(slow, Limits(posts=4)) as client:
        await asyncio.gather(*(client.decide(request_of(f"r{number}"), APPROVE) for number in range(60)))
    assert (4, 60, 60) == (most, len(seen), len(set(seen)))


async def test_a_decision_that_got_no_turn_was_not_sent() -> None:
    """Behind a stuck one the others end in time, plainly Unavailable."""
    async with open_rig(Limits(read=5, total=1.5, posts=1)) as rig:
        rig.faults.add(path=DECISION, delay=2)
        first, second = rig.ask(), rig.ask()
        ends = await asyncio.gather(
            rig.client.decide(first, APPROVE), rig.client.decide(second, APPROVE), return_exceptions=True
        )
        assert [Unanswered, Unavailable] == [type(end) for end in ends]
        assert rig.faults.rules[0].hits == 1


async def test_a_decision_without_time_for_an_answer_is_not_sent() -> None:
    """Its turn comes in the last tenth of its time: it is put off, and known not to have happened."""
    async with open_rig(Limits(read=5, total=3, posts=1)) as rig:
        rig.faults.add(path=DECISION, delay=2.8)
        first, second = rig.ask(), rig.ask()
        ends = await asyncio.gather(
            rig.client.decide(first, APPROVE), rig.client.decide(second, APPROVE), return_exceptions=True
        )
        assert [type(None), Unavailable] == [type(end) for end in ends]
        assert rig.faults.rules[0].hits == 1


async def test_a_decision_carries_what_the_protocol_names() -> None:
    """Request id, decision, note and run id; the key in its header.

    A note may be in any script; half a sign in it is replaced, as the platform would refuse it.
    """
    heard: list[tuple[str | None, bytes]] = []

    async def listen(request: Request) -> Response:
        heard.append((request.headers.get("x-api-key"), await request.body()))
        return JSONResponse({"status": "ok"})

    app = Starlette()
    app.add_route(DECISION, listen, methods=["POST"])
    async with answering(app) as client:
        await client.decide(request_of(), APPROVE)
        plain = HITLRequest(request_id="r", tool_name="t", arguments={}, agent_id="a")
        await client.decide(plain, HITLResponse(decision=HITLDecision.SKIPPED))
    full = rb'{"request_id": "r", "decision": "approved", "operator_input": "n\u00e4h?", "run_id": "run"}'
    assert [(KEY, full), (KEY, b'{"request_id": "r", "decision": "skipped"}')] == heard


@pytest.mark.parametrize("suffix", ["", "/"])
async def test_the_address_may_have_a_path(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a gateway, with or without the last slash; proxies of the environment are not asked."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with sandbox.open_platform(api_key=KEY) as inside:
        app = Starlette(routes=[Mount("/gateway/aip", app=sandbox.platform_app(inside))])
        async with (
            serve(app) as url,
            open_platform(f"{url}/gateway/aip{suffix}", KEY, clock=now, limits=QUICK) as client,
        ):
            inside.ask(arguments={})
            assert len((await client.pending()).requests) == 1


@pytest.mark.parametrize(
    ("url", "key", "where"),
    [
        ("", KEY, "AIP_API_URL"),
        ("localhost:8000", KEY, "AIP_API_URL"),
        ("ftp://host", KEY, "AIP_API_URL"),
        ("http://", KEY, "AIP_API_URL"),
        ("http://host:port", KEY, "AIP_API_URL"),
        ("http://user:word@host", KEY, "AIP_API_URL"),
        ("http://host/?a=1", KEY, "AIP_API_URL"),
        ("http://host/#a", KEY, "AIP_API_URL"),
        ("http://host", "", "AIP_API_KEY"),
        ("http://host", "key\n", "AIP_API_KEY"),
        ("http://host", "schlüssel", "AIP_API_KEY"),
    ],
)
async def test_a_wrong_setting_is_said_at_once(url: str, key: str, where: str) -> None:
    """Nod names the variable to mend, without repeating the key."""
    with pytest.raises(ConfigError) as caught:
        async with open_platform(url, key, clock=now):
            pass
    assert where == caught.value.where
    assert not key or key not in str(caught.value)


async def test_a_list_of_too_many_items_names_its_agent() -> None:
    """However small they are."""
    app = Response(b"[%s]" % b",".join([b'{"agent_id": "loop-1"}'] * 50_001))
    async with answering(app, Limits()) as client:
        with pytest.raises(Unavailable, match=r"longer than 50,000 items; most of it is from the agent loop-1"):
            await client.pending()
