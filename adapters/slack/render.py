"""A card, a notice or an alert as Slack's blocks. Pure: the same value gives the same payload.

What an agent wrote stands only in plain_text and rich_text_preformatted, never where Slack parses. A card
that would not fit into one message loses part of its call and, with it, its Approve (it fails closed).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from adapters.slack.elements import (
    ACCESSIBILITY_LABEL,
    BLANK,
    BUTTON_TEXT,
    HEADER,
    SECTION,
    Block,
    Element,
    contexts,
    cut,
    escape,
    moment,
    plain,
    preformatted,
    said,
    spoken,
    visible,
)
from bot.call import text_of
from bot.card import Button, Card, CardState, Notice, Saying
from bot.ports import Alert

#: Slack refuses a message near 13,200 characters (slackapi/bolt-js issue 2509).
MESSAGE = 13_000
#: Characters of one part of a status sentence: a note has at most 1,000 (bot.approval.LONGEST_NOTE).
STATUS = 1_100
#: Characters of the operator's words on the risk.
WHY = 1_000
#: Characters of one part of the fallback text; 40,000 would be allowed, a phone shows about 200.
FALLBACK = 600
#: Accounts pinged by one notice.
MENTIONS = 100

#: Every button's action_id is this and the button's own word.
ACTION = "nod_"
SKIP_MEANS = "Skip: the tool is left out, the agent goes on."
CUT_HERE = "Only a part is shown: all of it is too long for one Slack message."

_LABELS = {
    Button.APPROVE: ("Approve", "primary"),
    Button.REJECT: ("Reject…", "danger"),
    Button.SKIP: ("Skip", None),
    Button.VIEW_ALL: ("View all", None),
}
_SPOKEN = {
    Button.APPROVE: "Approve {tool}",
    Button.REJECT: "Reject {tool}, with a reason",
    Button.SKIP: "Skip {tool}: it is left out, the agent goes on",
    Button.VIEW_ALL: "View all of {tool}",
}


def message_of(card: Card) -> dict[str, Any]:
    """`text` and `blocks` of the message that shows a card."""
    return {"text": spoken(card.notification, FALLBACK), "blocks": blocks_of(card)}


def blocks_of(card: Card) -> list[Block]:
    """The blocks of a card, together at most MESSAGE characters of JSON."""
    if card.state is not CardState.OPEN:
        return _decided(card)
    call = visible(text_of(card.call))
    blocks = _open(card, call)
    if _size(blocks) <= MESSAGE:
        return blocks
    buttons = tuple(Button.VIEW_ALL if button is Button.APPROVE else button for button in card.buttons)
    closed = replace(card, hidden=card.hidden or CUT_HERE, buttons=tuple(dict.fromkeys(buttons)))
    while _size(blocks) > MESSAGE and call:
        call = call[: len(call) * 3 // 4]
        blocks = _open(closed, call + "…")
    return blocks


def reply_of(notice: Notice) -> dict[str, Any]:
    """`text` and `blocks` of a notice: who is pinged, then what it says."""
    mentions = " ".join(f"<@{escape(account)}>" for account in notice.mentions[:MENTIONS])
    words = spoken(notice.text, FALLBACK)
    blocks = contexts([said(notice.text)])
    if mentions:
        ping = {"type": "section", "text": {"type": "mrkdwn", "text": mentions, "verbatim": True}}
        blocks = [ping, *blocks]
    return {"text": f"{mentions} {words}".strip(), "blocks": blocks}


def page_of(alert: Alert) -> dict[str, Any]:
    """`text` and `blocks` of an alert; when it was mended, that stands first."""
    if alert.mended is None:
        title: Saying = ("Nod could not carry an approval through",)
        lines: list[Saying] = [(alert.text,)]
    else:
        title = ("It got through after all",)
        lines = [(alert.mended,), (f"Alerted before: {alert.text}",)]
    facts: list[Saying] = [(f"request {alert.approval_id}",), ("raised ", alert.raised_at)]
    small = [said(fact, STATUS) for fact in facts]
    body: list[Block] = [
        {"type": "section", "text": plain(str(part), STATUS)} for line in lines for part in line
    ]
    return {
        "text": spoken((*title, ": ", *lines[0]), FALLBACK),
        "blocks": [{"type": "header", "text": plain(str(title[0]), HEADER)}, *body, *contexts(small)],
    }


def _open(card: Card, call: str) -> list[Block]:
    asked = [*said(_who_asks(card)), plain("·", 1), plain("asked", 10), moment(card.asked_at)]
    why = [{"type": "section", "text": plain(f"Risk: {cut(card.why, WHY)}", SECTION)}] if card.why else []
    hidden = contexts([[plain(card.hidden, STATUS)]]) if card.hidden else []
    skip = contexts([[plain(SKIP_MEANS, 100)]]) if Button.SKIP in card.buttons else []
    return [
        {"type": "header", "text": plain(card.title, HEADER)},
        {"type": "context", "elements": asked},
        *why,
        preformatted(call if call.strip() else BLANK),
        *hidden,
        *contexts(said(sentence, STATUS) for sentence in card.status),
        *_actions(card),
        *skip,
    ]


def _decided(card: Card) -> list[Block]:
    call: Saying = (card.folded,) if card.folded else ()
    sentences = [_who_asks(card), call, *card.status]
    return [
        {"type": "section", "text": plain(card.title, SECTION)},
        *contexts(said(sentence, STATUS) for sentence in sentences),
    ]


def _who_asks(card: Card) -> Saying:
    return (f"{card.agent}  ·  run {card.run}" if card.run else card.agent,)


def _actions(card: Card) -> list[Block]:
    if not card.buttons:
        return []
    return [{"type": "actions", "elements": [_button(card, button) for button in card.buttons]}]


def _button(card: Card, button: Button) -> Element:
    label, style = _LABELS[button]
    spelled = _SPOKEN[button].replace("{tool}", visible(card.tool))
    element: Element = {
        "type": "button",
        "action_id": ACTION + button.value,
        "text": plain(label, BUTTON_TEXT),
        "value": f"v1.{card.card_id}.{card.digest}",
        "accessibility_label": cut(spelled, ACCESSIBILITY_LABEL),
    }
    return {**element, "style": style} if style else element


def _size(blocks: list[Block]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False))
