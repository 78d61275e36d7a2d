"""What people do in the local Teams reaches the bot as Teams sends it, and they see what came of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.teams.answers import ERROR_TYPE, MESSAGE_TYPE, UNREACHABLE, WRONG
from sandbox.teams.errors import CannotDo
from sandbox.teams.limits import CARD_TYPE
from sandbox.teams.people import APPROVALS, CHAT, FINANCE, OTHER_TENANT, TEAM, TENANT
from tests.contract.sandbox_teams_rig import DONE, OPEN, Rig, answered, card, execute, open_rig

Json = dict[str, Any]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with open_rig() as opened:
        yield opened


async def test_a_press_is_an_invoke_from_the_thread_of_the_card(rig: Rig) -> None:
    """adaptiveCard/action: verb, data, trigger, who by Entra id, which tenant, which card."""
    first = await rig.post()
    rig.bot.answer = answered(CARD_TYPE, DONE)

    result = await rig.teams.press("ann", first, "approve")

    sent, ann = rig.bot.last, rig.teams.people["ann"]
    assert result.ok
    assert ("invoke", "adaptiveCard/action", "msteams") == (sent["type"], sent["name"], sent["channelId"])
    action = {"type": "Action.Execute", "title": "Approve", "verb": "approve", "data": {"seal": "v1.approve"}}
    assert {"action": action, "trigger": "manual"} == sent["value"]
    assert {"id": ann.id, "name": ann.full_name, "aadObjectId": ann.aad} == sent["from"]
    assert f"{APPROVALS};messageid={first.id}" == sent["conversation"]["id"]
    assert (first.id, rig.teams.service_url) == (sent["replyToId"], sent["serviceUrl"])
    assert TENANT == sent["channelData"]["tenant"]["id"] == sent["conversation"]["tenantId"]


async def test_only_the_roster_tells_that_somebody_is_from_elsewhere(rig: Rig) -> None:
    """A stranger's press names the conversation's tenant like everybody's; their own is in the roster."""
    first = await rig.post()

    await rig.teams.press("xia", first, "approve")

    xia = rig.teams.people["xia"]
    assert (xia.aad, TENANT) == (
        rig.bot.last["from"]["aadObjectId"],
        rig.bot.last["channelData"]["tenant"]["id"],
    )
    member = (await rig.client.get(f"v3/conversations/{APPROVALS}/members/{xia.id}")).json()
    assert OTHER_TENANT == member["tenantId"]


async def test_the_answers_card_is_for_the_presser_and_a_put_is_for_all(rig: Rig) -> None:
    """An invoke's card replaces the card for one person; PUT replaces it for everybody."""
    first = await rig.post()
    rig.bot.answer = answered(CARD_TYPE, DONE)
    await rig.teams.press("ann", first, "approve")
    now = rig.teams.now(first)
    assert (DONE, OPEN) == (now.seen_by("ann"), now.seen_by("bob"))

    final = card({"type": "TextBlock", "text": "Over"})
    await rig.put(first, final)

    now = rig.teams.now(first)
    assert (final, final, True) == (now.seen_by("ann"), now.seen_by("bob"), now.edited)


async def test_inputs_go_with_the_press_and_the_client_holds_back_bad_ones(rig: Rig) -> None:
    """Inputs of the shown card and those around it are laid over the data; required and too long ones stay."""
    first = await rig.post()
    await rig.teams.press("ann", first, "reject", {"reason": "too risky"})
    assert {"seal": "v1.reject", "reason": "too risky"} == rig.bot.last["value"]["action"]["data"]

    for inputs in ({}, {"reason": "x" * 21}, {"reason": "fine", "other": "no"}):
        with pytest.raises(CannotDo):
            await rig.teams.press("ann", first, "reject", inputs)
    with pytest.raises(CannotDo):
        await rig.teams.press("ann", first, "nothing")
    with pytest.raises(CannotDo):
        await rig.teams.press("gus", await rig.post(place=CHAT), "approve")


