"""A channel's digest as Slack's blocks: what waits beyond the cards, one request at a time. Pure.

The names of tools and agents are data and appear in plain_text, like on cards. A request of the digest has no
card, so its sealed buttons are in the modal; the desk checks each as on a card.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.chat.labels import EARLIEST, LABELS, NEXT_SPOKEN, ONE_BY_ONE
from adapters.chat.paging import PART, SENTENCES
from adapters.chat.text import NAME, NAMED, counted, cut, flooding, more_of
from adapters.slack.elements import (
    ACCESSIBILITY_LABEL,
    BUTTON_TEXT,
    CONTEXT_ELEMENT,
    HEADER,
    SECTION,
    TITLE,
    Block,
    contexts,
    moment,
    plain,
    said,
    spoken,
)
from adapters.slack.metadata import ButtonContext
from adapters.slack.render import button_of, risk_of
from bot.approval import Vote
from bot.card import Button, Card, DigestCard

#: Asks for the next request: on a digest, and in the looks that open from it.
NEXT_ONE = "nod_next_one"

#: Characters of one part of the fallback text.
FALLBACK = 600


def digest_message_of(digest: DigestCard) -> dict[str, Any]:
    """`text` and `blocks` of the message that shows a digest."""
    return {"text": spoken(digest.notification, FALLBACK), "blocks": digest_blocks_of(digest)}


def digest_blocks_of(digest: DigestCard) -> list[Block]:
    """The blocks of a digest; when nothing waits any more, one line."""
    if digest.earliest is None:
        return [{"type": "section", "text": plain(digest.title, SECTION)}]
    earliest = [plain(EARLIEST, 100), moment(digest.earliest)]
    return [
        {"type": "header", "text": plain(digest.title, HEADER)},
        *contexts([earliest]),
        *_named(digest),
        *_together(flooding(digest)),
        *contexts([[plain(ONE_BY_ONE, CONTEXT_ELEMENT)]]),
        *_next(digest),
    ]


def next_button(value: str) -> Block:
    """The button to the next request, with the digest's own sealed value."""
    return {
        "type": "button",
        "action_id": NEXT_ONE,
        "text": plain(LABELS[Button.NEXT], BUTTON_TEXT),
        "value": value,
        "accessibility_label": cut(NEXT_SPOKEN, ACCESSIBILITY_LABEL),
    }


def _named(digest: DigestCard) -> list[Block]:
    """The first few, a line each with its moment, and how many more there are."""
    shown = digest.first[:NAMED]
    lines: list[Block] = [
        {"type": "context", "elements": [plain(f"{name}, until", NAME), moment(until)]} for name, until in shown
    ]
    return [*lines, *contexts([plain(more, 100)] for more in more_of(digest.count, len(shown)))]


def _together(lines: list[str]) -> list[Block]:
    return [{"type": "section", "text": plain("\n".join(lines), SECTION)}] if lines else []


def _next(digest: DigestCard) -> list[Block]:
    value = digest.buttons.get(Button.NEXT)
    return [{"type": "actions", "elements": [next_button(value)]}] if value else []


#: callback_id of a modal that says what became of an answer, and offers the next request.
DONE = "nod_done"

#: Characters of the word on the risk.
WHY = 300

#: The answers that stand in the modal itself; Approve is its submit, on the last page.
ANSWERS = (Button.REJECT, Button.SKIP)


def standing_of(card: Card) -> list[Block]:
    """What else a card would say: the risk, until when, and what is needed."""
    return [*risk_of(card, WHY), *contexts(said(sentence, PART) for sentence in card.status[:SENTENCES])]


def answers_of(card: Card, context: ButtonContext) -> list[Block]:
    """Reject, Skip and Next below a call that was opened from a digest."""
    if context.queue is None:
        return []
    buttons = [button_of(card, button, card.buttons[button]) for button in ANSWERS if button in card.buttons]
    return [{"type": "actions", "elements": [*buttons, next_button(context.queue.value)]}]


def done_view(context: ButtonContext, vote: Vote) -> dict[str, Any]:
    """What was done, in place of the call or the form in which it was done."""
    counts = counted(context.queue.tool if context.queue else "the call", vote)
    view = {
        "type": "modal",
        "title": plain("Counted", TITLE),
        "close": plain("Close", TITLE),
        "blocks": [{"type": "section", "text": plain(counts, SECTION)}],
    }
    return and_next(view, context)


def and_next(view: dict[str, Any], context: ButtonContext) -> dict[str, Any]:
    """The view with a way to the next request, where the button was pressed on a digest."""
    queue = context.queue
    if queue is None:
        return view
    kept = replace(context, value=queue.value, verb=Button.NEXT, required=False)
    return {
        **view,
        "callback_id": DONE,
        "private_metadata": kept.packed(),
        "blocks": [*view["blocks"], {"type": "actions", "elements": [next_button(queue.value)]}],
    }
