"""Whatever is sent to the bot's endpoint: only Teams' own activities reach the desk, and nothing is a 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sandbox.teams.forgery import FORGERIES
from tests.contract.teams_rig import Rig, open_rig

Activity = dict[str, Any]

#: What each forged token is answered: not Teams' own, or Teams' own and not for this.
FORBIDDEN = {
    *("not endorsed", "other serviceurl claim", "no serviceurl claim", "other serviceUrl in the body"),
    *("serviceUrl elsewhere in both", "foreign tenant", "other channel", "other recipient"),
}
UNREADABLE = {"no serviceUrl"}


async def pressed(rig: Rig) -> Activity:
    """A true press of Approve, as it was sent; the desk's memory of it is cleared."""
    await rig.press("approve")
    rig.desk.taken.clear()
    rig.desk.seen.clear()
    return {**copy.deepcopy(dict(rig.system.delivery.sent[-1].activity)), "id": "f:forged"}


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forged_token_is_refused(kind: str) -> None:
    """No forged token gets in: 401 for one that is not Teams' own, 403 for one that speaks of another."""
    async with open_rig(announced=False) as rig:
        await rig.system.events.install("19:approvals00000000000000000000001@thread.tacv2")
        activity = await pressed(rig)
        result = await rig.system.forge(kind, activity)
        wanted = 403 if kind in FORBIDDEN else 400 if kind in UNREADABLE else 401
        assert wanted == result.status
        assert [] == rig.desk.seen
        assert rig.counted["teams_request_refused"]


def action(activity: Activity, **changed: Any) -> Activity:
    """The activity with another action."""
    value = {**activity["value"], "action": {**activity["value"]["action"], **changed}}
    return {**activity, "value": value}


def data(activity: Activity, **changed: Any) -> Activity:
    """The activity with other data in its action."""
    return action(activity, data={**activity["value"]["action"]["data"], **changed})


def without(activity: Activity, name: str) -> Activity:
    """The activity without one of its parts."""
    return {key: value for key, value in activity.items() if key != name}


