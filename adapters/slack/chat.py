"""Slack as a chat of the core: put cards up, change them, find them again, speak in threads and rooms.

A pressed card is changed by the address that came with the press, past chat.update's limit
(docs.slack.dev/interactivity/handling-user-interaction: five uses within thirty minutes, without a token). That
address is a key to the message: it stays in memory and in no log, and goes nowhere but to Slack.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import structlog

from adapters.chat.errors import TooLarge
from adapters.chat.pacing import AT_ONCE
from adapters.http import proxy_for, trusted
from adapters.slack.api import INTERVAL, SHARE, SHARE_FIRST, SHARE_LAST, Answer, SlackApi
from adapters.slack.checkup import troubles_in
from adapters.slack.errors import translated
from adapters.slack.identity import Identity
from adapters.slack.notices import notice_message_of, page_of
from adapters.slack.render import digest_message_of, message_of, smallest_of
from bot.card import Card, Notification, QueueCard
from bot.errors import Gone, NodError
from bot.records import Alert
from bot.surface import Surface
from bot.wording import CardState

USES = 5
LIFE = 1_800.0  #: seconds
LONGEST = 1_000  #: characters of such an address
MOST = 5_000  #: messages whose addresses are kept; beyond that the oldest goes
#: Where Slack's own addresses lead.
HOST, PATH = "hooks.slack.com", "/actions/"
TIMEOUT = aiohttp.ClientTimeout(total=2, connect=1)  #: seconds; what takes longer is done by chat.update
PORTS = {"https": 443, "http": 80}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    url: str = field(repr=False)
    until: float
    left: int = USES


class ResponseUrls:
    """The last address of each message that was pressed."""

    def __init__(self, *, session: aiohttp.ClientSession, api_url: str, monotonic: Callable[[], float]) -> None:
        """`api_url` is the Web API's: addresses of the same origin are good, too. `monotonic` in seconds."""
        self._session, self._monotonic = session, monotonic
        self._tls = trusted()  # reading all roots takes a while
        self._api = _origin(urlsplit(api_url))
        self._kept: dict[tuple[str, str], _Kept] = {}

    def keep(self, channel: str, ref: str, url: str | None) -> None:
        """Remember the address of this message, if it may be called at all."""
        if url is None or not self._is_slacks(url):
            return
        now = self._monotonic()
        self._kept.pop((channel, ref), None)
        self._kept[channel, ref] = _Kept(url, until=now + LIFE)
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            del self._kept[key]
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    async def replace(self, channel: str, ref: str, message: Mapping[str, Any]) -> bool:
        """Whether the message shows this now. False: it may not, and chat.update has to do it."""
        kept = self._kept.get((channel, ref))
        if kept is None or not kept.left or kept.until <= self._monotonic():
            self._kept.pop((channel, ref), None)
            return False
        kept.left -= 1
        try:
            async with self._session.post(
                kept.url,
                json={**message, "replace_original": True},
                allow_redirects=False,
                ssl=self._tls,
                proxy=proxy_for(kept.url, os.environ),
                timeout=TIMEOUT,
            ) as answer:
                refused = None if answer.status == 200 else f"HTTP {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            refused = type(error).__name__
        if refused is not None:
            # It can be used up, too old, or its message gone: chat.update will tell.
            self._kept.pop((channel, ref), None)
            log.info("response_url_refused", channel=channel, reason=refused)
        return refused is None

    def _is_slacks(self, url: str) -> bool:
        if len(url) > LONGEST or not url.isascii() or any(c in url for c in "\\ \t\r\n"):
            return False
        try:
            parts = urlsplit(url)
            origin = _origin(parts)
        except ValueError:
            return False
        if "@" in parts.netloc:
            return False
        ours = origin == ("https", HOST, PORTS["https"]) and parts.path.startswith(PATH)
        return ours or origin == self._api


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


#: The event_type of our messages' metadata; the payload holds ids only, every app can read it.
CARD = "nod_card"
DIGEST = "nod_digest"
NOTICE = "nod_notice"

#: How far before `since` a search begins: Slack's clock and ours need not agree.
SKEW = timedelta(seconds=60)
PAGE = 200  #: messages a page (conversations.history allows 999)
PAGES = 10  #: and at most so many pages; a search is for a message of the last minutes

#: After what is said at once, and before every card: one digest replaces many of them.
SOON = AT_ONCE + timedelta(seconds=1)


