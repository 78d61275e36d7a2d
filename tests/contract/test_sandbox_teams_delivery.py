"""What people do in the local Teams reaches the bot as Teams sends it, and they see what came of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.teams.answers import ERROR_TYPE, MESSAGE_TYPE, UNREACHABLE, WRONG
from sandbox.teams.errors import CannotDo
from sandbox.teams.limits import CARD_TYPE
from sandbox.teams.people import APPROVALS, CHAT, FINANCE, OTHER_TENANT, TEAM, TENANT
from tests.contract.teams_scene import DONE, OPEN, Scene, answered, card, execute, open_scene

Json = dict[str, Any]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with open_scene() as opened:
        yield opened


async def test_a_press_is_an_invoke_from_the_thread_of_the_card(scene: Scene) -> None:
    """adaptiveCard/action: verb, data, trigger, who by Entra id, which tenant, which card."""
    first = await scene.post()
    scene.bot.answer = answered(CARD_TYPE, DONE)

    result = await scene.teams.press("ann", first, "approve")

    sent, ann = scene.bot.last, scene.teams.people["ann"]
    assert result.ok
    assert ("invoke", "adaptiveCard/action", "msteams") == (sent["type"], sent["name"], sent["channelId"])
    action = {"type": "Action.Execute", "title": "Approve", "verb": "approve", "data": {"seal": "v1.approve"}}
    assert {"action": action, "trigger": "manual"} == sent["value"]
    assert {"id": ann.id, "name": ann.full_name, "aadObjectId": ann.aad} == sent["from"]
    assert f"{APPROVALS};messageid={first.id}" == sent["conversation"]["id"]
    assert (first.id, scene.teams.service_url) == (sent["replyToId"], sent["serviceUrl"])
    assert TENANT == sent["channelData"]["tenant"]["id"] == sent["conversation"]["tenantId"]


async def test_only_the_roster_tells_that_somebody_is_from_elsewhere(scene: Scene) -> None:
    """A stranger's press names the conversation's tenant like everybody's; her own stands in the roster."""
    first = await scene.post()

    await scene.teams.press("xia", first, "approve")

    xia = scene.teams.people["xia"]
    assert (xia.aad, TENANT) == (
        scene.bot.last["from"]["aadObjectId"],
        scene.bot.last["channelData"]["tenant"]["id"],
    )
    member = (await scene.client.get(f"v3/conversations/{APPROVALS}/members/{xia.id}")).json()
    assert OTHER_TENANT == member["tenantId"]


async def test_the_answers_card_is_for_the_presser_and_a_put_is_for_all(scene: Scene) -> None:
    """An invoke's card replaces the card for one person; PUT replaces it for everybody."""
    first = await scene.post()
    scene.bot.answer = answered(CARD_TYPE, DONE)
    await scene.teams.press("ann", first, "approve")
    now = scene.teams.now(first)
    assert (DONE, OPEN) == (now.seen_by("ann"), now.seen_by("bob"))

    final = card({"type": "TextBlock", "text": "Over"})
    await scene.put(first, final)

    now = scene.teams.now(first)
    assert (final, final, True) == (now.seen_by("ann"), now.seen_by("bob"), now.edited)


async def test_inputs_go_with_the_press_and_the_client_holds_back_bad_ones(scene: Scene) -> None:
    """Inputs of the shown card and those around it are laid over the data; required and too long ones stay."""
    first = await scene.post()
    await scene.teams.press("ann", first, "reject", {"reason": "too risky"})
    assert {"seal": "v1.reject", "reason": "too risky"} == scene.bot.last["value"]["action"]["data"]

    for inputs in ({}, {"reason": "x" * 21}, {"reason": "fine", "other": "no"}):
        with pytest.raises(CannotDo):
            await scene.teams.press("ann", first, "reject", inputs)
    with pytest.raises(CannotDo):
        await scene.teams.press("ann", first, "nothing")
    with pytest.raises(CannotDo):
        await scene.teams.press("gus", await scene.post(place=CHAT), "approve")


async def test_an_old_client_sends_the_fallback_as_a_message(scene: Scene) -> None:
    """Without Universal Actions the fallback's Action.Submit arrives as a message with a value."""
    first = await scene.post()

    await scene.teams.press("ann", first, "approve", old_client=True)

    sent = scene.bot.last
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
async def test_a_bad_answer_is_shown_as_such(scene: Scene, status: int, answer: Any, shown: str) -> None:
    """What is no answer of the documented format makes the client say that the app cannot be reached."""
    first = await scene.post()
    scene.bot.status, scene.bot.answer = status, answer

    result = await scene.teams.press("ann", first, "approve")

    assert (shown, 1, False) == (result.shown, result.attempts, result.ok)
    assert OPEN == scene.teams.now(first).seen_by("ann")


async def test_a_message_in_the_answer_is_told_to_the_presser(scene: Scene) -> None:
    """activity.message changes no card."""
    first = await scene.post()
    scene.bot.answer = answered(MESSAGE_TYPE, "You may not decide this.")

    result = await scene.teams.press("eve", first, "approve")

    assert ("You may not decide this.", "", OPEN) == (
        result.told,
        result.shown,
        scene.teams.now(first).seen_by("eve"),
    )


async def test_an_invoke_without_answer_is_sent_twice_more() -> None:
    """The same activity three times, each with its own token; then the client gives up."""
    async with open_scene(answer_seconds=0.2) as scene:
        first = await scene.post()
        scene.bot.delay = 0.5

        result = await scene.teams.press("ann", first, "approve")

        assert (0, 3, UNREACHABLE) == (result.status, result.attempts, result.shown)
        assert 1 == len({activity["id"] for activity, _ in scene.bot.came})


