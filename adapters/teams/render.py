"""A card, or a conversation's digest, as an Adaptive Card. Pure: the same value gives the same payload.

What an agent wrote, the names of tools and agents too, appears only in text runs, which Teams does not parse. A
card that would not fit into one message loses part of its call and, with it, its Approve (it fails closed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.chat.labels import ASKS, CUT_HERE_IN_TEAMS, EARLIEST, ONE_BY_ONE, SKIP_MEANS
from adapters.chat.paging import QueueCursor
from adapters.chat.text import (
    AMPLE,
    BLANK,
    FLOODING,
    LEAST,
    NAME,
    NARROW,
    WARNINGS,
    Room,
    flooding,
    more_of,
    named,
    risk,
    warned,
    who_asks,
)
from adapters.teams.buttons import (
    SHOW,
    USUAL,
    VERB,
    Asks,
    Data,
    button,
    pressed,
    reason_inputs,
    unfolding,
)
from adapters.teams.elements import (
    Content,
    Element,
    content,
    framed,
    heading,
    mono,
    sentence,
    sentences,
    size_of,
    small,
    words,
)
from bot.call import text_of
from bot.card import Button, Card, QueueCard
from bot.routing import ReasonRule
from bot.wording import CardState, Saying

#: Bytes of a card on its way: 28 KB as a message, with what is around the card (format-your-bot-messages).
MESSAGE = 27_000
#: People whose clients ask for their own view of a card (work-with-universal-actions).
WATCHERS = 60
OPEN_DOOR = "Nod runs without authentication here: whoever reaches it can press these buttons as anybody."
#: Over the whole width of a channel: a call has long lines (cards-format, "Full width Adaptive Card").
WIDE = {"msteams": {"width": "Full"}}
NO_CARD = "This message needs a client of Teams that shows Adaptive Cards."


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """Where a card stands, and for whom it has a view of its own."""

    channel: str  #: as the policy calls it
    watchers: tuple[str, ...] = ()  #: `29:` ids of those in the conversation
    open_door: bool = False  #: unauthenticated requests are taken


#: From all of it to what always fits, each with the number of watchers. A view of one's own is given up before
#: an Approve is: without it the buttons are only there for everybody.
_ROOMS = ((AMPLE, WATCHERS), (NARROW, WATCHERS), (NARROW, WATCHERS // 4), (LEAST, 0))


def content_of(
    card: Card, context: RenderContext, *, answers: bool = True, asks: Asks = USUAL, said: Sequence[str] = ()
) -> Content:
    """The card, at most MESSAGE bytes of JSON.

    Without `answers` it is for somebody who may not decide. `said` are lines on top for one person's eyes.
    """
    shape = _open if card.state is CardState.OPEN else _decided
    for room, watchers in _ROOMS:
        seen_by = replace(context, watchers=context.watchers[:watchers])
        made = shape(card, seen_by, room, answers=answers, asks=asks, said=said)
        if size_of(made) <= MESSAGE:
            return made
    return _cut(card, context, answers=answers, asks=asks, said=said, most=MESSAGE)


def smallest_of(card: Card, context: RenderContext) -> Content:
    """The card with little of the call, and no Approve: for a Teams that takes no larger one."""
    if card.state is not CardState.OPEN:
        return _decided(card, context, LEAST, answers=True, asks=USUAL, said=())
    return _cut(card, context, answers=True, asks=USUAL, said=(), most=MESSAGE // 4)


def _cut(
    card: Card, context: RenderContext, *, answers: bool, asks: Asks, said: Sequence[str], most: int
) -> Content:
    call, alone = text_of(card.call), replace(context, watchers=())
    while True:
        call = call[: len(call) * 3 // 4]
        made = _open(card, alone, LEAST, answers=answers, asks=asks, said=said, cut_to=call + "…")
        if size_of(made) <= most or not call:
            return made


def warnings_of(warnings: Sequence[str], *, most: int = WARNINGS) -> list[Element]:
    """What an eye would miss in a call, above it."""
    return [words(line, size="Small", color="Attention") for line in warned(warnings, most=most)]


def on_top(said: Sequence[str], context: RenderContext) -> list[Element]:
    """What one person is told above everything else, and on every card that the door is open."""
    door = [words(OPEN_DOOR, color="Attention", weight="Bolder")] if context.open_door else []
    return [*door, *(words(line, color="Accent", weight="Bolder") for line in said)]


def _open(
    card: Card,
    context: RenderContext,
    room: Room,
    *,
    answers: bool,
    asks: Asks,
    said: Sequence[str],
    cut_to: str | None = None,
) -> Content:
    call = text_of(card.call) if cut_to is None else cut_to
    why = risk(card, room.why)
    notice = card.hidden or (CUT_HERE_IN_TEAMS if cut_to is not None else None)
    asked: Saying = (f"{who_asks(card)}  ·  asked", card.asked_at)
    body = [
        *on_top(said, context),
        heading(card.title),
        *sentence(asked),
        *([words(why, most=room.why + 10)] if why else []),
        *warnings_of(card.warnings),
        framed(mono(call) if call.strip() else [words(BLANK, size="Small")]),
        *([small(notice)] if notice else []),
        *_status(card, room),
        *([small(SKIP_MEANS)] if answers and Button.SKIP in card.buttons else []),
    ]
    whole = cut_to is None
    actions = _actions(card, context, answers=answers, asks=asks, whole=whole)
    return content(body, actions, **_root(card, context))


def _decided(
    card: Card, context: RenderContext, room: Room, *, answers: bool, asks: Asks, said: Sequence[str]
) -> Content:
    """One or two lines, and nothing to press or to ask for again: a card that is over stays over."""
    body = [
        *on_top(said, replace(context, open_door=False)),
        words(card.title, weight="Bolder"),
        small(who_asks(card), most=room.part),
        *([small(card.folded, most=room.part)] if card.folded else []),
        *_status(card, room),
    ]
    return content(body, fallbackText=NO_CARD)


def _status(card: Card, room: Room) -> list[Element]:
    shown = sentences(card.status[: room.sentences], room.part)
    return [*shown, *map(small, more_of(len(card.status), room.sentences))]


def _root(card: Card, context: RenderContext) -> dict[str, Any]:
    watchers = context.watchers
    refresh = (
        {"refresh": refresh_of(card, context, watchers)} if watchers and Button.WHY in card.buttons else {}
    )
    return {"fallbackText": NO_CARD, **WIDE, **refresh}


def refresh_of(card: Card, context: RenderContext, watchers: Sequence[str]) -> Element:
    """How the clients of these people ask, by themselves, for the card as each may see it."""
    data = show_data(card, context)
    return {
        "action": {"type": "Action.Execute", "title": "Show", "verb": VERB + SHOW, "data": data.packed()},
        "userIds": list(watchers),
    }


def show_data(card: Card, context: RenderContext) -> Data:
    """What asks for the card as it stands now, for the one who asks."""
    return Data(
        verb=SHOW,
        value=card.buttons.get(Button.WHY, ""),
        channel=context.channel,
    )


def _actions(card: Card, context: RenderContext, *, answers: bool, asks: Asks, whole: bool) -> list[Element]:
    if not card.buttons:
        return []
    values = dict(card.buttons)
    if not whole:
        # The core held it for whole, but the message has no room: an Approve that left here could be pressed
        # unseen.
        values.pop(Button.APPROVE, None)
        values = {Button.VIEW_ALL: card.look, **values}
    if not answers:
        values = {which: value for which, value in values.items() if which is Button.WHY}
    return [action_of(which, value, card, context, asks) for which, value in values.items()]


def action_of(which: Button, value: str, card: Card, context: RenderContext, asks: Asks) -> Element:
    """One button of a card; Reject unfolds the fields for a reason, unless none is asked for."""
    data = Data(verb=which.value, value=value, channel=context.channel)
    if which is not Button.REJECT or asks.rule is ReasonRule.NONE:
        return button(which, data, card.tool)
    send = pressed(ASKS[Button.REJECT][0], replace(data, form=True), style="destructive")
    inside = content(reason_inputs(ASKS[Button.REJECT][1], asks), [send])
    return unfolding(which, card.tool, inside)


def digest_content_of(digest: QueueCard, context: RenderContext, *, said: Sequence[str] = ()) -> Content:
    """The digest; when nothing waits any more, one line."""
    if digest.earliest is None:
        return content([*on_top(said, context), words(digest.title)], fallbackText=NO_CARD)
    shown = named(digest)
    body = [
        *on_top(said, context),
        heading(digest.title),
        *sentence((EARLIEST, digest.earliest)),
        *sentences(shown, NAME),
        *map(small, more_of(digest.count, len(shown))),
        *_flooding(digest),
        small(ONE_BY_ONE),
    ]
    value = digest.buttons.get(Button.NEXT)
    return content(body, [next_button(value, context)] if value else [], fallbackText=NO_CARD)


def next_button(value: str, context: RenderContext, *, after: str | None = None) -> Element:
    """The button to the next request behind the card `after`, with the digest's own sealed value."""
    queue = QueueCursor(value=value, after=after) if after else None
    data = Data(verb=Button.NEXT.value, value=value, channel=context.channel, queue=queue)
    return button(Button.NEXT, data, "the digest")


def _flooding(digest: QueueCard) -> list[Element]:
    lines = flooding(digest)
    agents, more = lines[:FLOODING], lines[FLOODING:]
    return [*(words(line, size="Small") for line in agents), *map(small, more)]
