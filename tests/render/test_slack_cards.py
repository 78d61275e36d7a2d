"""What Slack is told to show, as whole payloads, and what it must never be told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from adapters.chat.text import BLANK, EXPLAINED, WARNINGS, seen
from adapters.slack.elements import PREFORMATTED, pieces_of
from adapters.slack.notices import claimed_of, explanation_of, notice_message_of, page_of, refusal_of
from adapters.slack.render import ACTION, blocks_of
from bot.approval import Actor, Outcome
from bot.call import text_of
from bot.card import READABLE, Button, Notification
from bot.errors import Refusal
from bot.ladder import Deadline, DeadlineSource
from bot.notifications import notification_for
from bot.protocol import HITLDecision, Json
from bot.records import Alert, NotificationKind, OutboxItem
from bot.surface import Destination, Surface
from bot.visible import visible
from bot.wording import CardState
from sandbox.slack.limits import check_message
from tests.render.cards import (
    ACTOR,
    CARD_ID,
    ENDS,
    NOW,
    SEAL,
    UNTIL,
    approval,
    card,
    claim,
    decision,
    explanation,
    not_counted,
    open_card,
    ping_of,
    policy,
    request,
    settled,
    shown,
    vote,
)
from tests.render.slack_parts import buttons, check, elements, menu, parts, pre, preformatted_in

#: What an agent would write to make people see what is not there.
HOSTILE = "<!channel> <@U0ANN> *bold* `code` :tada: <https://evil.example|Approve> & @here"
ALERT = Alert(approval_id="req-1", cause="undelivered", text="Ann's answer could not be told", raised_at=NOW)
LONG = {"body": "\n".join(f"line {n}" for n in range(200))}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=30), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("state", CardState)
def test_card(state: CardState, snapshot: SnapshotAssertion) -> None:
    """Every state has one look, and Slack would take it."""
    assert snapshot == check(card(state))


def test_cut_card(snapshot: SnapshotAssertion) -> None:
    """A call that is too long for the card shows its size, and View all where Approve was."""
    message = check(open_card(LONG))
    assert ["nod_view_all", "nod_reject", "nod_skip", "nod_more"] == buttons(message["blocks"])
    assert snapshot == message


def test_card_of_a_call_that_the_platform_cut(snapshot: SnapshotAssertion) -> None:
    """What nobody can see whole, nobody can approve here."""
    message = check(open_card({"body": "Dear …"}, whole=False))
    assert ["nod_view_all", "nod_reject", "nod_skip", "nod_more"] == buttons(message["blocks"])
    assert snapshot == message


def test_card_with_warnings_and_votes(snapshot: SnapshotAssertion) -> None:
    """What an eye would miss is above the call; who voted is below it."""
    asked = request({"to": "https://p\u0430ypal.com/x", "note": "a\u202eb\u200bc"})
    message = check(shown(approval(asked, votes=(vote(note="fine by me"),))))
    (warned,) = [text for text in parts(message["blocks"], "plain_text") if text.startswith("⚠")]
    assert 3 == warned.count("⚠")
    assert "xn--" in warned
    assert snapshot == message


def test_many_warnings_are_counted() -> None:
    """No agent can push a call out of sight with warnings."""
    many = tuple(f"host {n} " + "x" * 500 for n in range(100))
    message = check(replace(card(), warnings=many))
    (warned,) = [text for text in parts(message["blocks"], "plain_text") if text.startswith("⚠")]
    assert WARNINGS + 1 == warned.count("⚠")
    assert "… 92 more warnings …" in warned
    assert [True, True, False, True] == [f"host {n} " in warned for n in (0, 6, 7, 99)]


@pytest.mark.parametrize("state", CardState)
def test_every_button_carries_its_sealed_value(state: CardState) -> None:
    """What a button carries is the core's seal for that card, that verb and that call, unchanged."""
    given_card = card(state)
    for element in elements(blocks_of(given_card), "button"):
        opened = SEAL.open(element["value"])
        assert opened is not None
        assert (CARD_ID, request().digest) == (opened.card_id, opened.digest)
        assert element["action_id"] == ACTION + opened.verb