async def test_an_old_client_sends_the_fallback_as_a_message(rig: Rig) -> None:
    """Without Universal Actions the fallback's Action.Submit arrives as a message with a value."""
    first = await rig.post()

    await rig.teams.press("ann", first, "approve", old_client=True)

    sent = rig.bot.last
    assert ("message", {"seal": "v1.approve"}, first.id) == (sent["type"], sent["value"], sent["replyToId"])
    assert "text" not in sent


@pytest.mark.parametrize(
    ("status", "answer", "shown"),
    [
        (500, None, UNREACHABLE),
        (200, None, UNREACHABLE),
        (200, "not json", UNREACHABLE),
        (200, {"type": CARD_TYPE, "value": DONE}, UNREACHABLE),
        (200, answered("application/vnd.microsoft.adaptive.card", DONE), UNREACHABLE),
        (200, answered(CARD_TYPE, {"type": "AdaptiveCard"}), UNREACHABLE),
        (200, answered(ERROR_TYPE, "text", 400), UNREACHABLE),
        (200, answered(ERROR_TYPE, {"code": "BadRequest", "message": "no"}, 400), WRONG),
        (200, answered(ERROR_TYPE, {"code": "BadRequest", "message": "no"}, 200), UNREACHABLE),
    ],
    ids=str,
)
async def test_a_bad_answer_is_shown_as_such(rig: Rig, status: int, answer: Any, shown: str) -> None:
    """What is no answer of the documented format makes the client say that the app cannot be reached."""
    first = await rig.post()
    rig.bot.status, rig.bot.answer = status, answer

    result = await rig.teams.press("ann", first, "approve")

    assert (shown, 1, False) == (result.shown, result.attempts, result.ok)
    assert OPEN == rig.teams.now(first).seen_by("ann")


async def test_a_message_in_the_answer_is_told_to_the_presser(rig: Rig) -> None:
    """activity.message changes no card."""
    first = await rig.post()
    rig.bot.answer = answered(MESSAGE_TYPE, "You may not decide this.")

    result = await rig.teams.press("eve", first, "approve")

    assert ("You may not decide this.", "", OPEN) == (
        result.told,
        result.shown,
        rig.teams.now(first).seen_by("eve"),
    )


async def test_an_invoke_without_answer_is_sent_twice_more() -> None:
    """The same activity three times, each with its own token; then the client gives up."""
    async with open_rig(answer_seconds=0.2) as rig:
        first = await rig.post()
        rig.bot.delay = 0.5

        result = await rig.teams.press("ann", first, "approve")

        assert (0, 3, UNREACHABLE) == (result.status, result.attempts, result.shown)
        assert 1 == len({activity["id"] for activity, _ in rig.bot.came})


async def test_a_refresh_comes_for_those_who_are_named(rig: Rig) -> None:
    """Automatic for the named user ids, for nobody with an empty list, by the menu for everybody."""
    ann = rig.teams.people["ann"].id
    first = await rig.post({**OPEN, "refresh": {"action": execute("refresh"), "userIds": [ann]}})
    rig.bot.answer = answered(CARD_TYPE, DONE)

    assert await rig.teams.refresh("bob", first) is None
    assert await rig.teams.refresh("ann", first) is not None
    assert ("automatic", "refresh") == (
        rig.bot.last["value"]["trigger"],
        rig.bot.last["value"]["action"]["verb"],
    )
    assert (DONE, "bob") == (rig.teams.now(first).seen_by("ann"), "bob")
    await rig.teams.refresh("bob", first, automatic=False)
    assert "manual" == rig.bot.last["value"]["trigger"]
    assert await rig.teams.refresh("ann", await rig.post()) is None


