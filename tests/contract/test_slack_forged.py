"""Payloads that Slack would not send, signed or not: none of them decides anything, none of them crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot.routing import ReasonRule
from sandbox.slack.signing import signed_headers
from tests.contract.slack_rig import Rig, open_rig, press, until

Change = Callable[[dict[str, Any]], object]


async def forged(rig: Rig, change: Change, *, button: str = "approve") -> httpx.Response:
    """A genuine payload, changed, and signed as Slack would sign it."""
    await press(rig, button)
    payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
    rig.desk.taken.clear()
    change(payload)
    return await sent(rig, urlencode({"payload": json.dumps(payload)}).encode())


async def sent(rig: Rig, body: bytes, **headers: str) -> httpx.Response:
    """These bytes, signed."""
    secret = rig.workspace.app.signing_secret
    now = str(int(rig.workspace.now().timestamp()))
    signed = signed_headers(secret=secret, timestamp=now, body=body)
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(rig.events, content=body, headers=signed | headers)


TEAMS: dict[str, tuple[bool, Change]] = {
    "another team": (False, lambda p: p["user"].update(team_id="T0OTHER")),
    "only the payload's team": (True, lambda p: p["user"].pop("team_id")),
    "only another team's channel": (False, lambda p: (p["user"].pop("team_id"), p["team"].update(id="T9"))),
    "no team at all": (False, lambda p: (p["user"].pop("team_id"), p.update(team=None))),
}


@pytest.mark.parametrize(("home", "change"), TEAMS.values(), ids=TEAMS.keys())
async def test_the_persons_own_team_is_what_counts(home: bool, change: Change) -> None:
    """`team` names where the app is; it speaks for the person only where their own is not given."""
    async with open_rig() as rig:
        assert 200 == (await forged(rig, change)).status_code
        assert [home] == [click.home for click in rig.desk.taken]


BROKEN: dict[str, Change] = {
    "two actions": lambda p: p["actions"].append(p["actions"][0]),
    "no action": lambda p: p.update(actions=[]),
    "actions gone": lambda p: p.pop("actions"),
    "actions no list": lambda p: p.update(actions={"action_id": "nod_approve"}),
    "action no object": lambda p: p.update(actions=["nod_approve"]),
    "action id no text": lambda p: p["actions"][0].update(action_id=7),
    "value gone": lambda p: p["actions"][0].pop("value"),
    "value empty": lambda p: p["actions"][0].update(value=""),
    "value a number": lambda p: p["actions"][0].update(value=7),
    "value longer than Slack allows": lambda p: p["actions"][0].update(value="x" * 2_001),
    "user gone": lambda p: p.pop("user"),
    "user id a list": lambda p: p["user"].update(id=["U0ANN"]),
    "user id empty": lambda p: p["user"].update(id=""),
    "team id a number": lambda p: p["user"].update(team_id=1),
    "channel gone": lambda p: p.pop("channel"),
    "container gone": lambda p: p.pop("container"),
    "trigger gone": lambda p: p.pop("trigger_id"),
    "enterprise a number": lambda p: p.update(enterprise=7),
    "view submission without view": lambda p: p.update(type="view_submission"),
    "unknown type": lambda p: p.update(type="shortcuts"),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
async def test_a_payload_that_is_not_quite_right_decides_nothing(change: Change) -> None:
    """Signed or not, whatever is missing or of the wrong type is refused with a 4xx, and nothing is guessed."""
    async with open_rig() as rig:
        answer = await forged(rig, change)
        assert 400 <= answer.status_code < 500
        assert [] == rig.desk.taken


async def test_a_button_of_no_card_of_ours_is_acknowledged_and_ignored() -> None:
    """An old or foreign button shows no error to the person who presses it."""
    async with open_rig() as rig:
        answer = await forged(rig, lambda p: p["actions"][0].update(action_id="nod_dance"))
        assert (200, "") == (answer.status_code, answer.text)
        assert [] == rig.desk.taken


FORGED_FORMS: dict[str, Change] = {
    "metadata no json": lambda v: v.update(private_metadata="{"),
    "metadata a list": lambda v: v.update(private_metadata="[]"),
    "metadata without value": lambda v: v.update(private_metadata='{"verb": "approve"}'),
    "metadata with another verb": lambda v: v.update(
        private_metadata='{"value": "x", "verb": "always", "channel": "C", "ref": "1"}'
    ),
    "another form of ours": lambda v: v.update(callback_id="nod_view_all"),
    "preset a number": lambda v: v["state"]["values"].update(
        nod_preset={"nod_preset": {"selected_option": {"value": 7}}}
    ),
    "preset no option": lambda v: v["state"]["values"].update(
        nod_preset={"nod_preset": {"selected_option": "x"}}
    ),
    "no metadata": lambda v: v.pop("private_metadata"),
    "note a number": lambda v: v["state"]["values"]["nod_note"]["nod_note"].update(value=7),
}


@pytest.mark.parametrize("change", FORGED_FORMS.values(), ids=FORGED_FORMS.keys())
async def test_a_form_that_is_not_quite_right_decides_nothing(change: Change) -> None:
    """What comes back with a form is read as strictly as a button."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "x"})
        rig.desk.taken.clear()
        payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        change(payload["view"])
        answer = await sent(rig, urlencode({"payload": json.dumps(payload)}).encode())
        assert 400 == answer.status_code
        assert [] == rig.desk.taken
        assert 1 == rig.counted["click_malformed"]


