"""What both chats say around a call, as plain text; each chat puts it into its own elements. Pure.

The core makes invisible characters of an agent's text visible, once. `seen` does the same here for what people
write (names, notes), and leaves the core's work alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.chat.words import CHATS
from bot.alerts import step_of
from bot.approval import Claim, Vote
from bot.card import Card, QueueCard
from bot.protocol import split_key
from bot.records import Alert
from bot.surface import Destination
from bot.visible import visible
from bot.wording import Saying

#: Shown for a call of nothing but blanks, which would look empty.
BLANK = "(nothing but blanks)"
#: Warnings on a card, and characters of each.
WARNINGS, WARNING = 8, 200
#: Lines of an explanation, and characters of each.
EXPLAINED, EXPLAINED_LINE = 20, 500
#: Requests named on a queue message, and characters of each: two names with their escaped characters.
NAMED, NAME = 3, 400
#: Characters of a request's id that identify it for an operator.
ABOUT = 8
#: Agents named as asking for more than their share.
FLOODING = 5


@dataclass(frozen=True, slots=True)
class Room:
    """How much of the sentences around a call is shown: characters of a part, and sentences."""

    part: int
    sentences: int
    why: int  #: characters of the operator's note on the risk


#: From everything (a note has at most bot.approval.LONGEST_NOTE characters) to what always fits.
AMPLE, NARROW, LEAST = Room(1_100, 24, 1_000), Room(300, 12, 300), Room(100, 6, 100)


def seen(text: str) -> str:
    """The text with each invisible character escaped as the core does it, `\\u{202E}`.

    A text from the core comes back unchanged: nothing is escaped twice.
    """
    return "\\u{".join(visible(part) for part in text.split("\\u{"))


def cut(text: str, most: int) -> str:
    """At most `most` characters, with a mark where text is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def warned(warnings: Sequence[str], *, most: int = WARNINGS) -> list[str]:
    """What a reader could miss in a call: at most `most` warnings, then how many more there are.

    The last warning is always kept: it is the core's sentence on what is hidden on purpose.
    """
    more = len(warnings) - most
    if more > 0:
        warnings = [*warnings[: most - 1], f"… {more} more warnings …", warnings[-1]]
    return [f"⚠ {cut(seen(warning), WARNING)}" for warning in warnings]


def risk(card: Card, most: int) -> str | None:
    """The operator's note on the risk."""
    return cut(card.why, most) if card.why else None


def more_of(count: int, shown: int) -> list[str]:
    """How many more there are than are shown; empty if all are."""
    return [f"… and {count - shown} more"] if count > shown else []


def named(digest: QueueCard) -> list[Saying]:
    """The most urgent requests, each with its deadline."""
    return [(f"{cut(name, NAME)} · decide by ", until) for name, until in digest.first[:NAMED]]


def flooding(digest: QueueCard) -> list[str]:
    """Agents that ask for more than their share, with the consequence."""
    agents = digest.flooding[:FLOODING]
    lines = [f"⚠ {cut(seen(agent), NAME)} has too many open requests. New ones wait here." for agent in agents]
    more = len(digest.flooding) - len(agents)
    return [*lines, f"… and {more} more agents"] if more > 0 else lines


def explained(lines: Sequence[str]) -> list[str]:
    """The reply to "Why me?", as many lines as fit one message."""
    shown = [line for line in lines if line.strip()]
    more = len(shown) - EXPLAINED
    if more > 0:
        # The last line is about the person who asks.
        shown = [*shown[: EXPLAINED - 1], f"… and {more} more lines", shown[-1]]
    return shown


def place_named(place: Destination) -> str:
    """A place by its name in nod.yaml; for a place given by id, only the chat."""
    chat = place.surface.title()
    named = place.surface in CHATS and CHATS[place.surface].is_named(place.channel)
    return f"{place.channel} in {chat}" if named else f"a {chat} channel"


def acknowledged(claim: Claim) -> Saying:
    """The reply to a person who pressed "I'm on it"."""
    return ("You have this until ", claim.until, ". Others will not be pinged before then.")


def voted(tool: str | None, vote: Vote) -> str:
    """The reply to a person whose vote is committed."""
    return f"You {vote.verdict.value} {tool or 'this request'}."


def alerted(alert: Alert) -> tuple[str, ...]:
    """What an alert says; once it is resolved, how it ended, then what it was."""
    return (f"⚠ {alert.text}",) if alert.resolved is None else (resolved(alert), f"The alert was: {alert.text}")


def resolved(alert: Alert) -> str:
    """That it is resolved, and how."""
    return f"✅ Resolved: {alert.resolved}."


def alert_source(alert: Alert) -> str:
    """What an alert is about: a step of a request's escalation, a request, or its cause for any other."""
    step, request = step_of(alert.cause), split_key(alert.approval_id)[1].partition("-")[0][:ABOUT]
    return alert.cause if step is None else f"Request {request} · escalation step {step + 1}"
