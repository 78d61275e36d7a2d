"""What Teams is told to show, as whole cards, and what it must never be told."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from adapters.chat.text import BLANK, WARNINGS, seen
from adapters.teams.buttons import Asks
from adapters.teams.elements import Mentioned, plain_name, spoken
from adapters.teams.notices import notice_content_of, page_content_of
from adapters.teams.render import RenderContext, content_of, digest_content_of, smallest_of
from bot.approval import Outcome
from bot.call import text_of
from bot.card import READABLE, Button, Notification
from bot.protocol import HITLDecision, Json
from bot.records import Alert
from bot.routing import ReasonRule
from bot.wording import CardState
from tests.render.cards import (
    CARD_ID,
    NOW,
    SEAL,
    UNTIL,
    approval,
    card,
    claim,
    decision,
    digest_card,
    open_card,
    request,
    settled,
    shown,
    vote,
)
from tests.render.teams_parts import CONTEXT, call_of, check, check_schema, checked, nodes, runs, titles

#: What an agent would write to make people see what is not there.
HOSTILE = (
    "[Approve](https://evil.example) **bold** <at>Ann</at> {{DATE(2020-01-01T00:00:00Z)}} <b>x</b> ${tool}"
)
ALERT = Alert(approval_id="req-1", cause="undelivered", text="Ann's answer could not be told", raised_at=NOW)
LONG = {"body": "\n".join(f"line {n}" for n in range(200))}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=30), inner, max_size=5),
    max_leaves=20,
)


def test_the_schema_is_looked_at() -> None:
    """The checks of this suite hold cards against the published schema, which refuses what is not in it."""
    if not os.environ.get("NOD_SCHEMAS"):
        pytest.skip("NOD_SCHEMAS names no folder with the published schemas")
    with pytest.raises(AssertionError):
        check_schema({"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlok", "text": "x"}]})


@pytest.mark.parametrize("state", CardState)
def test_card(state: CardState, snapshot: SnapshotAssertion) -> None:
    """Every state has one look, which Teams and the published schema take."""
    assert snapshot == check(card(state))


@pytest.mark.parametrize(
    "look", ["voted", "claimed", "one who may not", "reasons to pick", "no reason", "open door"]
)
def test_open_card(look: str, snapshot: SnapshotAssertion) -> None:
    """The looks of a card that still waits."""
    known = approval()
    match look:
        case "voted":
            assert snapshot == check(shown(replace(known, votes=(vote(note="fine by me"),))))
        case "claimed":
            assert snapshot == check(shown(replace(known, claims=(claim(),)), now=NOW + timedelta(seconds=20)))
        case "one who may not":
            assert snapshot == check(card(), answers=False)
        case "reasons to pick":
            asks = Asks(rule=ReasonRule.REQUIRED, presets=("too expensive", "wrong person"))
            assert snapshot == check(card(), asks=asks)
        case "no reason":
            assert snapshot == check(card(), asks=Asks(rule=ReasonRule.NONE))
        case _:
            assert snapshot == checked(content_of(card(), replace(CONTEXT, open_door=True)))


def test_cut_card(snapshot: SnapshotAssertion) -> None:
    """A call that is too long for the card shows its size, and View all where Approve was."""
    content = check(open_card(LONG))
    assert ["View all", "Reject…", "Skip", "I'm on it", "Why am I seeing this?", "Request id"] == titles(
        content
    )
    assert snapshot == content


def test_card_of_a_call_that_the_platform_cut() -> None:
    """What nobody can see whole, nobody can approve here."""
    content = check(open_card({"body": "Dear …"}, whole=False))
    assert "Approve" not in titles(content)
    assert "View all" in titles(content)


def test_card_with_warnings(snapshot: SnapshotAssertion) -> None:
    """What an eye would miss is above the call."""
    asked = request({"to": "https://p\u0430ypal.com/x", "note": "a\u202eb\u200bc"})
    content = check(shown(approval(asked)))
    assert 3 == sum(text.startswith("⚠") for text in runs(content))
    assert snapshot == content


def test_many_warnings_are_counted() -> None:
    """No agent can push a call out of sight with warnings; the last one is always there."""
    many = tuple(f"host {n} " + "x" * 500 for n in range(100))
    warned = [text for text in runs(check(replace(card(), warnings=many))) if text.startswith("⚠")]
    assert WARNINGS + 1 == len(warned)
    assert "… 92 more warnings …" in warned[-2]
    assert "host 99 " in warned[-1]


@pytest.mark.parametrize("state", CardState)
def test_every_button_carries_its_sealed_value(state: CardState) -> None:
    """What a button carries, its fallback too, is the core's seal for that card, that verb and that call."""
    for action in nodes(content_of(card(state), CONTEXT)):
        if action["type"] in ("Action.Execute", "Action.Submit") and action["data"]["nod"] != "show":
            opened = SEAL.open(action["data"]["value"])
            assert opened is not None
            assert (CARD_ID, request().digest) == (opened.card_id, opened.digest)
            assert action["data"]["nod"] == opened.verb


