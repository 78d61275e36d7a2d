"""A card that is up stays where it is, whatever its place is called; and who may come in by the open door."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adapters.teams import open_workflows
from bot.card import Notification
from bot.errors import Forbidden, Unavailable
from bot.wording import CardState
from sandbox.teams.people import APPROVALS, CHAT
from tests.contract.teams_rig import open_rig, texts
from tests.render.cards import card


async def test_a_name_that_others_take_leaves_the_cards_that_are_up_alone() -> None:
    """A second conversation of that name decides about new cards only: those that are up change,
    take presses, and are spoken under where they stand, after a restart too.
    """
    async with open_rig() as rig:
        ref = await rig.teams.chat.post(rig.desk.card, "approvals")
        await rig.teams.places.remember(replace(rig.kept.refs[CHAT], name="approvals"))
        with pytest.raises(Forbidden):
            await rig.teams.chat.post(card(), "approvals")
        rig.teams.chat._posted._by_message.clear()
        assert (await rig.press("approve", message=rig.message(ref))).ok
        assert [("approvals", ref)] == [(click.channel, click.ref) for click in rig.desk.taken]
        await rig.teams.chat.update(card(CardState.APPROVED), "approvals", ref)
        assert "✅ Approved: send_email" in texts(rig.message(ref).card)
        await rig.teams.chat.say(Notification(mark="m", text=("x",)), "approvals", thread=ref)
        assert 1 == len(rig.system.thread_of(rig.message(ref)))
        assert rig.teams.chat.link("approvals", ref)


async def test_a_card_of_which_only_the_id_is_known_waits_for_its_name() -> None:
    """While the name leads nowhere the card is put off and not given up."""
    async with open_rig() as rig:
        message = await rig.card_up()
        await rig.teams.places.remember(replace(rig.kept.refs[CHAT], name="approvals"))
        with pytest.raises(Unavailable) as put_off:
            await rig.teams.chat.update(card(CardState.APPROVED), "approvals", message.id)
        assert put_off.value.retry_after
        await rig.teams.places.forget(CHAT)
        await rig.teams.chat.update(card(CardState.APPROVED), "approvals", message.id)
        assert "✅ Approved: send_email" in texts(rig.message(message.id).card)


async def test_a_slow_answer_is_waited_for() -> None:
    """The bound on an exchange is the only one: httpx's own silence of five seconds would cut ten in half."""
    async with open_rig(announced=False) as rig, open_workflows({"news": rig.system.base_url}) as workflows:
        sender = rig.teams._api._wire._sender  # type: ignore[attr-defined]
        for client in (sender._client, workflows._client):
            assert (None, None, 5.0) == (client.timeout.read, client.timeout.write, client.timeout.connect)


async def test_a_place_that_the_bot_was_removed_from_is_said_to_be_so() -> None:
    """Its cards cannot be changed any more, whatever else goes by the name."""
    async with open_rig() as rig:
        ref = await rig.teams.chat.post(card(), "approvals")
        await rig.system.events.uninstall(APPROVALS)
        await rig.teams.places.forget(APPROVALS)
        await rig.teams.places.remember(replace(rig.kept.refs[CHAT], name="approvals"))
        with pytest.raises(Forbidden, match="no longer in approvals"):
            await rig.teams.chat.update(card(CardState.APPROVED), "approvals", ref)


@pytest.mark.parametrize(
    ("changed", "served"),
    [
        ({}, True),
        ({"host": "localhost:3000"}, True),
        ({"host": "[::1]:3000"}, True),
        ({"host": "attacker.example:3000"}, False),
        ({"host": "127.0.0.1.attacker.example"}, False),
        ({"host": "10.0.0.7"}, False),
        ({"host": "[::1"}, False),
        ({"host": ""}, False),
        ({"X-Forwarded-For": "203.0.113.9"}, False),
        ({"x-forwarded-host": "nod.example"}, False),
        ({"Forwarded": "for=203.0.113.9"}, False),
    ],
)
async def test_an_open_door_is_open_to_this_machine_alone(changed: dict[str, str], served: bool) -> None:
    """A page under another name, a tunnel and a proxy get 403, before anything is read; with tokens not."""
    headers = {"host": "127.0.0.1:3000", "content-type": "application/json", **changed}
    async with open_rig(app_id="", app_password="", dangerously_allow_unauthenticated=True) as rig:
        activity = dict(rig.system.delivery.sent[-1].activity)
        refused = rig.counted["teams_request_refused"]
        status, _, _ = await rig.teams.receive(headers, json.dumps(activity).encode())
        assert (200 if served else 403) == status
        assert (0 if served else 1) == rig.counted["teams_request_refused"] - refused
    async with open_rig(announced=False) as rig:
        status, _, _ = await rig.teams.receive(headers, json.dumps(activity).encode())
        assert 401 == status  # for want of a token, wherever it came from
