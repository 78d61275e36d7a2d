"""The local Teams answers a bot as the documentation of the Bot Connector says: each operation and refusal."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.teams.people import APPROVALS, CHAT, ELSEWHERE, FINANCE, OTHER_TENANT, TEAM, TENANT
from tests.contract.sandbox_teams_rig import DONE, OPEN, Rig, card, message, open_rig

Json = dict[str, Any]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with open_rig() as opened:
        yield opened


def chat_with(rig: Rig, person: str, **more: Any) -> Json:
    """What POST /v3/conversations takes for a personal chat."""
    return {
        "members": [{"id": rig.teams.people[person].id}],
        "channelData": {"tenant": {"id": TENANT}},
        **more,
    }


async def test_a_card_is_posted_replied_to_replaced_and_deleted(rig: Rig) -> None:
    """A post has an id; a thread is reached by `;messageid=`; PUT is for all; DELETE takes the message away."""
    posted = await rig.client.post(f"v3/conversations/{APPROVALS}/activities", json=message(OPEN))
    (first,) = rig.teams.cards_in(APPROVALS)
    assert (201, {"id": first.id}) == (posted.status_code, posted.json())

    thread = f"v3/conversations/{APPROVALS};messageid={first.id}/activities"
    reply = await rig.client.post(thread, json=message(text="Ann approved"))
    assert 201 == reply.status_code
    assert ["Ann approved"] == [m.text for m in rig.teams.thread_of(first)]

    put = await rig.client.put(f"{thread}/{first.id}", json=message(DONE))
    assert (200, {"id": first.id}) == (put.status_code, put.json())
    assert DONE == rig.teams.now(first).card

    gone = await rig.client.delete(f"{thread}/{first.id}")
    assert 200 == gone.status_code
    assert [] == rig.teams.cards_in(APPROVALS)


async def test_the_id_in_the_path_of_a_reply_chooses_no_thread(rig: Rig) -> None:
    """POST …/activities/{id} without `;messageid=` is a new post of the channel."""
    first = await rig.post()

    await rig.client.post(f"v3/conversations/{APPROVALS}/activities/{first.id}", json=message(OPEN))

    assert 2 == len(rig.teams.cards_in(APPROVALS))
    assert [] == rig.teams.thread_of(first)


async def test_a_personal_chat_is_opened_once_and_by_ids_of_this_bot_only(rig: Rig) -> None:
    """The same person gives the same chat; e-mails, several members and foreign tenants are refused."""
    opened = await rig.client.post("v3/conversations", json=chat_with(rig, "ann"))
    again = await rig.client.post("v3/conversations", json=chat_with(rig, "ann", tenantID=TENANT))
    assert (201, opened.json()) == (again.status_code, again.json())
    await rig.post(OPEN, place=opened.json()["id"])
    assert [OPEN] == [m.card for m in rig.teams.dm_of("ann")]

    several = {"members": [{"id": "29:a"}, {"id": "29:b"}], "isGroup": True}
    wrong = (
        {"members": [{"id": "ann@acme.example"}], "tenantId": TENANT},
        {"members": [{"id": "29:unknown"}], "tenantId": TENANT},
        {"members": [{"id": rig.teams.people["ann"].id}], "tenantId": OTHER_TENANT},
        {"members": [{"id": rig.teams.people["ann"].id}]},
        several,
    )
    for body in wrong:
        refused = await rig.client.post("v3/conversations", json=body)
        assert (400, "BadSyntax") == (refused.status_code, refused.json()["error"]["code"])


async def test_a_thread_can_be_begun_in_a_channel(rig: Rig) -> None:
    """POST /v3/conversations with a channel answers with the thread's own conversation id."""
    body = {"isGroup": True, "channelData": {"channel": {"id": FINANCE}}, "activity": message(OPEN)}

    begun = await rig.client.post("v3/conversations", json=body)

    (first,) = rig.teams.cards_in(FINANCE)
    assert 201 == begun.status_code
    assert {"id": f"{FINANCE};messageid={first.id}", "activityId": first.id} == begun.json()


