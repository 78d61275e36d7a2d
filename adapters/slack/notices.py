"""Messages that are no cards: a notice, an alert, a word for one person's eyes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.chat.labels import OPEN_RUN, OPEN_THE_CARD, WHAT_IT_MEANS
from adapters.chat.text import (
    EXPLAINED_LINE,
    acknowledged,
    alert_source,
    alerted,
    cut,
    explained,
    place_named,
    seen,
)
from adapters.slack.elements import (
    SECTION,
    Block,
    Element,
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
from bot.surface import Destination, Surface
from bot.visible import inert
from bot.wording import Saying

#: Characters of one part of a sentence: an alert is one line for an operator.
LINE = 1_100
#: Characters of one part of the fallback text; 40,000 would be allowed, a phone shows about 200.
FALLBACK = 600
#: Characters of a request's id.
REQUEST_ID = 300
#: Accounts pinged by one notice.
MENTIONS = 100


def notice_message_of(notice: Notification) -> dict[str, Any]:
    """`text` and `blocks` of a notice: who is pinged, what it says, and a way to the card."""
    mentions = " ".join(f"<@{escape(account)}>" for account in notice.mentions[:MENTIONS])
    words = spoken(notice.text, FALLBACK)
    blocks = [*pinging(notice.mentions, MENTIONS), *contexts([said(notice.text)])]
    if notice.link:
        blocks += _links((OPEN_THE_CARD, notice.link))
    return {"text": f"{mentions} {words}".strip(), "blocks": blocks}


def page_of(alert: Alert) -> dict[str, Any]:
    """`text` and `blocks` of an alert, with a way to its card; when it is resolved, that comes first."""
    first, *rest = alerted(alert)
    facts: list[Saying] = [*((line,) for line in rest), (alert_source(alert),), ("raised ", alert.raised_at)]
    small = contexts(said(fact, LINE) for fact in facts)
    return {
        "text": spoken((first,), FALLBACK),
        "blocks": [_section(first, LINE), *_links((OPEN_THE_CARD, alert.link)), *small],
    }


def whisper_of(text: str) -> dict[str, Any]:
    """`text` and `blocks` of a sentence for one person's eyes."""
    return {"text": spoken((text,), SECTION), "blocks": [_section(text, SECTION)]}


def claimed_of(claim: Claim) -> dict[str, Any]:
    """`text` and `blocks` of the answer to "I'm on it"."""
    words = acknowledged(claim)
    return {"text": spoken(words, FALLBACK), "blocks": contexts([said(words)])}


def ids_of(identified: Identified) -> dict[str, Any]:
    """`text` and `blocks` of the ids of a request, each in a code block of its own."""
    blocks: list[Block] = []
    for what, name in identified.ids:
        blocks += [*contexts([[plain(f"{what} id", LINE)]]), preformatted(cut(name, SECTION))]
    return {"text": spoken(("Request id",), FALLBACK), "blocks": blocks}


def refusal_of(refused: NotCounted) -> dict[str, Any]:
    """`text` and `blocks` of a refusal."""
    return {"text": spoken((refused.text,), SECTION), "blocks": refusal_blocks(refused)}


def refusal_blocks(refused: NotCounted) -> list[Block]:
    """Why a click has no effect, and a link to the page that says more, where there is one."""
    return [_section(refused.text, SECTION), *_links((WHAT_IT_MEANS, refused.link))]


def explanation_of(explanation: Explanation) -> dict[str, Any]:
    """`text` and `blocks` of an answer to "Why am I seeing this?", with the request's id to copy."""
    shown = [cut(seen(line), EXPLAINED_LINE) for line in explained(explanation.lines)]
    blocks = [_section(line, EXPLAINED_LINE) for line in shown] or [_section("-", 1)]
    blocks += _shown_in(explanation.shown_in)
    blocks += [preformatted(cut(seen(explanation.request_id), REQUEST_ID))] if explanation.request_id else []
    blocks += _links((OPEN_RUN, explanation.run), (WHAT_IT_MEANS, explanation.link))
    return {"text": escape(cut(inert("\n".join(shown)), SECTION)) or "-", "blocks": blocks}


def _links(*links: tuple[str, str | None]) -> list[Block]:
    """Links of ours, elements of their own: nothing in one is parsed, and nothing in it is an agent's."""
    made: list[Element] = [{"type": "link", "url": url, "text": text} for text, url in links if url]
    spaced = [part for link in made for part in (link, {"type": "text", "text": "  "})][:-1]
    section = {"type": "rich_text_section", "elements": spaced}
    return [{"type": "rich_text", "elements": [section]}] if made else []


def _shown_in(places: Sequence[Destination]) -> list[Block]:
    """Channels of Slack by name, as Slack itself writes it for each reader."""
    parts: list[Element] = []
    for place in places:
        ours = place.surface == Surface.SLACK
        name: Element = {"type": "channel", "channel_id": place.channel}
        told: Element = {"type": "text", "text": seen(place_named(place))}
        parts += [{"type": "text", "text": ", " if parts else "Shown in "}, name if ours else told]
    section = {"type": "rich_text_section", "elements": parts}
    return [{"type": "rich_text", "elements": [section]}] if parts else []


def _section(text: str, most: int) -> Block:
    return {"type": "section", "text": plain(text, most)}
