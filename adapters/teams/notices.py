"""Messages that are no cards: notices and alerts, and a conversation as a pager.

Only names stand where Teams looks for mentions, and of a name only what no markup is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.chat.labels import OPEN_THE_CARD
from adapters.chat.text import alert_source, alerted
from adapters.teams.elements import (
    Content,
    Element,
    Mentioned,
    content,
    heading,
    pinging,
    sentence,
    sentences,
    size_of,
    words,
)
from adapters.teams.render import MESSAGE, NO_CARD
from bot.card import Notification
from bot.records import Alert
from bot.surface import ConversationRef, Scope
from bot.wording import Saying

#: Accounts pinged by one notice; each is named twice in the message.
MENTIONS = 40
#: Channels that a welcome names.
PLACES = 20
#: Characters of one part of a sentence, as many as there is room for.
LINES = (1_100, 300)


def notice_content_of(notice: Notification, mentioned: Sequence[Mentioned]) -> Content:
    """Who is pinged, what it says, and a way to the card."""
    ping, entities = pinging(mentioned[:MENTIONS])
    root = {"msteams": {"entities": entities}} if entities else {}

    def made(most: int) -> Content:
        said = [*ping, *sentence(notice.text, most)]
        return content(said, _open(notice.link), fallbackText=NO_CARD, **root)

    return _fitting(made)


def place_lines(ref: ConversationRef, called: Sequence[str]) -> tuple[str, ...]:
    """How nod.yaml names a conversation, or the channels of a team, for the person who edits it."""
    if ref.scope is Scope.PERSONAL:
        return (
            f"In nod.yaml, under people, you are: {{teams: {ref.person}}}",
            "Nod posts the requests that you can decide in channels and group chats, and your reminders here.",
        )
    what = "this chat is" if ref.scope is Scope.GROUP else "this channel is"
    what = what if len(called) == 1 else "the channels of this team are"
    more = f" and {len(called) - PLACES} more (nod teams lists all)" if len(called) > PLACES else ""
    return (
        f"In nod.yaml, {what}: {', '.join(called[:PLACES])}{more}",
        "Add the name under cards or alerts. A running bot picks up the change by itself.",
    )


def told_content(title: str, lines: Sequence[str]) -> Content:
    """A message of a few lines, about no request."""
    return content([heading(title), *(words(line) for line in lines)], fallbackText=NO_CARD)


def page_content_of(alert: Alert) -> Content:
    """An alert, with a way to its card; when it is resolved, that comes first."""
    first, *rest = alerted(alert)
    facts: tuple[Saying, ...] = (
        *((line,) for line in rest), (alert_source(alert),), ("raised ", alert.raised_at),
    )  # fmt: skip

    def made(most: int) -> Content:
        said = [words(first, most=most, weight="Bolder"), *sentences(facts, most)]
        return content(said, _open(alert.link), fallbackText=NO_CARD)

    return _fitting(made)


def page_summary(alert: Alert) -> Saying:
    """An alert in one line."""
    return (alerted(alert)[0],)


def _fitting(made: Callable[[int], Content]) -> Content:
    for most in LINES:
        content_made = made(most)
        if size_of(content_made) <= MESSAGE:
            break
    return content_made


def _open(link: str | None) -> list[Element]:
    return [{"type": "Action.OpenUrl", "title": OPEN_THE_CARD, "url": link}] if link else []
