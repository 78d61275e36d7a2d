"""The address that came with a press: called only at Slack, five times in half an hour, and kept secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from adapters.slack.chat import LIFE, USES, ResponseUrls
from bot.card import Button
from bot.errors import Gone
from bot.wording import CardState
from sandbox.serve import serve
from tests.contract.slack_rig import CHANNEL, open_rig, press, until
from tests.render.cards import card

MESSAGE = {"text": "Approved", "blocks": []}
SECRET = "T0NOD/s3cr3t-part"


@dataclass
class Hooks:
    """A server that takes what it is sent, answers as told, and tells the time."""

    url: str = ""
    now: float = 100.0
    answer: Response = field(default_factory=lambda: Response("ok"))
    taken: list[dict[str, object]] = field(default_factory=list)

    async def receive(self, http: Request) -> Response:
        self.taken.append(await http.json())
        return self.answer


@asynccontextmanager
async def opened(hooks: Hooks, *, api_url: str | None = None) -> AsyncIterator[ResponseUrls]:
    app = Starlette(routes=[Route("/{path:path}", hooks.receive, methods=["POST", "GET"])])
    async with serve(app) as url, aiohttp.ClientSession() as session:
        hooks.url = url
        yield ResponseUrls(session=session, api_url=api_url or f"{url}/api/", monotonic=lambda: hooks.now)


async def test_five_uses_within_half_an_hour() -> None:
    """What Slack would refuse is not sent; the next press starts over."""
    hooks = Hooks()
    async with opened(hooks) as urls:
        urls.keep("C1", "1.1", f"{hooks.url}/actions/a")
        assert [True] * USES + [False] == [await urls.replace("C1", "1.1", MESSAGE) for _ in range(USES + 1)]
        assert {**MESSAGE, "replace_original": True} == hooks.taken[0]
        urls.keep("C1", "1.1", f"{hooks.url}/actions/b")
        assert await urls.replace("C1", "1.1", MESSAGE)
        hooks.now += LIFE
        assert not await urls.replace("C1", "1.1", MESSAGE)
        assert not await urls.replace("C1", "2.2", MESSAGE), "another message was never pressed"
        assert USES + 1 == len(hooks.taken)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/commands/T0/1",
        "http://hooks.slack.com/actions/T0/1",
        "https://hooks.slack.com:8443/actions/T0/1",
        "https://hooks.slack.com.evil.example/actions/T0/1",
        "https://hooks.slack.com@evil.example/actions/T0/1",
        "https://someone@hooks.slack.com/actions/T0/1",
        "https://evil.example/actions/T0/1",
        "https://evil.example\\@hooks.slack.com/actions/T0/1",
        "http://127.0.0.1:1/actions/T0/1",
        "http://[::1/actions",
        "file:///etc/passwd",
        "//hooks.slack.com/actions/T0/1",
        "",
        None,
    ],
)
async def test_no_other_address_is_called(url: str | None) -> None:
    """Whatever a payload names, nothing goes out but to Slack."""
    hooks = Hooks()
    async with opened(hooks, api_url="https://slack.com/api/") as urls:
        urls.keep("C1", "1.1", url)
        assert not urls._kept
        urls.keep("C1", "1.1", f"{hooks.url}/actions/a")
        assert not await urls.replace("C1", "1.1", MESSAGE)
        urls.keep("C1", "1.1", "https://hooks.slack.com/actions/T0/1")
        assert urls._kept
        assert [] == hooks.taken


@pytest.mark.parametrize(
    "answer",
    [RedirectResponse("/elsewhere"), JSONResponse({"ok": False, "error": "used_url"}, 404), Response("", 500)],
    ids=["redirect", "used up", "trouble"],
)
async def test_what_is_refused_is_not_called_again(answer: Response) -> None:
    """No redirect is followed; chat.update takes over."""
    hooks = Hooks(answer=answer)
    async with opened(hooks) as urls:
        urls.keep("C1", "1.1", f"{hooks.url}/actions/a")
        assert [False, False] == [await urls.replace("C1", "1.1", MESSAGE) for _ in range(2)]
        assert 1 == len(hooks.taken)


async def test_it_stands_in_no_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor in what an object says of itself, also when nobody answers there."""
    caplog.set_level(logging.DEBUG)
    hooks = Hooks()
    async with opened(hooks, api_url="http://127.0.0.1:9/api/") as urls:
        urls.keep("C1", "1.1", f"http://127.0.0.1:9/actions/{SECRET}")
        assert SECRET not in repr(urls._kept)
        assert not await urls.replace("C1", "1.1", MESSAGE)
    said = capsys.readouterr()
    assert SECRET not in caplog.text + said.out + said.err


async def test_a_pressed_card_changes_without_chat_update() -> None:
    """The mark stays with the message, and what was not pressed goes by chat.update."""
    async with open_rig() as rig:
        pressed, other = await rig.card_up(), await rig.card_up()
        await press(rig, "approve", ref=pressed)
        chat = rig.slack.chat
        for ref in (pressed, other):
            await chat.update(card(CardState.APPROVED), CHANNEL, ref)
        updated = [call.args["ts"] for call in rig.workspace.called("chat.update")]
        assert [other] == updated
        texts = {m.ts: (m.text, (m.metadata or {}).get("event_type")) for m in rig.workspace.messages(CHANNEL)}
        assert {("✅ Approved: send_email, by Ann Albers", "nod_card")} == {texts[pressed], texts[other]}


async def test_a_pressed_card_that_was_deleted_is_gone() -> None:
    """The address brings no message back: the core hears that it is not there any more."""
    async with open_rig() as rig:
        ref = await rig.card_up()
        await press(rig, "approve", ref=ref)
        rig.workspace.conversations.remove(rig.workspace.conversations.get(CHANNEL, ref))
        with pytest.raises(Gone):
            await rig.slack.chat.update(card(CardState.APPROVED), CHANNEL, ref)
        assert [] == rig.workspace.messages(CHANNEL)


async def test_a_press_without_an_address_counts_all_the_same() -> None:
    """It is a help for the pace, and no part of a decision."""
    async with open_rig() as rig:
        ref = await rig.card_up()
        rig.workspace.base_url = "https://evil.example"
        assert (await press(rig, "approve", ref=ref)).ok
        await until(lambda: rig.desk.taken or rig.desk.seen)
        assert Button.APPROVE is rig.desk.seen[-1].verb
        await rig.slack.chat.update(card(CardState.APPROVED), CHANNEL, ref)
        assert 1 == len(rig.workspace.called("chat.update"))
