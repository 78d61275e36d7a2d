"""A digest in Slack: one request at a time, each with its whole call, and every answer through the desk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.card import Button
from bot.errors import Refusal
from bot.routing import ReasonRule
from sandbox.slack.messages import View
from tests.contract.slack_rig import CHANNEL, Rig, connected, open_rig, press, until
from tests.contract.test_slack_forged import sent
from tests.contract.test_slack_whole import BOTH, VERY_LONG, kept, read_on, view_of
from tests.render.cards import CARD_ID, digest_card, not_counted
from tests.render.slack_parts import buttons, parts, pre

NOBODY = not_counted(Refusal.NOTHING_WAITING, "Nothing waits here that you may decide.")
DIGEST = digest_card(count=9)


async def opened(rig: Rig) -> tuple[str, View]:
    """The digest is up, and Ann pressed Next; its ref, and the look at the first request."""
    ref = await rig.slack.chat.post(DIGEST, CHANNEL)
    assert (await press(rig, "next_one", ref=ref)).ok
    return ref, await view_of(rig)


async def follow(rig: Rig, view: View, button: str) -> View:
    """Press a button in the modal, and wait for what takes its place."""
    assert (await rig.workspace.click_in_view(user="U0ANN", view_id=view.id, action_id=button)).ok
    await until(lambda: rig.workspace.views("U0ANN")[0].revision > view.revision)
    return await view_of(rig)


def said(view: View) -> list[str]:
    """The plain text in a view."""
    return parts(view.definition["blocks"], "plain_text")


@BOTH
async def test_next_opens_the_whole_call_with_its_answers(socket: bool) -> None:
    """The desk gets the digest's own button; what opens is a look at all of one call."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        ref, view = await opened(rig)
        (click,) = rig.desk.seen
        assert (Button.NEXT, DIGEST.buttons[Button.NEXT]) == (click.verb, click.value)
        assert (CHANNEL, ref, [None]) == (click.channel, click.ref, rig.desk.behind)
        blocks = view.definition["blocks"]
        assert rig.desk.call == pre(blocks)
        assert ["nod_reject", "nod_skip", "nod_next_one"] == buttons(blocks)
        assert any("can decide" in text for text in said(view))
        assert "Approve" == view.definition["submit"]["text"]
        assert [] == rig.desk.taken


@BOTH
async def test_next_after_next_goes_on_behind_the_one_that_is_looked_at(socket: bool) -> None:
    """Each press names the card that was there; the modal stays one modal."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        ref, view = await opened(rig)
        for _ in range(2):
            view = await follow(rig, view, "nod_next_one")
        assert [None, CARD_ID, CARD_ID] == rig.desk.behind
        assert {(CHANNEL, ref, Button.NEXT)} == {(c.channel, c.ref, c.verb) for c in rig.desk.seen}
        assert 1 == len(rig.workspace.views("U0ANN"))


@BOTH
async def test_skip_in_the_modal_is_the_cards_own_skip(socket: bool) -> None:
    """It carries the card's sealed value, and then the modal says that it is valid and offers the next."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        ref, view = await opened(rig)
        view = await follow(rig, view, "nod_skip")
        (click,) = rig.desk.taken
        assert (Button.SKIP, rig.desk.card.buttons[Button.SKIP]) == (click.verb, click.value)
        assert (CHANNEL, ref) == (click.channel, click.ref)
        assert "You skipped send_email." in said(view)
        assert ["nod_next_one"] == buttons(view.definition["blocks"])
        view = await follow(rig, view, "nod_next_one")
        assert [None, CARD_ID] == rig.desk.behind
        assert rig.desk.call == pre(view.definition["blocks"])


