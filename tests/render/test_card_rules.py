"""What every card keeps to, in both chats: few words, three verdicts in the open, names, honest ends."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from adapters.chat.labels import LABELS, read_aloud
from adapters.chat.payload import Malformed
from adapters.slack.elements import spoken as slack_spoken
from adapters.slack.payloads import Press, read_press
from adapters.slack.render import blocks_of, message_of
from adapters.teams.elements import Mentioned, spoken
from adapters.teams.render import content_of
from bot.approval import Approval, Outcome, Stage
from bot.card import Button, Card, run_url_of
from bot.ladder import Action, Ahead, Deadline, DeadlineSource
from bot.policy import Policy
from bot.protocol import HITLDecision
from bot.seal import Seal
from bot.status import WORDS
from bot.wording import CardState, agent_named
from sandbox.slack.limits import check_message
from tests.render.cards import (
    BOB,
    NOW,
    SEAL,
    UNTIL,
    approval,
    claim,
    decision,
    house,
    house_card,
    open_card,
    request,
    settled,
    vote,
)
from tests.render.slack_parts import buttons, check, elements, menu
from tests.render.teams_parts import CONTEXT, checked, nodes, runs, titles

_MARKUP = re.compile(r"<!date\^\d+\^([^|]*)\|[^>]*>")
_WORD = re.compile(r"\S*\w\S*")
LATE = timedelta(seconds=170)


def looks() -> dict[str, tuple[Approval, Policy]]:
    """Every look of an open card, alone and with every other."""
    ahead = [
        Ahead(action=action, who=who, at=UNTIL)
        for action, who in (
            (Action.PING, ("finance", "oncall")),
            (Action.WIDEN, ("oncall",)),
            (Action.PAGE, ()),
            (Action.REMIND, ()),
        )
    ]
    found = {}
    options = product((False, True), (False, True), (False, True), DeadlineSource, (1, 2), ahead, (0, 3))
    for voted, claimed, escalated, source, quorum, step, days in options:
        known = approval(
            votes=(vote(),) if voted else (),
            claims=(claim(until=UNTIL),) if claimed else (),
            escalated_at=NOW if escalated else None,
            ahead=step,
            deadline=Deadline(at=UNTIL + timedelta(days=days), source=source),
        )
        name = f"{voted} {claimed} {escalated} {source} {quorum} {step.action} {days}"
        found[name] = known, house(quorum=quorum)
    return found


def slack_words(card: Card) -> str:
    """What an open card says in Slack besides the call, the buttons and the word on the risk."""
    said = []
    for block in blocks_of(card):
        if block["type"] in ("header", "context"):
            said += [e["text"] for kind in ("plain_text", "mrkdwn") for e in elements(block, kind)]
    return " ".join(_MARKUP.sub(_as_seen, text) for text in said)


def _as_seen(found: re.Match[str]) -> str:
    shown = {"{time_secs}": "12:29:40 AM", "{time}": "12:29 AM"}
    return shown.get(found[1], "Nov 30, 2026 at 12:29 AM")


def teams_words(card: Card) -> str:
    """The same in Teams."""
    content = content_of(card, CONTEXT)
    said = []
    for block in content["body"]:
        if block["type"] != "Container":
            said += runs(block)
            said += [node["text"] for node in nodes(block) if node["type"] == "TextBlock"]
    text = " ".join(said).replace(card.why or "", "")
    return re.sub(
        r"\{\{TIME\([^)]*\)\}\}", "12:29 AM", re.sub(r"\{\{DATE\([^)]*\)\}\}", "Mon, Nov 30, 2026", text)
    )


@pytest.mark.parametrize("each", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_every_open_card_is_read_at_a_glance(each: int) -> None:
    """At most 32 words in both chats, in every combination of looks, and always what happens if nobody acts."""
    for name, (known, rules) in list(looks().items())[::each]:
        for after in (timedelta(seconds=20), LATE):
            card = house_card(known, rules, after=after)
            for words in (slack_words(card), teams_words(card)):
                assert len(_WORD.findall(words)) <= WORDS, (name, words)
                assert "If nobody decides, send_email will not run." in words
                assert "Mail agent · decide by" in words


def test_a_cut_card_is_read_at_a_glance_too() -> None:
    """How much is shown, and where the rest is, take words from what is less important."""
    rules, long = house(quorum=2), {"body": "line\n" * 200}
    known = approval(request(long), votes=(vote(),), ahead=Ahead(action=Action.PAGE, who=(), at=UNTIL))
    words = slack_words(house_card(known, rules))
    assert len(_WORD.findall(words)) <= WORDS
    assert 'Open "View all" to approve.' in words
    assert "1 of 2 approvals: Ann ✓." in words


OPEN_LOOKS: dict[str, tuple[dict[str, Any], int]] = {
    "nothing yet": ({"ahead": Ahead(action=Action.PING, who=("oncall",), at=NOW + timedelta(minutes=2))}, 1),
    "voted": ({"votes": (vote(),)}, 2),
    "acknowledged": ({"claims": (claim(),)}, 1),
    "escalated": ({"escalated_at": NOW}, 1),
}


@pytest.mark.parametrize("look", OPEN_LOOKS)
def test_an_open_card_in_both_chats(look: str, snapshot: SnapshotAssertion) -> None:
    """People by name, who is on call by that word, the quorum with who gave it, and the consequence."""
    more, quorum = OPEN_LOOKS[look]
    card = house_card(approval(**more), house(quorum=quorum), after=timedelta(seconds=20))
    assert snapshot(name="slack") == check(card)
    assert snapshot(name="teams") == checked(content_of(card, CONTEXT))


def test_an_open_card_names_people_as_colleagues_do() -> None:
    """First names where they are unique, who can still decide, and the requester where the run names one."""
    rules = house(quorum=2)
    assert "Ann or Bob can decide." in slack_words(house_card(approval(), rules))
    assert "Bob can decide." in slack_words(house_card(approval(votes=(vote(),)), rules))
    two_bobs = replace(rules, people={**rules.people, "b2": replace(BOB, handle="b2", name="Bob Other")})
    assert "Ann or Bob Brandt can decide." in slack_words(house_card(approval(), two_bobs))
    asks = house(requester="arguments.asked_by")
    known = approval(request({"asked_by": "bob@acme.example"}))
    assert "Mail agent for Bob · decide by" in slack_words(house_card(known, asks))


def test_an_agent_cannot_take_the_name_of_another() -> None:
    """An id that reads like a name of nod.yaml is marked as an id."""
    rules = house()
    assert "Mail agent" == agent_named(rules, "hitl_approval_agent")
    assert "mail  agent (agent id)".replace("  ", "‹2 spaces›") != agent_named(rules, "Mail agent")
    assert "Mail agent (agent id)" == agent_named(rules, "Mail agent")
    assert "other" == agent_named(rules, "other")


def test_everything_but_the_verdicts_is_one_press_away() -> None:
    """Three buttons and a menu in Slack; in Teams the verdicts come first and the rest is secondary."""
    card = house_card(approval(), house())
    rest = ["View all", "I'm on it", "Why am I seeing this?", "Open run", "Request id"]
    assert ["nod_approve", "nod_reject", "nod_skip", "nod_more"] == buttons(blocks_of(card))
    assert rest == list(menu(blocks_of(card)))
    actions = content_of(card, CONTEXT)["actions"]
    assert ["Approve", "Reject…", "Skip", *rest] == [action["title"] for action in actions]
    assert [None] * 3 + ["secondary"] * 5 == [action.get("mode") for action in actions]


def test_view_all_stands_in_the_open_where_a_part_is_hidden() -> None:
    """And not in the menu as well."""
    blocks = blocks_of(open_card({"body": "line\n" * 200}))
    assert ["nod_view_all", "nod_reject", "nod_skip", "nod_more"] == buttons(blocks)
    assert "View all" not in menu(blocks)


def test_a_seal_fits_into_an_option_of_a_menu() -> None:
    """An option's value has room for 150 characters (composition-objects/option-object): for any of ours."""
    digest = request().digest
    values = [
        Seal(secrets.token_hex(32)).value(card_id=secrets.token_urlsafe(12), verb=button.value, digest=digest)
        for button in Button
    ]
    assert max(map(len, values)) <= 150


