"""Whatever an agent, a person or an operator wrote: Teams takes it, shows it, and acts on none of it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.teams.buttons import Asks, Data
from adapters.teams.elements import NBSP, Mentioned
from adapters.teams.modals import reason_view, refusal_view, whole_content
from adapters.teams.notices import notice_content_of, page_content_of
from adapters.teams.render import content_of
from bot.approval import Approval
from bot.call import lines_of, text_of
from bot.card import Button, Card, Notification, card_of
from bot.desk import FormData
from bot.errors import Refusal
from bot.records import Alert
from bot.redaction import Redaction
from bot.routing import ReasonRule
from bot.wording import CardState
from tests.hostile import HOSTILE
from tests.render.cards import ACTOR, CARD_ID, ENDS, NOW, SEAL, not_counted, policy, reading, request, vote
from tests.render.teams_parts import CONTEXT, held, nodes

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe0f\ufe00")

texts = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(
    [
        "[Approve](https://evil.example)",
        "<at>Ann Albers</at>",
        "**b** _i_ ~~s~~ `c` # h",
        "{{DATE(2020-01-01T00:00:00Z, SHORT)}}",
        "{{{{TIME(2020-01-01T00:00:00Z)}}}}",
        "</AT><At>x</aT>",
        "\u202e\u200b\\u{202E}",
        "- a\r- b",
        "https://evil.example www.evil.example",
    ]
)


def hidden(text: str) -> list[str]:
    """The characters of a text that an eye would miss, told apart from the core's own list."""
    return [
        char
        for char in text
        if char not in " " + NBSP and (unicodedata.category(char)[0] in "CZ" or char in _BLANKS)
    ]


def check_shown(content: dict[str, Any]) -> None:
    """Teams takes it, parses none of it, and nothing in it is hidden."""
    held(content)
    for node in nodes(content):
        assert [] == [
            char for name in ("text", "title", "tooltip", "label") for char in hidden(node.get(name, ""))
        ]


def carrying(text: str, state: CardState) -> Card:
    """A card in this state with one text in every place that others write."""
    asked = request({text: text, "list": [text]}, tool_name=text, agent_id=text, run_id=text)
    known: Approval = replace(ENDS[state], request=asked)
    sly = replace(ACTOR, name=text)
    if known.decision:
        known = replace(known, decision=replace(known.decision, actor=sly, note=text))
    known = replace(known, votes=(vote(actor=sly, note=text),), trouble=known.trouble and text)
    return card_of(
        known,
        card_id=CARD_ID,
        policy=policy(text),
        seal=SEAL,
        now=NOW,
        superseded=state is CardState.CHANGED,
    )


def check_every_place(text: str, state: CardState) -> None:
    """Every message and every view with this text in it."""
    card = carrying(text, state)
    check_shown(content_of(card, CONTEXT))
    check_shown(content_of(card, CONTEXT, answers=False, said=(text,)))
    if state is not CardState.OPEN:
        return
    check_shown(content_of(card, CONTEXT, asks=Asks(rule=ReasonRule.REQUIRED, presets=(text,))))
    asked = request({text: text}, tool_name=text, agent_id=text)
    call = text_of(lines_of(asked, redaction=Redaction()))
    look = FormData(
        card=card,
        call=call,
        reading=reading(call),
        approvable=True,
        reason=ReasonRule.OPTIONAL,
        presets=(text,),
        approve_value="v1.k.c.approve.d.s",
    )
    check_shown(whole_content(look, CONTEXT))
    check_shown(
        reason_view(look, Data(verb=Button.REJECT.value, value="v", channel="c"), CONTEXT, said=(text,))
    )
    check_shown(refusal_view(not_counted(Refusal.EXPIRED, text), CONTEXT, card=card, queue=None))
    notice = Notification(mark="m", text=(text, NOW, text))
    check_shown(notice_content_of(notice, [Mentioned(id="29:1x", name=text), Mentioned(id="29:1y", name=text)]))
    check_shown(page_content_of(Alert(approval_id=text, cause="x", text=text, raised_at=NOW, resolved=text)))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(texts, st.sampled_from(CardState))
def test_cards_of_any_text(text: str, state: CardState) -> None:
    """Nothing that anybody writes becomes a link, a mention or a format in Teams."""
    check_every_place(text, state)


def test_every_hostile_text_in_every_place() -> None:
    """A quarter of the hostile texts, each in every place of an open card and of a decided one."""
    for text in HOSTILE[::4]:
        check_every_place(text, CardState.OPEN)
        check_every_place(text, CardState.REJECTED)


@pytest.mark.slow
def test_all_of_them_in_every_place() -> None:
    """The whole corpus."""
    for text in HOSTILE:
        check_every_place(text, CardState.OPEN)
        check_every_place(text, CardState.REJECTED)
