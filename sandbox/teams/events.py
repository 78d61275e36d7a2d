"""What happens around a bot without a press: it is installed and removed, people come, go and write."""

from collections.abc import Callable, Mapping

from sandbox.teams.activities import Writer
from sandbox.teams.conversations import Conversations
from sandbox.teams.delivery import Delivery, DeliveryResult
from sandbox.teams.errors import CannotDo
from sandbox.teams.messages import Message
from sandbox.teams.people import STAFF, TEAM, Bot, Person, Place


class Events:
    """Administrators' and people's doings; each changes the state first, then tells the bot."""

    def __init__(
        self,
        *,
        bot: Bot,
        people: Mapping[str, Person],
        conversations: Conversations,
        delivery: Delivery,
        writer: Writer,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called after each change."""
        self._bot = bot
        self._people = people
        self._conversations = conversations
        self._delivery = delivery
        self._writer = writer
        self._changed = changed

    async def announce(self) -> list[DeliveryResult]:
        """Tell a bot that starts again what it would know by now: the team, channels, group chat and staff."""
        places = [place for place in self._conversations.places.values() if place.installed and not place.gone]
        told = [result for place in places if place.id == TEAM for result in await self.install(TEAM)]
        told += [
            await self._channel("channelCreated", p) for p in places if p.scope == "channel" and p.id != TEAM
        ]
        told += [
            result for place in places if place.scope == "groupChat" for result in await self.install(place.id)
        ]
        for name in sorted(STAFF):
            told += await self.install(self._conversations.personal(self._people[name]).id)
        return told

    async def install(self, place_id: str, *, by: str | None = None) -> list[DeliveryResult]:
        """Install the app in the team (by any of its channels), a chat, or for a person."""
        return await self._installation(place_id, by=by, added=True)

    async def uninstall(self, place_id: str, *, by: str | None = None) -> list[DeliveryResult]:
        """Remove the app again: writing there is answered 403 from now on."""
        return await self._installation(place_id, by=by, added=False)

    async def _installation(self, place_id: str, *, by: str | None, added: bool) -> list[DeliveryResult]:
        place = self._conversations.places[place_id]
        for each in list(self._conversations.places.values()):
            same_team = place.scope == "channel" and each.scope == "channel"
            if each.id == place_id or same_team:
                self._conversations.change(each.id, installed=added)
        self._changed()
        person = self._someone(place, by)
        action = "add" if added else "remove"
        deliver, writer = self._delivery.deliver, self._writer
        first = await deliver(writer.installed(person=person, place=place, action=action))
        who = [{"id": self._bot.id}]
        return [first, await deliver(writer.members(person=person, place=place, who=who, added=added))]

    def block(self, person: str, *, blocked: bool = True) -> None:
        """A person blocks the bot; it is not told, and learns it by a 403 MessageWritesBlocked."""
        place = self._conversations.personal(self._people[person])
        self._conversations.change(place.id, blocked=blocked)
        self._changed()

    async def join(self, person: str, place_id: str) -> DeliveryResult:
        """Someone comes into a conversation."""
        return await self._member(person, place_id, added=True)

    async def leave(self, person: str, place_id: str) -> DeliveryResult:
        """Someone leaves a conversation, or is removed."""
        return await self._member(person, place_id, added=False)

    async def _member(self, person: str, place_id: str, *, added: bool) -> DeliveryResult:
        actor, place = self._people[person], self._conversations.places[place_id]
        members = place.members | {person} if added else place.members - {person}
        place = self._conversations.change(place_id, members=members)
        self._changed()
        who = [{"id": actor.id, "aadObjectId": actor.aad}]
        return await self._delivery.deliver(
            self._writer.members(person=actor, place=place, who=who, added=added)
        )

    async def rename(self, place_id: str, name: str) -> DeliveryResult:
        """Rename a channel."""
        return await self._channel("channelRenamed", self._conversations.change(place_id, name=name))

    async def delete(self, place_id: str) -> DeliveryResult:
        """Delete a channel: everything there is answered 404 from now on."""
        return await self._channel("channelDeleted", self._conversations.change(place_id, gone=True))

    async def restore(self, place_id: str) -> DeliveryResult:
        """Bring a deleted channel back, with its messages."""
        return await self._channel("channelRestored", self._conversations.change(place_id, gone=False))

    async def _channel(self, event: str, place: Place) -> DeliveryResult:
        self._changed()
        return await self._delivery.deliver(
            self._writer.channel(event, person=self._someone(place, None), place=place)
        )

    async def say(self, person: str, place_id: str, text: str, *, root: str | None = None) -> DeliveryResult:
        """Someone writes to the bot, by mentioning it where others are too. Raises CannotDo."""
        place = self._conversations.places.get(place_id)
        if place is None or place.gone or person not in place.members:
            raise CannotDo(f"{person} cannot write there")
        message = Message(
            place=place_id,
            id=self._conversations.new_id(),
            text=text,
            text_format="plain",
            author=person,
            root=root,
        )
        self._conversations.put(message)
        self._changed()
        return await self._delivery.deliver(
            self._writer.says(message, person=self._people[person], place=place)
        )

    def _someone(self, place: Place, by: str | None) -> Person:
        return self._people[by or min(place.members)]