@pytest.mark.parametrize("link", [None, "https://acme.slack.com/archives/C0APPROVALS/p1763821740000100"])
def test_notice(link: str | None, snapshot: SnapshotAssertion) -> None:
    """A rung pings by mention and says the rest in plain words; told to one person, it leads to the card."""
    notice = Notification(
        mark="m",
        text=("Waiting for you: send_email (Mail agent). Decide by ", UNTIL, " (2 min)."),
        mentions=("U0ANN", "U0BOB"),
        link=link,
    )
    message = notice_message_of(notice)
    check_message(text=message["text"], blocks=message["blocks"])
    assert snapshot == message


@pytest.mark.parametrize("end", [CardState.APPROVED, CardState.EXPIRED])
def test_notice_of_an_outcome(end: CardState, snapshot: SnapshotAssertion) -> None:
    """The message says how it ended and who decided; or that nobody answered and who was asked."""
    owed = OutboxItem(
        mark="m",
        approval_id="req-1",
        news=NotificationKind.OUTCOME,
        surface=Surface.SLACK,
        person="ann",
        owed_since=NOW,
    )
    message = notice_message_of(notification_for([(owed, ENDS[end])], mark="m", policy=policy(), now=NOW))
    check_message(text=message["text"], blocks=message["blocks"])
    assert snapshot == message


def test_claimed(snapshot: SnapshotAssertion) -> None:
    """The person who claims reads until when, in their own time zone."""
    message = claimed_of(claim())
    check_message(text=message["text"], blocks=message["blocks"])
    assert snapshot == message


OPEN_LOOKS = {
    "claimed": shown(approval(claims=(claim(),)), now=NOW + timedelta(seconds=20)),
    "a claim that ended": shown(approval(claims=(claim(),)), now=NOW + timedelta(minutes=2)),
    "escalated": shown(approval(escalated_at=NOW + timedelta(minutes=2)), now=NOW + timedelta(minutes=2)),
    "time left": shown(
        approval(deadline=Deadline(at=NOW + timedelta(hours=1), source=DeadlineSource.TIMEOUT_AT)),
        now=NOW + timedelta(minutes=50),
    ),
    "next rung": shown(approval(ahead=ping_of("finance")), now=NOW + timedelta(seconds=10)),
}


@pytest.mark.parametrize("look", OPEN_LOOKS)
def test_open_card(look: str, snapshot: SnapshotAssertion) -> None:
    """An open card says who is on it, what fired, how much time is left, and what comes next."""
    message = check(OPEN_LOOKS[look])
    assert ("I'm on it" not in menu(message["blocks"])) == (look == "claimed")
    assert snapshot == message


@pytest.mark.parametrize("resolved", [None, "the platform accepts decisions again"])
def test_page(resolved: str | None, snapshot: SnapshotAssertion) -> None:
    """An alert names what it is about and what is wrong; mended, it says that first."""
    message = page_of(replace(ALERT, resolved=resolved))
    check_message(text=message["text"], blocks=message["blocks"])
    assert snapshot == message


def test_refusal(snapshot: SnapshotAssertion) -> None:
    """A whisper says why, and links to its page only where the docs are served."""
    refused = not_counted(Refusal.NOT_APPROVER, "Only <finance> can decide this.")
    message = refusal_of(refused)
    check_message(text=message["text"], blocks=message["blocks"])
    assert "Only ‹finance› can decide this." == message["text"]
    assert 1 == len(message["blocks"])
    assert snapshot == refusal_of(replace(refused, link="https://docs.example/refusals.md#not-approver"))


