"""What Slack is told to show, as whole payloads, and what it must never be told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from adapters.sandbox.slack.limits import check_message, check_view
from adapters.slack.elements import BLANK, PREFORMATTED, pieces_of, visible
from adapters.slack.modals import Thread, reason_view, said_view, whole_view
from adapters.slack.render import ACTION, MESSAGE, blocks_of, message_of, page_of, reply_of
from bot.call import text_of
from bot.card import Button, Card, CardState, Notice, card_of
from bot.ports import Alert
from bot.protocol import HITLDecision, Json
from bot.routing import ReasonRule
from tests.render.cards import CARD_ID, NOW, UNTIL, approval, card, open_card, policy, request

#: What an agent would write to make people see what is not there.
HOSTILE = "<!channel> <@U0ANN> *bold* `code` :tada: <https://evil.example|Approve> & @here"
ALERT = Alert(approval_id="req-1", cause="undelivered", text="Ann's answer could not be told", raised_at=NOW)
THREAD = Thread(
    card_id=CARD_ID,
    digest="0" * 64,
    channel="C0APPROVALS",
    ref="1763821740.000100",
    verdict=HITLDecision.REJECTED,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=30), inner, max_size=5),
    max_leaves=20,
)


def parts(node: Any, kind: str) -> Iterator[str]:
    """All texts of one kind of element."""
    if isinstance(node, dict):
        if node.get("type") == kind and isinstance(node.get("text"), str):
            yield node["text"]
        for inner in node.values():
            yield from parts(inner, kind)
    elif isinstance(node, list):
        for inner in node:
            yield from parts(inner, kind)


def buttons(blocks: list[dict[str, Any]]) -> list[str]:
    """The action ids of a card's buttons, in order."""
    return [e["action_id"] for block in blocks if block["type"] == "actions" for e in block["elements"]]


def check(shown: Card) -> dict[str, Any]:
    """The message of a card, after Slack's documented limits were held against it."""
    message = message_of(shown)
    check_message(text=message["text"], blocks=message["blocks"])
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= MESSAGE
    return message


@pytest.mark.parametrize("state", CardState)
def test_card(state: CardState, snapshot: SnapshotAssertion) -> None:
    """Every state has one look, and Slack would take it."""
    assert snapshot == check(card(state))


def test_cut_card(snapshot: SnapshotAssertion) -> None:
    """A call that is too long for the card shows its size, and View all where Approve was."""
    message = check(open_card({"body": "\n".join(f"line {n}" for n in range(200))}))
    assert ["nod_view_all", "nod_reject", "nod_skip"] == buttons(message["blocks"])
    assert snapshot == message


def test_card_of_a_call_that_the_platform_cut(snapshot: SnapshotAssertion) -> None:
    """What nobody can see whole, nobody can approve here."""
    message = check(open_card({"body": "Dear …"}, whole=False))
    assert ["nod_reject", "nod_skip"] == buttons(message["blocks"])
    assert snapshot == message


def test_notice(snapshot: SnapshotAssertion) -> None:
    """A rung pings by mention and says the rest in plain words."""
    notice = Notice(mark="m", text=("send_email waits until ", UNTIL, "."), mentions=("U0ANN", "U0BOB"))
    message = reply_of(notice)
    check_message(text=message["text"], blocks=message["blocks"])
    assert snapshot == message


@pytest.mark.parametrize("mended", [None, "the platform took it at the third try"])
def test_page(mended: str | None, snapshot: SnapshotAssertion) -> None:
    """An alert names the request and what is wrong; mended, it says that first."""
    message = page_of(replace(ALERT, mended=mended))
    check_message(text=message["text"], blocks=message["blocks"])
    assert snapshot == message


@pytest.mark.parametrize("rule", [ReasonRule.REQUIRED, ReasonRule.OPTIONAL])
@pytest.mark.parametrize("verdict", HITLDecision)
def test_reason_form(verdict: HITLDecision, rule: ReasonRule, snapshot: SnapshotAssertion) -> None:
    """The form for a note names the verdict and the tool, and insists only where the route does."""
    view = reason_view(replace(THREAD, verdict=verdict), tool="send_email", rule=rule)
    check_view(view)
    assert snapshot == view


@pytest.mark.parametrize("rule", ReasonRule)
def test_whole_view(rule: ReasonRule, snapshot: SnapshotAssertion) -> None:
    """All of a call, with Approve under it, and a note where one is welcome."""
    view = whole_view(THREAD, request(), tool="send_email", rule=rule)
    check_view(view)
    assert "Approve" == view["submit"]["text"]
    assert snapshot == view


def test_said_view(snapshot: SnapshotAssertion) -> None:
    """A form that came too late turns into a sentence."""
    view = said_view("Bob approved it 4 s ago.")
    check_view(view)
    assert snapshot == view


