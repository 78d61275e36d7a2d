"""A payload that says one thing twice, or two things at once, is genuine and decides nothing all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.contract import slack_rig, teams_rig
from tests.contract.slack_rig import press
from tests.contract.test_slack_forged import Change, forged, sent
from tests.contract.test_slack_whole import view_of
from tests.render.cards import request


def with_a_twin(node: Any) -> Iterator[str]:
    """The JSON of a value, once for each key at any depth, with that key given twice."""
    if isinstance(node, dict):
        for name, inner in node.items():
            rest = json.dumps(node)[1:]
            yield f"{{{json.dumps(name)}: {json.dumps(inner)}, {rest}"
            for twin in with_a_twin(inner):
                others = {key: value for key, value in node.items() if key != name}
                tail = f", {json.dumps(others)[1:-1]}" if others else ""
                yield f"{{{json.dumps(name)}: {twin}{tail}}}"
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            for twin in with_a_twin(inner):
                before = [json.dumps(one) for one in node[:number]]
                after = [json.dumps(one) for one in node[number + 1 :]]
                yield f"[{', '.join([*before, twin, *after])}]"


def form(text: str) -> bytes:
    """As Slack posts it."""
    return urlencode({"payload": text}).encode()


async def test_no_key_of_slacks_payload_can_be_given_twice() -> None:
    """Each key of a press, at every depth: 4xx, and the desk hears of none."""
    async with slack_rig.open_rig() as rig:
        await press(rig, "approve")
        payload = rig.workspace.delivery.sent[-1].payload
        seen = len(rig.desk.seen)
        twins = list(with_a_twin(json.loads(json.dumps(payload))))
        assert len(twins) > 40
        assert {400} == {(await sent(rig, form(twin))).status_code for twin in twins[::3]}
        assert seen == len(rig.desk.seen)


async def test_no_key_of_a_forms_memory_can_be_given_twice() -> None:
    """`private_metadata` is a text in the payload, and read as strictly."""
    async with slack_rig.open_rig() as rig:
        rig.desk.asked = request({"body": "x " * 4_000})
        await press(rig, "view_all")
        view = await view_of(rig)
        await rig.workspace.submit(user="U0ANN", view_id=view.id)
        payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        taken = len(rig.desk.taken)
        assert taken == 1
        for twin in with_a_twin(json.loads(view.definition["private_metadata"])):
            payload["view"]["private_metadata"] = twin
            assert 400 == (await sent(rig, form(json.dumps(payload)))).status_code
        assert taken == len(rig.desk.taken)


@pytest.mark.parametrize("kind", ["payload twice", "another field", "a field twice", "json in front"])
async def test_no_other_form_than_slacks_is_read(kind: str) -> None:
    """One field, `payload`, once; and a body that bolt would read as something else is none."""
    async with slack_rig.open_rig() as rig:
        await press(rig, "approve")
        seen, text = len(rig.desk.seen), json.dumps(rig.workspace.delivery.sent[-1].payload)
        body = {
            "payload twice": form(text) + b"&" + form(text),
            "another field": form(text) + b"&ssl_check=1",
            "a field twice": b"a=1&a=2&" + form(text),
            "json in front": b'{"a":"&payload=' + quote(text).encode() + b'&b="}',
        }[kind]
        assert 400 == (await sent(rig, body)).status_code
        assert seen == len(rig.desk.seen)


DIFFERENT: dict[str, Change] = {
    "another person at the top": lambda p: p.update(user_id="U0BOB"),
    "another team at the top": lambda p: p.update(team_id="T0OTHER"),
    "two organisations": lambda p: (p.update(enterprise={"id": "E1"}), p["team"].update(enterprise_id="E2")),
    "two organisations of the person": lambda p: p["user"].update(
        enterprise_id="E1", enterprise_user={"enterprise_id": "E2"}
    ),
    "another channel in the container": lambda p: p["container"].update(channel_id="C0OTHER"),
    "another message in the container": lambda p: p["container"].update(message_ts="1.2"),
    "another thread": lambda p: (p["container"].update(thread_ts="1"), p["message"].update(thread_ts="2")),
    "the message of another app": lambda p: p["message"].update(app_id="A0OTHER"),
    "on a message and in a modal": lambda p: p.update(view={"id": "V1", "callback_id": "nod_view_all"}),
    "two presses": lambda p: p["actions"].append({**p["actions"][0], "action_id": "nod_reject"}),
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT.keys())
async def test_two_places_that_disagree_are_no_click(change: Change) -> None:
    """Whichever of the two Nod reads, another reader could have taken the other."""
    async with slack_rig.open_rig() as rig:
        assert 400 == (await forged(rig, change)).status_code
        assert [] == rig.desk.taken


async def test_no_key_of_an_activity_can_be_given_twice() -> None:
    """The same in Teams, whose token says nothing about the body."""
    async with teams_rig.open_rig() as rig:
        await rig.press("why")
        activity = json.loads(json.dumps(rig.system.delivery.sent[-1].activity))
        seen = len(rig.desk.seen)
        last = rig.system.delivery.sent[-1]
        for twin in list(with_a_twin(activity))[::3]:
            answer = await rig.system.delivery.send(replace(last, body=twin.encode()))
            assert 400 == answer.status
        assert seen == len(rig.desk.seen)


@pytest.mark.parametrize("verb", ["approve", "reject", "skip", "claim", "view_all", "why", "next", "turn"])
async def test_what_teams_sends_by_itself_only_shows(verb: str) -> None:
    """An invoke with `trigger: automatic` decides, claims and opens nothing, whatever its data says."""
    async with teams_rig.open_rig() as rig:
        message = await rig.card_up()
        await rig.press("why", message=message)
        activity = json.loads(json.dumps(rig.system.delivery.sent[-1].activity))
        seen = len(rig.desk.seen)
        data = {
            **activity["value"]["action"]["data"],
            "nod": verb,
            "form": True,
            "value": rig.desk.approve_value,
        }
        data["look"] = {"page": 0, "seen": 0, "pages": 2, "proof": "p"}
        activity["value"]["action"] |= {"verb": f"nod_{verb}", "data": data}
        activity["value"]["trigger"] = "automatic"
        activity["id"] = "f:automatic"
        answer = json.loads((await rig.system.delivery.deliver(activity)).body)
        assert 400 == answer["statusCode"]
        assert ([], seen) == (rig.desk.taken, len(rig.desk.seen))
