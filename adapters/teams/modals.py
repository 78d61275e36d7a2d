"""What takes a card's place for one person: a form for a reason, an answer that counts, a refusal. Pure.

Teams shows the card of an invoke's answer to whoever pressed, until the message itself changes for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.chat.labels import ASKS
from adapters.teams.buttons import Asks, Data, Queue, pressed, reason_inputs
from adapters.teams.elements import Content, Element, content, heading, small, words
from adapters.teams.render import NO_CARD, Stand, next_button, on_top, show_data, who_asks
from bot.approval import Claim, Vote
from bot.card import Button, Card
from bot.desk import Asked
from bot.errors import Refused
from bot.wording import Saying

_STYLES = {Button.REJECT: "destructive", Button.APPROVE: "positive"}
#: Characters of a line that one person is told, and lines of an explanation.
LINE, EXPLAINED = 500, 20

CLAIMED = "You are on it. The others are not pinged meanwhile."
PRESS_AGAIN = "Nod did not answer in time. Nothing is lost: what counts is on the card; else press again."


def reason_view(asked: Asked, data: Data, stand: Stand, *, said: Sequence[str] = ()) -> Content:
    """Asks for the reason that goes with a verdict; `data` is what was pressed."""
    which = Button(data.verb)
    (verb, label), style = ASKS[which], _STYLES.get(which)
    send = Data(
        verb=which.value,
        value=data.value,
        channel=stand.channel,
        form=True,
        whole=data.whole,
        look=data.look,
        queue=data.queue,
    )
    body = [
        *on_top(said, stand),
        heading(f"{verb} {asked.card.tool}"),
        small(who_asks(asked.card)),
        *reason_inputs(label, Asks(rule=asked.reason, presets=asked.presets)),
    ]
    return content(
        body,
        [pressed(verb, send, style=style), *back(asked.card, stand, data.queue)],
        fallbackText=NO_CARD,
    )


def done_view(card: Card | None, vote: Vote, stand: Stand, queue: Queue | None) -> Content:
    """That an answer counts, until the message shows it to everybody."""
    what = card.tool if card else "this call"
    body = [words(f"Your answer counts: {what}, {vote.verdict.value}.", weight="Bolder")]
    return content(body, _on(stand, queue), fallbackText=NO_CARD)


def said_view(lines: Sequence[str], stand: Stand, *, card: Card | None, queue: Queue | None) -> Content:
    """Words for one person, with the way back to where they were asked for."""
    shown = [line for line in lines if line.strip()]
    more = len(shown) - EXPLAINED
    if more > 0:
        # The last line is about the person who asks.
        shown = [*shown[: EXPLAINED - 1], f"… and {more} more lines", shown[-1]]
    body = [words(line, most=LINE) for line in shown]
    return content(body, back(card, stand, queue), fallbackText=NO_CARD)


def refusal_lines(refused: Refused) -> tuple[str, ...]:
    """Why a click does not count, and where its code is explained."""
    code = refused.code.value
    return (f"Not counted: {refused}", f"[{code}]  docs/refusals.md#{code}")


def claimed_saying(claim: Claim) -> Saying:
    """What somebody is told who said "I'm on it"."""
    return ("You are on it until ", claim.until, ". The others are not pinged meanwhile.")


def back(card: Card | None, stand: Stand, queue: Queue | None) -> list[Element]:
    """The way back to the card, or on to the next request of a digest."""
    if queue is not None:
        return _on(stand, queue)
    if card is None or Button.WHY not in card.buttons:
        return []
    return [pressed("Back to the card", show_data(card, stand))]


def _on(stand: Stand, queue: Queue | None) -> list[Element]:
    return [next_button(queue.value, stand, after=queue.after)] if queue else []
