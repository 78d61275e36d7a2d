"""Messages that are no cards: a notice, an alert, a word for one person's eyes. Pure."""

from __future__ import annotations

from typing import Any

from adapters.chat.labels import OPEN_THE_CARD
from adapters.chat.text import EXPLAINED_LINE, acknowledged, alerted, cut, explained, seen, where_explained
from adapters.slack.elements import (
    CONTEXT_ELEMENT,
    HEADER,
    SECTION,
    Block,
    contexts,
    escape,
    pinging,
    plain,
    preformatted,
    said,
    spoken,
)
from bot.approval import Claim
from bot.card import Notification
from bot.desk import Explanation, Identified, NotCounted
from bot.records import Alert
from bot.visible import inert
from bot.wording import Saying

#: Characters of one part of a sentence: an alert is one line for an operator.
LINE = 1_100
#: Characters of one part of the fallback text; 40,000 would be allowed, a phone shows about 200.
FALLBACK = 600
#: Accounts pinged by one notice.
MENTIONS = 100


def notice_message_of(notice: Notification) -> dict[str, Any]:
    """`text` and `blocks` of a notice: who is pinged, what it says, and a way to the card."""
    mentions = " ".join(f"<@{escape(account)}>" for account in notice.mentions[:MENTIONS])
    words = spoken(notice.text, FALLBACK)
    blocks = [*pinging(notice.mentions, MENTIONS), *contexts([said(notice.text)])]
    if notice.link:
        blocks.append(_linked(notice.link))
    return {"text": f"{mentions} {words}".strip(), "blocks": blocks}


def page_of(alert: Alert) -> dict[str, Any]:
    """`text` and `blocks` of an alert; when it is resolved, that comes first."""
    title, lines = alerted(alert)
    audit_events: list[Saying] = [(f"about {alert.approval_id}",), (alert.cause,), ("raised ", alert.raised_at)]
    small = [said(fact, LINE) for fact in audit_events]
    body: list[Block] = [{"type": "section", "text": plain(line, LINE)} for line in lines]
    return {
        "text": spoken((title, ": ", lines[0]), FALLBACK),
        "blocks": [{"type": "header", "text": plain(title, HEADER)}, *body, *contexts(small)],
    }


def whisper_of(text: str) -> dict[str, Any]:
    """`text` and `blocks` of a sentence for one person's eyes."""
    return {"text": spoken((text,), SECTION), "blocks": [_section(text, SECTION)]}


def claimed_of(claim: Claim) -> dict[str, Any]:
    """`text` and `blocks` of what somebody is told who said "I'm on it"."""
    words = acknowledged(claim)
    return {"text": spoken(words, FALLBACK), "blocks": contexts([said(words)])}


def ids_of(identified: Identified) -> dict[str, Any]:
    """`text` and `blocks` of the ids of a request, each in a code block of its own."""
    blocks: list[Block] = []
    for what, name in identified.ids:
        blocks += [*contexts([[plain(f"{what} id", LINE)]]), preformatted(cut(name, SECTION))]
    return {"text": spoken(("Request id",), FALLBACK), "blocks": blocks}


def refusal_of(refused: NotCounted) -> dict[str, Any]:
    """`text` and `blocks` of a refusal, with its code in small."""
    return {
        "text": f"{spoken((refused.text,), SECTION)} [{refused.code.value}]",
        "blocks": refusal_blocks(refused),
    }


def refusal_blocks(refused: NotCounted) -> list[Block]:
    """Why a click does not count, and in small where its code is explained."""
    return [_section(refused.text, SECTION), *_coded(refused.code.value)]


def explanation_of(explanation: Explanation) -> dict[str, Any]:
    """`text` and `blocks` of an answer to `Why me?`; why somebody may not decide is referred to in small."""
    shown = [cut(seen(line), EXPLAINED_LINE) for line in explained(explanation.lines)]
    blocks = [_section(line, EXPLAINED_LINE) for line in shown] or [_section("-", 1)]
    if explanation.refusal:
        blocks += _coded(explanation.refusal.value)
    return {"text": escape(cut(inert("\n".join(shown)), SECTION)) or "-", "blocks": blocks}


def _linked(url: str) -> Block:
    """A link of ours, as an element of its own: nothing in it is parsed, and nothing in it is an agent's."""
    link = {"type": "link", "url": url, "text": OPEN_THE_CARD}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}


def _section(text: str, most: int) -> Block:
    return {"type": "section", "text": plain(text, most)}


def _coded(code: str) -> list[Block]:
    return contexts([[plain(f"[{code}]", CONTEXT_ELEMENT), plain(where_explained(code), CONTEXT_ELEMENT)]])
