"""The whole call, in pages; Approve stands on the last one, once every page was shown. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from adapters.chat.labels import (
    ASKS,
    FROM_PAGE_ONE,
    LABELS,
    NEVER,
    NEVER_HERE,
    NEXT_PAGE,
    ON_THE_LAST,
    PAGE_BEFORE,
)
from adapters.chat.paging import PageState, cut_in_pages, first_page, turned
from adapters.chat.text import BLANK
from adapters.slack.digests import answers_of, standing_of
from adapters.slack.elements import TITLE, Block, contexts, piece_blocks, pieces_of, plain
from adapters.slack.metadata import ButtonContext, OpenCall
from adapters.slack.modals import reason_blocks
from adapters.slack.render import warning_blocks
from bot.card import Button
from bot.desk import FormData
from bot.routing import ReasonRule

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
        "title": plain("All of the call", TITLE),
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


def _head(state: PageState, form: FormData) -> list[Block]:
    head: Block = {"type": "section", "text": plain(f"{form.card.tool} for {form.card.agent}", 1_000)}
    page = plain(f"Page {state.page + 1} of {state.pages}", 100)
    return [head, *contexts([[page]] if state.pages > 1 else [])]


def _foot(context: ButtonContext, state: PageState, form: FormData, *, blank: bool) -> list[Block]:
    small = [BLANK] if blank else []
    if not form.approvable:
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
