"""A Slack channel as a pager: alerts that a person must see, told once, and mended in place."""

from __future__ import annotations

from datetime import datetime

from adapters.slack.chat import AT_ONCE, NOTICE, SlackChat
from adapters.slack.notices import page_of
from bot.errors import Gone
from bot.records import Alert


class SlackPager:
    """Implements `bot.ports.Pager` for one channel; the ref of a page is its message's `ts`."""

    def __init__(self, *, chat: SlackChat, channel: str) -> None:
        self._chat = chat
        self._channel = channel

    @property
    def name(self) -> str:
        """`slack:<channel>`, as nod.yaml has it."""
        return f"slack:{self._channel}"

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Post the alert, or bring its message up to date; after a try of unknown end, look first.

        Raises Unavailable or Forbidden.
        """
        mark = f"{alert.approval_id}:{alert.cause}"
        if ref is None and attempted_at is not None:
            ref = await self._chat.find(mark, self._channel, since=attempted_at)
        message = page_of(alert)
        if ref is not None:
            try:
                await self._chat.change(message, self._channel, ref, kind=NOTICE, mark=mark)
            except Gone:  # somebody deleted it; whoever reads the channel next still needs the news
                ref = None
        return ref or await self._chat.put(message, self._channel, kind=NOTICE, mark=mark, before=AT_ONCE)