def test_explanation(snapshot: SnapshotAssertion) -> None:
    """Line by line, the channels by name, the request's id to copy, and the links that there are."""
    lines = ("This request matches the route <payments> (all other requests).", "Only finance can decide this.")
    places = (
        Destination(surface=Surface.SLACK, channel="C0APPROVALS"),
        Destination(surface=Surface.TEAMS, channel="approvals"),
    )
    told = explanation(
        *lines,
        refusal=Refusal.NOT_APPROVER,
        shown_in=places,
        request_id="590bf4b2-0000",
        run="https://runs.example/7f3a",
        link="https://docs.example/refusals.md#not-approver",
    )
    message = explanation_of(told)
    check_message(text=message["text"], blocks=message["blocks"])
    assert not parts(message["blocks"], "mrkdwn")
    assert ["590bf4b2-0000"] == preformatted_in(message["blocks"])
    assert snapshot == message


def test_a_long_explanation_keeps_the_last_line() -> None:
    """Whatever is left out, the line about the person who asks is not."""
    lines = [*("x" * 5_000 for _ in range(200)), "nod.yaml denies this call."]
    message = explanation_of(explanation(*lines, refusal=Refusal.DENIED))
    check_message(text=message["text"], blocks=message["blocks"])
    assert EXPLAINED + 1 == len(message["blocks"])
    assert "nod.yaml denies this call." in parts(message["blocks"], "plain_text")


@pytest.mark.parametrize("state", CardState)
def test_nothing_an_agent_wrote_is_parsed(state: CardState) -> None:
    """Mentions, links, formatting and emoji of an agent are shown as written, where Slack parses nothing."""
    asked = request({HOSTILE: HOSTILE}, tool_name=HOSTILE, agent_id=HOSTILE, run_id=HOSTILE)
    message = check(replace(shown(approval(asked), why=HOSTILE), state=state, folded=HOSTILE))
    assert [] == [text for text in parts(message["blocks"], "mrkdwn") if not text.startswith("<!date^")]
    assert "<!channel>" not in message["text"].replace("<!date", "")
    assert "<@U0ANN>" not in message["text"]
    assert {False} == {bit["emoji"] for bit in elements(message["blocks"], "plain_text")}


def test_what_cannot_be_seen_is_spelled_out_once() -> None:
    """Text that runs backwards or takes no room is shown by its number, once; so is a backslash of an agent."""
    hidden = "a\u202eb\u200bc\u3164d\u00a0e\x1b\ud800 \\u{202E}"
    asked = request({"to": hidden}, tool_name="t\u202e\\u{41}", agent_id="g\u200b")
    message = check(shown(approval(asked)))
    assert "a\\u{202E}b\\u{200B}c\\u{3164}d\\u{A0}e\\u{1B}\\u{D800} \\u{5C}u{202E}" in pre(message["blocks"])
    texts = parts(message["blocks"], "plain_text")
    assert "Approve t\\u{202E}\\u{5C}u{41}?" in texts
    assert "g\\u{200B} · decide by" in texts
    assert "t\\u{202E}\\u{5C}u{41}? g\\u{200B}, by" in message["text"]
    json.dumps(message).encode()
    json.dumps(message, ensure_ascii=False).encode()


def test_what_people_write_is_spelled_out_too() -> None:
    """A note and a name with hidden characters cannot make a card read another way."""
    sly = Actor(surface=ACTOR.surface, account="U0ANN", name="Ann\u202e", email=None)
    answer = replace(decision(HITLDecision.REJECTED, "no\u200b\u202e \\u{41}"), actor=sly)
    message = check(shown(settled(Outcome.REJECTED, answer)))
    texts = parts(message["blocks"], "plain_text")
    assert "Note: no\\u{200B}\\u{202E} \\u{41}" in texts
    assert "by Ann\\u{202E}," in texts
    assert message["text"].endswith("by Ann\\u{202E}")


@given(st.text())
def test_spelling_out_twice_is_spelling_out_once(text: str) -> None:
    """What the core made visible passes the adapter unchanged, and nothing hidden passes it at all."""
    assert visible(text) == seen(visible(text))
    assert seen(text) == seen(seen(text))


