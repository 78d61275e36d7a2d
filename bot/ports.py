"""The ports: what the flow needs from outside: sources, chats, pagers, people, callbacks.

The port to the store is in `bot.store`, and what chats call is in `bot.desk`. Every port uses the domain's
terms; its errors are those of `bot.errors`, named in each docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from bot.card import Card, Notification, QueueCard
from bot.policy import Person
from bot.protocol import HITLRequest, HITLResponse
from bot.records import Alert
from bot.surface import Surface

Clock = Callable[[], datetime]  #: now, aware, in UTC
#: The most that our clock and the platform's can differ; beyond it an operator is alerted.
WORST_SKEW = timedelta(seconds=60)
utc_now: Clock = partial(datetime.now, UTC)  #: the machine's own clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One good poll: all pending requests, and how many items could not be read."""

    began_at: datetime
    requests: tuple[HITLRequest, ...]
    set_aside: tuple[str, ...] = ()  #: why each unreadable item was set aside; never its content
    #: Ids of unreadable items, if they could be read: those are pending, only not understood.
    unread_ids: frozenset[str] = frozenset()
    #: How far our clock is ahead of the platform's (its `Date`); None if it does not say.
    skew: timedelta | None = None
    fingerprint: str = ""  #: the same for another list that says the same; empty where the source makes none
    is_known: bool = False  #: it is the one that the caller knows, and was not read: `requests` is empty


class Source(Protocol):
    """An agent platform that asks for approvals, and takes the answers."""

    @property
    def name(self) -> str:
        """Unique and stable: the rows of its approvals use it."""
        ...

    async def pending(self, *, known: str = "") -> Listing:
        """The pending requests; a list with the fingerprint `known` need not be read.

        Raises Unavailable or Forbidden; then nothing can be concluded.
        """
        ...

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Send a decision once; no retry inside.

        Raises:
            Unavailable: network error or 5xx or 429; `Unanswered` when it may have been applied.
            Gone: 404 or 409, it is treated as resolved.
            Forbidden: any other 4xx, or a redirect.
        """
        ...

    async def word_on(self, request_id: str) -> str | None:
        """The outcome of a request by the platform's audit; None if it does not say. Never raises on errors."""
        ...


class Chat(Protocol):
    """A chat that can show cards. It keeps to its own rate limits; a call returns when it is done.

    Every method raises Unavailable (`Unanswered` when a post may be up), Gone (the message no longer exists) or
    Forbidden (no such channel, not a member, token refused).
    """

    @property
    def surface(self) -> Surface: ...

    @property
    def interval(self) -> timedelta:
        """The minimum time between two new messages in one channel."""
        ...

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        """Post a new card; returns its ref.

        Of several that wait for one channel, notifications go first, then queue messages, then the card with
        the earliest deadline; none waits forever.
        """
        ...

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        """Update the message to show this card."""
        ...

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """The ref of our message with this mark (a card id or a notification's mark), if it is up."""
        ...

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        """Post it in a card's thread or, without one, in a channel; returns the ref.

        Also raises NotYet for a `spare` one while cards take the channel's turns.
        """
        ...

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        """Change the text of a posted message; nobody is pinged. Everything urgent goes first."""
        ...

    async def dm_channel(self, account: str) -> str:
        """The channel of direct messages with this person."""
        ...

    def link(self, channel: str, ref: str) -> str | None:
        """An address that opens this message; None if the chat has none."""
        ...

    async def is_missing(self, channel: str, ref: str) -> bool:
        """Whether this message was deleted. False, too, if the chat has no way to tell."""
        ...

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        """What keeps cards from being posted, in words, by channel; under "" for the whole chat.

        Problems of the whole chat are found even without any channel. Raises only Unavailable: then nothing is
        known.
        """
        ...


class Pager(Protocol):
    """Where alerts go out."""

    @property
    def name(self) -> str:
        """Unique and stable: the rows of pending pages use it."""
        ...

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Send an alert or, with a `ref`, that it was resolved; returns the ref, if there is one.

        `attempted_at` is when an earlier try began that was never confirmed. Raises Unavailable or Forbidden.
        """
        ...


class Metrics(Protocol):
    """What is measured. Labels are a few short words of Nod's own, never ids or texts from outside."""

    def count(self, name: str, **labels: str) -> None:
        """One more of these, since the start."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """One value of many, whose distribution matters; times are in seconds."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """What it is now, in place of the value before."""
        ...


class _NoMetrics:
    """For commands and test cards, which nobody measures."""

    def count(self, name: str, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...


NO_METRICS: Metrics = _NoMetrics()


class Callbacks(Protocol):
    """The operator's own functions that answer instead of people."""

    async def call(self, name: str, request: HITLRequest, *, within: float) -> HITLResponse:
        """The answer of `module:function` within so many seconds.

        Raises Unavailable, with the reason in words for the agent, if it raised, timed out or returned
        something else.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRef:
    """A group that a chat keeps, by its own id: `slack-usergroup:S0614TZR7`."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Directory(Protocol):
    """Finds people's accounts in a chat, and the members of its groups."""

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """The current members of a group, each with account, name, address and whether they are external.

        Raises Unavailable, Gone or Forbidden: then the group has no members.
        """
        ...

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        """The people with the accounts, names and addresses that the chat has for them.

        A person who is not found has no account there, and so cannot decide there. A person who could not be
        looked up just now is left out: what was known of them is valid until it is too old. Raises Unavailable
        or Forbidden.
        """
        ...
