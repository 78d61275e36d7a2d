"""From a person's click in Slack to the desk, over HTTP and over a socket: committed first, acked then."""

from __future__ import annotations

import asyncio

import pytest

from bot.card import Button
from bot.desk import Click
from bot.errors import Refusal
from bot.routing import ReasonRule
from bot.surface import Surface
from tests.contract.slack_rig import CHANNEL, connected, open_rig, press, until
from tests.render.cards import explanation, not_counted
from tests.render.slack_parts import elements, parts

DOCS = "https://docs.example/refusals.md#not-approver"
BOTH = pytest.mark.parametrize("socket", [False, True], ids=["http", "socket"])


@BOTH
async def test_an_approve_reaches_the_desk_as_the_card_had_it(socket: bool) -> None:
    """The desk gets who, which card, which call and which message; nothing of it comes from free text."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        ref = await rig.card_up()
        result = await press(rig, "approve", ref=ref)
        assert (200, "") == (result.status, result.shown)
        expected = Click(
            surface=Surface.SLACK,
            account="U0ANN",
            home=True,
            value=rig.desk.card.buttons[Button.APPROVE],
            verb=Button.APPROVE,
            channel=CHANNEL,
            ref=ref,
        )
        assert [expected] == rig.desk.taken


@BOTH
async def test_the_ack_waits_for_the_commit(socket: bool) -> None:
    """Slack hears nothing before the decision is committed, however long that takes."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        committing, may_commit = asyncio.Event(), asyncio.Event()

        async def commit() -> None:
            committing.set()
            await may_commit.wait()

        rig.desk.before_commit = commit
        ref = await rig.card_up()
        clicked = asyncio.create_task(press(rig, "skip", ref=ref))
        await committing.wait()
        await asyncio.sleep(0.1)
        assert not clicked.done()
        may_commit.set()
        assert (await clicked).ok
        assert [Button.SKIP] == [click.verb for click in rig.desk.taken]


@BOTH
async def test_a_click_that_could_not_be_stored_is_not_acknowledged(socket: bool) -> None:
    """With the database away the person sees an error at once and can try again; nothing pretends."""
    async with open_rig(socket=socket, ack_seconds=1.0) as rig:
        await connected(rig, socket=socket)
        rig.desk.trouble = OSError("disk full")
        result = await press(rig, "approve")
        assert not result.ok
        assert "This app did not respond" == result.shown
        assert 1 == rig.counted["click_failed"]
        rig.desk.trouble = None
        assert (await press(rig, "approve")).ok


@BOTH
async def test_a_refusal_is_for_the_clicker_alone(socket: bool) -> None:
    """A person who cannot decide reads why, and nobody else sees it."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.refusal = not_counted(Refusal.NOT_APPROVER, "Only <finance> may decide this.")
        result = await press(rig, "approve", user="U0EVE")
        assert result.ok
        await until(lambda: rig.workspace.ephemerals("U0EVE"))
        (whisper,) = rig.workspace.ephemerals("U0EVE")
        assert "Only ‹finance› may decide this." == whisper.text
        assert "Only <finance> may decide this." == whisper.blocks[0]["text"]["text"]
        assert [] == rig.workspace.ephemerals("U0ANN")
        assert 1 == len(rig.workspace.messages(CHANNEL))


async def test_slack_in_trouble_after_the_ack_does_not_undo_it() -> None:
    """What fails after the ack (a whisper, a form) is logged; the person never sees an error for it."""
    async with open_rig() as rig:
        rig.desk.refusal = not_counted(Refusal.EXPIRED, "It expired.")
        ref = await rig.card_up()
        rule = rig.faults.add(path="/api/chat.postEphemeral", status=500)
        result = await press(rig, "approve", ref=ref)
        assert (200, "") == (result.status, result.shown)
        assert result.took < 1.0
        await until(lambda: rule.hits)


@BOTH
async def test_reject_asks_for_a_reason_and_carries_it(socket: bool) -> None:
    """Reject opens a form; its note reaches the desk stripped, with the card it was opened from."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.rule = ReasonRule.OPTIONAL
        ref = await rig.card_up()
        assert (await press(rig, "reject", ref=ref)).ok
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        assert [] == rig.desk.taken
        result = await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "  Not her.\n"})
        assert result.ok
        (click,) = rig.desk.taken
        assert (Button.REJECT, "Not her.") == (click.verb, click.note)
        assert (CHANNEL, ref, rig.desk.card.buttons[Button.REJECT]) == (click.channel, click.ref, click.value)
        assert [] == rig.workspace.views("U0ANN")


