"""What takes a card's place for one person: a form for a reason, the whole call, an answer, a refusal. Pure.

Teams shows the card in an invoke's answer to the person who pressed, until the message changes for everyone.
Approve is on the last page of a call, once every page was shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from adapters.chat.forms import decided_call
from adapters.chat.labels import (
    ASKS,
    FROM_PAGE_ONE,
    FULL_REQUEST,
    NEVER_APPROVED,
    NEXT_PAGE,
    ON_THE_LAST,
    OPEN_RUN,
    PREVIOUS_PAGE,
    WHAT_IT_MEANS,
)
from adapters.chat.paging import (
    GOES_ON,
    PART,
    SENTENCES,
    PageState,
    QueueCursor,
    cut_in_pages,
    first_page,
    goes_on,
    turned,
)
from adapters.chat.text import BLANK, EXPLAINED_LINE, cut, explained, place_named, risk, seen, voted
from adapters.teams.buttons import TURN, Asks, Data, button, pressed, reason_inputs
from adapters.teams.elements import (
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
from adapters.teams.render import (
    MESSAGE,
    NO_CARD,
    WIDE,
    RenderContext,
    next_button,
    on_top,
    show_data,
    warnings_of,
)
from bot.approval import Vote
from bot.card import Button, Card
from bot.desk import Explanation, FormData, Identified, NotCounted
from bot.routing import ReasonRule
from bot.wording import CardState

#: Characters of a request's id.
REQUEST_ID = 300
_STYLES = {Button.REJECT: "destructive", Button.APPROVE: "positive"}

CLAIMED = "You have this for now. Others will not be pinged before your time ends."
PRESS_AGAIN = "Nod did not answer in time. If the card does not show your answer, press again."


def reason_view(form: FormData, data: Data, context: RenderContext, *, said: Sequence[str] = ()) -> Content:
    """Asks for the reason that goes with a verdict; `data` is what was pressed."""
    which = Button(data.verb)
    (verb, label), style = ASKS[which], _STYLES.get(which)
    send = Data(
        verb=which.value,
        value=data.value,
        channel=context.channel,
        form=True,
        whole=data.whole,
        state=data.state,
        queue=data.queue,
    )
    body = [
        *on_top(said, context),
        heading(f"{verb} {form.card.tool}"),
        small(form.card.agent),
        words(decided_call(form.card)),
        *reason_inputs(label, Asks(rule=form.reason, presets=form.presets)),
    ]
    return content(
        body,
        [pressed(verb, send, style=style), *back(form.card, context, data.queue)],
        fallbackText=NO_CARD,
    )


def done_view(card: Card | None, vote: Vote, context: RenderContext, queue: QueueCursor | None) -> Content:
    """That an answer counts, until the message shows it to everybody."""
    body = [words(voted(card.tool if card else None, vote), weight="Bolder")]
    return content(body, _on(context, queue), fallbackText=NO_CARD)


def ids_view(identified: Identified, context: RenderContext, *, card: Card | None) -> Content:
    """The ids of a request, each set apart, with the way back to the card."""
    body: list[Element] = []
    for what, name in identified.ids:
        body += [small(f"{what} id"), framed(mono(cut(name, EXPLAINED_LINE)))]
    return content(body, back(card, context, None), fallbackText=NO_CARD)


def refusal_view(
    refused: NotCounted, context: RenderContext, *, card: Card | None, queue: QueueCursor | None
) -> Content:
    """Why a click has no effect, for one person, with the way back to where they pressed."""
    body = [words(refused.text, most=EXPLAINED_LINE)]
    actions = [*back(card, context, queue), *link_to(WHAT_IT_MEANS, refused.link)]
    return content(body, actions, fallbackText=NO_CARD)


def explanation_view(
    told: Explanation, context: RenderContext, *, card: Card | None, queue: QueueCursor | None
) -> Content:
    """Why the card is here and who can decide, with the request's id to copy."""
    lines = explained(told.lines)
    if told.shown_in:
        lines.append(f"Shown in {', '.join(place_named(place) for place in told.shown_in)}")
    copied = [framed(mono(cut(seen(told.request_id), REQUEST_ID)))] if told.request_id else []
    body = [*(words(line, most=EXPLAINED_LINE) for line in lines), *copied]
    links = [*link_to(OPEN_RUN, told.run), *link_to(WHAT_IT_MEANS, told.link)]
    return content(body, [*back(card, context, queue), *links], fallbackText=NO_CARD)


def link_to(title: str, url: str | None) -> list[Element]:
    """A button that opens an address of ours, where there is one."""
    return [{"type": "Action.OpenUrl", "title": title, "url": url}] if url else []


def back(card: Card | None, context: RenderContext, queue: QueueCursor | None) -> list[Element]:
    """The way back to the card, or on to the next request of a digest."""
    if queue is not None:
        return _on(context, queue)
    if card is None or not show_data(card, context).value:
        return []
    return [pressed("Back to the card", show_data(card, context))]


def _on(context: RenderContext, queue: QueueCursor | None) -> list[Element]:
    return [next_button(queue.value, context, after=queue.after)] if queue else []