def test_a_card_that_would_not_fit_loses_its_approve() -> None:
    """A call can be within the card's own limit and too big as JSON: then it is cut, and View all comes.

    That button carries the look's own value: an Approve's would be one that could be pressed unread.
    """
    given_card = open_card({"body": '"' * 5_800, "more": "\u200b" * 20})
    assert Button.APPROVE in given_card.buttons
    message = check(replace(given_card, warnings=("w" * 200,) * 10))
    assert ["nod_view_all", "nod_reject", "nod_skip", "nod_more"] == buttons(message["blocks"])
    assert [text for text in parts(message["blocks"], "plain_text") if text.startswith("Part of the call")]
    (look,) = [e for e in elements(message["blocks"], "button") if e["action_id"] == "nod_view_all"]
    assert given_card.look == look["value"]
    assert given_card.buttons[Button.APPROVE] not in json.dumps(message)


def test_what_cannot_be_approved_can_be_read_whole_where_it_is_cut() -> None:
    """A card that Slack has no room for leads to all of the call, with or without an Approve."""
    given_card = open_card({"body": '"' * 5_800, "more": "\u200b" * 20}, flaw="a key is given twice")
    assert Button.VIEW_ALL not in given_card.in_the_open()
    message = check(replace(given_card, warnings=("w" * 200,) * 10))
    assert "nod_view_all" in buttons(message["blocks"])


@pytest.mark.parametrize("state", [CardState.OPEN, CardState.EXPIRED])
def test_however_many_voted_the_card_fits(state: CardState) -> None:
    """Forty votes with the longest notes cost no Approve and no card."""
    votes = tuple(vote(person=f"p{n}", note='"' * 1_000) for n in range(40))
    known = replace(approval() if state is CardState.OPEN else settled(Outcome.TIMEOUT_SKIP), votes=votes)
    message = check(shown(known))
    said = " ".join(parts(message["blocks"], "plain_text"))
    assert ("and 38 others" if state is CardState.OPEN else "… and ") in said
    assert (state is CardState.OPEN) == ("nod_approve" in buttons(message["blocks"]))


@given(json_values)
def test_every_call_fits_and_fails_closed(arguments: Json) -> None:
    """Whatever the arguments, Slack takes the card, and Approve is there only when each character is."""
    given_card = open_card(arguments)
    message = check(given_card)
    if ACTION + Button.APPROVE.value in buttons(message["blocks"]):
        written = text_of(given_card.call)
        assert (written if written.strip() else BLANK) == pre(message["blocks"])
        assert given_card.hidden is None


@given(st.text(alphabet=st.sampled_from("ab \n\u0301é🙂"), max_size=9_000))
def test_pieces_lose_nothing(text: str) -> None:
    """A long call is split, never shortened, and no mark is torn off its letter."""
    pieces = pieces_of(text)
    assert all(0 < len(piece) <= PREFORMATTED for piece in pieces)
    assert text == "".join(pieces)


def test_a_piece_ends_at_a_line_or_before_a_letter() -> None:
    """Where there is a line's end it is taken, and else a letter keeps its marks."""
    assert ["a" * 2_000 + "\n", "b" * 2_000] == pieces_of("a" * 2_000 + "\n" + "b" * 2_000)
    first, second = pieces_of("e\u0301" * 1_451)
    assert (2_900, "e\u0301") == (len(first), second)
    first, second = pieces_of("x" + "e\u0301" * 1_450)
    assert (2_899, "e\u0301") == (len(first), second)


@pytest.mark.parametrize("state", [state for state in CardState if state is not CardState.OPEN])
def test_decided_cards_are_short_and_dead(state: CardState) -> None:
    """A channel's history reads as a log: few lines, no arguments in full, nothing to answer."""
    blocks = blocks_of(card(state))
    assert (["nod_view_call"] if state in READABLE else []) == buttons(blocks)
    assert len(blocks) <= 3
