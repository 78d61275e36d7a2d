"""response_url: answer a user action without a token, five times within thirty minutes
(docs.slack.dev/interactivity/handling-user-interaction)."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sandbox.slack.conversations import Conversations
from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_message
from sandbox.slack.messages import Message

USES = 5
LIFE_SECONDS = 30 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    message: Message
    user: str
    at: float
    uses: int = 0


class ResponseUrls:
    """The response_urls given out so far."""

    def __init__(
        self,
        *,
        conversations: Conversations,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`monotonic` in seconds, for their life; `now` dates the messages."""
        self._conversations = conversations
        self._now = now
        self._monotonic = monotonic
        self._tickets: dict[str, _Ticket] = {}

    def new(self, *, message: Message, user: str) -> str:
        """The last part of a new response_url."""
        key = secrets.token_urlsafe(18)
        self._tickets[key] = _Ticket(message=message, user=user, at=self._monotonic())
        return key

    def use(self, key: str, body: Mapping[str, Any]) -> None:
        """Do what the app asks: replace or delete the original, or say something new.

        Raises SlackError: used_url, expired_url, and what a message can be refused for.
        """
        ticket = self._tickets.get(key)
        if ticket is None or ticket.uses >= USES:
            raise SlackError("used_url")
        if self._monotonic() - ticket.at > LIFE_SECONDS:
            raise SlackError("expired_url")
        self._tickets[key] = replace(ticket, uses=ticket.uses + 1)
        original, user = ticket.message, ticket.user
        if body.get("delete_original"):
            self._conversations.remove(original)
            return
        if body.get("replace_original") and original.only_for is None:
            original = self._conversations.get(original.channel, original.ts)  # as it is now, if it still is
        check_message(text=body.get("text"), blocks=body.get("blocks"))
        text, blocks = str(body["text"]), self._conversations.named(body.get("blocks") or [])
        ts = self._conversations.new_ts(self._now())
        if body.get("replace_original"):
            self._conversations.put(
                original.changed(
                    at=ts, text=text, blocks=blocks, metadata=body.get("metadata") or original.metadata
                )
            )
            return
        only_for = None if body.get("response_type") == "in_channel" else user
        thread_ts = body.get("thread_ts")
        self._conversations.add(
            Message(
                channel=original.channel,
                ts=ts,
                text=text,
                blocks=blocks,
                only_for=only_for,
                thread_ts=thread_ts,
            )
        )