@pytest.mark.parametrize(
    ("run_id", "url"),
    [
        ("7f3a", "https://acme.example/runs/7f3a?tab=log"),
        ("../admin?x=1#y", "https://acme.example/runs/..%2Fadmin%3Fx%3D1%23y?tab=log"),
        ("..", None),
        ("", None),
        (None, None),
        ("x" * 4_000, None),
    ],
)
def test_a_run_opens_on_its_own_page(run_id: str | None, url: str | None) -> None:
    """Whatever a run calls itself, it is one part of the address."""
    assert url == run_url_of(house(), run_id)


@pytest.mark.parametrize("button", Button)
def test_an_accessible_name_begins_with_the_label(button: Button) -> None:
    """A person who speaks to the screen says what is on the button (WCAG 2.5.3), and hears no markup."""
    spoken_name = read_aloud(button, "send_email")
    assert spoken_name.startswith(LABELS[button])
    assert not re.search(r"[*_`<>|]", spoken_name.replace("send_email", ""))


def test_the_line_of_a_notification() -> None:
    """What, who asks, until when."""
    known = approval(deadline=Deadline(at=NOW + timedelta(seconds=40), source=DeadlineSource.TIMEOUT_AT))
    notification = house_card(known, house()).notification
    assert "Approve send_email? Mail agent, by 14:29:40 UTC" == spoken(notification)
    mark = "<!date^1795357780^{time_secs}|14:29:40 UTC>"
    assert f"Approve send_email? Mail agent, by {mark}" == slack_spoken(notification, 600)