async def test_an_empty_note_is_no_note() -> None:
    """Where a reason may be left out, leaving it out sends none."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": " \n "})
        assert [None] == [click.note for click in rig.desk.taken]


async def test_reject_without_a_form_where_the_route_wants_no_reason() -> None:
    """A route that takes no reasons has a Reject of one press."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.NONE
        assert (await press(rig, "reject")).ok
        assert [Button.REJECT] == [click.verb for click in rig.desk.taken]


@pytest.mark.parametrize(("button", "verb"), [("approve", Button.APPROVE), ("skip", Button.SKIP)])
async def test_a_required_reason_is_asked_for_before_any_verdict(button: str, verb: Button) -> None:
    """Where the route wants a reason for it, Approve and Skip open the form as well."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        await press(rig, button)
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        assert [] == rig.desk.taken
        await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "Checked."})
        assert [(verb, "Checked.")] == [(click.verb, click.note) for click in rig.desk.taken]


@pytest.mark.parametrize("code", [Refusal.REASON_REQUIRED, Refusal.NOTE_TOO_LONG])
async def test_a_refusal_about_the_note_stands_at_the_note(code: Refusal) -> None:
    """The form stays open with the sentence under its field, and what was typed is not lost."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        rig.desk.refusal = not_counted(code, "Say why.")
        result = await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "x"})
        assert {"nod_note": "Say why."} == result.errors
        assert [view.id] == [kept.id for kept in rig.workspace.views("U0ANN")]


async def test_a_refused_form_says_so_in_its_place() -> None:
    """A person who was too late reads that in the form, which then can only be closed."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        rig.desk.refusal = not_counted(Refusal.ALREADY_DECIDED, "Bob approved it 4 s ago.")
        result = await rig.workspace.submit(user="U0ANN", view_id=view.id)
        assert result.ok
        (said,) = rig.workspace.views("U0ANN")
        assert "Bob approved it 4 s ago." == said.definition["blocks"][0]["text"]["text"]
        assert "submit" not in said.definition
        assert [] == rig.workspace.ephemerals("U0ANN")


async def test_a_form_that_did_not_open_says_press_again() -> None:
    """An expired trigger or a slow Slack costs a second press, never a silent nothing."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        ref = await rig.card_up()
        rig.faults.add(path="/api/views.open", status=200, body={"ok": False, "error": "expired_trigger_id"})
        assert (await press(rig, "reject", ref=ref)).ok
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        (whisper,) = rig.workspace.ephemerals("U0ANN")
        assert "Press the button again" in whisper.text
        assert [] == rig.desk.taken


PRESETS = ("Wrong recipient", "Not today")
NOTES = [
    ({"nod_preset": "Not today"}, "Not today"),
    ({"nod_note": " Ask Bo. "}, "Ask Bo."),
    ({"nod_preset": "Not today", "nod_note": "Ask Bo."}, "Not today: Ask Bo."),
]


