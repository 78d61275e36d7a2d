"""Slack as a chat of the core: put cards up, change them, find them again, speak in their threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from adapters.slack.api import Answer, SlackApi
from adapters.slack.errors import translated
from adapters.slack.identity import Identity
from adapters.slack.notices import reply_of
from adapters.slack.render import message_of
from bot.approval import Surface
from bot.card import Card, Notice

#: The event_type of our messages' metadata; the payload holds ids only, every app can read it.
CARD = "nod_card"
NOTICE = "nod_notice"

#: How far before `since` a search begins: Slack's clock and ours need not agree.
SKEW = timedelta(seconds=60)
PAGE = 200  #: messages a page (conversations.history allows 999)
PAGES = 10  #: and at most so many pages; a search is for a message of the last minutes

#: Said at once: a ping to somebody on call goes before cards that wait for their turn.
AT_ONCE = datetime.min.replace(tzinfo=UTC)

log = structlog.get_logger(__name__)


class SlackChat:
    """Implements `bot.ports.Chat`; a message's ref is its `ts`."""

    def __init__(self, *, api: SlackApi, identity: Identity) -> None:
        self._api = api
        self._identity = identity

    @property
    def surface(self) -> Surface:
        """Slack."""
        return Surface.SLACK

    async def post(self, card: Card, channel: str) -> str:
        """Put a new card up; of several that wait for one channel, the earliest deadline goes first."""
        message = message_of(card)
        return await self.say(message, channel, kind=CARD, mark=card.card_id, before=card.deadline)

    async def update(self, card: Card, channel: str, ref: str) -> None:
        """Make the message show this card; `text` goes along, for what reads no blocks."""
        await self.change(message_of(card), channel, ref, kind=CARD, mark=card.card_id)

    async def reply(self, notice: Notice, channel: str, thread: str) -> str:
        """Say it in a card's thread."""
        message = {**reply_of(notice), "thread_ts": thread}
        return await self.say(message, channel, kind=NOTICE, mark=notice.mark, before=AT_ONCE)

    async def say(
        self, message: dict[str, Any], channel: str, *, kind: str, mark: str, before: datetime
    ) -> str:
        """Post any message of ours with its mark; returns the ref."""
        answer = await self._api.post(channel, before=before, metadata=_metadata(kind, mark), **message)
        with translated("chat.postMessage", posts=True):
            return _ref(answer)

    async def change(self, message: dict[str, Any], channel: str, ref: str, *, kind: str, mark: str) -> None:
        """Change any message of ours; its mark stays."""
        metadata = _metadata(kind, mark)
        await self._api.write("chat.update", channel=channel, ts=ref, metadata=metadata, **message)

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """The ref of our own message with this mark, if it is up; None also when it is too far back."""
        method = "conversations.replies" if thread else "conversations.history"
        asked: dict[str, Any] = {
            "oldest": f"{(since - SKEW).timestamp():.6f}",
            "inclusive": True,
            "include_all_metadata": True,
            "limit": PAGE,
        }
        if thread:
            asked["ts"] = thread
        for _ in range(PAGES):
            answer = await self._api.read(method, channel=channel, **asked)
            found = self._found(answer, mark)
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if found or not cursor:
                return found
            asked["cursor"] = cursor
        log.warning("message_not_searched_further", channel=channel, pages=PAGES)
        return None

    def _found(self, answer: Answer, mark: str) -> str | None:
        for message in answer.get("messages") or ():
            metadata = message.get("metadata") or {}
            ours = metadata.get("event_type") in (CARD, NOTICE) and self._wrote(message)
            if ours and (metadata.get("event_payload") or {}).get("mark") == mark:
                return _ref(message)
        return None

    def _wrote(self, message: Answer) -> bool:
        """Other apps can copy our metadata, but not our bot user."""
        return message.get("user") == self._identity.bot_user_id


def _metadata(kind: str, mark: str) -> dict[str, Any]:
    return {"event_type": kind, "event_payload": {"mark": mark}}


def _ref(answer: Answer) -> str:
    ref = answer.get("ts")
    if not isinstance(ref, str) or not ref:
        raise TypeError("a message has a ts")
    return ref
