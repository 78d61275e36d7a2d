"""Messages that are no cards: a notice, an alert, a word for one person's eyes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from adapters.chat.labels import OPEN_THE_CARD
from adapters.slack.elements import (
    CONTEXT_ELEMENT,
    HEADER,
    SECTION,
    Block,
    contexts,
    cut,
    escape,
    plain,
    said,
    seen,
    spoken,
)
from bot.approval import Claim
from bot.card import Notice
from bot.errors import Refusal, Refused
from bot.records import Alert
from bot.visible import inert
from bot.wording import Saying

#: Characters of one part of a sentence: an alert is one line for an operator.
LINE = 1_100
#: Characters of one part of the fallback text; 40,000 would be allowed, a phone shows about 200.
FALLBACK = 600
#: Accounts pinged by one notice.
MENTIONS = 100
#: Lines of an explanation, and characters of each: together well below what one message may have.
EXPLAINED = 20
EXPLAINED_LINE = 500


_CODE = re.compile(r"\[([a-z-]+)\]$")


def notice_message_of(notice: Notice) -> dict[str, Any]:
    """`text` and `blocks` of a notice: who is pinged, what it says, and a way to the card."""
    mentions = " ".join(f"<@{escape(account)}>" for account in notice.mentions[:MENTIONS])
    words = spoken(notice.text, FALLBACK)
    blocks = contexts([said(notice.text)])
    if mentions:
        ping = {"type": "section", "text": {"type": "mrkdwn", "text": mentions, "verbatim": True}}
        blocks = [ping, *blocks]
    if notice.link:
        blocks.append(_linked(notice.link))
    return {"text": f"{mentions} {words}".strip(), "blocks": blocks}


def page_of(alert: Alert) -> dict[str, Any]:
    """`text` and `blocks` of an alert; when it was mended, that stands first."""
    if alert.mended is None:
        title: Saying = ("Nod needs a person",)
        lines: list[Saying] = [(alert.text,)]
    else:
        title = ("It is over",)
        lines = [(alert.mended,), (f"Alerted before: {alert.text}",)]
    facts: list[Saying] = [(f"about {alert.approval_id}",), (alert.cause,), ("raised ", alert.raised_at)]
    small = [said(fact, LINE) for fact in facts]
    body: list[Block] = [{"type": "section", "text": plain(str(part), LINE)} for line in lines for part in line]
    return {
        "text": spoken((*title, ": ", *lines[0]), FALLBACK),
        "blocks": [{"type": "header", "text": plain(str(title[0]), HEADER)}, *body, *contexts(small)],
    }


def whisper_of(text: str) -> dict[str, Any]:
    """`text` and `blocks` of a sentence for one person's eyes."""
    return {"text": spoken((text,), SECTION), "blocks": [_section(text, SECTION)]}


def claimed_of(claim: Claim) -> dict[str, Any]:
    """`text` and `blocks` of what somebody is told who said "I'm on it"."""
    words: Saying = ("You are on it until ", claim.until, ". The others are not pinged meanwhile.")
    return {"text": spoken(words, FALLBACK), "blocks": contexts([said(words)])}


def refusal_of(refused: Refused) -> dict[str, Any]:
    """`text` and `blocks` of a refusal, with its code in small."""
    code = refused.code
    return {
        "text": f"{spoken((str(refused),), SECTION)} [{code.value}]",
        "blocks": refusal_blocks(refused),
    }


def refusal_blocks(refused: Refused) -> list[Block]:
    """Why a click does not count, and in small where its code is explained."""
    return [_section(str(refused), SECTION), *_coded(refused.code.value)]


def explanation_of(lines: Sequence[str]) -> dict[str, Any]:
    """`text` and `blocks` of an answer to `Why me?`; a refusal among the lines is referred to in small."""
    shown = [cut(seen(line), EXPLAINED_LINE) for line in lines if line.strip()]
    more = len(shown) - EXPLAINED
    if more > 0:
        # The last line is about the person who asks.
        shown = [*shown[: EXPLAINED - 1], f"… and {more} more lines", shown[-1]]
    found = (_CODE.search(line) for line in shown)
    codes = [match[1] for match in found if match and match[1] in set(Refusal)]
    blocks = [_section(line, EXPLAINED_LINE) for line in shown] or [_section("-", 1)]
    for code in dict.fromkeys(codes):
        blocks.extend(_coded(code))
    return {"text": escape(cut(inert("\n".join(shown)), SECTION)) or "-", "blocks": blocks}


def _linked(url: str) -> Block:
    """A link of ours, as an element of its own: nothing in it is parsed, and nothing in it is an agent's."""
    link = {"type": "link", "url": url, "text": OPEN_THE_CARD}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}


def _section(text: str, most: int) -> Block:
    return {"type": "section", "text": plain(text, most)}


def _coded(code: str) -> list[Block]:
    """Plain words: a code is an anchor in the docs, and Nod does not know where those are served."""
    return contexts([[plain(f"[{code}]", CONTEXT_ELEMENT), plain(f"docs/refusals.md#{code}", CONTEXT_ELEMENT)]])