async def test_where_the_bot_is_not_it_is_told_so(rig: Rig) -> None:
    """403 by code: not in the roster; blocked by the person, with the body that only that has."""
    refused = await rig.client.post(f"v3/conversations/{ELSEWHERE}/activities", json=message(OPEN))
    assert (403, "BotNotInConversationRoster") == (refused.status_code, refused.json()["error"]["code"])
    roster = await rig.client.get(f"v3/conversations/{ELSEWHERE}/members")
    assert (403, "BotNotInConversationRoster") == (roster.status_code, roster.json()["error"]["code"])

    place = rig.teams.personal("ann").id
    rig.teams.events.block("ann")
    blocked = await rig.client.post(f"v3/conversations/{place}/activities", json=message(OPEN))
    assert (403, 209) == (blocked.status_code, blocked.json()["errorCode"])
    assert "MessageWritesBlocked" in blocked.json()["message"]

    await rig.teams.events.uninstall(APPROVALS)
    removed = await rig.client.post(f"v3/conversations/{FINANCE}/activities", json=message(OPEN))
    assert (403, "BotNotInConversationRoster") == (removed.status_code, removed.json()["error"]["code"])


async def test_what_is_not_there_is_404(rig: Rig) -> None:
    """An unknown or deleted conversation, thread, message or member, each by its code."""
    first = await rig.post(place=FINANCE)
    base = f"v3/conversations/{APPROVALS}"
    answers = [
        await rig.client.post("v3/conversations/19:none@thread.tacv2/activities", json=message(OPEN)),
        await rig.client.post(f"{base};messageid=1/activities", json=message(OPEN)),
        await rig.client.put(f"{base}/activities/{first.id}", json=message(OPEN)),
        await rig.client.delete(f"{base}/activities/1"),
        await rig.client.get(f"{base}/members/29:nobody"),
        await rig.client.get("v3/teams/19:none@thread.tacv2/conversations"),
    ]
    await rig.teams.events.delete(FINANCE)
    answers.append(await rig.put(first, DONE))

    assert [404] * 7 == [answer.status_code for answer in answers]
    missing, member = "ActivityNotFoundInConversation", "MemberNotFoundInConversation"
    none = "ConversationNotFound"
    expected = [none, none, missing, missing, member, none, none]
    assert expected == [answer.json()["error"]["code"] for answer in answers]


async def test_a_message_of_somebody_else_cannot_be_replaced(rig: Rig) -> None:
    """403 for PUT and DELETE on what a person wrote."""
    await rig.teams.events.say("ann", CHAT, "hello")
    (said,) = rig.teams.messages(CHAT)

    put = await rig.put(said, DONE)
    gone = await rig.client.delete(f"v3/conversations/{CHAT}/activities/{said.id}")

    assert [403, 403] == [put.status_code, gone.status_code]


async def test_what_is_too_large_is_413(rig: Rig) -> None:
    """28 KB of card and 100 KB of message in UTF-16 pass, one more does not."""

    def card_of(size: int) -> Json:
        empty = card({"type": "TextBlock", "text": ""})
        return card({"type": "TextBlock", "text": "x" * (size - len(json.dumps(empty)))})

    path = f"v3/conversations/{APPROVALS}/activities"
    text = "x" * (51_200 - len('{"type":"message","attachments":[],"text":""}'))
    answers = [
        await rig.client.post(path, json=message(card_of(28 * 1024))),
        await rig.client.post(path, json=message(card_of(28 * 1024 + 1))),
        await rig.client.post(path, json=message(text=text)),
        await rig.client.post(path, json=message(text=text + "x")),
    ]

    assert [201, 413, 201, 413] == [answer.status_code for answer in answers]
    assert "MessageSizeTooBig" == answers[1].json()["error"]["code"]


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        [],
        {"type": "trace"},
        message(),
        message(text=" "),
        message(text="hi", attachments=[{"contentType": "application/vnd.microsoft.card.hero", "content": {}}]),
        message(text="hi", attachments=[{}, {}]),
        message(
            text="hi <at>Ann</at>",
            entities=[{"type": "mention", "text": "<at>Bob</at>", "mentioned": {"id": "29:x"}}],
        ),
    ],
    ids=str,
)
async def test_what_is_no_message_is_400(rig: Rig, body: Any) -> None:
    """Broken JSON, other types, nothing to say, other attachments, mentions of nobody: BadSyntax."""
    raw = {"content": body} if isinstance(body, str) else {"json": body}

    refused = await rig.client.post(f"v3/conversations/{APPROVALS}/activities", **raw)

    assert (400, "BadSyntax") == (refused.status_code, refused.json()["error"]["code"])


