"""The state of all conversations: places, who is in them, messages and threads."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sandbox.teams.errors import ConnectorError, WritesBlocked, no_activity, not_in_roster
from sandbox.teams.messages import Message
from sandbox.teams.people import Person, Place

_ROOT = ";messageid="


def split(conversation_id: str) -> tuple[str, str | None]:
    """A conversation id without its thread, and the id of the thread's first message."""
    place, _, root = conversation_id.partition(_ROOT)
    return place, root or None


def threaded(place: str, root: str) -> str:
    """The id by which a thread of a channel is addressed."""
    return f"{place}{_ROOT}{root}"


class Conversations:
    """Places and messages; every error is the Connector's own word for it."""

    def __init__(
        self, *, people: Mapping[str, Person], places: Mapping[str, Place], wall: Callable[[], float]
    ) -> None:
        """Start with the given people and places, and no message. `wall` in Unix seconds."""
        self.people = people
        self.places = dict(places)
        self._wall = wall
        self._messages: dict[str, dict[str, Message]] = {}
        self._last = 0

    def new_id(self) -> str:
        """A message id: milliseconds since 1970, unique and rising even when the clock stops."""
        self._last = max(int(self._wall() * 1000), self._last + 1)
        return str(self._last)

    def place(self, conversation_id: str) -> Place:
        """The place that an id means. Raises ConnectorError: 404 when there is none, or it was deleted."""
        found = self.places.get(split(conversation_id)[0])
        if found is None or found.gone:
            raise ConnectorError(404)
        return found

    def writable(self, conversation_id: str) -> Place:
        """The place, if the bot may write there.

        Raises ConnectorError: 404 gone, 403 not installed or blocked, 404 for a thread without first message.
        """
        place = self.place(conversation_id)
        if place.scope == "personal" and (place.blocked or not place.installed):
            raise WritesBlocked
        if not place.installed:
            raise not_in_roster()
        root = split(conversation_id)[1]
        if root is not None and (place.scope != "channel" or root not in self._messages.get(place.id, {})):
            raise ConnectorError(404)
        return place

    def personal(self, person: Person) -> Place:
        """The personal chat of the bot with someone, opened when it is not yet."""
        place_id = f"a:1{person.name}-{person.aad[:8]}"
        fresh = Place(id=place_id, name=person.full_name, scope="personal", members=frozenset({person.name}))
        return self.places.setdefault(place_id, fresh)

    def person(self, account_id: str) -> Person | None:
        """Someone by 29: id, Entra object id or e-mail, as the roster endpoints take them."""
        for person in self.people.values():
            if account_id in (person.id, person.aad, person.email):
                return person
        return None

    def change(self, place_id: str, **fields: Any) -> Place:
        """Change a place: `installed=False`, `blocked=True`, `gone=True`, `members=…`."""
        self.places[place_id] = replace(self.places[place_id], **fields)
        return self.places[place_id]

    def put(self, message: Message) -> Message:
        """Keep a new message, or the newer version of one."""
        self._messages.setdefault(message.place, {})[message.id] = message
        return message

    def get(self, conversation_id: str, message_id: str) -> Message:
        """Raises ConnectorError 404 ActivityNotFoundInConversation."""
        place = self.place(conversation_id)
        try:
            return self._messages[place.id][message_id]
        except KeyError:
            raise no_activity() from None

    def remove(self, message: Message) -> None:
        """Delete a message."""
        del self._messages[message.place][message.id]

    def messages(self, place_id: str) -> list[Message]:
        """All messages of a place with those in threads, oldest first."""
        return list(self._messages.get(place_id, {}).values())