@pytest.mark.parametrize("rule", [ReasonRule.OPTIONAL, ReasonRule.REQUIRED])
async def test_reject_asks_for_its_reason_in_the_modal(rule: ReasonRule) -> None:
    """The form takes the place of the look; the note goes along, and then the next is offered."""
    async with open_rig() as rig:
        ref, view = await opened(rig)
        rig.desk.rule = rule
        view = await follow(rig, view, "nod_reject")
        assert [] == rig.desk.taken
        if rule is ReasonRule.REQUIRED:
            refused = await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "  "})
            assert refused.errors
        result = await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "Not her."})
        assert result.ok
        (click,) = rig.desk.taken
        assert (Button.REJECT, "Not her.", ref) == (click.verb, click.note, click.ref)
        assert ["nod_next_one"] == buttons((await view_of(rig)).definition["blocks"])


@BOTH
async def test_approve_stands_on_the_last_page_there_too(socket: bool) -> None:
    """A long call is read page by page; each page has the answers, only the last one Approve."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.asked = VERY_LONG
        assert rig.desk.call  # drawn before the press: in this desk that would hold up the loop, and the ack
        ref, _ = await opened(rig)
        views = await read_on(rig)
        assert [False] * (len(views) - 1) + [True] == ["submit" in view.definition for view in views]
        assert all("nod_reject" in buttons(view.definition["blocks"]) for view in views)
        assert not any(rig.desk.approve_value in json.dumps(view.definition) for view in views[:-1])
        assert (await rig.workspace.submit(user="U0ANN", view_id=views[-1].id)).ok
        (click,) = rig.desk.taken
        assert (Button.APPROVE, True, ref) == (click.verb, rig.desk.whole(click), click.ref)
        view = await view_of(rig)
        assert "You approved send_email." in said(view)
        await follow(rig, view, "nod_next_one")
        assert [None, CARD_ID] == rig.desk.behind


async def test_what_was_typed_for_one_request_stays_with_it() -> None:
    """Slack keeps a field's text while its ids stay: no two requests, and no two answers, share them."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        _, view = await opened(rig)
        ids = [note_of(view)]
        rig.desk.card_id = "another"
        view = await follow(rig, view, "nod_next_one")
        ids.append(note_of(view))
        ids.append(note_of(await follow(rig, view, "nod_reject")))
        assert 3 == len(set(ids))


def note_of(view: View) -> str:
    """The block_id of the field for words."""
    (found,) = [block["block_id"] for block in view.definition["blocks"] if block["type"] == "input"]
    return str(found)


async def test_a_digest_has_no_approve() -> None:
    """Nothing on it decides, and no value on it is one of an answer."""
    async with open_rig() as rig:
        await rig.slack.chat.post(DIGEST, CHANNEL)
        (message,) = rig.workspace.messages(CHANNEL)
        assert ["nod_next_one"] == buttons(list(message.blocks))
        assert "nod_approve" not in json.dumps(message.blocks)


async def test_whoever_may_decide_none_of_them_is_told_alone() -> None:
    """On the digest that is a private word, in the modal the modal's last, with nothing to press."""
    async with open_rig() as rig:
        ref, view = await opened(rig)
        rig.desk.refusal = NOBODY
        assert (await press(rig, "next_one", user="U0EVE", ref=ref)).ok
        await until(lambda: rig.workspace.ephemerals("U0EVE"))
        assert rig.workspace.ephemerals("U0EVE")[0].text == NOBODY.text
        assert [] == rig.workspace.views("U0EVE")
        view = await follow(rig, view, "nod_next_one")
        assert ([], "No more requests") == (
            buttons(view.definition["blocks"]),
            view.definition["title"]["text"],
        )
        assert [] == rig.workspace.ephemerals("U0ANN")


