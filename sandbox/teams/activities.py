"""The activities that Teams sends to a bot, as the documentation shows them.

msteams-docs: subscribe-to-conversation-events, work-with-universal-actions-for-adaptive-cards,
task-modules-bots; bot-docs: bot-framework-rest-connector-api-reference for the common fields.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.teams.conversations import threaded
from sandbox.teams.messages import Message
from sandbox.teams.people import TEAM, TEAM_GROUP, TEAM_NAME, Bot, Person, Place

Activity = dict[str, Any]

_TEAM = {"id": TEAM, "name": TEAM_NAME, "aadGroupId": TEAM_GROUP}


def _stamp(seconds: float) -> str:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes activities of one tenant to one bot."""

    bot: Bot
    service_url: Callable[[], str]
    wall: Callable[[], float]

    def _base(self, kind: str, *, person: Person, place: Place, thread: str | None) -> Activity:
        conversation: dict[str, Any] = {
            "conversationType": place.scope,
            "tenantId": self.bot.tenant,
            "id": threaded(place.id, thread) if thread and place.scope == "channel" else place.id,
        }
        # The tenant is the conversation's, no matter who acts: only the roster tells where a stranger is from.
        data: dict[str, Any] = {"tenant": {"id": self.bot.tenant}}
        if place.scope != "personal":
            conversation["isGroup"] = True
        if place.scope == "channel":
            data |= {
                "channel": {"id": place.id},
                "team": {"id": TEAM},
                "teamsTeamId": TEAM,
                "teamsChannelId": place.id,
            }
        now = _stamp(self.wall())
        return {
            "type": kind,
            "id": f"f:{uuid.uuid4()}",
            "timestamp": now,
            "localTimestamp": now,
            "channelId": "msteams",
            "serviceUrl": self.service_url(),
            "from": person.to_sender(),
            "recipient": {"id": self.bot.id, "name": self.bot.name},
            "conversation": conversation,
            "channelData": data,
            "locale": "en-GB",
            "localTimezone": "Europe/Berlin",
            "entities": [
                {
                    "type": "clientInfo",
                    "locale": "en-GB",
                    "country": "GB",
                    "platform": "Web",
                    "timezone": "Europe/Berlin",
                }
            ],
        }

    def _on(self, message: Message, kind: str, *, person: Person, place: Place) -> Activity:
        base = self._base(kind, person=person, place=place, thread=message.root or message.id)
        base["channelData"] |= {"source": {"name": "message"}, "legacy": {"replyToId": message.id}}
        return {**base, "replyToId": message.id}

    def execute(self, message: Message, *, person: Person, place: Place, action: Any, trigger: str) -> Activity:
        """`adaptiveCard/action`: a press of Action.Execute (`manual`) or a refresh (`automatic`)."""
        activity = self._on(message, "invoke", person=person, place=place)
        return {**activity, "name": "adaptiveCard/action", "value": {"action": action, "trigger": trigger}}

    def submit(self, message: Message, *, person: Person, place: Place, data: Any) -> Activity:
        """A press of Action.Submit: a message without text, with the data as its value."""
        return {**self._on(message, "message", person=person, place=place), "value": data}

    def task(self, name: str, message: Message, *, person: Person, place: Place, data: Any) -> Activity:
        """`task/fetch` and `task/submit`: a dialog is wanted, or was filled in."""
        activity = self._on(message, "invoke", person=person, place=place)
        return {**activity, "name": name, "value": {"data": data, "context": {"theme": "default"}}}

    def says(self, message: Message, *, person: Person, place: Place) -> Activity:
        """Someone wrote to the bot; in channels and group chats by mentioning it."""
        activity = self._base("message", person=person, place=place, thread=message.root or message.id)
        text = message.text
        if place.scope != "personal":
            at = f"<at>{self.bot.name}</at>"
            mention = {"type": "mention", "text": at, "mentioned": {"id": self.bot.id, "name": self.bot.name}}
            text, activity["entities"] = f"{at} {text}", [*activity["entities"], mention]
        return {**activity, "id": message.id, "text": text, "textFormat": "plain"}

    def installed(self, *, person: Person, place: Place, action: str) -> Activity:
        """installationUpdate: `add`, `add-upgrade`, `remove` or `remove-upgrade`."""
        activity = self._base("installationUpdate", person=person, place=place, thread=None)
        if place.scope == "channel":
            activity["channelData"] |= {"team": _TEAM, "settings": {"selectedChannel": {"id": place.id}}}
        return {**activity, "action": action}

    def members(self, *, person: Person, place: Place, who: list[dict[str, Any]], added: bool) -> Activity:
        """conversationUpdate: accounts came into a conversation, or left it."""
        activity = self._base("conversationUpdate", person=person, place=place, thread=None)
        if place.scope == "channel":
            activity["channelData"] |= {
                "team": _TEAM,
                "eventType": "teamMemberAdded" if added else "teamMemberRemoved",
                "settings": {"selectedChannel": {"id": place.id}},
            }
        if place.scope != "personal":
            activity["conversation"]["name"] = place.name
        return {**activity, "membersAdded" if added else "membersRemoved": who}

    def channel(self, event: str, *, person: Person, place: Place) -> Activity:
        """conversationUpdate about a channel: channelCreated, channelRenamed, channelDeleted, channelRestored.

        Such events come from the team's conversation, not from the channel's.
        """
        activity = self._base("conversationUpdate", person=person, place=place, thread=None)
        activity["conversation"]["id"] = TEAM
        activity["channelData"] |= {
            "channel": {"id": place.id, "name": place.name},
            "team": _TEAM,
            "eventType": event,
        }
        return activity
