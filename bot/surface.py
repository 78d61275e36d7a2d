"""Where people see cards and click: chats, the places in them, and the conversations that a chat reports.

Teams tells the bot where it can post (`installationUpdate`, `conversationUpdate`); Slack is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol


class Surface(str):
    """Where people see cards and click, by the name that nod.yaml, database and audit have for it.

    Any chat of `adapters.chat.words` is one, and sentences call it by its `title()`. The core itself knows only
    `POLICY`.
    """

    __slots__ = ()
    SLACK: ClassVar[Surface]
    TEAMS: ClassVar[Surface]
    POLICY: ClassVar[Surface]  #: automatic decisions: no card is shown here


Surface.SLACK, Surface.TEAMS, Surface.POLICY = Surface("slack"), Surface("teams"), Surface("policy")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Destination:
    """A place for cards: a chat and a channel in it, by the chat's own id."""

    surface: Surface
    channel: str

    def __str__(self) -> str:
        return f"{self.surface}:{self.channel}"


class Scope(StrEnum):
    """The kind of conversation, in the words of Teams' app manifest."""

    TEAM = "team"  #: a channel of a team
    GROUP = "groupChat"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRef:
    """One conversation, with all that Nod needs to post there."""

    tenant: str  #: in small letters
    service_url: str  #: from a verified activity only, on the list of allowed hosts
    id: str  #: without `;messageid=`
    scope: Scope
    name: str = ""  #: as the policy can call it; empty if the chat named none
    bot_id: str = ""  #: the bot as an account of the channel (`28:…`)
    person: str | None = None  #: personal: the person's Entra object id, in small letters
    user: str | None = None  #: personal: the person's `29:` id
    team: str | None = None  #: team: the group's Entra id, which links need


class Conversations(Protocol):
    """Keeps conversations. Every method raises Unavailable when it cannot."""

    async def put(self, ref: ConversationRef) -> None:
        """Keep it, and replace what was known under its id."""
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
        """Every conversation that is known."""
        ...
