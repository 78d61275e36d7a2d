"""What a person does in the local Slack reaches the app over signed HTTP, and the person sees what came of
it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serve import serve
from sandbox.slack.delivery import NO_ANSWER, TROUBLE
from sandbox.slack.errors import CannotDo
from sandbox.slack.mount import slack_routes
from sandbox.slack.workspace import Workspace, open_workspace

CHANNEL = "C0APPROVALS"
Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


CARD = [
    {
        "type": "actions",
        "block_id": "verbs",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "text": plain("Approve"),
                "value": "r1",
                "style": "primary",
            }
        ],
    }
]
MODAL = {
    "type": "modal",
    "title": plain("Reject"),
    "submit": plain("Send"),
    "callback_id": "reject",
    "private_metadata": "r1",
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "note",
            "label": plain("Why?"),
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 20},
        }
    ],
}


@dataclass
class FakeApp:
    """A tiny app: keeps what comes, with raw body and headers, and answers what it is told to."""

    answer: Json | None = None
    status: int = 200
    delay: float = 0.0
    came: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.came.append((await request.body(), dict(request.headers)))
        await asyncio.sleep(self.delay)
        body = "" if self.answer is None else json.dumps(self.answer)
        return Response(body, self.status, media_type="application/json")

    def payload(self, index: int = -1) -> Json:
        """One of the payloads that came."""
        parsed: Json = json.loads(parse_qs(self.came[index][0].decode())["payload"][0])
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A workspace with a card in it, and the app that listens."""

    workspace: Workspace
    client: AsyncWebClient
    app: FakeApp
    ts: str

    async def click(self, user: str = "U0ANN", **more: Any) -> Any:
        """A person presses Approve."""
        return await self.workspace.click(user=user, channel=CHANNEL, ts=self.ts, action_id="approve", **more)

    async def opened(self, view: Json = MODAL) -> str:
        """Ann presses the button and the app opens a modal for her; its id."""
        result = await self.click()
        answer = await self.client.views_open(trigger_id=result.payload["trigger_id"], view=view)
        return str(answer["view"]["id"])


@asynccontextmanager
async def rig_with(**options: Any) -> AsyncIterator[Rig]:
    """A served workspace with a card, and an app at its request URL."""
    app = FakeApp()

    async def interactivity(request: Request) -> Response:
        return await app(request)

    async with open_workspace(**options) as workspace:
        routes = [*slack_routes(workspace), Route("/slack/events", interactivity, methods=["POST"])]
        async with serve(Starlette(routes=routes)) as base:
            workspace.request_url = f"{base}/slack/events"
            client = AsyncWebClient(token=workspace.app.bot_token, base_url=f"{base}/api/")
            posted = await client.chat_postMessage(channel=CHANNEL, text="Approve?", blocks=CARD)
            yield Rig(workspace=workspace, client=client, app=app, ts=posted["ts"])


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rig_with() as made:
        yield made


