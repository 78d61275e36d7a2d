"""The Web API of the local Slack, called by Slack's own client over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette

from sandbox.serve import serve
from sandbox.slack.mount import slack_routes
from sandbox.slack.people import App
from sandbox.slack.workspace import Workspace, open_workspace

CHANNEL = "C0APPROVALS"
BLOCKS = [{"type": "divider"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A served workspace, and the app's client for it."""

    workspace: Workspace
    client: AsyncWebClient
    base: str


@asynccontextmanager
async def rig_with(**options: Any) -> AsyncIterator[Rig]:
    """A served workspace with these options of `open_workspace`."""
    async with open_workspace(**options) as workspace, serve(Starlette(routes=slack_routes(workspace))) as base:
        client = AsyncWebClient(token=workspace.app.bot_token, base_url=f"{base}/api/")
        yield Rig(workspace=workspace, client=client, base=base)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rig_with() as made:
        yield made


async def error_of(call: Awaitable[Any]) -> str | None:
    """The error code with which Slack refuses a call, None when it does not."""
    try:
        await call
    except SlackApiError as error:
        return str(error.response["error"])
    return None


async def test_the_app_learns_who_it_is_and_what_it_may(rig: Rig) -> None:
    """auth.test tells the bot's ids, and its scopes in a header, which `nod check` reads."""
    answer = await rig.client.auth_test()

    expected = ("T0SANDBOX", "U0NODBOT", "B0NOD")
    assert expected == (answer["team_id"], answer["user_id"], answer["bot_id"])
    assert rig.workspace.app.scopes == answer.headers["x-oauth-scopes"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "not_authed"),
        ({"Authorization": "Bearer xoxb-other"}, "invalid_auth"),
        ({"Authorization": "Bearer xapp-sandbox-app"}, "not_allowed_token_type"),
    ],
)
async def test_a_wrong_token_is_told_so(rig: Rig, headers: dict[str, str], expected: str) -> None:
    """Each way of being nobody has its own error word, with HTTP 200 as in Slack."""
    async with httpx.AsyncClient(base_url=rig.base, headers=headers) as http:
        answer = await http.post("/api/auth.test")

    assert (200, expected) == (answer.status_code, answer.json()["error"])


async def test_a_revoked_app_is_refused_everywhere(rig: Rig) -> None:
    """After an uninstall every call is answered token_revoked."""
    rig.workspace.revoke_token()

    expected = "token_revoked"
    assert expected == await error_of(rig.client.auth_test())


async def test_a_missing_scope_is_named() -> None:
    """An app without chat:write learns which scope it needs and which it has."""
    async with rig_with(app=App(scopes="users:read")) as rig:
        with pytest.raises(SlackApiError) as caught:
            await rig.client.chat_postMessage(channel=CHANNEL, text="hi")

    expected = ("missing_scope", "chat:write", "users:read")
    answer = caught.value.response
    assert expected == (answer["error"], answer["needed"], answer["provided"])


async def test_an_unknown_method_is_unknown(rig: Rig) -> None:
    """A method that is not offered is refused, not silently accepted."""
    expected = "unknown_method"
    assert expected == await error_of(rig.client.api_call("chat.teleport"))


Refusal = Callable[[Rig], Awaitable[Any]]
REFUSALS: dict[str, Refusal] = {
    "channel_not_found": lambda s: s.client.chat_postMessage(channel="C0NOWHERE", text="x"),
    "not_in_channel": lambda s: s.client.chat_postMessage(channel="C0RANDOM", text="x"),
    "no_text": lambda s: s.client.api_call("chat.postMessage", json={"channel": CHANNEL, "blocks": BLOCKS}),
    "invalid_blocks": lambda s: s.client.chat_postMessage(channel=CHANNEL, text="x", blocks=[{"type": "x"}]),
    "invalid_blocks_format": lambda s: s.client.chat_postMessage(channel=CHANNEL, text="x", blocks="[{"),
    "thread_not_found": lambda s: s.client.conversations_replies(channel=CHANNEL, ts="1.000001"),
    "invalid_metadata_format": lambda s: s.client.chat_postMessage(
        channel=CHANNEL, text="x", metadata={"a": 1}
    ),
    "message_not_found": lambda s: s.client.chat_update(channel=CHANNEL, ts="1.000001", text="x"),
    "user_not_in_channel": lambda s: s.client.chat_postEphemeral(channel="C0FINANCE", user="U0GUEST", text="x"),
    "user_not_found": lambda s: s.client.users_info(user="U0NOBODY"),
    "users_not_found": lambda s: s.client.users_lookupByEmail(email="nobody@acme.example"),
    "no_such_subteam": lambda s: s.client.usergroups_users_list(usergroup="S0NONE"),
    "invalid_trigger_id": lambda s: s.client.views_open(
        trigger_id="1.2.3",
        view={"type": "modal", "title": {"type": "plain_text", "text": "x"}, "blocks": BLOCKS},
    ),
    "invalid_arguments": lambda s: s.client.views_open(trigger_id="1.2.3", view={"type": "modal"}),
    "invalid_limit": lambda s: s.client.conversations_history(channel=CHANNEL, limit=0),
}


