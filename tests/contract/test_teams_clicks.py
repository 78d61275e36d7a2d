"""A press in Teams: committed first, answered with a card in time, and never a 500."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.teams.conversations import ref_of
from adapters.teams.follow_ups import TWICE
from bot.card import Button
from bot.errors import Refusal, Unanswered
from bot.protocol import HITLDecision
from bot.routing import ReasonRule
from bot.surface import Surface
from sandbox.teams.people import APPROVALS
from tests.contract.teams_rig import ANN, CHANNEL, open_rig, texts, verbs
from tests.render.cards import digest_card, explanation, not_counted, request

LONG = {"body": "\n".join(f"line {n} of a letter" for n in range(300))}


async def test_an_approval_reaches_the_desk_once() -> None:
    """Who pressed, on which card, with the card's own value: the desk gets it, and the person an answer."""
    async with open_rig() as rig:
        message = await rig.card_up()
        result = await rig.press("approve", message=message)
        (click,) = rig.desk.taken
        assert result.ok
        assert (Surface.TEAMS, ANN, True) == (click.surface, click.account, click.home)
        assert (CHANNEL, ref_of(APPROVALS, message.id), Button.APPROVE) == (
            click.channel,
            click.ref,
            click.verb,
        )
        assert rig.desk.card.buttons[Button.APPROVE] == click.value
        assert not rig.desk.whole(click)
        seen = rig.message(message.id).seen_by("ann")
        assert seen is not None
        assert any("You approved send_email." in text for text in texts(seen))
        assert [] == verbs(seen)


async def test_the_answer_comes_after_the_commit() -> None:
    """Nobody reads that an answer is valid before it is stored."""
    stored = asyncio.Event()
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.desk.before_commit = stored.wait
        pressed = asyncio.create_task(rig.press("approve", message=message))
        while not rig.desk.seen or rig.desk.seen[-1].verb is not Button.APPROVE:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert not pressed.done()
        stored.set()
        assert (await pressed).ok


async def test_a_reason_stands_in_the_card_itself() -> None:
    """Reject unfolds a field; what is typed there is the note, and no second question follows."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        result = await rig.press("reject", inputs={"nod_note": " Wrong day "})
        (click,) = rig.desk.taken
        assert result.ok
        assert (Button.REJECT, "Wrong day") == (click.verb, click.note)


async def test_a_required_reason_is_asked_for_again_with_the_presets() -> None:
    """A form without the reason that the route wants comes back with what is missing and what can be picked."""
    async with open_rig() as rig:
        rig.desk.rule, rig.desk.presets = ReasonRule.REQUIRED, ("too expensive", "wrong person")
        message = await rig.card_up()
        await rig.press("reject", message=message)
        form = rig.message(message.id).seen_by("ann")
        assert form is not None
        assert any("Say why" in text for text in texts(form))
        picked = {"nod_preset": "too expensive", "nod_note": "by half"}
        assert (await rig.press("reject", message=message, inputs=picked)).ok
        assert ["too expensive: by half"] == [click.note for click in rig.desk.taken]


async def test_approve_and_skip_go_without_a_form_unless_one_is_required() -> None:
    """The rule for an Approve is the route's: required means a form first."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        assert (await rig.press("skip")).ok
        assert [HITLDecision.SKIPPED.value] == ["skipped" for click in rig.desk.taken]
        rig.desk.rule = ReasonRule.REQUIRED
        message = await rig.card_up()
        await rig.press("approve", message=message)
        assert 1 == len(rig.desk.taken)
        await rig.press("approve", message=message, inputs={"nod_note": "it is right"})
        assert ["it is right"] == [click.note for click in rig.desk.taken[1:]]


async def test_a_refusal_is_for_the_one_who_pressed() -> None:
    """The reason why it is not valid is shown to that person alone; the message itself stays."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.desk.refusal = not_counted(Refusal.NOT_APPROVER, "Only <at>finance</at> may decide this.")
        result = await rig.press("approve", person="eve", message=message)
        now = rig.message(message.id)
        seen = now.seen_by("eve")
        assert result.ok
        assert seen is not None
        assert "Only <at>finance</at> may decide this." in "".join(texts(seen))
        assert now.seen_by("ann") == now.card
        assert [] == rig.desk.taken


async def test_somebody_who_may_not_decide_sees_status_only() -> None:
    """Teams asks for each person's own view: buttons for people who can decide, none for others."""
    async with open_rig() as rig:
        message = await rig.card_up()
        assert {"nod_show"} == {message.card["refresh"]["action"]["verb"]}  # type: ignore[index]
        rig.desk.explained = explanation(
            "Route: default", "Only finance can decide this.", refusal=Refusal.NOT_APPROVER
        )
        result = await rig.system.refresh("eve", message)
        assert result is not None
        assert result.ok
        seen = rig.message(message.id).seen_by("eve")
        assert seen is not None
        assert ["why", "ids"] == verbs(seen)
        rig.desk.explained = explanation("Route: default", "You can decide this.")
        await rig.system.refresh("ann", message)
        seen = rig.message(message.id).seen_by("ann")
        assert seen is not None
        assert {"approve", "reject", "skip", "view_all", "claim", "why", "ids"} == set(verbs(seen))
        assert [] == rig.desk.taken