async def test_what_a_button_carries_is_the_desks_to_open() -> None:
    """A value that nobody sealed comes to the desk as it is, with the verb of the button."""
    async with open_rig() as rig:
        answer = await forged(rig, lambda p: p["actions"][0].update(value="v2.forged"))
        assert 200 == answer.status_code
        assert [("v2.forged", "approve")] == [(click.value, click.verb) for click in rig.desk.taken]


async def test_a_payload_for_another_app_decides_nothing() -> None:
    """Where Slack told us which app is ours, a payload that is meant for another one is refused."""
    identity = {"team_id": "T0SANDBOX", "user_id": "U0NODBOT", "bot_id": "B0NOD", "app_id": "A0NOD"}
    async with open_rig(identity=identity) as rig:
        assert 200 == (await forged(rig, lambda p: None)).status_code
        rig.desk.taken.clear()
        for change in (lambda p: p.update(api_app_id="A0OTHER"), lambda p: p.pop("api_app_id")):
            assert 400 == (await forged(rig, change)).status_code
            assert [] == rig.desk.taken
        assert 2 == rig.counted["click_malformed"]


async def test_unsigned_requests_never_reach_the_desk() -> None:
    """Without Slack's signature over these very bytes there is a 401, and it is counted."""
    async with open_rig() as rig:
        answer = await forged(rig, lambda p: None)
        assert 200 == answer.status_code
        rig.desk.taken.clear()
        refused = await sent(rig, b"payload=%7B%7D", **{"X-Slack-Signature": "v0=" + "0" * 64})
        assert 401 == refused.status_code
        assert [] == rig.desk.taken
        assert 1 == rig.counted["slack_request_refused"]


async def test_slack_can_check_the_address() -> None:
    """The handshake by which Slack makes sure of a request URL is answered."""
    async with open_rig() as rig:
        body = json.dumps({"type": "url_verification", "challenge": "c4", "token": "x"}).encode()
        answer = await sent(rig, body, **{"Content-Type": "application/json"})
        assert (200, {"challenge": "c4"}) == (answer.status_code, answer.json())


async def test_over_a_socket_the_http_door_is_still_checked() -> None:
    """With Socket Mode on, a forged HTTP request is refused like any other."""
    async with open_rig(socket=True) as rig:
        refused = await sent(rig, b"payload=%7B%7D", **{"X-Slack-Signature": "v0=00"})
        assert 401 == refused.status_code
