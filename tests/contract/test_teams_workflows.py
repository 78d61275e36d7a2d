"""Webhooks that only notify: what they are told, and that their address is a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.chat.channel_pager import ChannelPager
from adapters.teams import RoutedChat, WorkflowsChat, open_workflows
from bot.card import Notification
from bot.errors import Forbidden, Unanswered, Unavailable
from bot.records import Alert
from bot.wording import CardState
from tests.contract.teams_rig import CHANNEL, open_rig
from tests.render.cards import NOW, card, digest_card
from tests.render.teams_parts import nodes, runs
from tests.servers.flow import SIGNATURE, Flow, open_flow


@asynccontextmanager
async def open_chat() -> AsyncIterator[tuple[WorkflowsChat, Flow]]:
    """A webhook called `news`, and what it was told."""
    async with open_flow() as flow, open_workflows({"news": flow.url}) as chat:
        yield chat, flow


async def test_a_card_is_told_without_anything_to_press() -> None:
    """Everybody reads what waits; nobody can answer there, and no view of anybody's own is asked for."""
    async with open_chat() as (chat, flow):
        ref = await chat.post(card(), "news")
        await chat.post(digest_card(count=7), "news")
        first, digest = flow.cards
        assert card().card_id == ref
        assert "Approve send_email?" in runs(first)
        assert "7 more requests" in runs(digest)
        for content in flow.cards:
            assert [] == [node for node in nodes(content) if node["type"].startswith("Action")]
            assert "refresh" not in content


async def test_the_end_is_a_message_of_its_own_and_nothing_before_it() -> None:
    """A webhook cannot change what it posted: the outcome is told, votes and claims are not."""
    async with open_chat() as (chat, flow):
        ref = await chat.post(card(), "news")
        for state in CardState:
            await chat.update(card(state), "news", ref)
        await chat.update(digest_card(count=0), "news", ref)
        told = [runs(content)[0] for content in flow.cards[1:]]
        assert 6 == len(told)
        assert "✅ Approved: send_email" in told
        assert "⌛ Expired: send_email" in told


async def test_rungs_and_alerts_are_told_too() -> None:
    """A rung pings nobody there; an alert that was mended is a message of its own."""
    async with open_chat() as (chat, flow):
        notice = Notification(mark="m", text=("Still waiting",), mentions=("t/a",))
        assert "m" == await chat.say(notice, "news", thread="17")
        pager = ChannelPager(board=chat, channel="news")
        alert = Alert(approval_id="req-1", cause="x", text="cannot be told", raised_at=NOW)
        assert await pager.page(alert, ref=None, attempted_at=None) is None
        await pager.page(replace(alert, resolved="it could"), ref=None, attempted_at=NOW)
        rung, raised, resolved = flow.cards
        assert ["Still waiting"] == runs(rung)
        assert "⚠ cannot be told" in runs(raised)
        assert any("Resolved: " in text for text in runs(resolved))


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Forbidden), (401, Forbidden), (404, Forbidden), (429, Unavailable), (502, Unanswered)],
)
async def test_a_refusal_never_tells_the_address(status: int, error: type[Exception]) -> None:
    """Each status has its meaning; neither the error nor what it came from has the address in it."""
    async with open_chat() as (chat, flow):
        flow.status, flow.headers = status, {"Retry-After": "9"}
        with pytest.raises(error) as raised:
            await chat.post(card(), "news")
        assert SIGNATURE not in f"{raised.value!r}{raised.value.__cause__!r}{raised.value.__context__!r}"
        if isinstance(raised.value, Unavailable) and status == 429:
            assert 9.0 == raised.value.retry_after
        if error is Forbidden:
            assert f"the workflow news answered with HTTP {status}. Check that" in str(raised.value)


async def test_a_workflow_that_is_not_there_never_tells_its_address() -> None:
    """No connection: nothing was told, and the log gets the webhook's name alone."""
    address = f"http://127.0.0.1:9/x?sig={SIGNATURE}"
    async with open_workflows({"news": address}) as chat:
        with pytest.raises(Unavailable) as raised:
            await chat.post(card(), "news")
        assert "news" in str(raised.value)
        assert raised.value.__cause__ is None
        assert SIGNATURE not in f"{raised.value!r}{raised.value.__cause__!r}"


async def test_a_look_at_webhooks_alone_is_one_at_the_bot_too() -> None:
    """A secret that ran out is told although no conversation of the bot's is in the round."""
    async with open_chat() as (webhooks, _), open_rig(app_password="wrong-secret", signs_in=False) as rig:
        chat = RoutedChat(bot=rig.teams.chat, webhooks=webhooks)
        assert [""] == list(await chat.problems(["news"]))


async def test_the_name_tells_which_way_a_message_goes() -> None:
    """A webhook beside the bot: each gets its own, and a person is reached by the bot alone."""
    async with open_chat() as (webhooks, flow), open_rig() as rig:
        chat = RoutedChat(bot=rig.teams.chat, webhooks=webhooks)
        ref, mark = await asyncio.gather(chat.post(card(), CHANNEL), chat.post(card(), "news"))
        assert [rig.message(ref)] == rig.system.cards_in(rig.message(ref).place)
        assert card().card_id == mark
        await chat.update(card(CardState.APPROVED), CHANNEL, ref)
        await chat.update(card(CardState.APPROVED), "news", mark)
        assert 2 == len(flow.taken)
        assert chat.link(CHANNEL, ref)
        assert chat.link("news", mark) is None
        assert {"nowhere"} == set(await chat.problems(["nowhere", "news", CHANNEL]))
        assert await chat.find(mark, "news", since=NOW) is None
        assert chat.surface is rig.teams.chat.surface
        assert chat.interval == rig.teams.chat.interval
        assert "m" == await chat.say(Notification(mark="m", text=("x",)), "news")
        with pytest.raises(Forbidden):
            await webhooks.dm_channel("t/a")
        with pytest.raises(Forbidden):
            await webhooks.post(card(), "nowhere")
        assert {"x"} == set(await webhooks.problems(["x", "news"]))
