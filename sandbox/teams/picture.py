"""What one person sees of the local Teams, as JSON for the page, texts already read as Teams reads them."""

import copy
from collections.abc import Iterator
from typing import Any

from sandbox.teams.card_parts import cards_of, nodes, pressables
from sandbox.teams.conversations import threaded
from sandbox.teams.markdown import people_in, to_json
from sandbox.teams.messages import Card, Message
from sandbox.teams.people import Place
from sandbox.teams.tenant import Teams

#: The page shows this many of a place's newest messages; a chat is read from its end.
SHOWN = 200


def picture(teams: Teams, *, viewer: str) -> dict[str, Any]:
    """Everything that `viewer` sees now: people, their places with messages, the dialog in front of them."""
    dialog = teams.dialog(viewer)
    return {
        "version": teams.changes.version,
        "bot": {"id": teams.bot.id, "name": teams.bot.name},
        "people": [{"id": p.name, "name": p.full_name, "title": p.title} for p in teams.people.values()],
        "places": [_place(teams, place, viewer) for place in _visible(teams, viewer)],
        "dialog": None if dialog is None else {"title": dialog.title, "card": shown(dialog.card)},
    }


def _visible(teams: Teams, viewer: str) -> Iterator[Place]:
    for place in list(teams.conversations.places.values()):
        if viewer in place.members and not place.gone:
            yield place


def _place(teams: Teams, place: Place, viewer: str) -> dict[str, Any]:
    return {
        "id": place.id,
        "name": teams.bot.name if place.scope == "personal" else place.name,
        "scope": place.scope,
        "members": len(place.members) + place.installed,
        "installed": place.installed,
        "messages": [_message(teams, message, place, viewer) for message in teams.messages(place.id)[-SHOWN:]],
    }


def _message(teams: Teams, message: Message, place: Place, viewer: str) -> dict[str, Any]:
    card = message.seen_by(viewer)
    author = teams.bot.name if message.author is None else teams.people[message.author].full_name
    names = {f"<at>{name}</at>" for name in _spoken(message.text)} if message.mentioned else set()
    plain = [{"kind": "line", "runs": [{"text": line}]} for line in message.text.splitlines()]
    return {
        "id": message.id,
        "place": place.id,
        "root": message.root,
        "thread": threaded(place.id, message.root or message.id),
        "author": author,
        "by_bot": message.author is None,
        "text": plain if message.text_format == "plain" else to_json(message.text, names),
        "card": None if card is None else shown(card),
        "own_view": viewer in message.views,
        "refresh": _refreshes(teams, message, place, viewer),
        "edited": message.edited,
        "version": len(message.history),
        "pings_you": viewer in message.mentioned,
    }


def _spoken(text: str) -> Iterator[str]:
    for piece in text.split("<at>")[1:]:
        yield piece.partition("</at>")[0]


def _refreshes(teams: Teams, message: Message, place: Place, viewer: str) -> bool:
    """Whether the client refreshes this card for the viewer by itself (work-with-universal-actions)."""
    asked = (message.card or {}).get("refresh")
    if not asked or viewer in message.views:
        return False
    users = asked.get("userIds")
    return len(place.members) <= 60 if users is None else teams.people[viewer].id in users


def shown(card: Card) -> dict[str, Any]:
    """A card for the page: texts that Teams parses as lines of runs, and a number on every button."""
    copied: dict[str, Any] = copy.deepcopy(dict(card))
    people = people_in(card)
    for index, found in enumerate(pressables(copied)):
        _mark(found.action, index)
    for each in cards_of(copied):
        for node in nodes(each):
            _read(node, people)
    return copied


def _mark(action: Any, index: int) -> None:
    action["press"] = index


def _read(node: Any, people: frozenset[str]) -> None:
    if node.get("type") == "TextBlock":
        node["lines"] = to_json(node["text"], people)
    for fact in node.get("facts", ()):
        fact["lines"] = {half: to_json(fact[half], people) for half in ("title", "value")}