@pytest.mark.parametrize("state", CardState)
def test_nothing_an_agent_wrote_is_parsed(state: CardState) -> None:
    """Mentions, links, formatting and emoji of an agent stand as written, where Slack parses nothing."""
    asked = request({HOSTILE: HOSTILE}, tool_name=HOSTILE, agent_id=HOSTILE, run_id=HOSTILE)
    shown = replace(
        card_of(approval(asked), card_id=CARD_ID, policy=policy(HOSTILE)), state=state, folded=HOSTILE
    )
    message = check(shown)
    assert [] == [text for text in parts(message["blocks"], "mrkdwn") if not text.startswith("<!date^")]
    assert "<!channel>" not in message["text"].replace("<!date", "")
    assert "<@U0ANN>" not in message["text"]
    assert {False} == {bit["emoji"] for bit in elements(message["blocks"], "plain_text")}


def elements(node: Any, kind: str) -> Iterator[dict[str, Any]]:
    """All elements of one kind."""
    if isinstance(node, dict):
        if node.get("type") == kind:
            yield node
        for inner in node.values():
            yield from elements(inner, kind)
    elif isinstance(node, list):
        for inner in node:
            yield from elements(inner, kind)


def test_what_cannot_be_seen_is_spelled_out() -> None:
    """Text that runs backwards or takes no room is shown by its number: `pay\\u{202E}`, never dropped."""
    message = check(open_card({"to": "a\u202eb\u200bc\u3164d\u00a0e\x1b\ud800"}))
    shown = "".join(parts(message["blocks"], "text"))
    assert "a\\u{202E}b\\u{200B}c\\u{3164}d\\u{00A0}e\\u{001B}\\u{D800}" in shown
    json.dumps(message).encode()
    json.dumps(message, ensure_ascii=False).encode()


def test_a_card_that_would_not_fit_loses_its_approve() -> None:
    """A call can be within the card's own limit and too big as JSON: then it is cut, and View all comes."""
    message = check(open_card({"body": '"' * 5_900, "more": "\u200b" * 80}))
    assert ["nod_view_all", "nod_reject", "nod_skip"] == buttons(message["blocks"])
    assert [text for text in parts(message["blocks"], "plain_text") if text.startswith("Only a part")]


@given(json_values)
def test_every_call_fits_and_fails_closed(arguments: Json) -> None:
    """Whatever the arguments, Slack takes the card, and Approve is there only when each character is."""
    shown = open_card(arguments)
    message = check(shown)
    if ACTION + Button.APPROVE.value in buttons(message["blocks"]):
        there = "".join(parts(message["blocks"], "text"))
        written = visible(text_of(shown.call))
        assert (written.replace("\n", "") if written.strip() else BLANK) == there.replace("\n", "")
        assert shown.hidden is None


@given(st.text(alphabet=st.sampled_from("ab \n\u202e<&"), max_size=9_000))
def test_pieces_lose_nothing_but_the_breaks_between_them(text: str) -> None:
    """A long call is split, never shortened."""
    pieces = pieces_of(text)
    assert all(len(piece) <= PREFORMATTED for piece in pieces)
    assert text.replace("\n", "") == "".join(pieces).replace("\n", "")


def test_a_call_too_long_for_a_modal_has_no_approve() -> None:
    """At the very end of what Slack can show, the answer is no Approve, said in words."""
    asked = request({"body": "x" * 400_000})
    view = whole_view(THREAD, asked, tool="send_email", rule=ReasonRule.NONE)
    check_view(view)
    assert "submit" not in view
    assert "too long" in view["blocks"][1]["text"]["text"]


def test_a_cut_call_has_no_approve_in_the_modal_either() -> None:
    """What the platform cut stays unapprovable wherever it is looked at."""
    view = whole_view(THREAD, request(whole=False), tool="send_email", rule=ReasonRule.NONE)
    check_view(view)
    assert "submit" not in view


def test_a_modal_carries_the_digest_of_what_it_shows() -> None:
    """An Approve there is for the call that stood there, not for the one the button was made for."""
    asked = request({"body": "another"})
    view = whole_view(THREAD, asked, tool="send_email", rule=ReasonRule.NONE)
    kept = json.loads(view["private_metadata"])
    assert (asked.digest, "approved") == (kept["digest"], kept["verdict"])


@pytest.mark.parametrize("state", [state for state in CardState if state is not CardState.OPEN])
def test_decided_cards_are_short_and_dead(state: CardState) -> None:
    """A channel's history reads as a log: few lines, no button, no arguments in full."""
    blocks = blocks_of(card(state))
    assert [] == buttons(blocks)
    assert len(blocks) <= 3