@pytest.mark.parametrize(
    ("left", "slack", "teams"),
    [
        (timedelta(seconds=40), "{time_secs}|14:29:40 UTC", "{{TIME(2026-11-22T14:29:40Z)}} and 40 s"),
        (timedelta(minutes=5, seconds=3), "{time}|14:34 UTC", "{{TIME(2026-11-22T14:34:03Z)}}"),
        (
            timedelta(days=2),
            "{date_short_pretty} at {time}|2026-11-24 14:29 UTC",
            "{{DATE(2026-11-24T14:29:00Z, SHORT)}} {{TIME(2026-11-24T14:29:00Z)}}",
        ),
    ],
)
def test_a_moment_is_as_precise_as_it_matters(left: timedelta, slack: str, teams: str) -> None:
    """The second below five minutes, the day where it is another."""
    known = approval(deadline=Deadline(at=NOW + left, source=DeadlineSource.TIMEOUT_AT))
    card = house_card(known, house())
    assert slack in str(blocks_of(card)[1])
    assert teams in [node.get("text") for node in nodes(content_of(card, CONTEXT))]


@pytest.mark.parametrize(
    ("word", "title"), [("timeout", "⌛ Expired: send_email did not run"), (None, "⌛ Expired: send_email")]
)
def test_that_it_did_not_run_is_said_only_where_it_is_known(word: str | None, title: str) -> None:
    """The platform's audit says so, or the card says that nobody answered and no more."""
    rules = replace(house(), routes=(replace(house().routes[0], approvers=("finance", "oncall")),))
    card = house_card(settled(Outcome.TIMEOUT_SKIP, platform_word=word), rules, after=timedelta(minutes=3))
    said = " ".join(e["text"] for e in elements(blocks_of(card), "plain_text"))
    assert title == card.title
    assert "(asked: Ann, Bob and on-call)." in said
    assert "reject" not in said.lower()


def test_the_outcome_is_a_symbol_and_a_word() -> None:
    """Meaning is never by colour alone."""
    ends = {
        HITLDecision.APPROVED: "✅ Approved: send_email",
        HITLDecision.REJECTED: "❌ Rejected: send_email",
        HITLDecision.SKIPPED: "⏭ Skipped: send_email",
    }
    for verdict, title in ends.items():
        card = house_card(settled(Outcome(verdict.value), decision(verdict)), house())
        assert title == card.title == blocks_of(card)[0]["text"]["text"]
        assert ["View call"] == titles(content_of(card, CONTEXT))


def test_a_card_pings_whom_its_route_tells_it_to() -> None:
    """By mentions of their own; nobody otherwise, and nobody any more once it is over."""
    accounts = ("U0ANN", "U0BOB")
    message = message_of(house_card(approval(), house(), mentions=accounts))
    check_message(text=message["text"], blocks=message["blocks"])
    assert "<@U0ANN> <@U0BOB>" in [e["text"] for e in elements(message["blocks"], "mrkdwn")]
    over = message_of(house_card(settled(Outcome.APPROVED, decision()), house(), mentions=accounts))
    assert "<@" not in str(over)

    there = replace(CONTEXT, mentioned=(Mentioned(id="29:1ann", name="Ann Albers"),))
    content = checked(content_of(house_card(approval(), house()), there))
    assert "29:1ann" == content["msteams"]["entities"][0]["mentioned"]["id"]
    assert "Full" == content["msteams"]["width"]


