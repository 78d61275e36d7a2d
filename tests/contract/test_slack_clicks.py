"""From a person's click in Slack to the desk, over HTTP and over a socket: committed first, acked then."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left

import pytest

from adapters.slack.modals import Thread, whole_view
from bot.approval import Surface
from bot.errors import Refusal, Refused
from bot.ports import Click
from bot.protocol import HITLDecision
from bot.routing import ReasonRule
from tests.contract.slack_rig import CHANNEL, connected, open_rig, press, until
from tests.render.cards import CARD_ID, request

THREAD = Thread(card_id=CARD_ID, digest="", channel=CHANNEL, ref="1.0", verdict=HITLDecision.APPROVED)
BOTH = pytest.mark.parametrize("socket", [False, True], ids=["http", "socket"])
LONG = request({"body": "\n".join(f"line {n} of a long letter" for n in range(400))})


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
            card_id=CARD_ID,
            digest=rig.desk.asked.digest,
            channel=CHANNEL,
            ref=ref,
            verdict=HITLDecision.APPROVED,
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
        assert [HITLDecision.SKIPPED] == [click.verdict for click in rig.desk.taken]


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
    """Whoever may not decide is told why, and nobody else reads it."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.refusal = Refused(Refusal.NOT_APPROVER, "Only <finance> may decide this.")
        result = await press(rig, "approve", user="U0EVE")
        assert result.ok
        await until(lambda: rig.workspace.ephemerals("U0EVE"))
        (whisper,) = rig.workspace.ephemerals("U0EVE")
        assert "Only &lt;finance&gt; may decide this." == whisper.text
        assert "Only <finance> may decide this." == whisper.blocks[0]["text"]["text"]
        assert [] == rig.workspace.ephemerals("U0ANN")
        assert 1 == len(rig.workspace.messages(CHANNEL))


async def test_slack_in_trouble_after_the_ack_does_not_undo_it() -> None:
    """What fails after the ack (a whisper, a form) is logged; the person never sees an error for it."""
    async with open_rig() as rig:
        rig.desk.refusal = Refused(Refusal.EXPIRED, "It expired.")
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
        assert (HITLDecision.REJECTED, "Not her.") == (click.verdict, click.note)
        assert (CHANNEL, ref, CARD_ID) == (click.channel, click.ref, click.card_id)
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
        assert [HITLDecision.REJECTED] == [click.verdict for click in rig.desk.taken]


@pytest.mark.parametrize(
    ("button", "verdict"), [("approve", HITLDecision.APPROVED), ("skip", HITLDecision.SKIPPED)]
)
async def test_a_required_reason_is_asked_for_before_any_verdict(button: str, verdict: HITLDecision) -> None:
    """Where the route wants a reason for it, Approve and Skip open the form as well."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        await press(rig, button)
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        assert [] == rig.desk.taken
        await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "Checked."})
        assert [(verdict, "Checked.")] == [(click.verdict, click.note) for click in rig.desk.taken]


@pytest.mark.parametrize("code", [Refusal.REASON_REQUIRED, Refusal.NOTE_TOO_LONG])
async def test_a_refusal_about_the_note_stands_at_the_note(code: Refusal) -> None:
    """The form stays open with the sentence under its field, and what was typed is not lost."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        rig.desk.refusal = Refused(code, "Say why.")
        result = await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "x"})
        assert {"nod_note": "Say why."} == result.errors
        assert [view.id] == [kept.id for kept in rig.workspace.views("U0ANN")]


async def test_a_refused_form_says_so_in_its_place() -> None:
    """Whoever was too late reads that in the form, which can only be closed then."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.OPTIONAL
        await press(rig, "reject")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        rig.desk.refusal = Refused(Refusal.ALREADY_DECIDED, "Bob approved it 4 s ago.")
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
        assert "press the button again" in whisper.text
        assert [] == rig.desk.taken


@BOTH
async def test_a_long_call_is_approved_only_where_all_of_it_was_shown(socket: bool) -> None:
    """View all shows every line, and the Approve there says that the whole call was seen."""
    async with open_rig(socket=socket) as rig:
        await connected(rig, socket=socket)
        rig.desk.asked = LONG
        ref = await rig.card_up()
        assert (await press(rig, "view_all", ref=ref)).ok
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        shown = json.dumps(view.definition["blocks"])
        assert [] == [n for n in range(400) if f"line {n} of" not in shown]
        assert (await rig.workspace.submit(user="U0ANN", view_id=view.id)).ok
        (click,) = rig.desk.taken
        assert (True, LONG.digest, HITLDecision.APPROVED) == (click.seen_whole, click.digest, click.verdict)


@pytest.mark.parametrize("text", ['"\n' * 30_000, "é" * 60_000, "🙂 " * 30_000, "word " * 60_000])
async def test_whatever_can_be_shown_whole_can_be_approved(text: str) -> None:
    """A long call that gets an Approve in View all comes back through the door with it."""

    def approvable(size: int) -> bool:
        view = whole_view(THREAD, request({"body": text[:size]}), tool="t", rule=ReasonRule.NONE)
        return "submit" in view

    most = bisect_left(range(len(text)), 1, key=lambda size: 0 if approvable(size) else 1) - 1
    async with open_rig() as rig:
        rig.desk.asked = request({"body": text[:most]})
        await press(rig, "view_all")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        assert (await rig.workspace.submit(user="U0ANN", view_id=view.id)).ok
        assert [True] == [click.seen_whole for click in rig.desk.taken]


async def test_no_other_click_claims_that_the_whole_call_was_seen() -> None:
    """The reason form and the card's own buttons never say so."""
    async with open_rig() as rig:
        rig.desk.rule = ReasonRule.REQUIRED
        await press(rig, "approve")
        await until(lambda: rig.workspace.views("U0ANN"))
        (view,) = rig.workspace.views("U0ANN")
        await rig.workspace.submit(user="U0ANN", view_id=view.id, values={"nod_note": "fine"})
        assert {False} == {click.seen_whole for click in (*rig.desk.seen, *rig.desk.taken)}


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
