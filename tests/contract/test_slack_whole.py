"""View all in Slack, over HTTP and over a socket: Approve only where every page was shown to that person."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.card import Button
from bot.errors import Refusal
from bot.routing import ReasonRule
from sandbox.slack.messages import View
from tests.contract.slack_rig import CHANNEL, Rig, connected, open_rig, press, until
from tests.contract.test_slack_forged import sent
from tests.render.cards import SEAL, not_counted, open_card, request
from tests.render.slack_parts import buttons, elements, parts, pre

BOTH = pytest.mark.parametrize("socket", [False, True], ids=["http", "socket"])
LONG = request({"body": "\n".join(f"line {n} of a long letter" for n in range(400))})
VERY_LONG = request(
    {"body": "\n".join(f"line {n} of a very long letter " + "word " * 40 for n in range(1_100))}
)


async def view_of(rig: Rig) -> View:
    """The modal in front of Ann, once it is there."""
    await until(lambda: rig.workspace.views("U0ANN"))
    (view,) = rig.workspace.views("U0ANN")
    return view


async def turn(rig: Rig, view: View, button: str) -> View:
    """Press Next or Back, and wait for the page."""
    assert (await rig.workspace.click_in_view(user="U0ANN", view_id=view.id, action_id=f"nod_{button}")).ok
    await until(lambda: rig.workspace.views("U0ANN")[0].revision > view.revision)
    return await view_of(rig)


async def read_on(rig: Rig) -> list[View]:
    """Every page, from the one that is open to the last."""
    views = [await view_of(rig)]
    while "nod_next" in buttons(views[-1].definition["blocks"]):
        views.append(await turn(rig, views[-1], "next"))
    return views


def kept(view: View) -> dict[str, Any]:
    """What a view remembers."""
    remembered: dict[str, Any] = json.loads(view.definition["private_metadata"])
    return remembered


@BOTH
async def test_a_long_call_is_approved_only_where_all_of_it_was_shown(socket: bool) -> None:
    """View all shows every line, and the Approve there says that the whole call was seen."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.asked = LONG
        ref = await rig.card_up()
        assert (await press(rig, "view_all", ref=ref)).ok
        (view,) = await read_on(rig)
        assert rig.desk.call == pre(view.definition["blocks"])
        assert (await rig.workspace.submit(user="U0ANN", view_id=view.id)).ok
        (click,) = rig.desk.taken
        assert (True, Button.APPROVE, rig.desk.approve_value) == (
            rig.desk.whole(click),
            click.verb,
            click.value,
        )
        assert (CHANNEL, ref) == (click.channel, click.ref)


@BOTH
async def test_page_by_page_to_the_approve(socket: bool) -> None:
    """The pages join to the whole call; the desk is asked for each; no argument text is kept in between."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.asked, rig.desk.rule = VERY_LONG, ReasonRule.OPTIONAL
        assert (await press(rig, "view_all")).ok
        views = await read_on(rig)
        assert len(views) > 2
        joined = "".join(pre(view.definition["blocks"]) for view in views)
        assert rig.desk.call == joined
        assert [Button.VIEW_ALL] * len(views) == [click.verb for click in rig.desk.seen]
        assert [None] * (len(views) - 1) == [view.definition.get("submit") for view in views[:-1]]
        assert not any("letter" in view.definition["private_metadata"] for view in views)
        result = await rig.workspace.submit(user="U0ANN", view_id=views[-1].id, values={"nod_note": "Read."})
        assert result.ok
        assert [(True, "Read.")] == [(rig.desk.whole(click), click.note) for click in rig.desk.taken]


async def test_a_call_that_changed_between_two_pages_is_not_read_on() -> None:
    """The next page is refused in the view itself, with the code, and nothing can be pressed there."""
    async with open_rig() as rig:
        rig.desk.asked = VERY_LONG
        await press(rig, "view_all")
        view = await view_of(rig)
        rig.desk.refusal = not_counted(Refusal.CHANGED, "This request changed under the card.")
        said = (await turn(rig, view, "next")).definition
        assert ["This request changed under the card."] == parts(said["blocks"], "plain_text")[:1]
        assert said.get("submit") is None
        assert [] == buttons(said["blocks"])
        assert [] == rig.workspace.ephemerals("U0ANN")


async def test_two_quick_presses_turn_one_page() -> None:
    """A double click does not skip a page: the second press was for a view that is gone."""
    async with open_rig() as rig:
        rig.desk.asked = VERY_LONG
        await press(rig, "view_all")
        view = await view_of(rig)
        rig.faults.add(path="/api/views.update", delay=0.1)
        presses = [
            rig.workspace.click_in_view(user="U0ANN", view_id=view.id, action_id="nod_next") for _ in range(2)
        ]
        assert [True, True] == [result.ok for result in await asyncio.gather(*presses)]
        await until(lambda: 2 == len(rig.workspace.called("views.update")))
        assert [None, "hash_conflict"] == [call.error for call in rig.workspace.called("views.update")]
        assert 1 == kept(await view_of(rig))["page"]
        assert [] == rig.workspace.ephemerals("U0ANN")


async def test_a_page_that_did_not_come_says_press_again() -> None:
    """Slack in trouble costs another press; the page that is there stays, and so does what was seen."""
    async with open_rig() as rig:
        rig.desk.asked = VERY_LONG
        await press(rig, "view_all")
        view = await view_of(rig)
        rig.faults.add(path="/api/views.update", status=503, times=1)
        assert (await rig.workspace.click_in_view(user="U0ANN", view_id=view.id, action_id="nod_next")).ok
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        assert "Press the button again" in rig.workspace.ephemerals("U0ANN")[0].text
        assert 0 == kept(await view_of(rig))["page"]
        assert 1 == kept(await turn(rig, view, "next"))["page"]


async def test_what_cannot_be_approved_has_no_approve() -> None:
    """It can be read whole, and rejected on the card."""
    async with open_rig() as rig:
        rig.desk.asked, rig.desk.approvable = LONG, False
        await press(rig, "view_all")
        view = await view_of(rig)
        assert view.definition.get("submit") is None
        assert "" == kept(view)["approve"]


async def test_where_a_message_has_no_room_the_approve_leads_to_the_whole_call() -> None:
    """A call that the core held for whole but Slack's message has no room for is approved in View all alone."""
    asked = request({"body": '"' * 5_900})
    assert Button.APPROVE in open_card({"body": '"' * 5_900}).buttons
    async with open_rig() as rig:
        rig.desk.asked = asked
        ref = await rig.card_up()
        assert "nod_approve" not in buttons(list(rig.workspace.messages(CHANNEL)[0].blocks))
        assert (await press(rig, "view_all", ref=ref)).ok
        (view,) = await read_on(rig)
        assert [] == rig.desk.taken
        assert (await rig.workspace.submit(user="U0ANN", view_id=view.id)).ok
        assert [(Button.APPROVE, True)] == [(click.verb, rig.desk.whole(click)) for click in rig.desk.taken]