def test_state_words_of_a_card_that_is_not_open() -> None:
    """What is happening to a decision, in the fewest words."""
    sending = house_card(approval(stage=Stage.DECIDED, decision=decision()), house())
    assert CardState.SENDING is sending.state
    assert (("Approved by Ann Albers. Sending…",),) == sending.status
    changed = house_card(approval(), house(), superseded=True)
    assert (("This request changed, see below.",),) == changed.status
    assert {} == dict(changed.buttons) == dict(sending.buttons)


def pressed(action_id: str, **more: Any) -> dict[str, Any]:
    """A press on a message, as Slack tells of it."""
    return {
        "user": {"id": "U0ANN", "team_id": "T0"},
        "team": {"id": "T0"},
        "channel": {"id": "C0"},
        "container": {"type": "message", "message_ts": "1.0"},
        "trigger_id": "t",
        "actions": [{"action_id": action_id, **more}],
    }


def sealed(button: Button) -> str:
    """The value of this button."""
    return SEAL.value(card_id="c", verb=button.value, digest=request().digest)


@pytest.mark.parametrize("button", [Button.VIEW_ALL, Button.CLAIM, Button.WHY])
def test_a_card_of_the_release_before_can_still_be_pressed(button: Button) -> None:
    """There everything was a button of its own."""
    press = read_press(pressed(f"nod_{button.value}", value=sealed(button)))
    assert isinstance(press, Press)
    assert (button, sealed(button)) == (press.context.verb, press.context.value)


@pytest.mark.parametrize("button", Button)
def test_the_menu_holds_no_answer(button: Button) -> None:
    """What is picked there is a look, a claim or a question; an answer from there is not read."""
    payload = pressed("nod_more", selected_option={"value": sealed(button)})
    if button in (Button.VIEW_ALL, Button.CLAIM, Button.WHY, Button.IDS):
        press = read_press(payload)
        assert isinstance(press, Press)
        assert (button, sealed(button)) == (press.context.verb, press.context.value)
    else:
        with pytest.raises(Malformed):
            read_press(payload)


@pytest.mark.parametrize("option", [None, {}, {"value": "x"}, {"value": ""}, "view_all"])
def test_a_menu_without_a_pick_is_no_press(option: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(Malformed):
        read_press(pressed("nod_more", selected_option=option))
    assert read_press(pressed("nod_more", selected_option={"value": "open_run"})) is None


@pytest.mark.parametrize("agent", ["Mail-agent", "Mail agent.", "Ｍail agent", "mail agent"])
def test_an_id_that_only_looks_like_a_name_is_marked(agent: str) -> None:
    """Other signs between its letters, or wide letters, make no other name of it."""
    assert agent_named(house(), agent).endswith(" (agent id)")


def test_names_that_read_like_sentences_are_in_quotation_marks() -> None:
    """An agent's id cannot name an approver or a deadline, and a tool's name cannot say who approved."""
    asked = replace(request(), agent_id="Mail agent for Ann · decide by 23:59")
    assert "“Mail agent for Ann · decide by 23:59” · decide by" in slack_words(
        house_card(approval(asked), house())
    )
    told = replace(request(), tool_name="read, nothing. Ann approved this”. It")
    card = house_card(approval(told), house())
    name = "“read, nothing. Ann approved this\\u{201D}. It”"
    assert f"If nobody decides, {name} will not run." in slack_words(card)
    assert f"Approve {name}?" == card.title


def test_a_name_of_many_words_takes_no_room_of_the_sentences() -> None:
    """Who approved already and who can decide stay on the card, however long the names of an agent are."""
    wordy = replace(request(), tool_name="a b c d e f g h i j k l m n o p", agent_id="q r s t u v w x y z")
    plain = house_card(approval(votes=(vote(),)), house(quorum=2))
    card = house_card(approval(wordy, votes=(vote(),)), house(quorum=2))
    assert card.status[1:] == plain.status[1:]
    assert "1 of 2 approvals: Ann ✓. Bob can decide." in slack_words(card)
