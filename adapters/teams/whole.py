"""The look at the whole call, in pages; Approve stands on the last one, once every page was shown. Pure.

Each page takes the card's place for the one who looks. No text of the call is kept between two pages: each is
cut anew from what the desk answers then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from adapters.chat.labels import ASKS, FROM_PAGE_ONE, ON_THE_LAST
from adapters.teams.buttons import TURN, Asks, Data, Look, Queue, button, pressed, reason_inputs
from adapters.teams.elements import (
    BLANK,
    Content,
    Element,
    content,
    framed,
    heading,
    mono,
    sentences,
    size_of,
    small,
    words,
)
from adapters.teams.modals import back
from adapters.teams.render import MESSAGE, NO_CARD, WIDE, Stand, next_button, on_top, warned, who_asks
from bot.card import Button
from bot.desk import Asked
from bot.routing import ReasonRule
from bot.seal import Pages

#: Bytes of one page's lines, and lines: what is around them fits into the rest of a message.
PAGE_BYTES = 12_000
PAGE_LINES = 60
#: Characters after which a line is cut in two: escaped, and in a block of its own, it fits a page.
LONGEST_LINE = 400
#: Lines of warnings on the first page and on the last, as many as there is room for; and sentences of a status.
WARNINGS, SENTENCES, PART = (20, 8, 2), 8, 150

NEVER = "This call cannot be approved; the card says why. It can be rejected or skipped."
#: Before a part of a line that is too long for one block.
GOES_ON = "↪ "

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def pages_of(call: str) -> list[list[str]]:
    """The call in pages of pieces; joined they are the call again, to the character.

    A piece is a line with its end, or a part of a line that is too long for one block.
    """
    pages: list[list[str]] = [[]]
    size = 0
    for piece in _pieces(call):
        weight = size_of(mono(piece.removesuffix("\n")))
        if pages[-1] and (size + weight > PAGE_BYTES or len(pages[-1]) == PAGE_LINES):
            pages.append([])
            size = 0
        pages[-1].append(piece)
        size += weight
    return pages


def first_page(asked: Asked, stand: Stand, *, queue: Queue | None = None, said: Sequence[str] = ()) -> Content:
    """The look at a call, opened."""
    pages = pages_of(asked.call)
    look = Look(page=0, seen=0, pages=len(pages))
    return _view(look, asked, _lines(pages, 0), stand, queue, said)


def turned_page(asked: Asked, data: Data, stand: Stand) -> Content:
    """The next page or the one before; from the beginning when the pages were not shown to this person, or the
    text is another one now.
    """
    look, pages = data.look, pages_of(asked.call)
    if look is None or look.pages != len(pages) or asked.reading.opened(look.proof) != _shown(look):
        return first_page(asked, stand, queue=data.queue, said=(FROM_PAGE_ONE,))
    page = min(max(look.page + data.by, 0), len(pages) - 1)
    shown = page if page == look.seen + 1 else look.seen
    turned = replace(look, page=page, seen=shown, pages=len(pages))
    return _view(turned, asked, _lines(pages, page), stand, data.queue, ())


def _shown(look: Look) -> Pages:
    return Pages(seen=look.seen, count=look.pages)


def _view(
    look: Look, asked: Asked, lines: list[Element], stand: Stand, queue: Queue | None, said: Sequence[str]
) -> Content:
    look = replace(look, proof=asked.reading.sealed(_shown(look)))
    for most in WARNINGS:
        made = _page(look, asked, lines, stand, queue, said, most=most)
        if size_of(made) <= MESSAGE:
            break
    return made


def _page(
    look: Look,
    asked: Asked,
    lines: list[Element],
    stand: Stand,
    queue: Queue | None,
    said: Sequence[str],
    *,
    most: int,
) -> Content:
    card, last = asked.card, look.page == look.pages - 1
    approves = last and look.seen == look.page and asked.approvable
    asks = Asks(rule=asked.reason, presets=asked.presets)
    body = [
        *on_top(said, stand),
        heading(f"All of the call: {card.tool}"),
        small(who_asks(card)),
        *([small(f"Page {look.page + 1} of {look.pages}")] if look.pages > 1 else []),
        *([words(f"Risk: {card.why}", most=300)] if queue and card.why else []),
        *(sentences(card.status[:SENTENCES], PART) if queue else []),
        *(warned(card.warnings, most=most) if last or look.page == 0 else []),
        framed(lines),
        *([small(NEVER)] if not asked.approvable else [] if last else [small(ON_THE_LAST)]),
        *_turns(look, asked, stand, queue),
        *(reason_inputs(ASKS[Button.APPROVE][1], asks) if approves else []),
    ]
    return content(body, _answers(look, asked, stand, queue, approves=approves), fallbackText=NO_CARD, **WIDE)


def _lines(pages: list[list[str]], page: int) -> list[Element]:
    """A page's lines; what goes on from the line before is marked, so that it cannot pass for an argument."""
    before = [pages[page - 1][-1], *pages[page]] if page else ["\n", *pages[page]]
    if not "".join(pages[page]).strip():
        return [words(BLANK, size="Small")]
    lines = [mono(piece.removesuffix("\n")) for piece in pages[page]]
    for former, line in zip(before, lines, strict=False):
        if not former.endswith("\n"):
            line[0]["inlines"].insert(
                0, {"type": "TextRun", "text": GOES_ON, "isSubtle": True, "size": "Small"}
            )
    return [element for line in lines for element in line]


def _turns(look: Look, asked: Asked, stand: Stand, queue: Queue | None) -> list[Element]:
    """Back and Next page, where there are such pages."""
    data = Data(verb=TURN, value=asked.card.look, channel=stand.channel, look=look, queue=queue)
    buttons = [
        pressed(title, replace(data, by=by))
        for title, by, there in (
            ("Previous page", -1, look.page > 0),
            ("Next page", 1, look.page < look.pages - 1),
        )
        if there
    ]
    return [{"type": "ActionSet", "actions": buttons}] if buttons else []


def _answers(look: Look, asked: Asked, stand: Stand, queue: Queue | None, *, approves: bool) -> list[Element]:
    """Approve behind the last page; from a digest the others too, since there is no card to press."""
    card = asked.card
    made: list[Element] = []
    if approves:
        data = Data(
            verb=Button.APPROVE.value,
            value=asked.approve_value,
            channel=stand.channel,
            form=asked.reason is not ReasonRule.NONE,
            whole=True,
            look=look,
            queue=queue,
        )
        made.append(button(Button.APPROVE, data, card.tool))
    if queue is None:
        return [*made, *back(card, stand, None)]
    for which in (Button.REJECT, Button.SKIP):
        if which in card.buttons:
            data = Data(verb=which.value, value=card.buttons[which], channel=stand.channel, queue=queue)
            made.append(button(which, data, card.tool))
    return [*made, next_button(queue.value, stand, after=queue.after)]


def _pieces(call: str) -> list[str]:
    pieces = []
    for line in _LINE.findall(call):
        pieces += [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)]
    return pieces