async def error_code(call: Any) -> str:
    """The code with which Slack refuses a call."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_click_is_signed_and_complete(rig: Rig) -> None:
    """The app gets a payload like Slack's, over bytes that Slack's own verifier accepts."""
    result = await rig.click()
    body, headers = rig.app.came[0]
    payload = rig.app.payload()

    assert SignatureVerifier(rig.workspace.app.signing_secret).is_valid_request(body, headers)
    expected = {
        "type": "block_actions",
        "user": {"id": "U0ANN", "username": "ann", "name": "ann", "team_id": "T0SANDBOX"},
        "channel": {"id": CHANNEL, "name": "approvals"},
        "container": {
            "type": "message",
            "message_ts": rig.ts,
            "channel_id": CHANNEL,
            "is_ephemeral": False,
        },
        "api_app_id": "A0NOD",
    }
    assert expected == {name: payload[name] for name in expected}
    (action,) = payload["actions"]
    pressed = ("approve", "verbs", "button", "r1")
    assert pressed == (action["action_id"], action["block_id"], action["type"], action["value"])
    assert rig.ts == payload["message"]["ts"]
    assert (result.ok, result.shown) == (True, "")


async def test_an_app_that_answers_an_error_is_shown_as_such(rig: Rig) -> None:
    """When the app fails, the person sees that it did not respond."""
    rig.app.status = 500
    result = await rig.click()

    expected = (500, NO_ANSWER)
    assert expected == (result.status, result.shown)


async def test_an_app_that_is_too_slow_is_shown_as_such() -> None:
    """After the time for acks (3 s in Slack, shortened here) the person sees that the app did not respond."""
    async with rig_with(ack_seconds=0.1) as rig:
        rig.app.delay = 0.5
        result = await rig.click()

    expected = (0, NO_ANSWER)
    assert expected == (result.status, result.shown)


async def test_a_replay_is_the_same_bytes(rig: Rig) -> None:
    """A replay repeats body, timestamp and signature exactly, so that an app can be tested against it."""
    await rig.click()
    await rig.workspace.replay()
    first, second = rig.app.came

    names = ("x-slack-request-timestamp", "x-slack-signature")
    assert first[0] == second[0]
    assert [first[1][name] for name in names] == [second[1][name] for name in names]


async def test_a_stale_client_presses_the_old_button(rig: Rig) -> None:
    """A phone that slept still shows the first version of the card, and its button still arrives."""
    await rig.client.chat_update(channel=CHANNEL, ts=rig.ts, text="Approved")
    with pytest.raises(CannotDo):
        await rig.click()
    await rig.click(version=0)

    expected = "Approve?"
    assert expected == rig.app.payload()["message"]["text"]


async def test_only_members_can_press(rig: Rig) -> None:
    """A person outside the channel does not even see the button; a stranger inside is named with their own
    team."""
    rig.workspace.kick(CHANNEL, "U0EVE")
    with pytest.raises(CannotDo):
        await rig.click(user="U0EVE")
    await rig.click(user="U0EXT")

    expected = "T0OTHER"
    assert expected == rig.app.payload()["user"]["team_id"]


async def test_an_ephemeral_is_pressed_without_its_message(rig: Rig) -> None:
    """A click on a private message says so and carries no message, as in Slack."""
    whispered = await rig.client.chat_postEphemeral(channel=CHANNEL, user="U0ANN", text="psst", blocks=CARD)
    await rig.workspace.click(user="U0ANN", channel=CHANNEL, ts=whispered["message_ts"], action_id="approve")
    payload = rig.app.payload()

    assert (payload["container"]["is_ephemeral"], "message" in payload) == (True, False)


async def test_a_trigger_opens_one_modal_only() -> None:
    """A trigger_id is good once and for three seconds."""
    clock = [0.0]
    async with rig_with(monotonic=lambda: clock[0]) as rig:
        trigger = (await rig.click()).payload["trigger_id"]
        await rig.client.views_open(trigger_id=trigger, view=MODAL)
        exchanged = await error_code(rig.client.views_open(trigger_id=trigger, view=MODAL))
        late = (await rig.click()).payload["trigger_id"]
        clock[0] += 3.1
        expired = await error_code(rig.client.views_open(trigger_id=late, view=MODAL))

    expected = ["exchanged_trigger_id", "expired_trigger_id"]
    assert expected == [exchanged, expired]


async def test_a_modal_is_submitted_with_its_values(rig: Rig) -> None:
    """The app gets what was typed under block_id and action_id, with the modal's metadata; then it closes."""
    view_id = await rig.opened()
    result = await rig.workspace.submit(user="U0ANN", view_id=view_id, values={"note": "too dear"})
    payload = rig.app.payload()

    state = {"note": {"text": {"type": "plain_text_input", "value": "too dear"}}}
    expected = ("view_submission", state, "r1", "reject")
    view = payload["view"]
    assert expected == (
        payload["type"],
        view["state"]["values"],
        view["private_metadata"],
        view["callback_id"],
    )
    assert (result.ok, rig.workspace.views("U0ANN")) == (True, [])


