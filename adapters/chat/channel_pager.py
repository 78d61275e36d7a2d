"""A channel of a chat as a pager: alerts that a person must see, told once, and brought up to date in place."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bot.errors import Gone
from bot.records import Alert
from bot.surface import Surface


class Board(Protocol):
    """Where alerts go up: a bot's chat, or webhooks. Its methods raise Unavailable, Gone or Forbidden."""

    @property
    def surface(self) -> Surface: ...

    async def put_alert(self, alert: Alert, channel: str, *, mark: str) -> str | None:
        """Post it; returns its ref, None where messages have none."""
        ...

    async def change_alert(self, alert: Alert, channel: str, ref: str, *, mark: str) -> None:
        """Bring its message up to date."""
        ...

    async def find(self, mark: str, channel: str, *, since: datetime) -> str | None:
        """The ref of our message with this mark, where the chat can tell."""
        ...


class ChannelPager:
    """Implements `bot.ports.Pager` for one channel; the ref of a page is its message's."""

    def __init__(self, *, board: Board, channel: str) -> None:
        """Where messages have no refs, an alert that is over is told as a message of its own."""
        self._board, self._channel = board, channel

    @property
    def name(self) -> str:
        """`slack:<channel>` or `teams:<channel>`, as nod.yaml has it."""
        return f"{self._board.surface.value}:{self._channel}"

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Post the alert, or bring its message up to date; after a try of unknown end, look first.

        Where a chat cannot tell, it may stand there twice. Raises Unavailable or Forbidden.
        """
        mark = f"{alert.approval_id}:{alert.cause}"
        if ref is None and attempted_at is not None:
            ref = await self._board.find(mark, self._channel, since=attempted_at)
        if ref is not None:
            try:
                await self._board.change_alert(alert, self._channel, ref, mark=mark)
            except Gone:  # somebody deleted it; whoever reads the channel next still needs the news
                ref = None
        return ref or await self._board.put_alert(alert, self._channel, mark=mark)