@pytest.mark.parametrize("expected", REFUSALS)
async def test_each_refusal_has_slacks_word_for_it(rig: Rig, expected: str) -> None:
    """An adapter can rely on the error codes that Slack documents."""
    assert expected == await error_of(REFUSALS[expected](rig))


async def test_a_message_is_posted_changed_and_read_back(rig: Rig) -> None:
    """The newest version is what everybody reads; the earlier ones are kept for the tests to see."""
    metadata = {"event_type": "nod_card", "event_payload": {"request_id": "r1"}}
    posted = await rig.client.chat_postMessage(
        channel=CHANNEL, text="open", blocks=BLOCKS, metadata=metadata, unfurl_links=False
    )
    await rig.client.chat_update(channel=CHANNEL, ts=posted["ts"], text="decided", blocks=BLOCKS)
    history = await rig.client.conversations_history(channel=CHANNEL, include_all_metadata=True)

    (read,) = history["messages"]
    (kept,) = rig.workspace.messages(CHANNEL)
    expected = ("decided", metadata, False)
    assert expected == (read["text"], read["metadata"], "edited" in read)
    assert ["open"] == [version.text for version in kept.history]


async def test_text_alone_takes_the_blocks_away(rig: Rig) -> None:
    """chat.update without blocks removes them and leaves the "(edited)" mark."""
    posted = await rig.client.chat_postMessage(channel=CHANNEL, text="open", blocks=BLOCKS)
    await rig.client.chat_update(channel=CHANNEL, ts=posted["ts"], text="gone")

    (kept,) = rig.workspace.messages(CHANNEL)
    assert (kept.blocks, kept.edited_ts is not None) == ((), True)


async def test_nobody_edits_what_a_person_wrote(rig: Rig) -> None:
    """An app may change its own messages only."""
    written = rig.workspace.say(user="U0ANN", channel=CHANNEL, text="hello")

    expected = "cant_update_message"
    assert expected == await error_of(rig.client.chat_update(channel=CHANNEL, ts=written.ts, text="x"))


async def test_history_has_pages_and_threads_apart(rig: Rig) -> None:
    """History is newest first without replies, in pages; replies come oldest first with their first message."""
    first = await rig.client.chat_postMessage(channel=CHANNEL, text="one")
    await rig.client.chat_postMessage(channel=CHANNEL, text="reply", thread_ts=first["ts"])
    await rig.client.chat_postMessage(channel=CHANNEL, text="two")

    page = await rig.client.conversations_history(channel=CHANNEL, limit=1)
    cursor = page["response_metadata"]["next_cursor"]
    rest = await rig.client.conversations_history(channel=CHANNEL, limit=1, cursor=cursor)
    after = await rig.client.conversations_history(channel=CHANNEL, oldest=first["ts"])
    thread = await rig.client.conversations_replies(channel=CHANNEL, ts=first["ts"])
    found = [[m["text"] for m in answer["messages"]] for answer in (page, rest, after, thread)]

    expected = [["two"], ["one"], ["two"], ["one", "reply"]]
    assert expected == found
    assert (True, False) == (page["has_more"], rest["has_more"])


async def test_an_ephemeral_is_seen_by_one_person_only(rig: Rig) -> None:
    """A private refusal reaches its reader, is not in the channel, and cannot be changed with chat.update."""
    answer = await rig.client.chat_postEphemeral(channel=CHANNEL, user="U0EVE", text="not you")
    ts = answer["message_ts"]

    expected = ["not you"]
    assert expected == [message.text for message in rig.workspace.ephemerals("U0EVE")]
    assert [] == rig.workspace.ephemerals("U0ANN") + rig.workspace.messages(CHANNEL)
    assert await error_of(rig.client.chat_update(channel=CHANNEL, ts=ts, text="x")) == "message_not_found"


async def test_people_are_found_by_id_and_email(rig: Rig) -> None:
    """Approvers are found by their verified e-mail, guests and strangers are marked as such."""
    ann = await rig.client.users_lookupByEmail(email="Ann@acme.example")
    guest = await rig.client.users_info(user="U0GUEST")
    stranger = await rig.client.users_info(user="U0EXT")
    group = await rig.client.usergroups_users_list(usergroup="S0TESTGRP")

    expected = ("U0ANN", True, "T0OTHER", ["U0ANN", "U0BOB"])
    found = (ann["user"]["id"], guest["user"]["is_restricted"], stranger["user"]["team_id"], group["users"])
    assert expected == found


