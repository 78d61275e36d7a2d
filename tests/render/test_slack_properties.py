"""Whatever an agent, a person or an operator wrote: Slack takes it, shows it, and acts on none of it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.chat.labels import OPEN_THE_CARD
from adapters.chat.text import BLANK
from adapters.slack.metadata import ButtonContext, ModalCursor
from adapters.slack.modals import done_view, reason_view, said_view, whole_view
from adapters.slack.notices import (
    claimed_of,
    explanation_of,
    notice_message_of,
    page_of,
    refusal_of,
)
from adapters.slack.render import digest_message_of
from bot.approval import Approval
from bot.call import lines_of, text_of
from bot.card import Button, Notification, QueueCard, card_of, queue_card_of
from bot.desk import FormData
from bot.errors import Refusal
from bot.policy import Person, Policy
from bot.records import Alert, QueueMessage
from bot.redaction import Redaction
from bot.routing import ReasonRule
from bot.surface import Destination, Surface
from bot.wording import CardState
from sandbox.slack.limits import check_message, check_view
from tests.render.cards import (
    ACTOR,
    CARD_ID,
    ENDS,
    NOW,
    SEAL,
    claim,
    explanation,
    not_counted,
    ping_of,
    policy,
    reading,
    request,
    vote,
)
from tests.render.slack_parts import buttons, check, elements, pre

#: Texts, each in every state: hundreds of cards, and twenty thousand in the long form.
FEW, MANY = 60, 1_820
#: The states of a card; a claimed open one is another.
LOOKS = len(CardState) + 1

_DATE = re.compile(
    r"<!date\^-?\d+\^(\{date_short_pretty\} at \{time\}\|\d{4}-\d\d-\d\d |\{time\}\||\{time_secs\}\|\d\d:)"
    r"\d\d:\d\d UTC>"
)
_MENTION = re.compile(r"(<@U0ANN>)( <@U0ANN>)*")
_ESCAPED = re.compile(r"&(?!amp;|lt;|gt;)|[<>]")
#: The one address that a message of ours leads to; no text of anybody is in it.
LINK = "https://acme.slack.com/archives/C0APPROVALS/p1763821740000100"
#: Every type that a message or a view of ours is made of; a mention inside rich text is none of them.
_TYPES = frozenset(
    (
        *("modal", "header", "section", "context", "actions", "input", "rich_text", "rich_text_preformatted"),
        *("rich_text_section", "link", "overflow"),
        *("text", "plain_text", "mrkdwn", "button", "plain_text_input", "radio_buttons", "static_select"),
    )
)
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe0f\ufe00")

texts = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(
    [
        "<!channel>",
        "<https://evil.example|Approve>",
        "*b* `c` :tada: & @here",
        "\u202e\u200b\\u{202E}",
        "é\u0301",
    ]
)


def there(module: str, name: str) -> list[Any]:
    """What a corpus of the tests has, when it is in this tree."""
    if importlib.util.find_spec(f"tests.{module}") is None:
        return []
    return list(getattr(importlib.import_module(f"tests.{module}"), name))


HOSTILE: list[str] = there("hostile", "HOSTILE")
PLANTED: list[Any] = there("secrets_planted", "PLANTED")


def strings(node: Any) -> Iterator[str]:
    """Every string in a payload."""
    if isinstance(node, dict):
        for inner in node.values():
            yield from strings(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from strings(inner)
    elif isinstance(node, str):
        yield node


def hidden(text: str) -> list[str]:
    """The characters of a text that an eye would miss, told apart from the core's own list."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return []
    return [
        char
        for char in text
        if char not in "\n\t " and (unicodedata.category(char)[0] in "CZ" or char in _BLANKS)
    ]