#: Presses that are none, truly signed; each is answered with an error inside a 200, and reaches nobody.
MALFORMED: Mapping[str, Callable[[Activity], Activity]] = {
    "no value": lambda a: without(a, "value"),
    "value is a text": lambda a: {**a, "value": "approve"},
    "value is a list": lambda a: {**a, "value": [1]},
    "no action": lambda a: {**a, "value": {"trigger": "manual"}},
    "action is a text": lambda a: {**a, "value": {"action": "approve"}},
    "Action.Submit inside": lambda a: action(a, type="Action.Submit"),
    "no data": lambda a: action(a, data=None),
    "data is a text": lambda a: action(a, data="approve"),
    "edited verb": lambda a: action(a, verb="nod_reject"),
    "verb of nobody": lambda a: data(action(a, verb="nod_root"), nod="root"),
    "no verb": lambda a: action(a, verb=None),
    "no sealed value": lambda a: data(a, value=None),
    "sealed value is a number": lambda a: data(a, value=7),
    "endless sealed value": lambda a: data(a, value="v1." + "x" * 3_000),
    "channel is an object": lambda a: data(a, channel={"id": 1}),
    "unknown trigger": lambda a: {**a, "value": {**a["value"], "trigger": "magic"}},
    "note is an object": lambda a: data(a, nod_note={"text": "x"}),
    "endless note": lambda a: data(a, nod_note="x" * 30_000),
    "seen whole without a look": lambda a: data(a, whole=True),
    "a page that nobody is on": lambda a: data(a, look={"page": 5, "seen": 1, "pages": 2, "call": "x"}),
    "a page of minus one": lambda a: data(a, look={"page": -1, "seen": 0, "pages": 2, "call": "x"}),
    "a queue of nothing": lambda a: data(a, queue={}),
    "no message": lambda a: without(a, "replyToId"),
    "nobody's account": lambda a: {**a, "from": {"id": "29:1x", "name": "Ann Albers"}},
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_press_that_is_none_reaches_nobody(kind: str) -> None:
    """The answer is a typed error, counted and logged; the desk hears nothing."""
    async with open_rig(announced=False) as rig:
        await rig.system.events.install("19:approvals00000000000000000000001@thread.tacv2")
        activity = await pressed(rig)
        result = await rig.system.delivery.deliver(MALFORMED[kind](activity))
        assert 200 == result.status
        assert 400 == result.answer()["statusCode"]
        assert "application/vnd.microsoft.error" == result.answer()["type"]
        assert [] == rig.desk.seen
        assert 1 == rig.counted["click_malformed"]


DEEP = "[" * 100_000
BODIES: Mapping[str, tuple[bytes, str, int]] = {
    "empty": (b"", "application/json", 400),
    "no JSON": (b"{", "application/json", 400),
    "a list": (b"[]", "application/json", 400),
    "a number": (b"7", "application/json", 400),
    "not UTF-8": (b'{"type": "\xff"}', "application/json", 400),
    "half a character": (b'{"type": "\\ud800"}', "application/json", 400),
    "endlessly nested": (DEEP.encode(), "application/json", 400),
    "no activity": (b"{}", "application/json", 400),
    "too large": (b" " * (256 * 1024 + 1), "application/json", 413),
    "a form": (b"payload=%7B%7D", "application/x-www-form-urlencoded", 415),
    "no content type": (b"{}", "", 415),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_that_is_no_activity_is_refused(kind: str) -> None:
    """Before any token is looked at, what is no activity has its answer below 500."""
    body, content_type, status = BODIES[kind]
    async with open_rig(announced=False) as rig:
        headers = {"content-type": content_type} if content_type else {}
        assert status == (await rig.teams.receive(headers, body))[0]
        assert [] == rig.desk.seen


#: Parts of a signed activity that Teams never sends so.
SHAPES: Mapping[str, Callable[[Activity], Activity]] = {
    "type is a list": lambda a: {**a, "type": ["invoke"]},
    "conversation is a text": lambda a: {**a, "conversation": "19:x"},
    "no conversation": lambda a: without(a, "conversation"),
    "sender is a text": lambda a: {**a, "from": "ann"},
    "object id is a number": lambda a: {**a, "from": {**a["from"], "aadObjectId": 7}},
    "no channel data": lambda a: without(a, "channelData"),
    "no tenant": lambda a: {**a, "channelData": {}},
    "members are no list": lambda a: {**a, "membersAdded": "ann"},
    "a member without an id": lambda a: {**a, "membersAdded": [{}]},
}


@pytest.mark.parametrize("kind", SHAPES)
async def test_an_activity_of_another_shape_is_refused(kind: str) -> None:
    """A true token does not make up for a broken activity: 400, and the SDK never sees it."""
    async with open_rig(announced=False) as rig:
        await rig.system.events.install("19:approvals00000000000000000000001@thread.tacv2")
        activity = await pressed(rig)
        changed = SHAPES[kind](activity)
        assert 400 == (await rig.system.delivery.deliver(changed)).status
        assert [] == rig.desk.seen


async def test_unknown_events_are_taken_and_forgotten() -> None:
    """A bot must answer 200 to what it does not know, and to other invokes too."""
    async with open_rig(announced=False) as rig:
        activity = await pressed_somewhere(rig)
        for changed in (
            {**activity, "type": "event", "name": "application/vnd.microsoft.readReceipt"},
            {**activity, "name": "task/fetch"},
            {**activity, "type": "messageReaction"},
            {**activity, "type": "message", "value": None, "text": "hello"},
            {**activity, "type": "message", "value": {"of": "another app"}},
        ):
            assert 200 == (await rig.system.delivery.deliver(changed)).status
        assert [] == rig.desk.seen


async def test_a_tenant_that_the_two_places_name_differently_is_refused() -> None:
    """Channel data and conversation must speak of the same tenant."""
    async with open_rig(announced=False) as rig:
        activity = await pressed_somewhere(rig)
        other = {**activity["conversation"], "tenantId": "5a4db0c5-7e2a-4a6b-9a53-0b9a5d3f0002"}
        assert 403 == (await rig.system.delivery.deliver({**activity, "conversation": other})).status


async def test_nothing_of_a_refused_request_is_told_back() -> None:
    """The answer names the cause and nothing that was sent."""
    async with open_rig(announced=False) as rig:
        activity = await pressed_somewhere(rig)
        result = await rig.system.forge("expired", {**activity, "name": "secret-words"})
        assert "secret-words" not in result.body
        assert "eyJ" not in result.body


async def pressed_somewhere(rig: Rig) -> Activity:
    """A true press, with the bot installed in the channel."""
    await rig.system.events.install("19:approvals00000000000000000000001@thread.tacv2")
    return await pressed(rig)


def test_there_are_enough_of_them() -> None:
    """The matrix of forged and malformed activities has at least 45 rows."""
    assert 45 <= len(FORGERIES) + len(MALFORMED) + len(BODIES) + len(SHAPES)
    assert len(MALFORMED) == len({json.dumps(kind) for kind in MALFORMED})
