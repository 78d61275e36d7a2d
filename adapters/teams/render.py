"""A card, or a conversation's digest, as an Adaptive Card. Pure: the same value gives the same payload.

What an agent wrote, the names of tools and agents too, appears only in text runs, which Teams does not parse. A
card that would not fit into one message loses part of its call and, with it, its Approve (it fails closed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.chat.labels import ASKS, CUT_HERE, ONE_BY_ONE, OPEN_RUN
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
)
from adapters.teams.buttons import (
    SHOW,
    USUAL,
    VERB,
    Asks,
    Data,
    button,
    opening,
    pressed,
    reason_inputs,
    unfolding,
)
from adapters.teams.elements import (
    Content,
    Element,
    Mentioned,
    content,
    framed,
    heading,
    mono,
    pinging,
    sentence,
    sentences,
    size_of,
    small,
    words,
)
from bot.call import text_of
from bot.card import Button, Card, QueueCard
from bot.routing import ReasonRule
from bot.wording import CardState, Saying, together

#: Bytes of a card on its way: 28 KB as a message, with what is around the card (format-your-bot-messages).
MESSAGE = 27_000
#: People whose clients ask for their own view of a card (work-with-universal-actions).
WATCHERS = 60
OPEN_DOOR = (
    "Nod runs without authentication here: anyone who can reach this bot can press buttons under any name."
)
#: Over the whole width of a channel: a call has long lines (cards-format, "Full width Adaptive Card").
WIDE = {"msteams": {"width": "Full"}}
#: The most people that one card pings.
MENTIONS = 20
NO_CARD = "This message needs a Teams client that shows Adaptive Cards."


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """Where a card is, and who gets a separate view of it."""

    channel: str  #: as the policy calls it
    watchers: tuple[str, ...] = ()  #: `29:` ids of those in the conversation
    mentioned: tuple[Mentioned, ...] = ()  #: the people that the card pings
    open_door: bool = False  #: unauthenticated requests are taken


#: From all of it to what always fits, each with the number of watchers. A view of one's own is given up before
#: an Approve is: without it the buttons are only there for everybody.
_ROOMS = ((AMPLE, WATCHERS), (NARROW, WATCHERS), (NARROW, WATCHERS // 4), (LEAST, 0))


def content_of(
    card: Card, context: RenderContext, *, answers: bool = True, asks: Asks = USUAL, said: Sequence[str] = ()
) -> Content:
    """The card, at most MESSAGE bytes of JSON.

    Without `answers` it is for someone who cannot decide. `said` are lines on top that only one person sees.
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
    notice = card.hidden or (CUT_HERE if cut_to is not None else None)
    ping, _ = pinging(context.mentioned[:MENTIONS])
    body = [
        *on_top(said, context),
        heading(card.title),
        *sentence(card.lead),
        *ping,
        *([words(why, most=room.why + 10, weight="Bolder")] if why else []),
        *warnings_of(card.warnings),
        framed(mono(call) if call.strip() else [words(BLANK, size="Small")]),
        *([small(notice)] if notice else []),
        *_status(card.status, room),
    ]
    whole = cut_to is None
    actions = _actions(card, context, answers=answers, asks=asks, whole=whole)
    return content(body, actions, **_root(card, context))


def _decided(
    card: Card, context: RenderContext, room: Room, *, answers: bool, asks: Asks, said: Sequence[str]
) -> Content:
    """A few lines, and the call behind a button; nothing to ask for again: a card that is over stays over."""
    first, *rest = card.status or ((),)
    body = [
        *on_top(said, replace(context, open_door=False)),
        words(card.title, weight="Bolder"),
        *sentence((*card.lead, " · ", *first), room.part),
        *_status(rest, room),
        *([small(card.folded, most=room.part)] if card.folded else []),
    ]
    actions = [action_of(which, value, card, context, asks) for which, value in card.buttons.items()]
    return content(body, actions, fallbackText=NO_CARD)


def _status(status: Sequence[Saying], room: Room) -> list[Element]:
    """Sentences without a moment together on one line; each with one on a line of its own."""
    lines: list[Saying] = []
    for saying in status[: room.sentences]:
        plain = all(isinstance(part, str) for part in (*saying, *(lines[-1] if lines else (saying,))))
        lines[-1:] = [together((lines[-1], saying))] if lines and plain else [*lines[-1:], saying]
    return [*sentences(lines, room.part), *map(small, more_of(len(status), room.sentences))]


def _root(card: Card, context: RenderContext) -> dict[str, Any]:
    watchers, (_, entities) = context.watchers, pinging(context.mentioned[:MENTIONS])
    refresh = (
        {"refresh": refresh_of(card, context, watchers)} if watchers and Button.WHY in card.buttons else {}
    )
    teams = {"msteams": {**WIDE["msteams"], **({"entities": entities} if entities else {})}}
    return {"fallbackText": NO_CARD, **teams, **refresh}


def refresh_of(card: Card, context: RenderContext, watchers: Sequence[str]) -> Element:
    """How the clients of these people ask, by themselves, for the card as each may see it."""
    data = show_data(card, context)
    return {
        "action": {"type": "Action.Execute", "title": "Show", "verb": VERB + SHOW, "data": data.packed()},
        "userIds": list(watchers),
    }


def show_data(card: Card, context: RenderContext) -> Data:
    """The data of a press that asks for the current card, as that person sees it."""
    return Data(
        verb=SHOW,
        value=card.buttons.get(Button.WHY) or card.buttons.get(Button.VIEW_CALL, ""),
        channel=context.channel,
    )


def _actions(card: Card, context: RenderContext, *, answers: bool, asks: Asks, whole: bool) -> list[Element]:
    """The verdicts, and behind them what clients put into a menu."""
    if not card.buttons:
        return []
    # The core may have held it for whole where the message has no room: an Approve could be pressed unseen.
    shown = card.in_the_open(whole=whole) if answers else (Button.WHY,)
    rest = [b for b in (Button.VIEW_ALL, Button.CLAIM, Button.WHY) if answers and b in card.buttons]
    values = {**card.buttons, Button.VIEW_ALL: card.look}

    def made(which: Button, *, secondary: bool) -> Element:
        return action_of(which, values[which], card, context, asks, secondary=secondary)

    return [
        *(made(which, secondary=False) for which in shown),
        *(made(which, secondary=True) for which in rest if which not in shown),
        *([opening(OPEN_RUN, card.run_url)] if card.run_url else []),
        *(made(which, secondary=True) for which in (Button.IDS,) if which in card.buttons),
    ]


def action_of(
    which: Button, value: str, card: Card, context: RenderContext, asks: Asks, *, secondary: bool = False
) -> Element:
    """One button of a card; Reject unfolds the fields for a reason, unless none is asked for."""
    data = Data(verb=which.value, value=value, channel=context.channel)
    if which is not Button.REJECT or asks.rule is ReasonRule.NONE:
        return button(which, data, card.tool, secondary=secondary)
    send = pressed(ASKS[Button.REJECT][0], replace(data, form=True), style="destructive")
    inside = content(reason_inputs(ASKS[Button.REJECT][1], asks), [send])
    return unfolding(which, card.tool, inside)


def digest_content_of(digest: QueueCard, context: RenderContext, *, said: Sequence[str] = ()) -> Content:
    """The digest; one line when nothing is pending."""
    if digest.earliest is None:
        return content([*on_top(said, context), words(digest.title)], fallbackText=NO_CARD)
    shown = named(digest)
    body = [
        *on_top(said, context),
        heading(digest.title),
        *sentences(shown, NAME + 4),
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