@pytest.mark.parametrize("typed", ["", "   ", "far too long for this field"])
async def test_slacks_own_form_refuses_first(rig: Rig, typed: str) -> None:
    """An empty required field or a text beyond its length never reaches the app."""
    view_id = await rig.opened()
    result = await rig.workspace.submit(user="U0ANN", view_id=view_id, values={"note": typed})

    assert ["note"] == list(result.errors)
    assert len(rig.app.came) == 1


async def test_the_apps_objection_stands_at_the_field(rig: Rig) -> None:
    """An answer with errors keeps the modal open and shows them; an unknown field is trouble."""
    view_id = await rig.opened()
    rig.app.answer = {"response_action": "errors", "errors": {"note": "Say more."}}
    told = await rig.workspace.submit(user="U0ANN", view_id=view_id, values={"note": "no"})
    rig.app.answer = {"response_action": "errors", "errors": {"nowhere": "x"}}
    lost = await rig.workspace.submit(user="U0ANN", view_id=view_id, values={"note": "no"})

    expected = {"note": "Say more."}
    assert expected == told.errors
    assert (lost.shown, len(rig.workspace.views("U0ANN"))) == (TROUBLE, 1)


async def test_modals_are_stacked_updated_and_cleared(rig: Rig) -> None:
    """An answer may push, update or clear; a fourth modal is refused."""
    first = await rig.opened()
    for _ in range(2):
        rig.app.answer = {"response_action": "push", "view": MODAL}
        top = rig.workspace.views("U0ANN")[-1].id
        await rig.workspace.submit(user="U0ANN", view_id=top, values={"note": "x"})
    top = rig.workspace.views("U0ANN")[-1].id
    too_many = await rig.workspace.submit(user="U0ANN", view_id=top, values={"note": "x"})
    depth = len(rig.workspace.views("U0ANN"))
    rig.app.answer = {"response_action": "clear"}
    await rig.workspace.submit(user="U0ANN", view_id=top, values={"note": "x"})

    assert (depth, "push_limit_reached" in too_many.shown) == (3, True)
    assert rig.workspace.views("U0ANN") == []
    assert await error_code(rig.client.views_update(view_id=first, view=MODAL)) == "not_found"


async def test_a_late_update_is_refused_by_its_hash(rig: Rig) -> None:
    """views.update with the hash of an older state changes nothing."""
    view_id = await rig.opened()
    old = rig.workspace.views("U0ANN")[0].hash
    await rig.client.views_update(view_id=view_id, view=MODAL, hash=old)

    expected = "hash_conflict"
    assert expected == await error_code(rig.client.views_update(view_id=view_id, view=MODAL, hash=old))


async def test_a_dismissed_modal_is_told_when_asked_for(rig: Rig) -> None:
    """notify_on_close brings a view_closed."""
    view_id = await rig.opened()
    await rig.workspace.close(user="U0ANN", view_id=view_id)
    payload = rig.app.payload()

    assert (payload["type"], payload["is_cleared"]) == ("view_closed", False)


async def test_a_response_url_works_five_times(rig: Rig) -> None:
    """It whispers, replaces the original, and is used up after five times."""
    url = (await rig.click()).payload["response_url"]
    async with httpx.AsyncClient() as http:
        statuses = [(await http.post(url, json={"text": "psst"})).status_code for _ in range(4)]
        replaced = await http.post(url, json={"text": "Approved", "replace_original": True})
        sixth = await http.post(url, json={"text": "psst"})

    expected = [200] * 5 + [404]
    assert expected == [*statuses, replaced.status_code, sixth.status_code]
    assert "Approved" in [message.text for message in rig.workspace.messages(CHANNEL)]
    assert len(rig.workspace.ephemerals("U0ANN")) == 4
