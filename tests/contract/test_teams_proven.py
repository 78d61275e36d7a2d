"""What a press claims and what Nod knows: which card is on a message, and which pages were shown."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.chat.labels import FROM_PAGE_ONE
from adapters.teams.conversations import split_ref
from adapters.teams.elements import content, words
from bot.card import Button, Card
from bot.errors import Refusal, Unanswered
from sandbox.teams.messages import Message
from sandbox.teams.people import APPROVALS
from tests.contract.teams_rig import CHANNEL, Rig, open_rig, texts, verbs
from tests.render.cards import not_counted, request

LONG: dict[str, Any] = {"body": "\n".join(f"line {n} of a letter" for n in range(300))}
MOVED = not_counted(Refusal.MOVED_CARD, "This is a copy of a card. Answer on the card itself.")
PRESS = {"nod": "why", "channel": CHANNEL}


async def settled(rig: Rig) -> None:
    """Whatever was begun behind an answer is over."""
    async with asyncio.timeout(5):
        while rig.teams._receiver._background._tasks:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)


async def send(rig: Rig, of: Message, data: dict[str, Any], **changed: Any) -> str:
    """A stranger sends this data as if it were on that message; returns the answer."""
    await rig.press("why", person="xia", message=await rig.card_up())
    activity = json.loads(json.dumps(rig.system.delivery.sent[-1].activity))
    activity |= {"id": f"f:{len(rig.system.delivery.sent)}", "replyToId": of.id}
    activity["value"]["action"] |= {"verb": f"nod_{data['nod']}", "data": data}
    activity["value"] |= changed
    return (await rig.system.delivery.deliver(activity)).body


def other(rig: Rig, card_id: str = "another") -> Card:
    """The card of another request."""
    return replace(rig.desk.card, card_id=card_id)


async def standing(rig: Rig, kind: str) -> Message:
    """A message of ours that is not the desk's card."""
    if kind == "a card":
        ref = await rig.teams.chat.post(other(rig), CHANNEL)
    elif kind == "words":
        alert = content([words("An alert")], fallbackText="An alert")
        ref = await rig.teams.chat.put(alert, ("An alert",), CHANNEL, before=datetime.now(UTC))
    else:
        rig.faults.add(method="POST", path="/teams/v3/*", reset=True, after=True, times=1)
        with pytest.raises(Unanswered):
            await rig.teams.chat.post(other(rig), CHANNEL)
        return rig.system.messages(APPROVALS)[-1]
    return rig.message(split_ref(ref)[1])


@pytest.mark.parametrize("trigger", ["manual", "automatic"])
@pytest.mark.parametrize("kind", ["a card", "words", "a post whose answer was lost"])
async def test_a_press_with_another_cards_data_writes_over_nothing(kind: str, trigger: str) -> None:
    """Data of one card sent from another message is refused, and the message stays as it is."""
    async with open_rig() as rig:
        there = await standing(rig, kind)
        data = {**PRESS, "value": rig.desk.card.buttons[Button.WHY]}
        await rig.card_up()
        rig.desk.refusal = MOVED
        body = await send(rig, there, data, trigger=trigger)
        await settled(rig)
        assert ("Answer on the card itself" in body) is (trigger == "manual")
        assert there.card == rig.message(there.id).card


@pytest.mark.parametrize("kind", ["a card", "words"])
async def test_a_look_with_another_cards_data_puts_it_nowhere(kind: str) -> None:
    """A card whose post was lost is not believed to be up because a press on another message names it."""
    async with open_rig() as rig:
        there, since = await standing(rig, kind), datetime.now(UTC) - timedelta(seconds=5)
        data = {**PRESS, "value": "v1.k.lost.why.d.s"}
        body = await send(rig, there, data)
        assert "Route: default" in body
        assert await rig.teams.chat.find("lost", CHANNEL, since=since) is None


async def page_two(rig: Rig) -> tuple[Message, dict[str, Any]]:
    """A card of a long call, and the data of Next page on the first page of it, as Ann gets it."""
    rig.desk.asked = request(LONG)
    message = await rig.card_up()
    await rig.press("view_all", message=message)
    page = rig.message(message.id).seen_by("ann")
    assert page is not None
    (turn,) = [e["actions"][0] for e in page["body"] if e["type"] == "ActionSet"]
    return message, dict(turn["data"])


async def client_sends(rig: Rig, verb: str, data: dict[str, Any]) -> dict[str, Any]:
    """A client sends data of its own making, for the last one who pressed; returns the card that it gets."""
    activity = json.loads(json.dumps(rig.system.delivery.sent[-1].activity))
    activity["id"] = f"f:{len(rig.system.delivery.sent)}"
    activity["value"]["action"] |= {"verb": f"nod_{verb}", "data": data}
    answer = (await rig.system.delivery.deliver(activity)).answer()
    assert 200 == answer["statusCode"]
    return dict(answer["value"])


async def test_a_client_that_says_it_saw_more_begins_anew() -> None:
    """A turn from a page that was never shown leads to the first one, without Approve."""
    async with open_rig() as rig:
        _, data = await page_two(rig)
        pages = data["look"]["pages"]
        assert 3 < pages
        page = await client_sends(
            rig, "turn", {**data, "look": {**data["look"], "page": pages - 2, "seen": pages - 2}}
        )
        assert f"Page 1 of {pages}" in texts(page, "TextBlock") + texts(page)
        assert "approve" not in verbs(page)


def turned(rig: Rig, message: Message, title: str) -> dict[str, Any]:
    """The data of a button on the page that Ann sees now."""
    page = rig.message(message.id).seen_by("ann")
    assert page is not None
    buttons = [*page["actions"], *(a for e in page["body"] if e["type"] == "ActionSet" for a in e["actions"])]
    (data,) = [dict(button["data"]) for button in buttons if button["title"] == title]
    return data


@pytest.mark.parametrize("read", ["all", "one page", "all by another person", "another text"])
async def test_an_approve_says_seen_whole_only_where_nod_showed_it_all(read: str) -> None:
    """The word of the button is not enough: every page of this very text was shown to this very person."""
    async with open_rig() as rig:
        message, data = await page_two(rig)
        last = data["look"]["pages"] - 1
        for _ in range(last if read != "one page" else 0):
            await rig.press("turn", message=message, inputs={}, title="Next page")
        proof = (turned(rig, message, "Approve") if read != "one page" else data)["look"]["proof"]
        if read == "all by another person":
            await rig.press("why", person="bob", message=message)
        if read == "another text":
            rig.desk.asked = request({"body": LONG["body"] + "!"})
        look = {"page": last, "seen": last, "pages": last + 1, "proof": proof}
        whole = {**data, "nod": "approve", "whole": True, "look": look}
        await client_sends(rig, "approve", {**whole, "value": rig.desk.approve_value})
        assert [read == "all"] == [rig.desk.whole(click) for click in rig.desk.taken]


async def test_a_look_of_somebody_else_begins_anew_and_says_so() -> None:
    """Ann's data of Next page, sent by Bob, shows Bob the first page, with the reason above it."""
    async with open_rig() as rig:
        message, data = await page_two(rig)
        await rig.press("why", person="bob", message=message)
        page = await client_sends(rig, "turn", data)
        assert FROM_PAGE_ONE in texts(page)
        assert f"Page 1 of {data['look']['pages']}" in texts(page)
