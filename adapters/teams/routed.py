"""One surface, two ways in: the bot's conversations, and webhooks that only notify; the name tells which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from adapters.teams.workflows import WorkflowsChat
from bot.card import Card, DigestCard, Notice
from bot.ports import Chat
from bot.surface import Surface


class RoutedChat:
    """Implements `bot.ports.Chat`: a webhook's name goes to the webhooks, everything else to the bot."""

    def __init__(self, *, bot: Chat, webhooks: WorkflowsChat) -> None:
        self._bot, self._webhooks = bot, webhooks

    @property
    def surface(self) -> Surface:
        """Teams."""
        return Surface.TEAMS

    @property
    def interval(self) -> timedelta:
        """The longer one of the two."""
        return max(self._bot.interval, self._webhooks.interval)

    async def post(self, card: Card | DigestCard, channel: str) -> str:
        """See `bot.ports.Chat`."""
        return await self._of(channel).post(card, channel)

    async def update(self, card: Card | DigestCard, channel: str, ref: str) -> None:
        """See `bot.ports.Chat`."""
        await self._of(channel).update(card, channel, ref)

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """See `bot.ports.Chat`."""
        return await self._of(channel).find(mark, channel, since=since, thread=thread)

    async def say(self, notice: Notice, channel: str, *, thread: str | None = None) -> str:
        """See `bot.ports.Chat`."""
        return await self._of(channel).say(notice, channel, thread=thread)

    async def room_of(self, account: str) -> str:
        """The bot's: a webhook reaches nobody alone."""
        return await self._bot.room_of(account)

    def link(self, channel: str, ref: str) -> str | None:
        """See `bot.ports.Chat`."""
        return self._of(channel).link(channel, ref)

    async def troubles(self, channels: Sequence[str]) -> Mapping[str, str]:
        """See `bot.ports.Chat`."""
        mine = [channel for channel in channels if channel not in self._webhooks.names]
        return await self._bot.troubles(mine)

    def _of(self, channel: str) -> Chat:
        return self._webhooks if channel in self._webhooks.names else self._bot
