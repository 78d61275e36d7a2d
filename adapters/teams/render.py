"""A card, or a conversation's digest, as an Adaptive Card. Pure: the same value gives the same payload.

What an agent wrote, the names of tools and agents too, appears only in text runs, which Teams does not parse. A
card that would not fit into one message loses part of its call and, with it, its Approve (it fails closed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.chat.labels import ONE_BY_ONE, SKIP_MEANS
from adapters.teams.buttons import (
    SHOW,
    USUAL,
    VERB,
    WHY_NOT,
    Asks,
    Data,
    Queue,
    button,
    pressed,
    reason_inputs,
    unfolding,
)
from adapters.teams.elements import (
    BLANK,
    Content,
    Element,
    content,
    cut,
    framed,
    heading,
    mono,
    seen,
    sentence,
    sentences,
    size_of,
    small,
    words,
)
from bot.call import text_of
from bot.card import Button, Card, DigestCard
from bot.routing import ReasonRule
from bot.wording import CardState, Saying

#: Bytes of a card on its way: 28 KB as a message, with what is around the card (format-your-bot-messages).
MESSAGE = 27_000
#: People whose clients ask for their own view of a card (work-with-universal-actions).
WATCHERS = 60
#: Lines of warnings on a card, and characters of each.
WARNINGS = 8
WARNING = 200

CUT_HERE = "Only a part is shown: all of it is too long for one message in Teams."
OPEN_DOOR = "Nod runs without authentication here: whoever reaches it can press these buttons as anybody."
#: Over the whole width of a channel: a call has long lines (cards-format, "Full width Adaptive Card").
WIDE = {"msteams": {"width": "Full"}}
NO_CARD = "This message needs a client of Teams that shows Adaptive Cards."


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a card stands, and for whom it has a view of its own."""

    channel: str  #: as the policy calls it
    watchers: tuple[str, ...] = ()  #: `29:` ids of those in the conversation
    open_door: bool = False  #: unauthenticated requests are taken


@dataclass(frozen=True, slots=True)
class _Room:
    """How much is shown around a call: characters a part, sentences, the risk; and how many watchers."""

    part: int
    sentences: int
    why: int
    watchers: int


