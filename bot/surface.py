"""Where people see cards and click: surfaces, the places there, and the conversations that a chat tells of.

Teams tells the bot where it may speak (`installationUpdate`, `conversationUpdate`); Slack is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Surface(StrEnum):
    """Where people see cards and click; and the policy, where nobody needs to."""

    SLACK = "slack"
    TEAMS = "teams"
    POLICY = "policy"  #: automatic decisions: no card stands here


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Destination:
    """A place where a card can stand: a surface and a channel of it, by the surface's own id."""

    surface: Surface
    channel: str

    def __str__(self) -> str:
        return f"{self.surface.value}:{self.channel}"


class Scope(StrEnum):
    """What kind of conversation it is, in the words of Teams' app manifest."""

    TEAM = "team"  #: a channel of a team
    GROUP = "groupChat"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRef:
    """One conversation, with what it takes to speak there."""

    tenant: str  #: in small letters
    service_url: str  #: from a verified activity only, on the list of allowed hosts
    id: str  #: without `;messageid=`
    scope: Scope
    name: str = ""  #: as the policy may call it; empty when the chat named none
    bot_id: str = ""  #: the bot as an account of the channel (`28:…`)
    person: str | None = None  #: personal: her Entra object id, in small letters
    user: str | None = None  #: personal: her `29:` id
    team: str | None = None  #: team: the group's Entra id, which links need


class Conversations(Protocol):
    """Keeps conversations. Every method raises Unavailable when it cannot."""

    async def put(self, ref: ConversationRef) -> None:
        """Keep it, in place of what was known under its id."""
        ...

    async def get(self, conversation_id: str) -> ConversationRef | None:
        """The conversation with this id."""
        ...

    async def of_person(self, account: str) -> ConversationRef | None:
        """The personal chat with the person of this account (`<tenant>/<Entra object id>`)."""
        ...

    async def drop(self, conversation_id: str) -> None:
        """Forget it: the bot was removed there."""
        ...

    async def all(self) -> Sequence[ConversationRef]:
        """Every conversation that is kept."""
        ...
