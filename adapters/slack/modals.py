"""Slack's modals: the form for a reason, the whole call in pages, and what they show at the end. Pure.

Approve is on the last page of a call, once every page was shown. A request of a digest has no card, so its
sealed buttons are in the modal; the desk checks each as on a card. Limits: docs.slack.dev/surfaces/modals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.chat.forms import NOTE, PRESET, RADIOS, choices_of, decided_call, longest_words
from adapters.chat.labels import (
    ASKS,
    FROM_PAGE_ONE,
    FULL_REQUEST,
    LABELS,
    NEVER,
    NEVER_HERE,
    NEXT_PAGE,
    ON_THE_LAST,
    ONE_NEEDED,
    PAGE_BEFORE,
    PICK,
    REQUIRED,
)
from adapters.chat.paging import PART, SENTENCES, PageState, cut_in_pages, first_page, turned
from adapters.chat.text import BLANK, voted
from adapters.slack.elements import (
    SECTION,
    TITLE,
    Block,
    Element,
    contexts,
    piece_blocks,
    pieces_of,
    plain,
    said,
)
from adapters.slack.metadata import ButtonContext, OpenCall
from adapters.slack.notices import refusal_blocks
from adapters.slack.render import button_of, next_button, risk_of, warning_blocks
from bot.approval import Vote
from bot.card import Button, Card
from bot.desk import FormData, NotCounted
from bot.errors import Refusal
from bot.routing import ReasonRule
from bot.wording import together

REASON = "nod_reason"  #: callback_id of the form that asks for a reason

OPTION = 75  #: characters of an option's text
OPTIONS = 100  #: options of a menu
LABEL = 100  #: characters of a label of ours; 2,000 would be allowed


def reason_view(context: ButtonContext, form: FormData) -> dict[str, Any]:
    """Asks for the reason that goes with a verdict."""
    verb, asks = ASKS[context.verb]
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": context.packed(),
        "title": plain(f"{verb} {form.card.tool}", TITLE),
        "submit": plain(verb, TITLE),
        "close": plain("Cancel", TITLE),
        "blocks": [
            *contexts([[plain(f"{form.card.tool} · {form.card.agent}", 1_000)]]),
            {"type": "section", "text": plain(decided_call(form.card), 1_000)},
            *reason_blocks(asks, form, own=context.own),
        ],
    }


def reason_blocks(label: str, form: FormData, *, own: str) -> list[Block]:
    """The fields for a reason: words, and above them the presets to pick from, where the route has any.

    Their block_ids begin as their action_ids do; `own` ends them (`ButtonContext.own`).
    """
    choices = choices_of(form.presets)[:OPTIONS]
    required = form.reason is ReasonRule.REQUIRED
    words: Block = {
        "type": "input",
        "block_id": NOTE + own,
        "optional": bool(choices) or not required,
        "label": plain(label, LABEL),
        "element": {
            "type": "plain_text_input",
            "action_id": NOTE,
            "multiline": True,
            "max_length": longest_words(choices),
        },
    }
    if required:
        words["hint"] = plain(ONE_NEEDED if choices else REQUIRED, LABEL)
    if not choices:
        return [words]
    return [_picked_from(choices, PRESET + own), words]


def said_view(refused: NotCounted, context: ButtonContext) -> dict[str, Any]:
    """A modal that only says why it did not count, in place of the form that was there.

    Where the request stood on a digest, the next one can be asked for, unless none waits.
    """
    over = refused.code is Refusal.NOTHING_WAITING
    view = {
        "type": "modal",
        "title": plain("No more requests" if over else "Your click had no effect", TITLE),
        "close": plain("Close", TITLE),
        "blocks": refusal_blocks(refused),
    }
    return view if over else and_next(view, context)


def _picked_from(choices: Sequence[str], block_id: str) -> Block:
    few = len(choices) <= RADIOS
    element: Element = {
        "type": "radio_buttons" if few else "static_select",
        "action_id": PRESET,
        "options": [{"text": plain(value, OPTION), "value": value} for value in choices],
    }
    return {
        "type": "input",
        "block_id": block_id,
        "optional": True,
        "label": plain(PICK, LABEL),
        "element": element if few else {**element, "placeholder": plain(PICK, LABEL)},
    }


VIEW_ALL = "nod_view_all"  #: callback_id of the look at the whole call
NEXT = "nod_next"  #: action_id of the button to the next page
BACK = "nod_back"  #: and to the one before

#: Pieces of text on one page: a modal may have 100 blocks, and nobody reads that many in one go.
PAGE_PIECES = 40
#: Bytes of one page's text on its way back with a press, a form in percent-encoding: a view may have 250 kB,
#: and a request as a whole `verify.BODY`, 256 KiB.
PAGE_BYTES = 160_000

#: Lines of warnings on the first page and on the last.
WARNINGS = 40

#: What percent-encoding leaves as it is, or makes one character of (urllib.parse.quote_plus).
_SAFE = re.compile(r"[A-Za-z0-9_.~ -]+")


def pages_of(call: str) -> list[list[str]]:
    """The call in pages of pieces; joined they are the call again, to the character."""
    return cut_in_pages(pieces_of(call), weight=encoded, most_weight=PAGE_BYTES, most_pieces=PAGE_PIECES)


def encoded(piece: str) -> int:
    """At most so many bytes a text has as JSON in a percent-encoded form, `\\u` escapes or not."""
    text = json.dumps(piece)
    # A character of three bytes has 8 as an escape and 9 as it is.
    beyond = len(piece) - len(piece.encode("ascii", "ignore"))
    return len(text) + 2 * len(_SAFE.sub("", text)) + beyond


def whole_view(context: ButtonContext, form: FormData) -> dict[str, Any]:
    """A whole call, opened."""
    pages = pages_of(form.call)
    return _view(context, first_page(form, len(pages)), form, pages)


def turned_view(open_call: OpenCall, form: FormData, *, by: int) -> dict[str, Any]:
    """The next page (`by` 1) or the one before (-1); from the beginning when the pages were not shown to this
    person, or the text is another one now.
    """
    pages = pages_of(form.call)
    state = turned(open_call.state, form, len(pages), by=by)
    if state is not None:
        return _view(open_call.context, state, form, pages)
    view = whole_view(open_call.context, form)
    return {**view, "blocks": [{"type": "section", "text": plain(FROM_PAGE_ONE, 100)}, *view["blocks"]]}


def _view(context: ButtonContext, state: PageState, form: FormData, pages: list[list[str]]) -> dict[str, Any]:
    pieces, before = pages[state.page], pages[state.page - 1][-1] if state.page else ""
    ends = state.page == 0 or state.is_last
    approves = state.was_whole and form.approvable
    kept = OpenCall(
        context=replace(context, required=approves and form.reason is ReasonRule.REQUIRED),
        state=state,
        approve=form.approve_value if approves else "",
    )
    view: dict[str, Any] = {
        "type": "modal",
        "callback_id": VIEW_ALL,
        "private_metadata": kept.packed(),
        "title": plain(_full(form.card.tool), TITLE),
        "close": plain("Close", TITLE),
        "blocks": [
            *_head(state, form),
            *(standing_of(form.card) if context.queue else ()),
            *(warning_blocks(form.card.warnings, most=WARNINGS) if ends else ()),
            *piece_blocks(pieces, before=before),
            *_foot(context, state, form, blank=not "".join(pieces).strip()),
        ],
    }
    if not approves:
        return view
    if form.reason is not ReasonRule.NONE:
        view["blocks"] += reason_blocks(ASKS[Button.APPROVE][1], form, own=context.own)
    return {**view, "submit": plain(LABELS[Button.APPROVE], TITLE)}


def _full(tool: str) -> str:
    """The first line names the tool too, so a name that is too long is left out of the title."""
    title = FULL_REQUEST.replace("{tool}", tool)
    return title if len(title) <= TITLE else "Full request"


def _head(state: PageState, form: FormData) -> list[Block]:
    head: Block = {"type": "section", "text": plain(f"{form.card.tool} ({form.card.agent})", 1_000)}
    return [head, *contexts([[plain(state.label, 100)]] if state.label else [])]


def _foot(context: ButtonContext, state: PageState, form: FormData, *, blank: bool) -> list[Block]:
    small = [BLANK] if blank else []
    if context.verb is Button.VIEW_CALL:
        pass
    elif not form.approvable:
        small.append(NEVER_HERE if context.queue else NEVER)
    elif not state.is_last:
        small.append(ON_THE_LAST)
    turns = [(BACK, PAGE_BEFORE, state.page > 0), (NEXT, NEXT_PAGE, not state.is_last)]
    buttons = [
        {"type": "button", "action_id": action_id, "text": plain(label, TITLE)}
        for action_id, label, there in turns
        if there
    ]
    actions: list[Block] = [{"type": "actions", "elements": buttons}] if buttons else []
    return [*contexts([[plain(text, 300)] for text in small]), *actions, *answers_of(form.card, context)]


#: callback_id of a modal that says what became of an answer, and offers the next request.
DONE = "nod_done"

#: Characters of the word on the risk.
WHY = 300

#: The answers that stand in the modal itself; Approve is its submit, on the last page.
ANSWERS = (Button.REJECT, Button.SKIP)


def standing_of(card: Card) -> list[Block]:
    """What else a card would say: the risk, until when, and what is needed."""
    shown = (card.lead, together(card.status[:SENTENCES]))
    return [*risk_of(card, WHY), *contexts(said(sentence, PART) for sentence in shown)]


def answers_of(card: Card, context: ButtonContext) -> list[Block]:
    """Reject, Skip and Next below a call that was opened from a digest."""
    if context.queue is None:
        return []
    buttons = [button_of(card, button, card.buttons[button]) for button in ANSWERS if button in card.buttons]
    return [{"type": "actions", "elements": [*buttons, next_button(context.queue.value)]}]


def done_view(context: ButtonContext, vote: Vote) -> dict[str, Any]:
    """What was done, in place of the call or the form in which it was done."""
    saved = voted(context.queue.tool if context.queue else None, vote)
    view = {
        "type": "modal",
        "title": plain("Answer saved", TITLE),
        "close": plain("Close", TITLE),
        "blocks": [{"type": "section", "text": plain(saved, SECTION)}],
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
