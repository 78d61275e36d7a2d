"""The look at the whole call, in pages; Approve stands on the last one, once every page was shown. Pure.

No text of the call is kept between two pages: each is cut anew from what the desk answers then.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from adapters.chat.labels import ASKS, FROM_PAGE_ONE, ON_THE_LAST
from adapters.slack.digests import answers_of, standing_of
from adapters.slack.elements import BLANK, TITLE, Block, contexts, piece_blocks, pieces_of, plain
from adapters.slack.metadata import Look, Thread
from adapters.slack.modals import reason_blocks
from adapters.slack.render import warned
from bot.card import Button
from bot.desk import Asked
from bot.routing import ReasonRule
from bot.seal import Pages

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

NEVER = "This call cannot be approved; the card says why. Reject or skip it there."
NEVER_HERE = "This call cannot be approved. Reject or skip it here."

#: What percent-encoding leaves as it is, or makes one character of (urllib.parse.quote_plus).
_SAFE = re.compile(r"[A-Za-z0-9_.~ -]+")


def pages_of(call: str) -> list[list[str]]:
    """The call in pages of pieces; joined they are the call again, to the character."""
    pages: list[list[str]] = [[]]
    size = 0
    for piece in pieces_of(call):
        size += encoded(piece)
        if len(pages[-1]) == PAGE_PIECES or size > PAGE_BYTES:
            pages.append([])
            size = encoded(piece)
        pages[-1].append(piece)
    return pages


def encoded(piece: str) -> int:
    """At most so many bytes a text has as JSON in a percent-encoded form, `\\u` escapes or not."""
    text = json.dumps(piece)
    # A character of three bytes has 8 as an escape and 9 as it is.
    beyond = len(piece) - len(piece.encode("ascii", "ignore"))
    return len(text) + 2 * len(_SAFE.sub("", text)) + beyond


def first_page(thread: Thread, asked: Asked) -> dict[str, Any]:
    """The look at a call, opened."""
    pages = pages_of(asked.call)
    look = Look(thread=thread, page=0, seen=0, pages=len(pages), proof="")
    return _view(look, asked, pages)


def turned_page(look: Look, asked: Asked, *, by: int) -> dict[str, Any]:
    """The next page (`by` 1) or the one before (-1); from the beginning when the pages were not shown to this
    person, or the text is another one now.
    """
    pages = pages_of(asked.call)
    if asked.reading.opened(look.proof) != Pages(seen=look.seen, count=look.pages) or look.pages != len(pages):
        view = first_page(look.thread, asked)
        return {**view, "blocks": [{"type": "section", "text": plain(FROM_PAGE_ONE, 100)}, *view["blocks"]]}
    page = min(max(look.page + by, 0), len(pages) - 1)
    seen = page if page == look.seen + 1 else look.seen
    turned = replace(look, page=page, seen=seen, pages=len(pages), approve="")
    return _view(turned, asked, pages)


def _view(look: Look, asked: Asked, pages: list[list[str]]) -> dict[str, Any]:
    pieces, before = pages[look.page], pages[look.page - 1][-1] if look.page else ""
    last = look.page == look.pages - 1
    approves = last and look.seen == look.page and asked.approvable
    thread = replace(look.thread, required=approves and asked.reason is ReasonRule.REQUIRED)
    kept = replace(
        look,
        thread=thread,
        approve=asked.approve_value if approves else "",
        proof=asked.reading.sealed(Pages(seen=look.seen, count=look.pages)),
    )
    view: dict[str, Any] = {
        "type": "modal",
        "callback_id": VIEW_ALL,
        "private_metadata": kept.packed(),
        "title": plain("All of the call", TITLE),
        "close": plain("Close", TITLE),
        "blocks": [
            *_head(look, asked),
            *(standing_of(asked) if look.thread.queue else ()),
            *(warned(asked.card.warnings, most=WARNINGS) if last or look.page == 0 else ()),
            *piece_blocks(pieces, before=before),
            *_foot(look, asked, blank=not "".join(pieces).strip()),
        ],
    }
    if not approves:
        return view
    if asked.reason is not ReasonRule.NONE:
        label = ASKS[Button.APPROVE][1]
        view["blocks"] += reason_blocks(label, rule=asked.reason, presets=asked.presets, own=look.thread.own)
    return {**view, "submit": plain("Approve", TITLE)}


def _head(look: Look, asked: Asked) -> list[Block]:
    head: Block = {"type": "section", "text": plain(f"{asked.card.tool} for {asked.card.agent}", 1_000)}
    page = plain(f"Page {look.page + 1} of {look.pages}", 100)
    return [head, *contexts([[page]] if look.pages > 1 else [])]


def _foot(look: Look, asked: Asked, *, blank: bool) -> list[Block]:
    last = look.page == look.pages - 1
    small = [BLANK] if blank else []
    if not asked.approvable:
        small.append(NEVER_HERE if look.thread.queue else NEVER)
    elif not last:
        small.append(ON_THE_LAST)
    turns = [(BACK, "Back", look.page > 0), (NEXT, "Next page", not last)]
    buttons = [
        {"type": "button", "action_id": action_id, "text": plain(label, TITLE)}
        for action_id, label, there in turns
        if there
    ]
    actions: list[Block] = [{"type": "actions", "elements": buttons}] if buttons else []
    return [*contexts([[plain(text, 300)] for text in small]), *actions, *answers_of(asked, look.thread)]