async def test_a_refresh_comes_for_those_who_are_named(scene: Scene) -> None:
    """Automatic for the named user ids, for nobody with an empty list, by the menu for everybody."""
    ann = scene.teams.people["ann"].id
    first = await scene.post({**OPEN, "refresh": {"action": execute("refresh"), "userIds": [ann]}})
    scene.bot.answer = answered(CARD_TYPE, DONE)

    assert await scene.teams.refresh("bob", first) is None
    assert await scene.teams.refresh("ann", first) is not None
    assert ("automatic", "refresh") == (
        scene.bot.last["value"]["trigger"],
        scene.bot.last["value"]["action"]["verb"],
    )
    assert (DONE, "bob") == (scene.teams.now(first).seen_by("ann"), "bob")
    await scene.teams.refresh("bob", first, automatic=False)
    assert "manual" == scene.bot.last["value"]["trigger"]
    assert await scene.teams.refresh("ann", await scene.post()) is None


async def test_a_dialog_is_fetched_filled_in_and_closed(scene: Scene) -> None:
    """task/fetch opens a dialog with a card, task/submit sends it filled in, an empty answer closes it."""
    first = await scene.post()
    asks = card(
        {"type": "Input.Text", "id": "note"},
        actions=[{"type": "Action.Submit", "title": "Send", "data": {"n": 1}}],
    )
    content = {"contentType": CARD_TYPE, "content": asks}
    scene.bot.answer = {"task": {"type": "continue", "value": {"title": "All of it", "card": content}}}

    opened = await scene.teams.press("ann", first, title="View all")
    assert opened.ok
    assert ("task/fetch", 1) == (scene.bot.last["name"], scene.bot.last["value"]["data"]["look"])
    dialog = scene.teams.dialog("ann")
    assert dialog is not None
    assert ("All of it", asks) == (dialog.title, dialog.card)

    scene.bot.answer = None
    await scene.teams.submit("ann", {"note": "read"}, title="Send")
    assert ("task/submit", {"n": 1, "note": "read"}) == (
        scene.bot.last["name"],
        scene.bot.last["value"]["data"],
    )
    assert scene.teams.dialog("ann") is None


async def test_a_sleeping_client_presses_an_earlier_look(scene: Scene) -> None:
    """`version` presses the card as it was before an update."""
    first = await scene.post()
    await scene.put(first, DONE)

    with pytest.raises(CannotDo):
        await scene.teams.press("ann", first, "approve")
    await scene.teams.press("ann", first, "approve", version=0)

    assert "approve" == scene.bot.last["value"]["action"]["verb"]


async def test_a_new_bot_is_told_where_it_is(scene: Scene) -> None:
    """Announcing tells the team, each channel with its name, the group chat and the personal chats."""
    assert all(result.ok for result in await scene.teams.events.announce())

    came = [activity for activity, _ in scene.bot.came]
    kinds = {(a["type"], a["conversation"]["conversationType"]) for a in came}
    scopes = ("channel", "groupChat", "personal")
    assert {(t, s) for t in ("installationUpdate", "conversationUpdate") for s in scopes} == kinds
    created = [
        a["channelData"]["channel"] for a in came if a["channelData"].get("eventType") == "channelCreated"
    ]
    assert {"id": FINANCE, "name": "Finance approvals"} in created
    assert {"add"} == {a["action"] for a in came if a["type"] == "installationUpdate"}
    bots = [a["membersAdded"] for a in came if "membersAdded" in a]
    assert [[{"id": scene.teams.bot.id}]] * len(bots) == bots


async def test_administration_is_told_as_conversation_updates(scene: Scene) -> None:
    """Renamed, deleted and restored channels come from the team; people who come and go from the place."""
    events = scene.teams.events
    await events.rename(FINANCE, "Money")
    await events.delete(FINANCE)
    await events.restore(FINANCE)
    await events.leave("olu", CHAT)
    await events.join("gus", CHAT)
    await events.uninstall(CHAT)

    came = [activity for activity, _ in scene.bot.came]
    told = [a["channelData"]["eventType"] for a in came[:3]]
    assert ["channelRenamed", "channelDeleted", "channelRestored"] == told
    assert [TEAM] * 3 == [a["conversation"]["id"] for a in came[:3]]
    assert "Money" == came[0]["channelData"]["channel"]["name"]
    assert scene.teams.people["olu"].aad == came[3]["membersRemoved"][0]["aadObjectId"]
    assert scene.teams.people["gus"].aad == came[4]["membersAdded"][0]["aadObjectId"]
    assert ("remove", CHAT) == (came[5]["action"], came[5]["conversation"]["id"])


async def test_what_people_write_mentions_the_bot_where_others_read(scene: Scene) -> None:
    """In a group chat the bot hears by being mentioned, in its personal chat of everything."""
    await scene.teams.events.say("ann", CHAT, "hello")
    mentions = [e for e in scene.bot.last["entities"] if e["type"] == "mention"]
    assert "<at>Nod</at> hello" == scene.bot.last["text"]
    assert scene.teams.bot.id == mentions[0]["mentioned"]["id"]

    await scene.teams.events.say("ann", scene.teams.personal("ann").id, "hello")
    assert "hello" == scene.bot.last["text"]
    with pytest.raises(CannotDo):
        await scene.teams.events.say("gus", CHAT, "hello")


async def test_a_replay_is_the_same_bytes(scene: Scene) -> None:
    """The last request once more, token and all."""
    first = await scene.post()
    await scene.teams.press("ann", first, "approve")

    await scene.teams.replay()

    assert scene.bot.came[-2] == scene.bot.came[-1]
