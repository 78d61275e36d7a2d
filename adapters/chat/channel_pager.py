"""A channel of a chat as a pager: each alert is posted once and then updated in place."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bot.errors import Gone
from bot.records import Alert
from bot.surface import Surface


class Board(Protocol):
    """Where alerts are posted: a bot's chat, or webhooks. Its methods raise Unavailable, Gone or Forbidden."""

    @property
    def surface(self) -> Surface: ...

    async def put_alert(self, alert: Alert, channel: str, *, mark: str) -> str | None:
        """Post it; returns its ref, None where messages have none."""
        ...

    async def change_alert(self, alert: Alert, channel: str, ref: str, *, mark: str) -> None:
        """Update its message."""
        ...

    async def find(self, mark: str, channel: str, *, since: datetime) -> str | None:
        """The ref of our message with this mark, where the chat can search for it."""
        ...


class ChannelPager:
    """Implements `bot.ports.Pager` for one channel; the ref of a page is its message's."""

    def __init__(self, *, board: Board, channel: str) -> None:
        """Where messages have no refs, a resolved alert is posted as a separate message."""
        self._board, self._channel = board, channel

    @property
    def name(self) -> str:
        """`slack:<channel>` or `teams:<channel>`, as nod.yaml has it."""
        return f"{self._board.surface}:{self._channel}"

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Post the alert, or update its message. After an attempt with an unknown result, look for it first.

        Where a chat cannot search, it can be posted twice. Raises Unavailable or Forbidden.
        """
        mark = f"{alert.approval_id}:{alert.cause}"
        if ref is None and attempted_at is not None:
            ref = await self._board.find(mark, self._channel, since=attempted_at)
        if ref is not None:
            try:
                await self._board.change_alert(alert, self._channel, ref, mark=mark)
            except Gone:  # someone deleted it; the readers of the channel still need the news
                ref = None
        return ref or await self._board.put_alert(alert, self._channel, mark=mark)