@pytest.mark.parametrize("button", ["nod_skip", "nod_reject", "submit"])
async def test_an_answer_that_came_too_late_leads_on(button: str) -> None:
    """The modal says who was first, and offers the next request."""
    async with open_rig() as rig:
        _, view = await opened(rig)
        rig.desk.refusal = not_counted(Refusal.ALREADY_DECIDED, "Bob approved it 4 s ago.")
        if button == "submit":
            assert (await rig.workspace.submit(user="U0ANN", view_id=view.id)).ok
            view = await view_of(rig)
        else:
            view = await follow(rig, view, button)
        assert ["Bob approved it 4 s ago."] == said(view)[:1]
        assert ["nod_next_one"] == buttons(view.definition["blocks"])
        rig.desk.refusal = None
        await follow(rig, view, "nod_next_one")
        assert [None, CARD_ID] == rig.desk.behind


async def test_a_modal_that_did_not_change_says_press_again() -> None:
    """Slack in trouble costs a press; what was decided is decided."""
    async with open_rig() as rig:
        _, view = await opened(rig)
        rig.faults.add(path="/api/views.update", status=503)
        assert (await rig.workspace.click_in_view(user="U0ANN", view_id=view.id, action_id="nod_skip")).ok
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        assert "Press the button again" in rig.workspace.ephemerals("U0ANN")[0].text
        assert [Button.SKIP] == [click.verb for click in rig.desk.taken]


Change = Callable[[dict[str, Any]], object]


def remembering(**changes: Any) -> Change:
    """The view remembers something else of its thread."""

    def change(payload: dict[str, Any]) -> None:
        packed = json.loads(payload["view"]["private_metadata"])
        packed["thread"].update(changes)
        payload["view"]["private_metadata"] = json.dumps(packed)

    return change


FORGED: dict[str, Change] = {
    "an Approve in the modal": lambda p: p["actions"][0].update(action_id="nod_approve"),
    "a claim in the modal": lambda p: p["actions"][0].update(action_id="nod_claim"),
    "another modal": lambda p: p["view"].update(callback_id="nod_reason"),
    "no digest": remembering(queue=None),
    "half a digest": remembering(queue={"value": "v"}),
    "a digest that is none": remembering(queue="v"),
    "no value": lambda p: p["actions"][0].pop("value"),
    "no hash": lambda p: p["view"].pop("hash"),
    "a view that is none": lambda p: p.update(view=[]),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED.keys())
async def test_a_press_in_a_modal_is_read_as_strictly_as_on_a_card(change: Change) -> None:
    """Whatever does not fit together decides nothing."""
    async with open_rig() as rig:
        _, view = await opened(rig)
        await follow(rig, view, "nod_skip")
        rig.desk.taken.clear()
        payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        change(payload)
        answer = await sent(rig, urlencode({"payload": json.dumps(payload)}).encode())
        assert 400 == answer.status_code
        assert [] == rig.desk.taken


async def test_answers_stand_in_no_other_look() -> None:
    """View all of a card has its answers on the card; a press that pretends otherwise is not read."""
    async with open_rig() as rig:
        rig.desk.asked = VERY_LONG
        await press(rig, "view_all")
        view = await view_of(rig)
        assert ["nod_next"] == buttons(view.definition["blocks"])
        assert kept(view)["thread"]["queue"] is None
        await rig.workspace.click_in_view(user="U0ANN", view_id=view.id, action_id="nod_next")
        payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        payload["actions"][0] |= {"action_id": "nod_skip", "value": rig.desk.card.buttons[Button.SKIP]}
        answer = await sent(rig, urlencode({"payload": json.dumps(payload)}).encode())
        assert (400, []) == (answer.status_code, rig.desk.taken)


async def test_what_cannot_be_approved_can_be_answered_in_the_modal() -> None:
    """It says so, and has its other answers."""
    async with open_rig() as rig:
        rig.desk.asked, rig.desk.approvable = replace(rig.desk.asked, whole=False), False
        _, view = await opened(rig)
        assert "This call cannot be approved. Reject or skip it here." in said(view)
        assert view.definition.get("submit") is None
        assert ["nod_reject", "nod_skip", "nod_next_one"] == buttons(view.definition["blocks"])
