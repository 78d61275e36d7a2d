"""Webhooks that only notify: what they are told, and that their address is a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.sandbox.serve import serve
from adapters.teams import RoutedChat, TeamsPager, WorkflowsChat, open_workflows
from bot.card import Notice
from bot.errors import ConfigError, Forbidden, Unanswered, Unavailable
from bot.records import Alert
from bot.wording import CardState
from tests.contract.teams_rig import CHANNEL, open_rig
from tests.render.cards import NOW, card, digest_card
from tests.render.teams_parts import checked, nodes, runs

SECRET = "c2lnbmF0dXJl-secret"


@dataclass(slots=True)
class Flow:
    """A workflow that takes messages."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self, http: Request) -> Response:
        """Take one message."""
        assert SECRET == http.query_params["sig"]
        self.taken.append(await http.json())
        return Response(status_code=self.status, headers=self.headers)

    @property
    def cards(self) -> list[dict[str, Any]]:
        """What was posted, each checked against what Teams takes."""
        return [checked(message["attachments"][0]["content"]) for message in self.taken]


@asynccontextmanager
async def open_flow() -> AsyncIterator[tuple[WorkflowsChat, Flow]]:
    """A webhook called `news`, and what it was told."""
    flow = Flow()
    routes = [Route("/workflows/{id}/run", flow.receive, methods=["POST"])]
    async with (
        serve(Starlette(routes=routes)) as url,
        open_workflows({"news": f"{url}/workflows/1/run?sig={SECRET}"}, hosts=("127.0.0.1",)) as chat,
    ):
        yield chat, flow


async def test_a_card_is_told_without_anything_to_press() -> None:
    """Everybody reads what waits; nobody can answer there, and no view of anybody's own is asked for."""
    async with open_flow() as (chat, flow):
        ref = await chat.post(card(), "news")
        await chat.post(digest_card(count=7), "news")
        first, digest = flow.cards
        assert card().card_id == ref
        assert "Approve send_email?" in runs(first)
        assert "7 more requests wait" in runs(digest)
        for content in flow.cards:
            assert [] == [node for node in nodes(content) if node["type"].startswith("Action")]
            assert "refresh" not in content


async def test_the_end_is_a_message_of_its_own_and_nothing_before_it() -> None:
    """A webhook cannot change what it posted: the outcome is told, votes and claims are not."""
    async with open_flow() as (chat, flow):
        ref = await chat.post(card(), "news")
        for state in CardState:
            await chat.update(card(state), "news", ref)
        await chat.update(digest_card(count=0), "news", ref)
        told = [runs(content)[0] for content in flow.cards[1:]]
        assert 6 == len(told)
        assert "Approved: send_email" in told
        assert "Expired: send_email" in told


async def test_rungs_and_alerts_are_told_too() -> None:
    """A rung pings nobody there; an alert that was mended is a message of its own."""
    async with open_flow() as (chat, flow):
        notice = Notice(mark="m", text=("Still waiting",), mentions=("t/a",))
        assert "m" == await chat.say(notice, "news", thread="17")
        pager = TeamsPager(chat=chat, channel="news")
        alert = Alert(approval_id="req-1", cause="x", text="cannot be told", raised_at=NOW)
        assert await pager.page(alert, ref=None, attempted_at=None) is None
        await pager.page(replace(alert, mended="it could"), ref=None, attempted_at=NOW)
        rung, raised, mended = flow.cards
        assert ["Still waiting"] == runs(rung)
        assert "cannot be told" in runs(raised)
        assert "It got through after all" in runs(mended)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Forbidden), (401, Forbidden), (404, Forbidden), (429, Unavailable), (502, Unanswered)],
)
async def test_a_refusal_never_tells_the_address(status: int, error: type[Exception]) -> None:
    """Each status has its meaning; neither the error nor what it came from has the address in it."""
    async with open_flow() as (chat, flow):
        flow.status, flow.headers = status, {"Retry-After": "9"}
        with pytest.raises(error) as raised:
            await chat.post(card(), "news")
        assert SECRET not in f"{raised.value!r}{raised.value.__cause__!r}{raised.value.__context__!r}"
        if isinstance(raised.value, Unavailable) and status == 429:
            assert 9.0 == raised.value.retry_after


async def test_a_workflow_that_is_not_there_never_tells_its_address() -> None:
    """No connection: nothing was told, and the log gets the webhook's name alone."""
    address = f"http://127.0.0.1:9/x?sig={SECRET}"
    async with open_workflows({"news": address}, hosts=("127.0.0.1",)) as chat:
        with pytest.raises(Unavailable) as raised:
            await chat.post(card(), "news")
        assert "news" in str(raised.value)
        assert SECRET not in f"{raised.value!r}{raised.value.__cause__!r}"


@pytest.mark.parametrize(
    "address",
    [
        f"http://prod-1.westeurope.logic.azure.com/x?sig={SECRET}",
        f"https://logic.azure.com.evil.example/x?sig={SECRET}",
        f"https://evil.example/.logic.azure.com?sig={SECRET}",
        f"https://x@prod-1.westeurope.logic.azure.com/x?sig={SECRET}",
        f"https://[bad/x?sig={SECRET}",
        "",
    ],
)
async def test_only_addresses_of_workflows_are_taken(address: str) -> None:
    """HTTPS and a host of Microsoft's workflows; the message names the webhook, never the address."""
    with pytest.raises(ConfigError) as raised:
        async with open_workflows({"news": address}):
            pass
    assert "workflows.news" == raised.value.where
    assert SECRET not in str(raised.value)


async def test_an_address_of_a_workflow_is_taken() -> None:
    """Both kinds of address that Microsoft hands out."""
    addresses = {
        "old": "https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x",
        "new": "https://default1.2.environment.api.powerplatform.com/powerautomate/automations/direct/x?sig=y",
    }
    async with open_workflows(addresses) as chat:
        assert {"old", "new"} == chat.names


async def test_the_name_tells_which_way_a_message_goes() -> None:
    """A webhook beside the bot: each gets its own, and a person is reached by the bot alone."""
    async with open_flow() as (webhooks, flow), open_rig() as rig:
        chat = RoutedChat(bot=rig.teams.chat, webhooks=webhooks)
        ref, mark = await asyncio.gather(chat.post(card(), CHANNEL), chat.post(card(), "news"))
        assert (ref, card().card_id) == (rig.town.cards_in(rig.message(ref).place)[0].id, mark)
        await chat.update(card(CardState.APPROVED), CHANNEL, ref)
        await chat.update(card(CardState.APPROVED), "news", mark)
        assert 2 == len(flow.taken)
        assert chat.link(CHANNEL, ref)
        assert chat.link("news", mark) is None
        assert {"nowhere"} == set(await chat.troubles(["nowhere", "news", CHANNEL]))
        assert await chat.find(mark, "news", since=NOW) is None
        assert chat.surface is rig.teams.chat.surface
        assert chat.interval == rig.teams.chat.interval
        assert "m" == await chat.say(Notice(mark="m", text=("x",)), "news")
        with pytest.raises(Forbidden):
            await webhooks.room_of("t/a")
        with pytest.raises(Forbidden):
            await webhooks.post(card(), "nowhere")
        assert {"x"} == set(await webhooks.troubles(["x", "news"]))