async def test_people_are_notified_by_mentions(rig: Rig) -> None:
    """A mention needs its text and a member; it is kept with the message."""
    ann = rig.teams.people["ann"]
    mention = {"type": "mention", "text": "<at>Ann</at>", "mentioned": {"id": ann.id, "name": "Ann"}}

    reply = await rig.client.post(
        f"v3/conversations/{APPROVALS}/activities",
        json=message(text="<at>Ann</at>, please", entities=[mention]),
    )

    assert 201 == reply.status_code
    assert ("ann",) == rig.teams.messages(APPROVALS)[-1].mentioned


async def test_the_roster_is_paged_and_names_people_by_entra_id(rig: Rig) -> None:
    """Members come whole, in pages with a continuation token, or one by 29: id, object id or e-mail."""
    base = f"v3/conversations/{APPROVALS}"
    everybody = (await rig.client.get(f"{base}/members")).json()
    assert ["ann", "bob", "eve", "gus", "olu", "xia"] == [m["email"].partition("@")[0] for m in everybody]
    assert {"user", "guest"} == {member["userRole"] for member in everybody}
    assert {TENANT, OTHER_TENANT} == {member["tenantId"] for member in everybody}

    first = (await rig.client.get(f"{base}/pagedmembers?pageSize=4")).json()
    rest = (await rig.client.get(f"{base}/pagedmembers?continuationToken={first['continuationToken']}")).json()
    assert everybody == first["members"] + rest["members"]
    assert "continuationToken" not in rest

    ann = rig.teams.people["ann"]
    for name in (ann.id, ann.aad, ann.email):
        assert ann.to_member() == (await rig.client.get(f"{base}/members/{name}")).json()
    assert 400 == (await rig.client.get(f"{base}/pagedmembers?pageSize=many")).status_code


async def test_the_channels_of_the_team_are_listed(rig: Rig) -> None:
    """The General channel has the team's id and no name."""
    listed = (await rig.client.get(f"v3/teams/{TEAM}/conversations")).json()["conversations"]

    assert {"id": TEAM, "name": None} in listed
    assert {"id": FINANCE, "name": "Finance approvals"} in listed


async def test_troubles_come_on_request(rig: Rig) -> None:
    """412, 502 and 504 with the documented bodies, before or after the thing was done."""
    path = f"v3/conversations/{APPROVALS}/activities"
    for status, code in ((412, "PreconditionFailed"), (502, "ServiceError"), (504, "ServiceError")):
        rig.server.fails(status)
        failed = await rig.client.post(path, json=message(OPEN))
        assert (status, code) == (failed.status_code, failed.json()["error"]["code"])
    assert [] == rig.teams.cards_in(APPROVALS)

    rig.server.fails(429, retry_after=7)
    slower = await rig.client.post(path, json=message(OPEN))
    assert (429, "7") == (slower.status_code, slower.headers["Retry-After"])

    rig.server.fails(504, after=True)
    assert 504 == (await rig.client.post(path, json=message(OPEN))).status_code
    assert 1 == len(rig.teams.cards_in(APPROVALS))