async def test_no_approve_leaves_before_the_last_page() -> None:
    """A View all value sent back as an Approve is refused: only the last page has one."""
    async with open_rig() as rig:
        rig.desk.asked, rig.desk.opens = request({"body": '"' * 5_900}), True
        ref = await rig.card_up()
        await press(rig, "view_all", ref=ref)
        await view_of(rig)
        payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        sealed = {Button(opened.verb) for value in values(payload) if (opened := SEAL.open(value))}
        assert {Button.VIEW_ALL, Button.REJECT, Button.SKIP, Button.CLAIM, Button.WHY, Button.IDS} == sealed
        payload["actions"][0]["action_id"] = "nod_approve"
        answer = await sent(rig, urlencode({"payload": json.dumps(payload)}).encode())
        assert 200 == answer.status_code
        assert [] == rig.desk.taken
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        assert rig.workspace.ephemerals("U0ANN")[0].text.startswith("This button was not made by Nod.")


def values(node: Any) -> list[str]:
    """What the buttons and the menu in a payload carry."""
    options = [option for more in elements(node, "overflow") for option in more["options"]]
    return [str(element["value"]) for element in (*elements(node, "button"), *options) if "value" in element]


@pytest.mark.parametrize("text", ['"\n' * 20_000, "é" * 50_000, "🙂 " * 20_000, "word " * 50_000])
async def test_whatever_is_shown_can_be_approved(text: str) -> None:
    """However much a text grows on its way back, every press and the Approve come through the door."""
    async with open_rig() as rig:
        rig.desk.asked = request({"body": text})
        await press(rig, "view_all")
        *_, last = await read_on(rig)
        assert (await rig.workspace.submit(user="U0ANN", view_id=last.id)).ok
        assert [True] == [rig.desk.whole(click) for click in rig.desk.taken]


FORGED: dict[str, dict[str, Any]] = {
    "an Approve on the first page": {"page": 0, "seen": 0},
    "an Approve before the end": {"page": 1, "seen": 1},
    "no Approve": {"approve": ""},
    "a page beyond what was seen": {"seen": 0},
    "pages gone": {"pages": None},
    "a page that is no number": {"page": True},
    "thread gone": {"thread": None},
    "thread no object": {"thread": []},
}


async def test_a_look_that_is_not_quite_right_decides_nothing() -> None:
    """Neither a submission nor a turn of the page is read from a view that Nod did not make like that."""
    async with open_rig() as rig:
        rig.desk.asked = VERY_LONG
        await press(rig, "view_all")
        *_, last = await read_on(rig)
        await rig.workspace.click_in_view(user="U0ANN", view_id=last.id, action_id="nod_back")
        back = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        await rig.workspace.submit(user="U0ANN", view_id=last.id)
        for what, change in FORGED.items():
            asked, taken = len(rig.desk.seen), len(rig.desk.taken)
            for payload in (back, {**back, "type": "view_submission"}):
                metadata = json.dumps({**kept(last), **change})
                changed = {**payload, "view": {**payload["view"], "private_metadata": metadata}}
                answer = await sent(rig, urlencode({"payload": json.dumps(changed)}).encode())
                is_turn = payload["type"] == "block_actions"
                assert (200 if is_turn and change == {"approve": ""} else 400) == answer.status_code, what
            assert taken == len(rig.desk.taken), what
            assert len(rig.desk.seen) <= asked + (change == {"approve": ""}), what