async def test_a_dialog_is_fetched_filled_in_and_closed(rig: Rig) -> None:
    """task/fetch opens a dialog with a card, task/submit sends it filled in, an empty answer closes it."""
    first = await rig.post()
    asks = card(
        {"type": "Input.Text", "id": "note"},
        actions=[{"type": "Action.Submit", "title": "Send", "data": {"n": 1}}],
    )
    content = {"contentType": CARD_TYPE, "content": asks}
    rig.bot.answer = {"task": {"type": "continue", "value": {"title": "All of it", "card": content}}}

    opened = await rig.teams.press("ann", first, title="View all")
    assert opened.ok
    assert ("task/fetch", 1) == (rig.bot.last["name"], rig.bot.last["value"]["data"]["look"])
    dialog = rig.teams.dialog("ann")
    assert dialog is not None
    assert ("All of it", asks) == (dialog.title, dialog.card)

    rig.bot.answer = None
    await rig.teams.submit("ann", {"note": "read"}, title="Send")
    assert ("task/submit", {"n": 1, "note": "read"}) == (
        rig.bot.last["name"],
        rig.bot.last["value"]["data"],
    )
    assert rig.teams.dialog("ann") is None


async def test_a_sleeping_client_presses_an_earlier_look(rig: Rig) -> None:
    """`version` presses the card as it was before an update."""
    first = await rig.post()
    await rig.put(first, DONE)

    with pytest.raises(CannotDo):
        await rig.teams.press("ann", first, "approve")
    await rig.teams.press("ann", first, "approve", version=0)

    assert "approve" == rig.bot.last["value"]["action"]["verb"]


async def test_a_new_bot_is_told_where_it_is(rig: Rig) -> None:
    """Announcing tells the team, each channel with its name, the group chat and the personal chats."""
    assert all(result.ok for result in await rig.teams.events.announce())

    came = [activity for activity, _ in rig.bot.came]
    kinds = {(a["type"], a["conversation"]["conversationType"]) for a in came}
    scopes = ("channel", "groupChat", "personal")
    assert {(t, s) for t in ("installationUpdate", "conversationUpdate") for s in scopes} == kinds
    created = [
        a["channelData"]["channel"] for a in came if a["channelData"].get("eventType") == "channelCreated"
    ]
    assert {"id": FINANCE, "name": "Finance approvals"} in created
    assert {"add"} == {a["action"] for a in came if a["type"] == "installationUpdate"}
    bots = [a["membersAdded"] for a in came if "membersAdded" in a]
    assert [[{"id": rig.teams.bot.id}]] * len(bots) == bots


async def test_administration_is_told_as_conversation_updates(rig: Rig) -> None:
    """Renamed, deleted and restored channels come from the team; people who come and go from the place."""
    events = rig.teams.events
    await events.rename(FINANCE, "Money")
    await events.delete(FINANCE)
    await events.restore(FINANCE)
    await events.leave("olu", CHAT)
    await events.join("gus", CHAT)
    await events.uninstall(CHAT)

    came = [activity for activity, _ in rig.bot.came]
    told = [a["channelData"]["eventType"] for a in came[:3]]
    assert ["channelRenamed", "channelDeleted", "channelRestored"] == told
    assert [TEAM] * 3 == [a["conversation"]["id"] for a in came[:3]]
    assert "Money" == came[0]["channelData"]["channel"]["name"]
    assert rig.teams.people["olu"].aad == came[3]["membersRemoved"][0]["aadObjectId"]
    assert rig.teams.people["gus"].aad == came[4]["membersAdded"][0]["aadObjectId"]
    assert ("remove", CHAT) == (came[5]["action"], came[5]["conversation"]["id"])


async def test_what_people_write_mentions_the_bot_where_others_read(rig: Rig) -> None:
    """In a group chat the bot hears by being mentioned, in its personal chat of everything."""
    await rig.teams.events.say("ann", CHAT, "hello")
    mentions = [e for e in rig.bot.last["entities"] if e["type"] == "mention"]
    assert "<at>Nod</at> hello" == rig.bot.last["text"]
    assert rig.teams.bot.id == mentions[0]["mentioned"]["id"]

    await rig.teams.events.say("ann", rig.teams.personal("ann").id, "hello")
    assert "hello" == rig.bot.last["text"]
    with pytest.raises(CannotDo):
        await rig.teams.events.say("gus", CHAT, "hello")


async def test_a_replay_is_the_same_bytes(rig: Rig) -> None:
    """The last request once more, token and all."""
    first = await rig.post()
    await rig.teams.press("ann", first, "approve")

    await rig.teams.replay()

    assert rig.bot.came[-2] == rig.bot.came[-1]
