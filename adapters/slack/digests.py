"""A channel's digest as Slack's blocks: what waits beyond the cards, one request at a time. Pure.

The names of tools and agents are data and appear in plain_text, like on cards. A request of the digest has no
card, so its sealed buttons are in the modal; the desk checks each as on a card.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.chat.labels import ONE_BY_ONE
from adapters.slack.elements import (
    ACCESSIBILITY_LABEL,
    BUTTON_TEXT,
    CONTEXT_ELEMENT,
    HEADER,
    SECTION,
    TITLE,
    Block,
    contexts,
    cut,
    moment,
    plain,
    said,
    seen,
    spoken,
)
from adapters.slack.metadata import Thread
from adapters.slack.render import button_of
from bot.approval import Vote
from bot.card import Button, DigestCard
from bot.desk import Asked

#: Asks for the next request: on a digest, and in the looks that open from it.
NEXT_ONE = "nod_next_one"

#: Requests named on a digest, and characters of each: two names, and what makes them visible.
NAMED = 10
NAME = 400
#: Agents named as asking for more than their share.
FLOODING = 5
#: Characters of one part of the fallback text.
FALLBACK = 600

NEXT_SPOKEN = "Next: look at a request that waits, earliest deadline first"


def digest_message_of(digest: DigestCard) -> dict[str, Any]:
    """`text` and `blocks` of the message that shows a digest."""
    return {"text": spoken(digest.notification, FALLBACK), "blocks": digest_blocks_of(digest)}


def digest_blocks_of(digest: DigestCard) -> list[Block]:
    """The blocks of a digest; when nothing waits any more, one line."""
    if digest.earliest is None:
        return [{"type": "section", "text": plain(digest.title, SECTION)}]
    earliest = [plain("The earliest waits until", 100), moment(digest.earliest)]
    return [
        {"type": "header", "text": plain(digest.title, HEADER)},
        *contexts([earliest]),
        *_named(digest),
        *_flooding(digest),
        *contexts([[plain(ONE_BY_ONE, CONTEXT_ELEMENT)]]),
        *_next(digest),
    ]


def next_button(value: str, *, label: str = "Next") -> Block:
    """The button to the next request, with the digest's own sealed value."""
    return {
        "type": "button",
        "action_id": NEXT_ONE,
        "text": plain(label, BUTTON_TEXT),
        "value": value,
        "accessibility_label": cut(NEXT_SPOKEN, ACCESSIBILITY_LABEL),
    }


def _named(digest: DigestCard) -> list[Block]:
    """The first few, a line each with its moment, and how many more there are."""
    shown = digest.first[:NAMED]
    lines: list[Block] = [
        {"type": "context", "elements": [plain(f"{name}, until", NAME), moment(until)]} for name, until in shown
    ]
    more = digest.count - len(shown)
    return [*lines, *contexts([[plain(f"… and {more} more", 100)]] if more > 0 else [])]


def _flooding(digest: DigestCard) -> list[Block]:
    """Who asks for more than its share, in words that name the consequence."""
    agents = digest.flooding[:FLOODING]
    lines = [
        f"⚠ {cut(seen(agent), NAME)} asks for more than its share: its requests wait here." for agent in agents
    ]
    more = len(digest.flooding) - len(agents)
    if more > 0:
        lines.append(f"… and {more} more agents")
    return [{"type": "section", "text": plain("\n".join(lines), SECTION)}] if lines else []


def _next(digest: DigestCard) -> list[Block]:
    value = digest.buttons.get(Button.NEXT)
    return [{"type": "actions", "elements": [next_button(value)]}] if value else []


#: callback_id of a modal that says what became of an answer, and offers the next request.
DONE = "nod_done"

#: Sentences of a card's status in its look, characters of a part of one, and of the word on the risk.
SENTENCES, PART, WHY = 8, 150, 300

#: The answers that stand in the modal itself; Approve is its submit, on the last page.
ANSWERS = (Button.REJECT, Button.SKIP)


def standing_of(asked: Asked) -> list[Block]:
    """What else a card would say: the risk, until when, and what is needed."""
    card = asked.card
    risk: list[Block] = []
    if card.why:
        risk = [{"type": "section", "text": plain(f"Risk: {cut(card.why, WHY)}", SECTION)}]
    return [*risk, *contexts(said(sentence, PART) for sentence in card.status[:SENTENCES])]


def answers_of(asked: Asked, thread: Thread) -> list[Block]:
    """Reject, Skip and Next below a look that was opened from a digest."""
    if thread.queue is None:
        return []
    card = asked.card
    buttons = [button_of(card, button, card.buttons[button]) for button in ANSWERS if button in card.buttons]
    return [{"type": "actions", "elements": [*buttons, next_button(thread.queue.value)]}]


def done_view(thread: Thread, vote: Vote) -> dict[str, Any]:
    """What was done, in place of the look or the form in which it was done."""
    tool = thread.queue.tool if thread.queue else "the call"
    counts = f"Your answer counts: {tool}, {vote.verdict.value}."
    view = {
        "type": "modal",
        "title": plain("Counted", TITLE),
        "close": plain("Close", TITLE),
        "blocks": [{"type": "section", "text": plain(counts, SECTION)}],
    }
    return and_next(view, thread)


def and_next(view: dict[str, Any], thread: Thread) -> dict[str, Any]:
    """The view with a way to the next request, where the thread came from a digest."""
    queue = thread.queue
    if queue is None:
        return view
    kept = replace(thread, value=queue.value, verb=Button.NEXT, required=False)
    return {
        **view,
        "callback_id": DONE,
        "private_metadata": kept.packed(),
        "blocks": [*view["blocks"], {"type": "actions", "elements": [next_button(queue.value)]}],
    }