class SlackChat:
    """Implements `bot.ports.Chat`; a message's ref is its `ts`."""

    def __init__(self, *, api: SlackApi, identity: Identity, urls: ResponseUrls) -> None:
        self._api, self._urls = api, urls
        self._identity = identity
        self._rooms: dict[str, str] = {}

    @property
    def surface(self) -> Surface:
        """Slack."""
        return Surface.SLACK

    @property
    def interval(self) -> timedelta:
        """One second (docs.slack.dev/apis/web-api/rate-limits, chat.postMessage)."""
        return timedelta(seconds=INTERVAL)

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        """Put a new card up; notices go first, then digests, then the card with the earliest deadline."""
        kind, mark, message = _shown(card)
        before = SOON if isinstance(card, QueueCard) else card.deadline
        try:
            return await self.put(message, channel, kind=kind, mark=mark, before=before)
        except TooLarge:
            if isinstance(card, QueueCard):
                raise
            log.warning("card_too_long", channel=channel)
            return await self.put(smallest_of(card), channel, kind=kind, mark=mark, before=before)

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        """Make the message show this card; `text` goes along, for what reads no blocks.

        A message that was just pressed is changed through the URL that came with the press, which does not
        count against the rate limit of other changes. Of those, decisions go before updates of the time left.
        """
        kind, mark, message = _shown(card)
        pressed = isinstance(card, Card) and await self._urls.replace(
            channel, ref, {**message, "metadata": _metadata(kind, mark)}
        )
        if not pressed:
            decided = isinstance(card, Card) and card.state is not CardState.OPEN
            share = SHARE_FIRST if decided else SHARE
            try:
                await self.change(message, channel, ref, kind=kind, mark=mark, share=share)
            except TooLarge:
                if isinstance(card, QueueCard):
                    raise
                log.warning("card_too_long", channel=channel)
                await self.change(smallest_of(card), channel, ref, kind=kind, mark=mark, share=share)

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        """Say it in a card's thread, or without one in a channel or a room of two."""
        message = notice_message_of(notice)
        if thread is not None:
            message["thread_ts"] = thread
        answer = await self._put(
            message, channel, kind=NOTICE, mark=notice.mark, before=AT_ONCE, spare=notice.spare
        )
        if thread is not None and _is_at_root(answer):
            await self._take_back(channel, _ref(answer))
            raise Gone("Slack has no such thread any more")
        return _ref(answer)

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        """After every other change: it takes only the first half of Slack's limit."""
        await self.change(
            notice_message_of(notice), channel, ref, kind=NOTICE, mark=notice.mark, share=SHARE_LAST
        )

    async def put(
        self,
        message: dict[str, Any],
        channel: str,
        *,
        kind: str,
        mark: str,
        before: datetime,
        spare: bool = False,
    ) -> str:
        """Post any message of ours with its mark; returns the ref."""
        return _ref(await self._put(message, channel, kind=kind, mark=mark, before=before, spare=spare))

    async def _put(
        self, message: dict[str, Any], channel: str, *, kind: str, mark: str, before: datetime, spare: bool
    ) -> Answer:
        metadata = _metadata(kind, mark)
        answer = await self._api.post(channel, before=before, spare=spare, metadata=metadata, **message)
        with translated("chat.postMessage", posts=True):
            _ref(answer)
        return answer

    async def _take_back(self, channel: str, ref: str) -> None:
        """Delete a message that ended up where nobody knows what it is about."""
        try:
            await self._api.write("chat.delete", channel=channel, ts=ref)
        except NodError as error:
            log.warning("message_not_deleted", channel=channel, reason=str(error))

    async def change(
        self,
        message: dict[str, Any],
        channel: str,
        ref: str,
        *,
        kind: str,
        mark: str,
        share: float = SHARE_FIRST,
    ) -> None:
        """Change any message of ours; its mark stays. `share` is the part of the limit that it may take."""
        metadata = _metadata(kind, mark)
        await self._api.update(channel, share=share, ts=ref, metadata=metadata, **message)

    async def put_alert(self, alert: Alert, channel: str, *, mark: str) -> str:
        """Post an alert; returns its ref."""
        return await self.put(page_of(alert), channel, kind=NOTICE, mark=mark, before=AT_ONCE)

    async def change_alert(self, alert: Alert, channel: str, ref: str, *, mark: str) -> None:
        """Bring an alert's message up to date."""
        await self.change(page_of(alert), channel, ref, kind=NOTICE, mark=mark)

    async def dm_channel(self, account: str) -> str:
        """The channel of direct messages with this person, asked for once.

        Raises Unavailable, Gone (no such account) or Forbidden (a bot, a deactivated account, a missing
        scope).
        """
        if account not in self._rooms:
            answer = await self._api.write("conversations.open", users=account)
            with translated("conversations.open"):
                self._rooms[account] = str(answer["channel"]["id"])
        return self._rooms[account]

    def link(self, channel: str, ref: str) -> str | None:
        """An address that opens this message; None where auth.test named no workspace.

        As chat.getPermalink gives it (docs.slack.dev/reference/methods/chat.getPermalink), without asking.
        """
        url = self._identity.url
        return f"{url}archives/{channel}/p{ref.replace('.', '')}" if url else None

    async def is_missing(self, channel: str, ref: str) -> bool:
        """Whether this message was deleted: chat.getPermalink, of which Slack takes hundreds a minute."""
        try:
            await self._api.read("chat.getPermalink", channel=channel, message_ts=ref)
        except Gone:
            return True
        return False

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        """What keeps cards from standing there, by channel; under "" why Slack refuses the token.

        Raises Unavailable only: then nothing can be told.
        """
        return await troubles_in(self._api, channels)

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
            ours = metadata.get("event_type") in (CARD, DIGEST, NOTICE) and self._wrote(message)
            if ours and (metadata.get("event_payload") or {}).get("mark") == mark:
                return _ref(message)
        return None

    def _wrote(self, message: Answer) -> bool:
        """Other apps can copy our metadata, but not our bot user."""
        return message.get("user") == self._identity.bot_user_id


def _shown(card: Card | QueueCard) -> tuple[str, str, dict[str, Any]]:
    """The kind of message that shows it, its mark, and the message."""
    if isinstance(card, QueueCard):
        return DIGEST, card.digest_id, digest_message_of(card)
    return CARD, card.card_id, message_of(card)


def _metadata(kind: str, mark: str) -> dict[str, Any]:
    return {"event_type": kind, "event_payload": {"mark": mark}}


def _is_at_root(answer: Answer) -> bool:
    """Whether a message for a thread ended up in the channel: the thread is gone, and Slack does not refuse.

    A threaded message is answered with its thread (github.com/slack-go/slack/issues/1571). An answer without
    the message tells nothing.
    """
    message = answer.get("message")
    return isinstance(message, dict) and "ts" in message and not message.get("thread_ts")


def _ref(answer: Answer) -> str:
    ref = answer.get("ts")
    if not isinstance(ref, str) or not ref:
        raise TypeError("a message has a ts")
    return ref
