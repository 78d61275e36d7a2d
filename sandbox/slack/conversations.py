"""The state of all conversations: channels, who is in them, messages, threads and ephemerals."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.slack.errors import SlackError
from sandbox.slack.messages import Message
from sandbox.slack.people import App, Channel, Person


class Conversations:
    """Channels and messages of one workspace; every error is the Web API's own word for it."""

    def __init__(self, *, app: App, people: Mapping[str, Person], channels: Iterable[Channel]) -> None:
        """Start with the given people and channels, and no message."""
        self.app = app
        self.people = people
        self.channels = {channel.id: channel for channel in channels}
        self._messages: dict[str, dict[str, Message]] = {}
        self._ephemerals: list[Message] = []
        self._last_ts = (0, 0)
        self._block_count = 0

    def new_ts(self, now: datetime) -> str:
        """A message id: seconds with six digits, unique and rising even when the clock stops."""
        whole, micro = int(now.timestamp()), now.microsecond
        if (whole, micro) <= self._last_ts:
            whole, micro = self._last_ts[0], self._last_ts[1] + 1
        self._last_ts = (whole, micro)
        return f"{whole}.{micro:06d}"

    def named(self, blocks: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
        """The blocks as Slack stores them: a copy, each with a block_id and each element with an action_id."""
        stored = copy.deepcopy([dict(block) for block in blocks])
        for block in stored:
            self._block_count += 1
            block.setdefault("block_id", f"b{self._block_count}")
            slots = block.get("elements", []) if block["type"] == "actions" else []
            slots = [*slots, *(block[slot] for slot in ("accessory", "element") if slot in block)]
            for index, element in enumerate(slots):
                if element["type"] != "image":
                    element.setdefault("action_id", f"a{self._block_count}-{index}")
        return tuple(stored)

    def channel(self, channel_id: str) -> Channel:
        """Raises SlackError channel_not_found, also for a private channel without the app in it."""
        channel = self.channels.get(channel_id)
        if channel is None or (channel.is_private and self.app.bot_user_id not in channel.members):
            raise SlackError("channel_not_found")
        return channel

    def writable(self, channel_id: str) -> Channel:
        """The channel, if the app may post there. A person's id means the direct conversation with them.

        Raises SlackError: channel_not_found, is_archived, not_in_channel.
        """
        if channel_id in self.people:
            return self.direct(channel_id)
        channel = self.channel(channel_id)
        if channel.is_archived:
            raise SlackError("is_archived")
        if self.app.bot_user_id not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def direct(self, person_id: str) -> Channel:
        """The direct conversation between the app and one person, opened when it is not yet.

        Raises SlackError: user_not_found, user_disabled, cannot_dm_bot.
        """
        if person_id not in self.people:
            raise SlackError("user_not_found")
        if self.people[person_id].deleted:
            raise SlackError("user_disabled")
        if self.people[person_id].is_bot:
            raise SlackError("cannot_dm_bot")
        channel_id = f"D0{person_id.removeprefix('U0')}"
        both = frozenset({person_id, self.app.bot_user_id})
        return self.channels.setdefault(
            channel_id,
            Channel(
                id=channel_id,
                name=self.app.name,
                purpose=f"Only you and {self.app.name} read this",
                members=both,
                is_im=True,
            ),
        )

    def add(self, message: Message) -> Message:
        """Keep a new message, and return it as it was kept.

        Slack refuses no reply to what was deleted: it is posted at the root, and the answer names no thread
        (github.com/slack-go/slack/issues/1571). Where others have replied, the thread goes on without its head.
        """
        if message.only_for is not None:
            self._ephemerals.append(message)
            return message
        if message.thread_ts and not self.thread(message.channel, message.thread_ts):
            message = replace(message, thread_ts=None)
        self._messages.setdefault(message.channel, {})[message.ts] = message
        return message

    def get(self, channel_id: str, ts: str) -> Message:
        """Raises SlackError message_not_found; ephemerals cannot be read back, as in Slack."""
        try:
            return self._messages[channel_id][ts]
        except KeyError:
            raise SlackError("message_not_found") from None

    def put(self, message: Message) -> None:
        """Replace a message, or an ephemeral, by its newer version."""
        if message.only_for is None:
            self._messages[message.channel][message.ts] = message
            return
        self._ephemerals = [message if kept.ts == message.ts else kept for kept in self._ephemerals]

    def remove(self, message: Message) -> None:
        """Delete a message, or hide an ephemeral."""
        self._messages.get(message.channel, {}).pop(message.ts, None)
        self._ephemerals = [kept for kept in self._ephemerals if kept.ts != message.ts]

    def messages(self, channel_id: str) -> list[Message]:
        """All messages of a channel with those in threads, oldest first."""
        return list(self._messages.get(channel_id, {}).values())

    def thread(self, channel_id: str, ts: str) -> list[Message]:
        """The first message of a thread and its replies, oldest first."""
        return [m for m in self.messages(channel_id) if ts in (m.ts, m.thread_ts)]

    def ephemerals(self, person_id: str) -> list[Message]:
        """What only this person sees, oldest first."""
        return [message for message in self._ephemerals if message.only_for == person_id]

    def set_channel(self, channel_id: str, **fields: Any) -> None:
        """Change a channel: `is_archived=True`, `members=…`."""
        self.channels[channel_id] = replace(self.channels[channel_id], **fields)
