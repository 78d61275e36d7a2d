"""What a person does in the client, turned into activities, and what the answers do to what they see."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.teams.activities import Writer
from sandbox.teams.answers import UNREACHABLE, read_action, read_task
from sandbox.teams.card_parts import Pressable, pressables
from sandbox.teams.conversations import Conversations
from sandbox.teams.delivery import Delivery, DeliveryResult
from sandbox.teams.errors import CannotDo
from sandbox.teams.fields import Filled, sent_with
from sandbox.teams.messages import Card, Message
from sandbox.teams.people import Person, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """A dialog (task module) that is open in front of one person."""

    message: Message
    title: str
    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which action someone means: by its verb, its title, or its place among all of the card."""

    verb: str | None = None
    title: str | None = None
    index: int | None = None

    def find(self, card: Mapping[str, Any]) -> Pressable:
        """Raises CannotDo when the card has no such action."""
        for index, found in enumerate(pressables(card)):
            action = found.action
            same_verb = self.verb in (None, action.get("verb"))
            same_title = self.title in (None, action.get("title"))
            sends = action["type"] in ("Action.Execute", "Action.Submit")
            if sends and same_verb and same_title and self.index in (None, index):
                return found
        raise CannotDo(f"the card has no button {self.verb or self.title or self.index}")


class UserActions:
    """What people can do. Raises CannotDo for what the client would not offer them."""

    def __init__(
        self, *, people: Mapping[str, Person], conversations: Conversations, delivery: Delivery, writer: Writer
    ) -> None:
        """Works on the given state; dialogs are kept here."""
        self._people = people
        self._conversations = conversations
        self._delivery = delivery
        self._writer = writer
        self.dialogs: dict[str, Dialog] = {}

    def who(self, person: str, message: Message) -> tuple[Person, Place]:
        """A person and the place, if they are in it."""
        actor = self._people.get(person)
        place = self._conversations.places.get(message.place)
        if actor is None or place is None or place.gone or person not in place.members:
            raise CannotDo(f"{person} does not see that message")
        return actor, place

    async def press(
        self, message: Message, *, person: str, wanted: Wanted, filled: Filled, old_client: bool, card: Card
    ) -> DeliveryResult:
        """A press on a card; with `old_client` its fallback, as in clients without Universal Actions."""
        actor, place = self.who(person, message)
        found = wanted.find(card)
        action = found.action
        if action.get("isEnabled") is False:
            raise CannotDo("the button is disabled")
        if old_client and action["type"] == "Action.Execute":
            action = action.get("fallback", "drop")
            if action == "drop":
                raise CannotDo("the button is not shown to this client")
        data = sent_with(action, found.inputs, filled)
        if action["type"] == "Action.Execute":
            return await self._execute(message, person=actor, place=place, action=action, data=data)
        asks = data.get("msteams") if isinstance(data, dict) else None
        if isinstance(asks, dict) and asks.get("type") == "task/fetch":
            return await self._task("task/fetch", message, person=actor, place=place, data=data)
        return await self._delivery.deliver(self._writer.submit(message, person=actor, place=place, data=data))

    async def refresh(self, message: Message, *, person: str, trigger: str) -> DeliveryResult | None:
        """The refresh of a card for one person, by the client or by its menu; None when the card has none."""
        actor, place = self.who(person, message)
        asked = (message.seen_by(person) or {}).get("refresh")
        if not asked:
            return None
        action, users = asked["action"], asked.get("userIds")
        if trigger == "automatic" and users is not None and actor.id not in users:
            return None
        return await self._execute(
            message, person=actor, place=place, action=action, data=action.get("data"), trigger=trigger
        )

    async def _execute(
        self,
        message: Message,
        *,
        person: Person,
        place: Place,
        action: Mapping[str, Any],
        data: Any,
        trigger: str = "manual",
    ) -> DeliveryResult:
        kept = {name: action[name] for name in ("type", "id", "title", "verb") if name in action}
        sent = self._writer.execute(
            message, person=person, place=place, action={**kept, "data": data}, trigger=trigger
        )
        result = await self._delivery.deliver(sent)
        reading = read_action(result)
        if reading.card is not None:
            self._show(message, person, reading.card)
        return replace(result, shown=reading.shown, told=reading.told)

    def _show(self, message: Message, person: Person, card: Card) -> None:
        """An answer's card is shown to one person, unless the message was replaced meanwhile."""
        now = {kept.id: kept for kept in self._conversations.messages(message.place)}.get(message.id)
        if now is not None and len(now.history) == len(message.history):
            self._conversations.put(now.with_view(person.name, card))

    async def submit(self, *, person: str, wanted: Wanted, filled: Filled) -> DeliveryResult:
        """A press of Action.Submit inside the open dialog."""
        dialog = self.dialogs.get(person)
        if dialog is None:
            raise CannotDo(f"{person} has no dialog open")
        actor, place = self.who(person, dialog.message)
        found = wanted.find(dialog.card)
        if found.action["type"] != "Action.Submit":
            raise CannotDo("only Action.Submit works inside a dialog")
        data = sent_with(found.action, found.inputs, filled)
        return await self._task("task/submit", dialog.message, person=actor, place=place, data=data)

    async def _task(
        self, name: str, message: Message, *, person: Person, place: Place, data: Any
    ) -> DeliveryResult:
        activity = self._writer.task(name, message, person=person, place=place, data=data)
        result = await self._delivery.deliver(activity)
        reading = read_task(result)
        if name == "task/fetch" and not (reading.dialog or reading.told):
            reading = replace(reading, shown=UNREACHABLE)
        if reading.card is not None:
            self.dialogs[person.name] = Dialog(message=message, title=reading.title, card=reading.card)
        elif not reading.shown:
            self.dialogs.pop(person.name, None)
        return replace(result, shown=reading.shown, told=reading.told)