async def test_a_direct_conversation_is_opened_once(rig: Rig) -> None:
    """Opening it again, or posting to the person's id, leads to the same conversation."""
    opened = await rig.client.conversations_open(users="U0OLU")
    posted = await rig.client.chat_postMessage(channel="U0OLU", text="you are on call")

    assert opened["channel"]["id"] == posted["channel"]
    members = await rig.client.conversations_members(channel=posted["channel"])
    assert sorted(["U0OLU", "U0NODBOT"]) == members["members"]


async def test_a_kicked_app_and_an_archived_channel_are_told(rig: Rig) -> None:
    """Losing a channel has its own words, and conversations.info shows why."""
    rig.workspace.kick("C0FINANCE")
    rig.workspace.archive("C0ALERTS")
    info = await rig.client.conversations_info(channel="C0FINANCE")
    found = [
        await error_of(rig.client.chat_postMessage(channel=channel, text="x"))
        for channel in ("C0FINANCE", "C0ALERTS")
    ]

    expected = ["not_in_channel", "is_archived"]
    assert expected == found
    assert info["channel"]["is_member"] is False


async def test_who_posts_too_fast_must_wait() -> None:
    """The third post at once into a channel with a burst of two is answered 429 with Retry-After; others
    go on."""
    clock = [100.0]
    async with rig_with(post_burst=2, monotonic=lambda: clock[0]) as rig:
        for _ in range(2):
            await rig.client.chat_postMessage(channel=CHANNEL, text="x")
        with pytest.raises(SlackApiError) as caught:
            await rig.client.chat_postMessage(channel=CHANNEL, text="x")
        await rig.client.chat_postMessage(channel="C0FINANCE", text="x")
        clock[0] += 1
        await rig.client.chat_postMessage(channel=CHANNEL, text="x")

    expected = (429, "1", "ratelimited")
    answer = caught.value.response
    assert expected == (answer.status_code, answer.headers["Retry-After"], answer["error"])
    assert [200, 200, 429, 200, 200] == [call.status for call in rig.workspace.called("chat.postMessage")]
    pace = [100.0, 100.0, 101.0]
    assert pace == rig.workspace.pace.posted[CHANNEL]


async def test_a_reply_to_what_was_deleted_stands_at_the_root(rig: Rig) -> None:
    """Slack takes it, and only the answer tells; a thread that others replied to goes on without its head."""
    alone, talked_about = [await rig.client.chat_postMessage(channel=CHANNEL, text="x") for _ in range(2)]
    reply: dict[str, Any] = {"channel": CHANNEL, "text": "re", "thread_ts": talked_about["ts"]}
    rig.workspace.say(user="U0ANN", channel=CHANNEL, text="re", thread_ts=talked_about["ts"])
    for deleted in (alone, talked_about):
        await rig.client.chat_delete(channel=CHANNEL, ts=deleted["ts"])

    at_root = await rig.client.chat_postMessage(channel=CHANNEL, text="re", thread_ts=alone["ts"])
    in_thread = await rig.client.chat_postMessage(**reply)

    assert "thread_ts" not in at_root["message"]
    assert talked_about["ts"] == in_thread["message"]["thread_ts"]
    gone = rig.client.chat_getPermalink(channel=CHANNEL, message_ts=alone["ts"])
    assert "message_not_found" == await error_of(gone)


async def test_a_permalink_leads_to_the_sandbox(rig: Rig) -> None:
    """Links between cards open in the sandbox's own page."""
    posted = await rig.client.chat_postMessage(channel=CHANNEL, text="x")
    link = await rig.client.chat_getPermalink(channel=CHANNEL, message_ts=posted["ts"])

    assert f"{rig.base}/archives/{CHANNEL}/p{posted['ts'].replace('.', '')}" == link["permalink"]


async def test_form_and_json_are_the_same(rig: Rig) -> None:
    """Blocks may come as JSON inside a form, as some clients send them."""
    headers = {"Authorization": f"Bearer {rig.workspace.app.bot_token}"}
    async with httpx.AsyncClient(base_url=rig.base, headers=headers) as http:
        fields = {"channel": CHANNEL, "text": "x", "blocks": '[{"type": "divider"}]'}
        answer = await http.post("/api/chat.postMessage", data=fields)

    kinds = [block["type"] for block in answer.json()["message"]["blocks"]]
    assert ["divider"] == kinds
