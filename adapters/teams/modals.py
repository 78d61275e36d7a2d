"""What takes a card's place for one person: a form for a reason, an answer that counts, a refusal. Pure.

Teams shows the card of an invoke's answer to whoever pressed, until the message itself changes for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.chat.labels import ASKS
from adapters.chat.paging import QueueCursor
from adapters.chat.text import EXPLAINED_LINE, counted, explained, where_explained, who_asks
from adapters.teams.buttons import Asks, Data, pressed, reason_inputs
from adapters.teams.elements import Content, Element, content, heading, small, words
from adapters.teams.render import NO_CARD, Stand, next_button, on_top, show_data
from bot.approval import Vote
from bot.card import Button, Card
from bot.desk import FormData, NotCounted

_STYLES = {Button.REJECT: "destructive", Button.APPROVE: "positive"}

CLAIMED = "You are on it. The others are not pinged meanwhile."
PRESS_AGAIN = "Nod did not answer in time. Nothing is lost: what counts is on the card; else press again."


def reason_view(form: FormData, data: Data, stand: Stand, *, said: Sequence[str] = ()) -> Content:
    """Asks for the reason that goes with a verdict; `data` is what was pressed."""
    which = Button(data.verb)
    (verb, label), style = ASKS[which], _STYLES.get(which)
    send = Data(
        verb=which.value,
        value=data.value,
        channel=stand.channel,
        form=True,
        whole=data.whole,
        state=data.state,
        queue=data.queue,
    )
    body = [
        *on_top(said, stand),
        heading(f"{verb} {form.card.tool}"),
        small(who_asks(form.card)),
        *reason_inputs(label, Asks(rule=form.reason, presets=form.presets)),
    ]
    return content(
        body,
        [pressed(verb, send, style=style), *back(form.card, stand, data.queue)],
        fallbackText=NO_CARD,
    )


def done_view(card: Card | None, vote: Vote, stand: Stand, queue: QueueCursor | None) -> Content:
    """That an answer counts, until the message shows it to everybody."""
    body = [words(counted(card.tool if card else "this call", vote), weight="Bolder")]
    return content(body, _on(stand, queue), fallbackText=NO_CARD)


def said_view(lines: Sequence[str], stand: Stand, *, card: Card | None, queue: QueueCursor | None) -> Content:
    """Words for one person, with the way back to where they were asked for."""
    body = [words(line, most=EXPLAINED_LINE) for line in explained(lines)]
    return content(body, back(card, stand, queue), fallbackText=NO_CARD)


def refusal_lines(refused: NotCounted) -> tuple[str, ...]:
    """Why a click does not count, and where its code is explained."""
    code = refused.code.value
    return (f"Not counted: {refused.text}", f"[{code}]  {where_explained(code)}")


def back(card: Card | None, stand: Stand, queue: QueueCursor | None) -> list[Element]:
    """The way back to the card, or on to the next request of a digest."""
    if queue is not None:
        return _on(stand, queue)
    if card is None or Button.WHY not in card.buttons:
        return []
    return [pressed("Back to the card", show_data(card, stand))]


def _on(stand: Stand, queue: QueueCursor | None) -> list[Element]:
    return [next_button(queue.value, stand, after=queue.after)] if queue else []
