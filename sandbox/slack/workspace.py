"""The local Slack in one object: its state, and what a person (or a test) can do in it."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from adapters.http import trusted
from sandbox.slack.changes import Changes
from sandbox.slack.conversations import Conversations
from sandbox.slack.delivery import ACK_SECONDS, Delivery, DeliveryResult
from sandbox.slack.errors import CannotDo
from sandbox.slack.forms import Filled
from sandbox.slack.messages import Message, View
from sandbox.slack.modals import Modals
from sandbox.slack.pace import POST_BURST, Pace, Tier
from sandbox.slack.people import TEAM_ID, App, cast, channels, usergroups
from sandbox.slack.response_urls import ResponseUrls
from sandbox.slack.sockets import Sockets
from sandbox.slack.user_actions import UserActions


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One Web API call as it came in, whatever became of it."""

    method: str
    args: dict[str, Any] = field(repr=False)
    at: float  #: seconds of the monotonic clock
    status: int
    error: str | None = None


class Workspace:
    """A workspace with one app in it. Made by `open_workspace`."""

    def __init__(
        self,
        *,
        app: App,
        http: httpx.AsyncClient,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        post_burst: int | None,
        updates_a_minute: int | None,
        ack_seconds: float,
    ) -> None:
        """See `open_workspace`, which closes what this needs."""
        self.app = app
        self.now = now
        self.monotonic = monotonic
        self.people = dict(cast(app))
        self.usergroups = dict(usergroups())
        self.changes = Changes()
        self.conversations = Conversations(app=app, people=self.people, channels=channels(app).values())
        self.modals = Modals(monotonic=monotonic, named=self.conversations.named)
        self.pace = Pace(burst=post_burst, monotonic=monotonic)
        self.updates = Tier(most=updates_a_minute, monotonic=monotonic)
        self.sockets = Sockets(app_id=app.app_id, changes=self.changes)
        self.delivery = Delivery(
            http=http, sockets=self.sockets, signing_secret=app.signing_secret, ack_seconds=ack_seconds
        )
        self.response_urls = ResponseUrls(conversations=self.conversations, now=now, monotonic=monotonic)
        self._user_actions = UserActions(
            app=app,
            people=self.people,
            conversations=self.conversations,
            modals=self.modals,
            delivery=self.delivery,
            response_urls=self.response_urls,
            now=now,
            address=lambda key: f"{self.base_url}/actions/{TEAM_ID}/{key}",
        )
        #: Where the app reaches this Slack; learnt from its first call when not set before.
        self.base_url = ""
        self.calls: list[Call] = []
        self.revoked = False

    @property
    def request_url(self) -> str | None:
        """The app's interactivity request URL; not used while a socket is connected."""
        return self.delivery.request_url

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        self.delivery.request_url = url

    def messages(self, channel: str) -> list[Message]:
        """All messages of a channel, those in threads too, oldest first."""
        return self.conversations.messages(channel)

    def ephemerals(self, user: str) -> list[Message]:
        """The "only visible to you" messages of one person, oldest first."""
        return self.conversations.ephemerals(user)

    def views(self, user: str) -> list[View]:
        """The modals in front of one person, the visible one last."""
        return self.modals.of(user)

    def called(self, method: str) -> list[Call]:
        """The calls of one Web API method, in order."""
        return [call for call in self.calls if call.method == method]

    def revoke_token(self, *, revoked: bool = True) -> None:
        """Uninstall the app, so to say: every call is answered token_revoked."""
        self.revoked = revoked

    def archive(self, channel: str, *, archived: bool = True) -> None:
        """Archive a channel: posting there is answered is_archived."""
        self.conversations.set_channel(channel, is_archived=archived)
        self.changes.bump()

    def kick(self, channel: str, person: str | None = None) -> None:
        """Remove a person, by default the app itself, from a channel."""
        members = self.conversations.channel(channel).members - {person or self.app.bot_user_id}
        self.conversations.set_channel(channel, members=members)
        self.changes.bump()

    def invite(self, channel: str, person: str | None = None) -> None:
        """Add a person, by default the app itself, to a channel."""
        members = self.conversations.channel(channel).members | {person or self.app.bot_user_id}
        self.conversations.set_channel(channel, members=members)
        self.changes.bump()

    async def click(
        self,
        *,
        user: str,
        channel: str,
        ts: str,
        action_id: str,
        block_id: str | None = None,
        option: str | None = None,
        version: int | None = None,
    ) -> DeliveryResult:
        """A person presses a button of a message or of an ephemeral of theirs, or picks an `option` by its
        value or its label.

        `version` presses it on an earlier look of an edited message (0 = as first posted): what a slow or
        sleeping client does. Raises CannotDo when there is nothing to press.
        """
        message = self._seen(user, channel, ts)
        looks = (*message.history, message)
        if version is not None and version not in range(len(looks)):
            raise CannotDo(f"message {ts} never had a version {version}")
        message = message if version is None else looks[version]
        result = await self._user_actions.click(
            message, user=user, action_id=action_id, block_id=block_id, option=option
        )
        self.changes.bump()
        return result

    async def click_in_view(
        self,
        *,
        user: str,
        view_id: str,
        action_id: str,
        block_id: str | None = None,
        option: str | None = None,
        values: Filled | None = None,
    ) -> DeliveryResult:
        """A person presses a button inside an open modal. Raises CannotDo."""
        result = await self._user_actions.click_in_view(
            view_id, user=user, action_id=action_id, block_id=block_id, option=option, filled=values or {}
        )
        self.changes.bump()
        return result

    async def submit(self, *, user: str, view_id: str, values: Filled | None = None) -> DeliveryResult:
        """A person submits a modal with these entries, by block_id or action_id. Raises CannotDo."""
        result = await self._user_actions.submit(view_id, user=user, filled=values or {})
        self.changes.bump()
        return result

    async def close(self, *, user: str, view_id: str, cleared: bool = False) -> DeliveryResult | None:
        """A person dismisses a modal; None when the app did not ask to be told. Raises CannotDo."""
        try:
            return await self._user_actions.close(view_id, user=user, cleared=cleared)
        finally:
            self.changes.bump()

    def say(self, *, user: str, channel: str, text: str, thread_ts: str | None = None) -> Message:
        """A person writes something. Raises CannotDo when they are not in that channel, or it is archived."""
        place = self.conversations.channels.get(channel)
        if place is None or user not in place.members or place.is_archived:
            raise CannotDo(f"{user} cannot write in {channel}")
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        ts = self.conversations.new_ts(self.now())
        message = Message(channel=channel, ts=ts, text=escaped, author=user, thread_ts=thread_ts)
        self.conversations.add(message)
        self.changes.bump()
        return message

    def _seen(self, user: str, channel: str, ts: str) -> Message:
        for message in (*self.messages(channel), *self.ephemerals(user)):
            if (message.channel, message.ts) == (channel, ts):
                return message
        raise CannotDo(f"no message {ts} in {channel}")

    async def replay(self) -> DeliveryResult:
        """Send the last delivery once more, byte for byte. Raises LookupError when there was none."""
        return await self.delivery.replay()


@asynccontextmanager
async def open_workspace(
    *,
    app: App | None = None,
    request_url: str | None = None,
    post_burst: int | None = POST_BURST,
    updates_a_minute: int | None = None,
    ack_seconds: float = ACK_SECONDS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Workspace]:
    """A new local Slack for as long as the block runs.

    `request_url`: where the app listens for interactivity (may be set later). `post_burst`: how many posts
    a channel
    takes at once before one a second (None: no rate limit). `updates_a_minute`: how many chat.update are taken
    in any minute (None: all). `ack_seconds`: how long people wait for the app.
    """
    async with httpx.AsyncClient(trust_env=False, verify=trusted({})) as http:
        workspace = Workspace(
            app=app or App(),
            http=http,
            now=now,
            monotonic=monotonic,
            post_burst=post_burst,
            updates_a_minute=updates_a_minute,
            ack_seconds=ack_seconds,
        )
        workspace.request_url = request_url
        try:
            yield workspace
        finally:
            await workspace.sockets.drop()