def held(payload: Any) -> None:
    """No data is parsed, nothing is hidden, and it is plain JSON."""
    json.dumps(payload, ensure_ascii=False).encode()
    for element in elements(payload, "mrkdwn"):
        assert _DATE.fullmatch(element["text"]) or _MENTION.fullmatch(element["text"])
    for element in elements(payload, "plain_text"):
        assert element["emoji"] is False
    for element in elements(payload, "link"):
        assert {"type": "link", "url": LINK, "text": OPEN_THE_CARD} == element
    for element in elements(payload, "text"):
        assert {"type", "text"} == set(element) - {"style"}
        assert element.get("style") in (None, {"bold": True})
    assert {element["type"] for element in typed(payload)} <= _TYPES
    assert [] == [char for text in strings(payload) for char in hidden(text)]


def typed(node: Any) -> Iterator[dict[str, Any]]:
    """Everything in a payload that has a type."""
    if isinstance(node, dict):
        if "type" in node:
            yield node
        for inner in node.values():
            yield from typed(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from typed(inner)


def held_message(message: dict[str, Any]) -> None:
    """As `held`, and Slack takes it, and its fallback text is escaped."""
    check_message(text=message["text"], blocks=message["blocks"])
    held(message["blocks"])
    assert [] == hidden(message["text"])
    assert not _ESCAPED.search(_MENTION.sub("", _DATE.sub("", message["text"])))


def held_view(view: dict[str, Any]) -> None:
    """As `held`, for a form; what it remembers is ours and is not shown."""
    check_view(view)
    held({name: part for name, part in view.items() if name != "private_metadata"})


def written_by(one: str, two: str, three: str, secret: str) -> tuple[dict[CardState, Approval], Policy]:
    """An approval in every state, with these texts wherever people write something."""
    arguments: Any = {one: two, "body": f"{three}\n{secret}\n", "list": [{two: secret}, three], "note": secret}
    asked = request(arguments, tool_name=one, agent_id=two, run_id=three)
    sly = replace(ACTOR, name=two)
    votes = (vote(actor=sly, note=one), vote(person="bob", actor=sly, note=three, acting_for=one))
    ends = {}
    for state, end in ENDS.items():
        answer = replace(end.decision, actor=sly, note=three, others=(one,)) if end.decision else None
        trouble = two or end.trouble if end.trouble else None
        ends[state] = replace(
            end, request=asked, votes=votes, decision=answer, trouble=trouble, ahead=ping_of(two, "ann")
        )
    usual = policy(one)
    route = replace(usual.routes[0], why=one, approvers=(two, "ann"))
    ann = Person(handle="ann", name=three, email=one, accounts=usual.people["ann"].accounts)
    return ends, replace(usual, routes=(route,), groups={two: ("ann",)}, people={"ann": ann})


def every_card(one: str, two: str, three: str, planted: Any = None, *, looks: slice = slice(None)) -> int:
    """Render these texts in every state, or in some, and hold each card to all of the promises; how many."""
    ends, rules = written_by(one, two, three, planted.text if planted else "")
    claimed = (CardState.OPEN, replace(ends[CardState.OPEN], claims=(claim(name=three),)))
    looked_at = [*ends.items(), claimed][looks]
    for state, end in looked_at:
        changed = state is CardState.CHANGED
        card = card_of(end, card_id=CARD_ID, policy=rules, seal=SEAL, now=NOW, superseded=changed)
        assert state is card.state
        message = check(card)
        held_message(message)
        if planted:
            unseen(planted, message)
        if "nod_approve" in buttons(message["blocks"]):
            call = text_of(card.call)
            assert (call if call.strip() else BLANK) == pre(message["blocks"])
    return len(looked_at)


def digest_of(end: Approval, *flooding: str) -> QueueCard:
    """A digest with nothing but this approval on it, over and over."""
    where = Destination(surface=Surface.SLACK, channel="C1")
    digest = QueueMessage(digest_id="d", destination=where, count=99, first=(end,) * 30)
    return queue_card_of(digest, policy=policy(), seal=SEAL, now=NOW, flooding=(*flooding, *flooding * 9))


def unseen(planted: Any, payload: Any) -> None:
    """No line of the secret is anywhere in the payload."""
    shown = "\n".join(strings(payload))
    for line in planted.secret.splitlines():
        assert line not in shown, planted.kind


def every_form(one: str, two: str, three: str, planted: Any = None) -> None:
    """The same for all that is no card."""
    ends, rules = written_by(one, two, three, planted.text if planted else "")
    card = card_of(ends[CardState.OPEN], card_id=CARD_ID, policy=rules, seal=SEAL, now=NOW)
    lines = lines_of(ends[CardState.OPEN].request, redaction=Redaction())
    asked = FormData(
        card=card,
        call=text_of(lines),
        reading=reading(text_of(lines)),
        approvable=True,
        reason=ReasonRule.REQUIRED,
        presets=(one, two, three),
        approve_value="v",
    )
    queue = ModalCursor(value="v" * 200, after=CARD_ID, tool=card.tool)
    thread = ButtonContext(value="v" * 200, verb=Button.REJECT, channel="C1", ref="1.0", queue=queue)
    late = not_counted(Refusal.ALREADY_DECIDED, f"{one} approved it 4 s ago.")
    views = [
        *(
            reason_view(thread, asked),
            whole_view(thread, asked),
            whole_view(replace(thread, queue=None), asked),
        ),
        *(said_view(late, thread), done_view(thread, vote())),
    ]
    refused = not_counted(Refusal.NOT_APPROVER, f"Only {two} may decide this.")
    alert = Alert(approval_id=one, cause="undelivered", text=two, raised_at=NOW, resolved=three or None)
    messages = [
        *(refusal_of(refused), explanation_of(explanation(one, two, three)), page_of(alert)),
        notice_message_of(Notification(mark="m", text=(one, NOW, two), mentions=("U0ANN", "U0ANN"), link=LINK)),
        *(claimed_of(claim(name=two)), digest_message_of(digest_of(ends[CardState.OPEN], two, three))),
    ]
    for view in views:
        # The value of an option is the reason itself: the operator's own words, and not what is shown.
        for options in elements(view, "radio_buttons"):
            for option in options["options"]:
                option["value"] = "v"
        held_view(view)
    for message in messages:
        held_message(message)
    if planted:
        unseen(planted, views)


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_thousands_of_cards_of_any_text(examples: int) -> None:
    """No link, mention or format from data; every limit kept; nothing hidden; no planted secret anywhere."""
    rendered = 0

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(texts, texts, texts, st.sampled_from(PLANTED or [None]), st.integers(0, 9))
    def draw(one: str, two: str, three: str, planted: Any, turn: int) -> None:
        nonlocal rendered
        rendered += every_card(one, two, three, planted)
        if not turn:
            every_form(one, two, three, planted)

    draw()
    assert examples * LOOKS <= rendered


def some_look(turn: int) -> slice:
    """One state for each text in turn, so that a sample has every text and every state."""
    return slice(turn % LOOKS, turn % LOOKS + 1)


@pytest.mark.skipif(not HOSTILE, reason="the hostile corpus is not in this tree")
def test_every_hostile_text_in_some_place() -> None:
    """Each string of the corpus as tool, agent, argument, note, name and risk, in one state or in the forms."""
    for turn, text in enumerate(HOSTILE):
        if turn % 16:
            assert 1 == every_card(text, text, text, looks=some_look(turn))
        else:
            every_form(text, text, text)


@pytest.mark.slow
@pytest.mark.skipif(not HOSTILE, reason="the hostile corpus is not in this tree")
def test_every_hostile_text_in_every_place() -> None:
    """The same in each state and form."""
    for text in HOSTILE:
        assert LOOKS == every_card(text, text, text)
        every_form(text, text, text)


@pytest.mark.skipif(not PLANTED, reason="the planted secrets are not in this tree")
@pytest.mark.parametrize("looks", [1, pytest.param(LOOKS, marks=pytest.mark.slow)])
def test_no_planted_secret_is_in_any_payload(looks: int) -> None:
    """Each kind of secret, in an argument between ordinary words, is in no card and in no form."""
    assert 40 <= len({planted.kind for planted in PLANTED})
    for turn, planted in enumerate(PLANTED):
        look = slice(None) if looks == LOOKS else some_look(turn)
        assert looks == every_card("to", "jane", "Dear Jane,", planted, looks=look)
        every_form("to", "jane", "Dear Jane,", planted)