@pytest.mark.parametrize("many", [False, True], ids=["to see", "in a menu"])
@pytest.mark.parametrize(("filled", "note"), NOTES)
async def test_a_reason_is_picked_or_written_or_both(filled: dict[str, str], note: str, many: bool) -> None:
    """What goes on is the reason that was picked, the words, or the one and then the other."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        rig.desk.presets = PRESETS + tuple(f"reason {n}" for n in range(9 if many else 0))
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        assert (await rig.workspace.submit(user="U0ANN", view_id=view.id, values=filled)).ok
        assert [note] == [click.note for click in rig.desk.taken]


async def test_a_required_reason_may_be_either_but_not_neither() -> None:
    """With nothing picked and nothing written the form stays open and says so; nothing reaches the desk."""
    async with open_rig() as rig:
        rig.desk.rule, rig.desk.presets = ReasonRule.REQUIRED, PRESETS
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        result = await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "  "})
        assert ["nod_note"] == list(result.errors)
        assert [] == rig.desk.taken
        assert [view.id] == [kept.id for kept in rig.workspace.views("U0ANN")]


@BOTH
async def test_why_me_is_answered_to_one_person(socket: bool) -> None:
    """The lines come privately, as plain text, and nothing is decided."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.explained = explanation(
            "Route: <b>", "Only finance can decide this.", refusal=Refusal.NOT_APPROVER, link=DOCS
        )
        assert (await press(rig, "why", user="U0EVE")).ok
        await until(lambda: rig.workspace.ephemerals("U0EVE"))
        (whisper,) = rig.workspace.ephemerals("U0EVE")
        assert [*rig.desk.explained.lines] == parts(list(whisper.blocks), "plain_text")[:2]
        assert DOCS in [link["url"] for link in elements(list(whisper.blocks), "link")]
        assert [] == parts(list(whisper.blocks), "mrkdwn")
        assert ([Button.WHY], []) == ([click.verb for click in rig.desk.seen], rig.desk.taken)


async def test_why_me_on_a_card_that_is_none_is_refused_like_a_click() -> None:
    """A copied or forged card explains nothing."""
    async with open_rig() as rig:
        rig.desk.refusal = not_counted(Refusal.MOVED_CARD, "This is a copy of the card.")
        assert (await press(rig, "why")).ok
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        assert "This is a copy of the card." == rig.workspace.ephemerals("U0ANN")[0].text


async def test_no_other_click_claims_that_the_whole_call_was_seen() -> None:
    """The reason form and the card's own buttons never say so."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        await press(rig, "approve")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "fine"})
        assert {False} == {rig.desk.whole(click) for click in (*rig.desk.seen, *rig.desk.taken)}


@BOTH
async def test_whoever_claims_is_told_until_when(socket: bool) -> None:
    """A claim is committed, then acknowledged; the person reads alone how long it holds."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        ref = await rig.card_up()
        assert (await press(rig, "claim", ref=ref)).ok
        (click,) = rig.desk.taken
        assert (Button.CLAIM, rig.desk.card.buttons[Button.CLAIM], ref) == (click.verb, click.value, click.ref)
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        (whisper,) = rig.workspace.ephemerals("U0ANN")
        assert whisper.text.startswith("You have this until <!date^")
        assert 1 == len(rig.workspace.messages(CHANNEL))


async def test_a_claim_that_does_not_count_says_why() -> None:
    """When another person was first, only this one reads it."""
    async with open_rig() as rig:
        rig.desk.refusal = not_counted(Refusal.ALREADY_CLAIMED, "Bob is on it.")
        assert (await press(rig, "claim")).ok
        await until(lambda: rig.workspace.ephemerals("U0ANN"))
        assert "Bob is on it." == rig.workspace.ephemerals("U0ANN")[0].text
        assert [] == rig.desk.taken


@BOTH
async def test_a_stranger_in_a_shared_channel_is_not_at_home(socket: bool) -> None:
    """A person of another workspace reaches the desk as an outsider, whatever the team of the channel is."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        await press(rig, "approve", user="U0EXT")
        assert [("U0EXT", False)] == [(click.account, click.home) for click in rig.desk.taken]


@BOTH
async def test_the_same_delivery_twice_is_the_desks_to_judge(socket: bool) -> None:
    """A replay within five minutes is genuine to Slack's rules: the same click comes to the desk again."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        await press(rig, "approve")
        again = await rig.workspace.replay()
        assert again.ok
        first, second = rig.desk.taken
        assert first == second


async def test_a_socket_that_slack_closes_comes_back() -> None:
    """Asked to reconnect, the adapter does so, and clicks go on."""
    async with open_rig(socket=True) as rig:
        await connected(rig, socket=True)
        await rig.workspace.sockets.disconnect()
        await until(lambda: [c for c in rig.workspace.sockets._connections if not c.leaving])
        assert (await press(rig, "approve")).ok
