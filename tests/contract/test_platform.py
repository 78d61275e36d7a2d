"""What every `bot.ports.Source` promises, kept by the fake and by the real client alike."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from adapters.platform.client import open_platform
from bot.errors import Gone
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from sandbox import platform as sandbox
from sandbox.serve import serve
from tests.fakes import FakePlatform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bot.ports import Platform

APPROVE = HITLResponse(decision=HITLDecision.APPROVED, operator_input="approved by Ann")
REJECT = HITLResponse(decision=HITLDecision.REJECTED)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A platform as Nod sees it, and its other side."""

    platform: Platform
    ask: Callable[[], str]  #: an agent pauses; returns the request's id
    decided: Callable[[], list[tuple[str, str, str | None]]]  #: id, decision and note, as they were taken


@asynccontextmanager
async def fake() -> AsyncIterator[Rig]:
    platform = FakePlatform(clock=now)

    def ask() -> str:
        request_id = str(uuid.uuid4())
        platform.waiting[request_id] = HITLRequest(
            request_id=request_id, tool_name="pay", arguments={"amount": 12}, agent_id="bare_agent-00000000"
        )
        return request_id

    def decided() -> list[tuple[str, str, str | None]]:
        return [(known, said.decision.value, said.operator_input) for known, said in platform.decided]

    yield Rig(platform=platform, ask=ask, decided=decided)


@asynccontextmanager
async def over_http(quirks: sandbox.Quirks) -> AsyncIterator[Rig]:
    async with (
        sandbox.open_platform(api_key="key", quirks=quirks) as inside,
        serve(sandbox.platform_app(inside)) as url,
        open_platform(url, "key", clock=now) as platform,
    ):

        def decided() -> list[tuple[str, str, str | None]]:
            taken = [post for post in inside.decisions if post.status == 200]
            return [(post.request_id, post.decision, post.operator_input) for post in taken]

        yield Rig(
            platform=platform, ask=lambda: inside.ask(tool="pay", arguments={"amount": 12}), decided=decided
        )


@pytest.fixture(params=["fake", "http", "http, wrapped list"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    kind: str = request.param
    opened = fake() if kind == "fake" else over_http(sandbox.Quirks(wrapped=kind != "http"))
    async with opened as one:
        yield one


async def test_a_quiet_platform_is_a_good_poll(rig: Rig) -> None:
    """Nothing waits: that is an answer, with the moment at which it was asked for."""
    before = now()
    listing = await rig.platform.pending()
    assert ((), (), frozenset()) == (listing.requests, listing.set_aside, listing.unread_ids)
    assert before <= listing.began_at <= now()


async def test_what_waits_is_listed_with_its_call(rig: Rig) -> None:
    """Everything that waits, each with the call that a person will see."""
    asked = [rig.ask(), rig.ask()]
    listing = await rig.platform.pending()
    assert asked == [request.request_id for request in listing.requests]
    shown = [(request.tool_name, request.arguments, request.whole) for request in listing.requests]
    assert [("pay", {"amount": 12}, True)] * 2 == shown


@pytest.mark.parametrize("response", [APPROVE, REJECT])
async def test_a_decision_is_taken_with_its_note(rig: Rig, response: HITLResponse) -> None:
    """The platform has the decision and the words once the call returns, and the request waits no more."""
    request_id = rig.ask()
    (request,) = (await rig.platform.pending()).requests
    await rig.platform.decide(request, response)
    assert [(request_id, response.decision.value, response.operator_input)] == rig.decided()
    assert () == (await rig.platform.pending()).requests


async def test_a_second_decision_finds_it_gone(rig: Rig) -> None:
    """The first one wins; the other learns that it came too late."""
    request_id = rig.ask()
    (request,) = (await rig.platform.pending()).requests
    await rig.platform.decide(request, APPROVE)
    with pytest.raises(Gone):
        await rig.platform.decide(request, REJECT)
    assert [(request_id, "approved", "approved by Ann")] == rig.decided()


async def test_a_decision_on_something_unknown_finds_it_gone(rig: Rig) -> None:
    """Timed out, cancelled, lost in a restart, never there: all the same."""
    with pytest.raises(Gone):
        await rig.platform.decide(
            HITLRequest(request_id="nope", tool_name="t", arguments={}, agent_id="a"), APPROVE
        )


async def test_the_audit_tells_how_a_request_ended(rig: Rig) -> None:
    """Its word, once there is one; about anything else it says nothing, and that is no error."""
    request_id = rig.ask()
    assert await rig.platform.word_on(request_id) is None
    (request,) = (await rig.platform.pending()).requests
    await rig.platform.decide(request, REJECT)
    assert await rig.platform.word_on(request_id) == "rejected"
    assert await rig.platform.word_on("../another id?") is None