async def test_a_look_of_a_stranger_is_no_row_of_the_audit() -> None:
    """What Teams asks by itself is no press: the desk is only asked to explain."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.desk.explained = explanation("Only finance can decide this.", refusal=Refusal.NOT_APPROVER)
        await rig.system.refresh("eve", message)
        assert [Button.WHY] == [click.verb for click in rig.desk.seen]


async def test_the_whole_call_is_read_page_by_page_before_approve() -> None:
    """Approve is on the last page only, and says that all was shown; the pages are the call."""
    async with open_rig() as rig:
        rig.desk.asked = request(LONG)
        message = await rig.card_up()
        assert "approve" not in verbs(message.card)
        await rig.press("view_all", message=message)
        read: list[str] = []
        for _ in range(20):
            page = rig.message(message.id).seen_by("ann")
            assert page is not None
            read += [text for text in texts(page) if text.startswith("\u00a0\u00a0\u00a0\u00a0line")]
            if "approve" in verbs(page):
                break
            assert (await rig.press("turn", message=message, inputs={}, title="Next page")).ok
        assert [f"line {n} of a letter" for n in range(300)] == [text.strip("\u00a0") for text in read]
        assert (await rig.press("approve", message=message)).ok
        (click,) = rig.desk.taken
        assert rig.desk.whole(click)
        assert rig.desk.approve_value == click.value


async def test_a_page_that_was_skipped_brings_no_approve() -> None:
    """A client that asks for the last page at once gets it, and no Approve with it."""
    async with open_rig() as rig:
        rig.desk.asked = request(LONG)
        message = await rig.card_up()
        await rig.press("view_all", message=message)
        (sent,) = rig.system.delivery.sent[-1:]
        forged = json.loads(json.dumps(sent.activity))
        action = forged["value"]["action"]
        look = rig.message(message.id).seen_by("ann")
        assert look is not None
        (turn,) = [e["actions"][0] for e in look["body"] if e["type"] == "ActionSet"]
        pages = turn["data"]["look"]["pages"]
        data = {**turn["data"], "look": {**turn["data"]["look"], "page": pages - 1, "seen": 0}}
        forged["id"] = "f:another"
        forged["value"]["action"] = {**action, "verb": "nod_turn", "data": data}
        result = await rig.system.delivery.deliver(forged)
        assert 400 == json.loads(result.body)["statusCode"]
        assert "click_malformed" in rig.counted


async def test_why_me_is_told_to_the_one_who_asks() -> None:
    """An explanation takes the card's place for one person, and leads back to it."""
    async with open_rig() as rig:
        message = await rig.card_up()
        assert (await rig.press("why", message=message)).ok
        seen = rig.message(message.id).seen_by("ann")
        assert seen is not None
        assert list(rig.desk.explained.lines) == texts(seen)
        assert ["show"] == verbs(seen)
        assert (await rig.press("show", message=message)).ok


async def test_a_digest_shows_one_request_after_the_other() -> None:
    """Next opens the call with its answers below; an answer there is valid, and Next goes on behind it."""
    async with open_rig() as rig:
        ref = await rig.teams.chat.post(digest_card(count=12), CHANNEL)
        message = rig.message(ref)
        assert (await rig.press("next", message=message)).ok
        assert [None] == rig.desk.behind
        page = rig.message(ref).seen_by("ann")
        assert page is not None
        assert ["approve", "reject", "skip", "next"] == verbs(page)
        assert (await rig.press("approve", message=message)).ok
        (click,) = rig.desk.taken
        assert (ref, True) == (click.ref, rig.desk.whole(click))
        assert (await rig.press("next", message=message)).ok
        assert [None, rig.desk.card.card_id] == rig.desk.behind


async def test_a_client_without_universal_actions_can_answer_too() -> None:
    """The fallback is a message with the same data: it counts, and what follows goes to the own chat."""
    async with open_rig() as rig:
        message = await rig.card_up()
        result = await rig.press("approve", message=message, old_client=True)
        assert result.ok
        (click,) = rig.desk.taken
        assert (Button.APPROVE, ANN, ref_of(APPROVALS, message.id)) == (click.verb, click.account, click.ref)
        await _until(lambda: rig.system.dm_of("ann"))
        assert "You approved send_email." in texts(rig.system.dm_of("ann")[-1].card)