def test_approve_is_green_and_reject_red() -> None:
    """One primary and one danger button, each said with the tool's name to a screen reader."""
    actions = {action["title"]: action for action in check(card())["actions"]}
    assert "positive" == actions["Approve"]["style"]
    assert "destructive" == actions["Reject…"]["style"]
    assert all("send_email" in action["tooltip"] for action in actions.values())


@pytest.mark.parametrize("state", [state for state in CardState if state is not CardState.OPEN])
def test_what_is_over_stays_over(state: CardState) -> None:
    """A card that is decided has nothing to answer and asks for nothing again; it is a few lines."""
    content = check(card(state))
    assert (["View call"] if state in READABLE else []) == titles(content)
    assert [] == [node["type"] for node in nodes(content) if node["type"].startswith("Input")]
    assert "refresh" not in content
    assert len(runs(content)) <= 9


def test_an_open_card_has_a_view_for_each_of_sixty() -> None:
    """As many as Teams takes are asked to look for their own view; the rest sees the buttons."""
    crowd = RenderContext(channel="approvals", watchers=tuple(f"29:1{n}" for n in range(100)))
    content = checked(content_of(card(), crowd))
    assert 60 == len(content["refresh"]["userIds"])


def test_views_are_given_up_before_an_approve_is() -> None:
    """Where the ids of sixty people leave no room for the call, the call stays."""
    crowd = RenderContext(channel="approvals", watchers=tuple("29:1" + f"{n:03}" * 60 for n in range(60)))
    content = checked(content_of(open_card({"body": "line of it\n" * 75}), crowd))
    assert "Approve" in titles(content)
    assert len(content.get("refresh", {}).get("userIds", [])) < 60


@pytest.mark.parametrize("link", [None, "https://teams.microsoft.com/l/message/19%3Ax/1"])
def test_notice(link: str | None, snapshot: SnapshotAssertion) -> None:
    """A rung pings by mention and says the rest in plain words."""
    notice = Notification(
        mark="m", text=("Waiting for you: send_email (Mail agent). Decide by ", UNTIL, " (2 min)."), link=link
    )
    mentioned = [Mentioned(id="29:1ann", name="Ann Albers"), Mentioned(id="29:1bob", name="Bob <*Brandt*>")]
    assert snapshot == checked(notice_content_of(notice, mentioned))


@pytest.mark.parametrize("resolved", [None, "the platform accepts decisions again"])
def test_page(resolved: str | None, snapshot: SnapshotAssertion) -> None:
    """An alert names the request and what is wrong; mended, it says that first."""
    assert snapshot == checked(page_content_of(replace(ALERT, resolved=resolved)))


