"""Notify-only: a Workflows webhook takes cards, outcomes and alerts; the place's name tells which way in.

"Post to a channel when a webhook request is received" (support.microsoft.com, "Create incoming webhooks with
Workflows") takes a message with an Adaptive Card. The address is the secret: anyone who has it can post, so
no log, error or card contains it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import httpx

from adapters.chat.errors import Throttled
from adapters.http import REACHED, exchange, open_client, retry_after
from adapters.teams.api import meaning
from adapters.teams.elements import Content
from adapters.teams.notices import notice_content_of, page_content_of
from adapters.teams.render import RenderContext, content_of, digest_content_of
from bot.card import Card, Notification, QueueCard
from bot.errors import Forbidden, Gone, Unavailable
from bot.ports import Chat
from bot.records import Alert
from bot.surface import Surface
from bot.wording import CardState

CARD = "application/vnd.microsoft.card.adaptive"
#: Seconds between two messages of one workflow (Power Automate, "Limits": 4 messages a second at most).
INTERVAL = 0.5
#: Seconds for one message; a workflow answers when it has taken it, not when it has posted it.
LIMIT = 10.0
#: What an operator does about a refusal.
LOOK = "Check that the flow exists and is turned on, and copy its trigger's URL again"

#: The looks of a card that is over; what changes before that is not worth a message of its own.
ENDS = frozenset(
    {
        *(CardState.APPROVED, CardState.REJECTED, CardState.SKIPPED, CardState.EXPIRED),
        *(CardState.ELSEWHERE, CardState.UNDELIVERABLE),
    }
)


class WorkflowsChat:
    """Implements `bot.ports.Chat` for named webhooks. A ref is the mark: no message can be changed or found."""

    def __init__(self, *, client: httpx.AsyncClient, addresses: Mapping[str, str]) -> None:
        """`addresses` by the name under which the policy knows each."""
        self._client, self._addresses = client, dict(addresses)

    @property
    def surface(self) -> Surface:
        """Teams."""
        return Surface.TEAMS

    @property
    def interval(self) -> timedelta:
        """Half a second."""
        return timedelta(seconds=INTERVAL)

    @property
    def names(self) -> frozenset[str]:
        """The channels that are webhooks."""
        return frozenset(self._addresses)

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        """Tell of a card, without its buttons."""
        await self._send(_shown(card, channel), channel)
        return card.digest_id if isinstance(card, QueueCard) else card.card_id

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        """Tell how it ended, as a message of its own; what changes before that is not told."""
        if isinstance(card, Card) and card.state in ENDS:
            await self._send(_shown(card, channel), channel)

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """A webhook tells of nothing: after a lost answer a message can stand there twice."""
        return None

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        """Say it in the channel; nobody is pinged."""
        await self._send(notice_content_of(notice, ()), channel)
        return notice.mark

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        """Raises Gone: a webhook's message cannot be changed."""
        raise Gone("a message from a Workflows webhook cannot be changed")

    async def put_alert(self, alert: Alert, channel: str, *, mark: str) -> None:
        """Post an alert; it has no ref."""
        await self._send(page_content_of(alert), channel)

    async def change_alert(self, alert: Alert, channel: str, ref: str, *, mark: str) -> None:
        """Post what would have been changed."""
        await self._send(page_content_of(alert), channel)

    async def dm_channel(self, account: str) -> str:
        """Raises Forbidden: a webhook reaches a channel and nobody alone."""
        raise Forbidden("a Workflows webhook cannot message one person")

    def link(self, channel: str, ref: str) -> str | None:
        """None: a webhook does not say where it posted the message."""
        return None

    async def is_missing(self, channel: str, ref: str) -> bool:
        """False: a webhook does not say."""
        return False

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        """Names that are no webhook; whether one works is only known by using it."""
        return {
            name: "is not a Workflows webhook in nod.yaml" for name in channels if name not in self._addresses
        }

    async def _send(self, content: Content, channel: str) -> None:
        """Raises Unavailable, Unanswered (it may be up) or Forbidden; no message of theirs has the address."""
        address = self._addresses.get(channel)
        if address is None:
            raise Forbidden(f"{channel} is not a Workflows webhook in nod.yaml")
        message = {"type": "message", "attachments": [{"contentType": CARD, "content": content}]}
        headers = {"Content-Type": "application/json"}
        body = json.dumps(message).encode()
        try:
            answer = await exchange(self._client, "POST", address, headers=headers, content=body, limit=LIMIT)
        except Unavailable as error:
            # Not from it: what it was raised from knows the address.
            raise type(error)(f"the workflow {channel}: {error}") from None
        asked = answer.headers.get("retry-after")
        trouble = meaning(answer.status, f"the workflow {channel}", posts=True, asked=asked)
        if isinstance(trouble, Throttled):
            trouble.retry_after = retry_after(trouble.asked)
        if isinstance(trouble, Forbidden):
            trouble = Forbidden(f"the workflow {channel} answered with HTTP {answer.status}. {LOOK}")
        if trouble is not None:
            raise trouble


@asynccontextmanager
async def open_workflows(addresses: Mapping[str, str]) -> AsyncIterator[WorkflowsChat]:
    """The webhooks by name, for as long as the block runs; the settings have checked the addresses."""
    async with open_client(timeout=REACHED) as client:
        yield WorkflowsChat(client=client, addresses=addresses)


def _shown(card: Card | QueueCard, channel: str) -> Content:
    context = RenderContext(channel=channel)
    if isinstance(card, QueueCard):
        return digest_content_of(replace(card, buttons={}), context)
    return content_of(replace(card, buttons={}), context)


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

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        """See `bot.ports.Chat`."""
        return await self._of(channel).post(card, channel)

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        """See `bot.ports.Chat`."""
        await self._of(channel).update(card, channel, ref)

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """See `bot.ports.Chat`."""
        return await self._of(channel).find(mark, channel, since=since, thread=thread)

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        """See `bot.ports.Chat`."""
        return await self._of(channel).say(notice, channel, thread=thread)

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        """See `bot.ports.Chat`."""
        await self._of(channel).amend(notice, channel, ref)

    async def dm_channel(self, account: str) -> str:
        """The bot's: a webhook reaches nobody alone."""
        return await self._bot.dm_channel(account)

    def link(self, channel: str, ref: str) -> str | None:
        """See `bot.ports.Chat`."""
        return self._of(channel).link(channel, ref)

    async def is_missing(self, channel: str, ref: str) -> bool:
        """See `bot.ports.Chat`."""
        return await self._of(channel).is_missing(channel, ref)

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        """See `bot.ports.Chat`."""
        mine = [channel for channel in channels if channel not in self._webhooks.names]
        return await self._bot.problems(mine)

    def _of(self, channel: str) -> Chat:
        return self._webhooks if channel in self._webhooks.names else self._bot
