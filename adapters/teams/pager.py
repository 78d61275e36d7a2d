"""A conversation of Teams as a pager: alerts that a person must see, told once, and mended in place."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from adapters.teams.chat import AT_ONCE
from adapters.teams.elements import Content
from adapters.teams.notices import page_content_of, page_summary
from bot.errors import Gone
from bot.records import Alert
from bot.wording import Saying


class Board(Protocol):
    """Where messages that are no cards go up: the bot's chats, or its webhooks."""

    async def put(self, content: Content, summary: Saying, channel: str, *, before: datetime) -> str | None: ...

    async def change(self, content: Content, summary: Saying, channel: str, ref: str) -> None: ...


class TeamsPager:
    """Implements `bot.ports.Pager` for one conversation; the ref of a page is its activity id."""

    def __init__(self, *, chat: Board, channel: str) -> None:
        """A webhook has no refs: there an alert that was mended is told as a message of its own."""
        self._chat = chat
        self._channel = channel

    @property
    def name(self) -> str:
        """`teams:<channel>`, as nod.yaml has it."""
        return f"teams:{self._channel}"

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Post the alert, or bring its message up to date; after a try of unknown end it may stand there twice.

        Raises Unavailable or Forbidden.
        """
        content, summary = page_content_of(alert), page_summary(alert)
        if ref is not None:
            try:
                await self._chat.change(content, summary, self._channel, ref)
            except Gone:  # somebody deleted it; whoever reads the conversation next still needs the news
                ref = None
        return ref or await self._chat.put(content, summary, self._channel, before=AT_ONCE)
