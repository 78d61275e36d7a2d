"""A request that stands on a digest: the answers below its look, what follows an answer, and the way on. Pure.

There is no card to press on, so its sealed buttons stand in the modal; the desk checks each as on a card.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.slack.digests import next_button
from adapters.slack.elements import SECTION, TITLE, Block, contexts, cut, plain, said
from adapters.slack.metadata import Thread
from adapters.slack.render import button_of
from bot.approval import Vote
from bot.card import Button
from bot.desk import Asked

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
