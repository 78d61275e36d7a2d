"""A channel's digest in Slack, and the modals in which its requests are answered one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from syrupy.assertion import SnapshotAssertion

from adapters.chat.text import FLOODING, NAMED
from adapters.slack.metadata import ButtonContext, ModalCursor, call_from, context_from
from adapters.slack.modals import done_view, reason_view, said_view, whole_view
from adapters.slack.render import digest_message_of
from bot.card import Button, QueueCard
from bot.desk import FormData
from bot.errors import Refusal
from bot.protocol import HITLDecision
from bot.routing import ReasonRule
from sandbox.slack.limits import check_message, check_view
from tests.render.cards import CARD_ID, SEAL, card, digest_card, not_counted, reading, request, vote
from tests.render.slack_parts import buttons, elements, parts

LOOKS = {
    "one": digest_card(count=1),
    "few": digest_card(count=4),
    "many": digest_card(count=480),
    "flooding": digest_card(count=60, flooding=("mail_agent", "pay <!channel> agent")),
    "empty": digest_card(count=0),
}
QUEUE = ModalCursor(value=digest_card(count=1).buttons[Button.NEXT], after=CARD_ID, tool="send_email")
THREAD = ButtonContext(
    value=card().look, verb=Button.VIEW_ALL, channel="C0APPROVALS", ref="1.000100", queue=QUEUE
)
ASKED = FormData(
    card=card(),
    call="to  jane",
    reading=reading("to  jane"),
    approvable=True,
    reason=ReasonRule.OPTIONAL,
    approve_value=SEAL.value(card_id=CARD_ID, verb="approve", digest=request().digest),
)


@pytest.mark.parametrize("look", LOOKS)
def test_digest(look: str, snapshot: SnapshotAssertion) -> None:
    """How many wait, until when the earliest does, which are the first, and who asks for too much."""
    message = digest_message_of(LOOKS[look])
    check_message(text=message["text"], blocks=message["blocks"])
    assert (["nod_next_one"] if look != "empty" else []) == buttons(message["blocks"])
    assert snapshot == message


def test_a_digest_always_fits() -> None:
    """The longest names, more of them than there is room for, and every agent flooding."""
    until = datetime(2026, 11, 22, 14, 32, tzinfo=UTC)
    first = tuple(("\U0001f642" * 165, until + timedelta(seconds=n)) for n in range(100))
    flooding = tuple("\U0001f642" * 80 for _ in range(100))
    worst: QueueCard = replace(digest_card(count=999), first=first, flooding=flooding)
    message = digest_message_of(worst)
    check_message(text=message["text"], blocks=message["blocks"])
    texts = parts(message["blocks"], "plain_text")
    assert f"… and {999 - NAMED} more" in texts
    assert [text for text in texts if text.endswith(f"… and {100 - FLOODING} more agents")]


def test_look_from_a_digest(snapshot: SnapshotAssertion) -> None:
    """With no card to press on, the look has the risk, what is needed, and the other answers."""
    view = whole_view(THREAD, ASKED)
    check_view(view)
    assert QUEUE == call_from(view["private_metadata"]).context.queue
    assert snapshot == view


def test_done(snapshot: SnapshotAssertion) -> None:
    """After an answer: what counts, and the way on."""
    view = done_view(THREAD, vote(HITLDecision.REJECTED))
    check_view(view)
    thread = context_from(view["private_metadata"])
    assert (QUEUE, Button.NEXT, QUEUE.value) == (thread.queue, thread.verb, thread.value)
    assert snapshot == view


@pytest.mark.parametrize("code", [Refusal.ALREADY_DECIDED, Refusal.NOTHING_WAITING])
def test_refused_in_a_modal(code: Refusal, snapshot: SnapshotAssertion) -> None:
    """Why it did not count, and the next one; nothing to press where nothing waits."""
    view = said_view(not_counted(code, "Bob approved it 4 s ago."), THREAD)
    check_view(view)
    assert snapshot == view


def test_every_button_in_a_look_carries_its_own_value() -> None:
    """Reject and Skip are the card's, Next is the digest's, and no button says Approve."""
    view = whole_view(THREAD, replace(ASKED, approvable=False))
    opened = {e["action_id"]: SEAL.open(e["value"]) for e in elements(view, "button")}
    assert ["reject", "skip", "next"] == [sealed.verb for sealed in opened.values() if sealed]
    assert ASKED.approve_value not in json.dumps(view)


def test_what_a_modal_remembers_always_fits() -> None:
    """The longest name of a tool leaves room in Slack's 3,000 characters."""
    longest = replace(QUEUE, value="v" * 200, tool="\U0001f642" * 80)
    thread = replace(THREAD, value="v" * 200, queue=longest)
    for view in (
        whole_view(thread, replace(ASKED, approve_value="v" * 200)),
        reason_view(replace(thread, verb=Button.REJECT), ASKED),
        done_view(thread, vote()),
    ):
        check_view(view)
        assert len(view["private_metadata"]) <= 3_000