@pytest.mark.parametrize("state", CardState)
def test_nothing_an_agent_wrote_is_parsed(state: CardState) -> None:
    """Links, formatting, mentions and functions of an agent appear as written, where Teams parses nothing."""
    asked = request({HOSTILE: HOSTILE}, tool_name=HOSTILE, agent_id=HOSTILE, run_id=HOSTILE)
    given_card = replace(shown(approval(asked)), state=state, why=HOSTILE, folded=HOSTILE)
    content = check(given_card)
    assert any("[Approve](https://evil.example) **bold**" in text for text in runs(content))
    assert "<" not in spoken(given_card.notification)
    assert "[" not in spoken(given_card.notification).replace("[.]", "")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ann Albers", "Ann Albers"),
        ("</at>**x**", "at x"),
        ("[a](b)", "a b"),
        ("＠", "Person 3"),
        ("Eve O'Neil", "Eve O'Neil"),
    ],
)
def test_a_name_in_a_mention_is_only_a_name(name: str, plain: str) -> None:
    """What people call themselves cannot become markup where Teams parses."""
    assert plain == plain_name(name, 3)


def test_what_people_write_is_spelled_out_too() -> None:
    """A note with hidden characters cannot make a card read another way."""
    answer = decision(HITLDecision.REJECTED, "no\u200b\u202e")
    texts = runs(check(shown(settled(Outcome.REJECTED, answer))))
    assert "Note: no\\u{200B}\\u{202E}" in texts


def test_a_card_that_would_not_fit_loses_its_approve() -> None:
    """A call can be within the card's own limit and too big as JSON: then it is cut, and View all comes."""
    given_card = open_card({"body": "\U0001f600" * 5_000})
    assert Button.APPROVE in given_card.buttons
    content = check(given_card)
    assert "View all" == titles(content)[0]
    assert "Approve" not in titles(content)
    assert [text for text in runs(content) if text.startswith("Part of the call")]
    assert given_card.look == content["actions"][0]["data"]["value"]


@pytest.mark.parametrize("state", [CardState.OPEN, CardState.EXPIRED])
def test_however_many_voted_the_card_fits(state: CardState) -> None:
    """Forty votes with the longest notes cost no Approve and no card."""
    votes = tuple(vote(person=f"p{n}", note="é" * 1_000) for n in range(40))
    known = replace(approval() if state is CardState.OPEN else settled(Outcome.TIMEOUT_SKIP), votes=votes)
    content = check(shown(known))
    assert ("and 38 others" if state is CardState.OPEN else "… and ") in " ".join(runs(content))
    assert (state is CardState.OPEN) == ("Approve" in titles(content))


@pytest.mark.parametrize("state", CardState)
def test_the_smallest_card_is_small_and_has_no_approve(state: CardState) -> None:
    """What goes up after Teams refused a larger one is a fraction of it."""
    content = checked(smallest_of(card(state), CONTEXT))
    assert "Approve" not in titles(content)
    assert (state is CardState.OPEN) == ("View all" in titles(content))


@given(json_values)
def test_every_call_fits_and_fails_closed(arguments: Json) -> None:
    """Whatever the arguments, Teams takes the card, and Approve is there only when each character is."""
    given_card = open_card(arguments)
    content = checked(content_of(given_card, CONTEXT))
    if "Approve" in titles(content):
        written = text_of(given_card.call).replace("\t", "    ")
        # A line of one blank looks like an empty one, in any font.
        lines = ["" if line == " " else line for line in written.split("\n")]
        assert ("\n".join(lines) if written.strip() else BLANK) == call_of(content)
        assert given_card.hidden is None


@given(st.text())
def test_spelling_out_twice_is_spelling_out_once(text: str) -> None:
    """What the core made visible passes the adapter unchanged."""
    assert seen(text) == seen(seen(text))


@pytest.mark.parametrize("count", [0, 1, 12])
def test_digest(count: int, snapshot: SnapshotAssertion) -> None:
    """Count, earliest deadline, the first few, and one button; at its end one line."""
    assert snapshot == checked(digest_content_of(digest_card(count=count, flooding=("a*b",)), CONTEXT))