#: Bytes of one page's lines, and lines: what is around them fits into the rest of a message.
PAGE_BYTES = 12_000
PAGE_LINES = 60
#: Characters after which a line is cut in two: escaped, and in a block of its own, it fits a page.
LONGEST_LINE = 400
#: Warnings on the first page and on the last, as many as there is room for.
WARNINGS = (20, 8, 2)

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def pages_of(call: str) -> list[list[str]]:
    """The call in pages of pieces; joined they are the call again, to the character.

    A piece is a line with its end, or a part of a line that is too long for one block.
    """
    return cut_in_pages(
        _pieces(call),
        weight=lambda piece: size_of(mono(piece.removesuffix("\n"))),
        most_weight=PAGE_BYTES,
        most_pieces=PAGE_LINES,
    )


def whole_content(
    form: FormData, context: RenderContext, *, queue: QueueCursor | None = None, said: Sequence[str] = ()
) -> Content:
    """A whole call, opened."""
    pages = pages_of(form.call)
    return _view(first_page(form, len(pages)), form, pages, context, queue, said)


def turned_content(form: FormData, data: Data, context: RenderContext) -> Content:
    """The next page or the one before; from the beginning when the pages were not shown to this person, or the
    text is another one now.
    """
    pages = pages_of(form.call)
    state = turned(data.state, form, len(pages), by=data.by) if data.state else None
    if state is None:
        return whole_content(form, context, queue=data.queue, said=(FROM_PAGE_ONE,))
    return _view(state, form, pages, context, data.queue, ())


def _view(
    state: PageState,
    form: FormData,
    pages: list[list[str]],
    context: RenderContext,
    queue: QueueCursor | None,
    said: Sequence[str],
) -> Content:
    lines = _lines(pages, state.page)
    for most in WARNINGS:
        made = _page(state, form, lines, context, queue, said, most=most)
        if size_of(made) <= MESSAGE:
            break
    return made


def _page(
    state: PageState,
    form: FormData,
    lines: list[Element],
    context: RenderContext,
    queue: QueueCursor | None,
    said: Sequence[str],
    *,
    most: int,
) -> Content:
    card = form.card
    why = risk(card, 300) if queue else None
    approves = state.was_whole and form.approvable
    asks = Asks(rule=form.reason, presets=form.presets)
    body = [
        *on_top(said, context),
        heading(FULL_REQUEST.replace("{tool}", card.tool)),
        small(card.agent),
        *([small(state.label)] if state.label else []),
        *([words(why, most=300, weight="Bolder")] if why else []),
        *(sentences((card.lead, *card.status[:SENTENCES]), PART) if queue else []),
        *(warnings_of(card.warnings, most=most) if state.is_last or state.page == 0 else []),
        framed(lines),
        *map(small, _foot(state, form)),
        *_turns(state, form, context, queue),
        *(reason_inputs(ASKS[Button.APPROVE][1], asks) if approves else []),
    ]
    return content(body, _answers(state, form, context, queue, approves=approves), fallbackText=NO_CARD, **WIDE)


def _foot(state: PageState, form: FormData) -> list[str]:
    """Whether and where an Approve follows; nothing once the request is over."""
    if form.card.state is not CardState.OPEN:
        return []
    if not form.approvable:
        return [NEVER_APPROVED]
    return [] if state.is_last else [ON_THE_LAST]


def _lines(pages: list[list[str]], page: int) -> list[Element]:
    """A page's lines; what goes on from the line before is marked, so that it cannot pass for an argument."""
    if not "".join(pages[page]).strip():
        return [words(BLANK, size="Small")]
    lines = [mono(piece.removesuffix("\n")) for piece in pages[page]]
    for line, begins_inside in zip(lines, goes_on(pages, page), strict=True):
        if begins_inside:
            line[0]["inlines"].insert(
                0, {"type": "TextRun", "text": GOES_ON, "isSubtle": True, "size": "Small"}
            )
    return [element for line in lines for element in line]


def _turns(
    state: PageState, form: FormData, context: RenderContext, queue: QueueCursor | None
) -> list[Element]:
    """Back and Next page, where there are such pages."""
    data = Data(verb=TURN, value=form.card.look, channel=context.channel, state=state, queue=queue)
    buttons = [
        pressed(title, replace(data, by=by))
        for title, by, there in (
            (PREVIOUS_PAGE, -1, state.page > 0),
            (NEXT_PAGE, 1, not state.is_last),
        )
        if there
    ]
    return [{"type": "ActionSet", "actions": buttons}] if buttons else []


def _answers(
    state: PageState, form: FormData, context: RenderContext, queue: QueueCursor | None, *, approves: bool
) -> list[Element]:
    """Approve behind the last page; from a digest the others too, since there is no card to press."""
    card = form.card
    made: list[Element] = []
    if approves:
        data = Data(
            verb=Button.APPROVE.value,
            value=form.approve_value,
            channel=context.channel,
            form=form.reason is not ReasonRule.NONE,
            whole=True,
            state=state,
            queue=queue,
        )
        made.append(button(Button.APPROVE, data, card.tool))
    if queue is None:
        return [*made, *back(card, context, None)]
    for which in (Button.REJECT, Button.SKIP):
        if which in card.buttons:
            data = Data(verb=which.value, value=card.buttons[which], channel=context.channel, queue=queue)
            made.append(button(which, data, card.tool))
    return [*made, next_button(queue.value, context, after=queue.after)]


def _pieces(call: str) -> list[str]:
    pieces = []
    for line in _LINE.findall(call):
        pieces += [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)]
    return pieces
