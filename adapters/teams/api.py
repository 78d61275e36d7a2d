"""The Connector as the rest of this package calls it: paced, with the errors of the core."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol

from adapters.teams.conversations import ConversationRef, threaded
from adapters.teams.errors import Throttled, translated
from adapters.teams.pace import Cooling, Turns

#: Pages of one roster; with 200 to a page more people than may see a card.
PAGES = 50


class Wire(Protocol):
    """The calls of `adapters.teams.sdk.Connector`, so that nothing else imports the SDK."""

    async def send(
        self, service_url: str, conversation: str, message: Mapping[str, Any], *, bot: str
    ) -> str: ...

    async def update(
        self, service_url: str, conversation: str, ref: str, message: Mapping[str, Any], *, bot: str
    ) -> None: ...

    async def open_personal(self, service_url: str, *, bot: str, user: str, tenant: str) -> str: ...

    async def members(
        self, service_url: str, conversation: str, *, after: str | None = None
    ) -> tuple[list[Any], str | None]: ...

    async def member(self, service_url: str, conversation: str, user: str) -> Any: ...

    async def channels(self, service_url: str, team: str) -> list[Any]: ...


class TeamsApi:
    """One bot's calls. Every method raises Unavailable (`Unanswered`), Gone or Forbidden."""

    def __init__(self, *, wire: Wire, turns: Turns, cooling: Cooling) -> None:
        """The wire must repeat nothing by itself: what is owed is repeated from the store."""
        self._wire, self._turns, self._cooling = wire, turns, cooling

    async def post(
        self, ref: ConversationRef, message: Mapping[str, Any], *, before: datetime, thread: str | None = None
    ) -> str:
        """A new message, in turn; in a channel's thread where one is named. Unanswered when it may be up."""
        where = threaded(ref, thread) if thread else ref.id
        async with self._spoken(ref, "a message", posts=True, before=before):
            return await self._wire.send(ref.service_url, where, message, bot=ref.bot_id)

    async def change(
        self, ref: ConversationRef, message_id: str, message: Mapping[str, Any], *, before: datetime
    ) -> None:
        """Another message in place of the one that is there, in turn. Raises Gone when none is."""
        async with self._spoken(ref, "an update", posts=False, before=before):
            await self._wire.update(ref.service_url, ref.id, message_id, message, bot=ref.bot_id)

    async def open_personal(self, near: ConversationRef, *, bot: str, user: str) -> str:
        """The id of the personal chat with somebody of `near`'s tenant. Asking twice opens no second one."""
        with translated("opening a conversation"):
            return await self._wire.open_personal(near.service_url, bot=bot, user=user, tenant=near.tenant)

    async def roster(self, ref: ConversationRef) -> list[Any]:
        """The members of a conversation, as they came."""
        found: list[Any] = []
        after: str | None = None
        with translated("a roster"):
            for _ in range(PAGES):
                page, after = await self._wire.members(ref.service_url, ref.id, after=after)
                found += page
                if after is None:
                    break
        return found

    async def meet(self, ref: ConversationRef) -> None:
        """Prove that the bot is taken there, by one page of the roster: that of thousands takes seconds."""
        with translated("a roster"):
            await self._wire.members(ref.service_url, ref.id)

    async def member(self, ref: ConversationRef, user: str) -> Any:
        """One member, by `29:` id or Entra object id, as it came. Raises Gone for somebody who is none."""
        with translated("a member"):
            return await self._wire.member(ref.service_url, ref.id, user)

    async def channels(self, ref: ConversationRef, team: str) -> list[Any]:
        """A team's channels, as they came."""
        with translated("the list of channels"):
            return await self._wire.channels(ref.service_url, team)

    @asynccontextmanager
    async def _spoken(
        self, ref: ConversationRef, what: str, *, posts: bool, before: datetime
    ) -> AsyncIterator[None]:
        self._cooling.check(ref.id)
        try:
            async with self._turns.turn(ref.id, before=before):
                self._cooling.check(ref.id)
                with translated(what, posts=posts):
                    yield
        except Throttled as busy:
            busy.retry_after = self._cooling.hold(ref.id, busy.asked)
            raise
        self._cooling.passed(ref.id)
