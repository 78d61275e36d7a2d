"""A conversation's digest as an Adaptive Card: what waits beyond the cards that it has room for. Pure.

Tools and agents are data: their names stand in text runs, like on cards. One button, one request at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.teams.buttons import button
from adapters.teams.elements import Content, Element, content, cut, heading, seen, sentence, small, words
from adapters.teams.metadata import Data, Queue
from adapters.teams.render import NO_CARD, Stand, on_top
from bot.card import Button, DigestCard

#: Requests named on a digest, and characters of each: two names, and what makes them visible.
NAMED = 10
NAME = 400
#: Agents named as asking for more than their share.
FLOODING = 5

ONE_BY_ONE = "Next shows them one at a time, with the whole call and the answers to it."


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
