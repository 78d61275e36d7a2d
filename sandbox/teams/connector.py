"""The Bot Connector's operations on conversations, each with the refusals that the documentation names.

bot-docs: bot-framework-rest-connector-api-reference; msteams-docs: send-proactive-messages,
update-and-delete-bot-messages, get-teams-context.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.teams.conversations import Conversations, split, threaded
from sandbox.teams.errors import ConnectorError, bad, no_member, not_in_roster
from sandbox.teams.limits import card_of
from sandbox.teams.messages import Message
from sandbox.teams.pace import Pace
from sandbox.teams.people import TEAM, Bot, Person, Place

Json = dict[str, Any]

#: get-teams-context: a page of members holds 50 to 500.
PAGE_MOST = 500


def _inner(body: Mapping[str, Any], *names: str) -> Any:
    """A value inside nested objects, None where the way ends; names in any case, as the service reads them."""
    found: Any = body
    for name in names:
        if not isinstance(found, dict):
            return None
        found = next((value for key, value in found.items() if key.lower() == name.lower()), None)
    return found


class Connector:
    """What a bot can do. Every refusal is a ConnectorError."""

    def __init__(self, *, bot: Bot, conversations: Conversations, pace: Pace) -> None:
        """Works on the given state."""
        self._bot = bot
        self._conversations = conversations
        self._pace = pace

    def create(self, body: Json) -> Json:
        """POST /v3/conversations: a personal chat, or a new thread in a channel. 400, 403, 404, 413, 429."""
        channel = _inner(body, "channelData", "channel", "id")
        activity = _inner(body, "activity")
        if isinstance(channel, str):
            if not isinstance(activity, dict):
                raise bad("A new thread in a channel needs an activity.")
            self._conversations.writable(channel)
            self._pace.admit("create", split(channel)[0])
            sent = self.send(split(channel)[0], activity, counted=False)
            return {"id": threaded(split(channel)[0], sent["id"]), "activityId": sent["id"]}
        place = self._chat_with(body)
        answer: Json = {"id": place.id}
        if isinstance(activity, dict):
            answer["activityId"] = self.send(place.id, activity, counted=False)["id"]
        return answer

    def _chat_with(self, body: Json) -> Place:
        members = _inner(body, "members")
        if not isinstance(members, list) or len(members) != 1 or _inner(body, "isGroup"):
            raise bad("Incorrect conversation creation parameters")
        person = self._conversations.person(str(_inner(members[0], "id")))
        if person is None or person.email == _inner(members[0], "id"):
            raise bad("Failed to decrypt pairwise id")
        tenant = _inner(body, "tenantId") or _inner(body, "channelData", "tenant", "id")
        if tenant != person.tenant:
            raise bad("Incorrect conversation creation parameters: tenant")
        if not self._may_write_to(person):
            raise not_in_roster()
        place = self._conversations.personal(person)
        self._pace.admit("create", place.id)
        return place

    def _may_write_to(self, person: Person) -> bool:
        """The app is installed for the person, or in a team or chat that they are in."""
        places = self._conversations.places.values()
        return any(person.name in place.members and place.installed and not place.gone for place in places)

    def send(self, conversation_id: str, body: Json, *, counted: bool = True) -> Json:
        """POST …/activities and POST …/activities/{id}: a message, or a sign of typing.

        400, 403, 404, 413, 429. The id in the path of a reply does not choose a thread: only `;messageid=` in
        the conversation's id does.
        """
        place = self._conversations.writable(conversation_id)
        if body.get("type") == "typing":
            return {"id": self._conversations.new_id()}
        fields = self._content(body, place)
        if counted:
            self._pace.admit("send", place.id)
        root = split(conversation_id)[1]
        message = Message(place=place.id, id=self._conversations.new_id(), root=root, **fields)
        return {"id": self._conversations.put(message).id}

    def update(self, conversation_id: str, message_id: str, body: Json) -> Json:
        """PUT …/activities/{id}: the bot's own messages, for everybody. 400, 403, 404, 413, 429."""
        place = self._conversations.writable(conversation_id)
        message = self._own(conversation_id, message_id)
        fields = self._content(body, place)
        self._pace.admit("send", place.id)
        self._conversations.put(message.changed(**fields))
        return {"id": message_id}

    def delete(self, conversation_id: str, message_id: str) -> None:
        """DELETE …/activities/{id}: the bot's own messages. 403, 404, 429."""
        place = self._conversations.writable(conversation_id)
        message = self._own(conversation_id, message_id)
        self._pace.admit("send", place.id)
        self._conversations.remove(message)

    def members(self, conversation_id: str) -> list[Json]:
        """GET …/members: everybody. 403, 404, 429."""
        return [person.to_member() for person in self._roster(conversation_id)]

    def member(self, conversation_id: str, member_id: str) -> Json:
        """GET …/members/{id}, by 29: id, Entra object id or e-mail. 403, 404, 429."""
        roster = self._roster(conversation_id)
        person = self._conversations.person(member_id)
        if person is None or person not in roster:
            raise no_member()
        return person.to_member()

    def page(self, conversation_id: str, *, size: int, token: str | None) -> Json:
        """GET …/pagedmembers: at most 500 at once, with a continuationToken while there are more."""
        everybody = self._roster(conversation_id)
        if token is not None and not token.isdecimal():
            raise bad("The continuation token is invalid.")
        start, end = int(token or 0), int(token or 0) + max(1, min(size, PAGE_MOST))
        answer: Json = {"members": [person.to_member() for person in everybody[start:end]]}
        return answer if end >= len(everybody) else {**answer, "continuationToken": str(end)}

    def channels(self, team_id: str) -> Json:
        """GET /v3/teams/{id}/conversations: the channels; General comes without a name, as in the real one."""
        places = [place for place in self._conversations.places.values() if place.scope == "channel"]
        if team_id != TEAM:
            raise ConnectorError(404)
        if not any(place.installed for place in places):
            raise not_in_roster()
        listed = [
            {"id": place.id, "name": None if place.id == TEAM else place.name}
            for place in places
            if not place.gone
        ]
        return {"conversations": listed}

    def _roster(self, conversation_id: str) -> list[Person]:
        place = self._conversations.place(conversation_id)
        if not place.installed:
            raise not_in_roster()
        self._pace.admit("members", place.id)
        return [self._conversations.people[name] for name in sorted(place.members)]

    def _own(self, conversation_id: str, message_id: str) -> Message:
        message = self._conversations.get(conversation_id, message_id)
        if message.author is not None:
            raise ConnectorError(403, "ForbiddenOperationException", "The message is not the bot's own.")
        return message

    def _content(self, body: Json, place: Place) -> dict[str, Any]:
        """Text, card and mentions of an activity. Raises ConnectorError 400 or 413."""
        if body.get("type") != "message":
            raise bad("The activity type is not supported.")
        text, card = body.get("text") or "", card_of(body)
        if not isinstance(text, str) or not (text.strip() or card):
            raise bad("Activity must have text or an attachment.")
        mentioned = [
            self._mentioned(entity, text, place)
            for entity in body.get("entities") or ()
            if entity.get("type") == "mention"
        ]
        inside = (card or {}).get("msteams", {}).get("entities", ())
        mentioned += [self._mentioned(entity, entity["text"], place) for entity in inside]
        return {
            "text": text,
            "text_format": str(body.get("textFormat") or "markdown"),
            "card": card,
            "mentioned": tuple(mentioned),
        }

    def _mentioned(self, entity: Json, text: str, place: Place) -> str:
        person = self._conversations.person(str(_inner(entity, "mentioned", "id")))
        if person is None or person.name not in place.members or str(entity.get("text")) not in text:
            raise bad("A mention names nobody in this conversation, or is not in the text.")
        return person.name