async def test_a_form_in_the_own_chat_counts_for_the_card_that_it_came_from() -> None:
    """What an old client is sent apart is pressed apart, and still is about the card in the channel."""
    async with open_rig() as rig:
        rig.desk.asked = request(LONG)
        message = await rig.card_up()
        await rig.press("view_all", message=message, old_client=True)
        await _until(lambda: rig.system.dm_of("ann"))
        look = rig.system.dm_of("ann")[-1]
        await _until(lambda: rig.teams._receiver._clicks._posted.at(look.place, look.id))
        assert (await rig.system.press("ann", look, "nod_turn", title="Next page")).ok
        assert {(CHANNEL, ref_of(APPROVALS, message.id))} == {
            (click.channel, click.ref) for click in rig.desk.seen
        }


async def test_the_same_press_again_gets_the_same_answer() -> None:
    """Teams repeats what it thinks unanswered: one vote, and the answer that was given."""
    async with open_rig() as rig:
        first = await rig.press("approve")
        second = await rig.system.replay()
        third = await rig.system.replay()
        assert 1 == len(rig.desk.taken)
        assert {first.body} == {second.body, third.body}


async def test_a_late_answer_is_given_to_the_repeated_press() -> None:
    """When the store is slow, Teams asks again; the vote that was under way is the valid one."""
    stored = asyncio.Event()
    async with open_rig(answer_seconds=0.3) as rig:
        message = await rig.card_up()
        rig.desk.before_commit = stored.wait
        asyncio.get_running_loop().call_later(0.5, stored.set)
        result = await rig.press("approve", message=message)
        assert result.ok
        assert 1 < result.attempts
        assert 1 == len(rig.desk.taken)


async def test_a_vote_that_takes_too_long_is_finished_all_the_same() -> None:
    """Teams is answered in time, with an error; the vote goes on, and the next press hears that it counts."""
    stored = asyncio.Event()
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.teams._receiver._in_time = 0.1
        rig.desk.before_commit = stored.wait
        late = await rig.press("approve", message=message)
        assert 200 == late.status
        assert 500 == late.answer()["statusCode"]
        assert 1 == rig.counted["click_late"]
        stored.set()
        assert 200 == (await rig.system.replay()).answer()["statusCode"]
        assert 1 == len(rig.desk.taken)
        # The second press waited for the first one's answer.
        assert 1 == len([click for click in rig.desk.seen if click.verb is Button.APPROVE])


async def test_trouble_is_told_and_never_a_500() -> None:
    """What breaks behind the desk is logged and counted, and the person reads that they should press again."""
    async with open_rig() as rig:
        rig.desk.trouble = RuntimeError("broken")
        result = await rig.press("approve")
        assert 200 == result.status
        assert 500 == json.loads(result.body)["statusCode"]
        assert 1 == rig.counted["click_failed"]
        rig.desk.trouble = None
        assert (await rig.system.replay()).ok
        assert 1 == len(rig.desk.taken)


async def test_a_card_that_is_there_twice_says_so() -> None:
    """Where we put up one card twice, the other one leads to the one that counts, for everybody."""
    async with open_rig() as rig:
        first, second = await rig.card_up(), await rig.card_up()
        rig.desk.refusal = not_counted(
            Refusal.MOVED_CARD, "This is a copy of a card. Answer on the card itself."
        )
        await rig.press("approve", message=first)
        await _until(lambda: TWICE in "".join(texts(rig.message(first.id).card)))
        assert second.card == rig.message(second.id).card


async def test_a_lost_post_is_found_by_the_first_look_at_it() -> None:
    """When a client looks at the card Nod learns where it is: it need not be posted again."""
    async with open_rig() as rig:
        card = rig.desk.card
        rig.faults.add(method="POST", path="/teams/v3/*", reset=True, after=True)
        with pytest.raises(Unanswered):
            await rig.teams.chat.post(card, CHANNEL)
        since = datetime.now(UTC) - timedelta(seconds=5)
        assert await rig.teams.chat.find(card.card_id, CHANNEL, since=since) is None
        (lost,) = rig.system.cards_in(APPROVALS)
        await rig.system.refresh("ann", lost)
        assert ref_of(APPROVALS, lost.id) == await rig.teams.chat.find(card.card_id, CHANNEL, since=since)


async def test_a_guest_is_not_at_home() -> None:
    """What Teams' roster says of a person goes to the desk with the click."""
    async with open_rig() as rig:
        message = await rig.card_up()
        await rig.press("approve", person="gus", message=message)
        assert [False] == [click.home for click in rig.desk.taken]


async def test_a_name_that_leads_elsewhere_is_not_believed() -> None:
    """A press that claims another channel is recorded for the channel where it was made."""
    async with open_rig() as rig:
        message = await rig.card_up()
        await rig.press("approve", message=message)
        (sent,) = rig.system.delivery.sent[-1:]
        forged = json.loads(json.dumps(sent.activity)) | {"id": "f:other", "replyToId": "4711"}
        forged["value"]["action"]["data"]["channel"] = "finance-approvals"
        await rig.system.delivery.deliver(forged)
        assert [CHANNEL, APPROVALS] == [click.channel for click in rig.desk.taken]
        assert replace(rig.desk.taken[0], channel="", ref="") == replace(rig.desk.taken[1], channel="", ref="")


async def _until(true) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)