#: From all of it (a note has at most bot.approval.LONGEST_NOTE characters) to what always fits. A view of one's
#: own is given up before an Approve is: without it the buttons are only there for everybody.
_ROOMS = (
    _Room(1_100, 24, 1_000, WATCHERS),
    _Room(300, 12, 300, WATCHERS),
    _Room(300, 12, 300, WATCHERS // 4),
    _Room(100, 6, 100, 0),
)


def content_of(
    card: Card, stand: Stand, *, answers: bool = True, asks: Asks = USUAL, said: Sequence[str] = ()
) -> Content:
    """The card, at most MESSAGE bytes of JSON.

    Without `answers` it is for somebody who may not decide. `said` are lines on top for one person's eyes.
    """
    shape = _open if card.state is CardState.OPEN else _decided
    for room in _ROOMS:
        made = shape(card, stand, room, answers=answers, asks=asks, said=said)
        if size_of(made) <= MESSAGE:
            return made
    return _cut(card, stand, answers=answers, asks=asks, said=said, most=MESSAGE)


def smallest_of(card: Card, stand: Stand) -> Content:
    """The card with little of the call, and no Approve: for a Teams that takes no larger one."""
    if card.state is not CardState.OPEN:
        return _decided(card, stand, _ROOMS[-1], answers=True, asks=USUAL, said=())
    return _cut(card, stand, answers=True, asks=USUAL, said=(), most=MESSAGE // 4)


def _cut(card: Card, stand: Stand, *, answers: bool, asks: Asks, said: Sequence[str], most: int) -> Content:
    call = text_of(card.call)
    while True:
        call = call[: len(call) * 3 // 4]
        made = _open(card, stand, _ROOMS[-1], answers=answers, asks=asks, said=said, cut_to=call + "…")
        if size_of(made) <= most or not call:
            return made


def warned(warnings: Sequence[str], *, most: int = WARNINGS) -> list[Element]:
    """What an eye would miss in a call, above it: at most so many warnings, and how many more there are.

    The last one is always there: the core tells in it of what is hidden on purpose.
    """
    more = len(warnings) - most
    if more > 0:
        warnings = [*warnings[: most - 1], f"… {more} more warnings …", warnings[-1]]
    return [words(f"⚠ {cut(seen(warning), WARNING)}", size="Small", color="Attention") for warning in warnings]


def on_top(said: Sequence[str], stand: Stand) -> list[Element]:
    """What one person is told above everything else, and on every card that the door is open."""
    door = [words(OPEN_DOOR, color="Attention", weight="Bolder")] if stand.open_door else []
    return [*door, *(words(line, color="Accent", weight="Bolder") for line in said)]


def who_asks(card: Card) -> str:
    """Which agent, in which run."""
    return f"{card.agent}  ·  run {card.run}" if card.run else card.agent


def _open(
    card: Card,
    stand: Stand,
    room: _Room,
    *,
    answers: bool,
    asks: Asks,
    said: Sequence[str],
    cut_to: str | None = None,
) -> Content:
    call = text_of(card.call) if cut_to is None else cut_to
    why = [words(f"Risk: {cut(card.why, room.why)}", most=room.why + 10)] if card.why else []
    notice = card.hidden or (CUT_HERE if cut_to is not None else None)
    asked: Saying = (f"{who_asks(card)}  ·  asked", card.asked_at)
    body = [
        *on_top(said, stand),
        heading(card.title),
        *sentence(asked),
        *why,
        *warned(card.warnings),
        framed(mono(call) if call.strip() else [words(BLANK, size="Small")]),
        *([small(notice)] if notice else []),
        *_status(card, room),
        *([small(SKIP_MEANS)] if answers and Button.SKIP in card.buttons else []),
    ]
    whole = cut_to is None
    actions = _actions(card, stand, answers=answers, asks=asks, whole=whole)
    return content(body, actions, **_root(card, stand, room))


def _decided(
    card: Card, stand: Stand, room: _Room, *, answers: bool, asks: Asks, said: Sequence[str]
) -> Content:
    """One or two lines, and nothing to press or to ask for again: a card that is over stays over."""
    body = [
        *on_top(said, replace(stand, open_door=False)),
        words(card.title, weight="Bolder"),
        small(who_asks(card), most=room.part),
        *([small(card.folded, most=room.part)] if card.folded else []),
        *_status(card, room),
    ]
    return content(body, fallbackText=NO_CARD)


def _status(card: Card, room: _Room) -> list[Element]:
    shown = sentences(card.status[: room.sentences], room.part)
    more = len(card.status) - room.sentences
    return [*shown, small(f"… and {more} more")] if more > 0 else shown


def _root(card: Card, stand: Stand, room: _Room) -> dict[str, Any]:
    watchers = stand.watchers[: room.watchers]
    refresh = {"refresh": refresh_of(card, stand, watchers)} if watchers and Button.WHY in card.buttons else {}
    return {"fallbackText": NO_CARD, **WIDE, **refresh}


def refresh_of(card: Card, stand: Stand, watchers: Sequence[str]) -> Element:
    """How the clients of these people ask, by themselves, for the card as each may see it."""
    data = show_data(card, stand)
    return {
        "action": {"type": "Action.Execute", "title": "Show", "verb": VERB + SHOW, "data": data.packed()},
        "userIds": list(watchers),
    }


def show_data(card: Card, stand: Stand) -> Data:
    """What asks for the card as it stands now, for the one who asks."""
    return Data(
        verb=SHOW,
        value=card.buttons.get(Button.WHY, ""),
        channel=stand.channel,
        ask=card.buttons.get(Button.REJECT, ""),
    )


def _actions(card: Card, stand: Stand, *, answers: bool, asks: Asks, whole: bool) -> list[Element]:
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
    return [action_of(which, value, card, stand, asks) for which, value in values.items()]


def action_of(which: Button, value: str, card: Card, stand: Stand, asks: Asks) -> Element:
    """One button of a card; Reject unfolds the fields for a reason, unless none is asked for."""
    data = Data(verb=which.value, value=value, channel=stand.channel)
    if which is not Button.REJECT or asks.rule is ReasonRule.NONE:
        return button(which, data, card.tool)
    send = pressed("Reject", replace(data, form=True), style="destructive")
    inside = content(reason_inputs(WHY_NOT, asks), [send])
    return unfolding(which, card.tool, inside)


#: Requests named on a digest, and characters of each: two names, and what makes them visible.
NAMED = 10
NAME = 400
#: Agents named as asking for more than their share.
FLOODING = 5


def digest_content_of(digest: DigestCard, stand: Stand, *, said: Sequence[str] = ()) -> Content:
    """The digest; when nothing waits any more, one line."""
    if digest.earliest is None:
        return content([*on_top(said, stand), words(digest.title)], fallbackText=NO_CARD)
    shown = digest.first[:NAMED]
    more = digest.count - len(shown)
    body = [
        *on_top(said, stand),
        heading(digest.title),
        *sentence(("The earliest waits until", digest.earliest)),
        *(element for name, until in shown for element in sentence((f"{name}, until", until), NAME)),
        *([small(f"… and {more} more")] if more > 0 else []),
        *_flooding(digest),
        small(ONE_BY_ONE),
    ]
    value = digest.buttons.get(Button.NEXT)
    return content(body, [next_button(value, stand)] if value else [], fallbackText=NO_CARD)


def next_button(value: str, stand: Stand, *, after: str | None = None) -> Element:
    """The button to the next request behind the card `after`, with the digest's own sealed value."""
    queue = Queue(value=value, after=after) if after else None
    data = Data(verb=Button.NEXT.value, value=value, channel=stand.channel, queue=queue)
    return button(Button.NEXT, data, "the digest")


def _flooding(digest: DigestCard) -> list[Element]:
    """Who asks for more than its share, in words that name the consequence."""
    agents = digest.flooding[:FLOODING]
    lines: list[Element] = [
        words(f"⚠ {cut(seen(agent), NAME)} asks for more than its share: its requests wait here.", size="Small")
        for agent in agents
    ]
    more = len(digest.flooding) - len(agents)
    return [*lines, small(f"… and {more} more agents")] if more > 0 else lines
