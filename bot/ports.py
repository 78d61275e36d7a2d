"""The ports: what the flow needs from the world outside: a platform, chats, pagers, people, callbacks.

The store has a page of its own (`bot.records`), and so has what chats call into (`bot.desk`). Every port speaks
the domain; its errors are those of `bot.errors`, named in each docstring.
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
#: Our clock and the platform's may be so far apart; beyond it an operator is told.
WORST_SKEW = timedelta(seconds=60)
utc_now: Clock = partial(datetime.now, UTC)  #: the machine's own clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One good poll: everything that waits, and how many items could not be read."""

    began_at: datetime
    requests: tuple[HITLRequest, ...]
    set_aside: tuple[str, ...] = ()  #: why each unreadable item was set aside; never its content
    #: Ids of unreadable items, where they could be made out: those are still pending, only not understood.
    unread_ids: frozenset[str] = frozenset()
    #: How far our clock is ahead of the platform's (its `Date`); None when it does not tell.
    skew: timedelta | None = None


class Platform(Protocol):
    """The agent platform's side of an approval."""

    async def pending(self) -> Listing:
        """What waits now. Raises Unavailable or Forbidden; then nothing may be concluded."""
        ...

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Tell it once; no retry inside.

        Raises:
            Unavailable: network error or 5xx or 429; `Unanswered` when it may have been applied.
            Gone: 404 or 409, it counts as resolved.
            Forbidden: any other 4xx, or a redirect.
        """
        ...

    async def word_on(self, request_id: str) -> str | None:
        """What its audit says became of a request; None when it does not tell. Never raises for trouble."""
        ...


class Chat(Protocol):
    """A surface that can show cards. It keeps to its own rate limits; a call returns when it is done.

    Every method raises Unavailable (`Unanswered` when a post may be up), Gone (message not there any more) or
    Forbidden (no such channel, not a member, token refused).
    """

    @property
    def surface(self) -> Surface: ...

    @property
    def interval(self) -> timedelta:
        """How far apart two new messages in one channel are, at least."""
        ...

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        """Put a new card up; returns its ref. Of several that wait for one channel, notices go first, then
        digests, then the card with the earliest deadline; none waits for ever."""
        ...

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        """Make the message show this card."""
        ...

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """The ref of our message with this mark (a card id or a notice's mark), if it is up."""
        ...

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        """Say it in a card's thread, or without one in a channel; returns the ref.

        Raises NotYet, too, for a `spare` one while cards take the channel's turns.
        """
        ...

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        """Make a message that was said read like this; nobody is pinged. Whatever is urgent goes first."""
        ...

    async def dm_channel(self, account: str) -> str:
        """The channel of direct messages with this person."""
        ...

    def link(self, channel: str, ref: str) -> str | None:
        """An address that opens this message; None where the surface has none."""
        ...

    async def is_missing(self, channel: str, ref: str) -> bool:
        """Whether somebody deleted this message. False, too, where the surface has no way to tell."""
        ...

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        """What keeps cards from standing there, in words, by channel; under "" what ails the whole surface.

        That is found out also without any channel. Raises Unavailable only: then nothing can be told.
        """
        ...


class Pager(Protocol):
    """Where alerts go out."""

    @property
    def name(self) -> str:
        """Unique and stable: the rows of owed pages carry it."""
        ...

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Deliver an alert, or with a `ref` tell that it was resolved; returns the ref, where there is one.

        `attempted_at` is when an earlier try began that was never confirmed. Raises Unavailable or Forbidden.
        """
        ...


class Callbacks(Protocol):
    """The operator's own functions that answer in place of people."""

    async def call(self, name: str, request: HITLRequest, *, within: float) -> HITLResponse:
        """The answer of `module:function` within so many seconds.

        Raises Unavailable, with the reason in words for the agent, when it raised, ran out of time or
        returned something else.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRef:
    """A group that a surface keeps, by its own id: `slack-usergroup:S0614TZR7`."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Directory(Protocol):
    """Finds people's accounts on a surface, and who is in its groups."""

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """Who is in a group now, each with account, name, address and whether from outside.

        Raises Unavailable, Gone or Forbidden: then nobody is.
        """
        ...

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        """The people with the accounts, names and addresses that the surface knows for them.

        Somebody who cannot be found keeps no account there, and so may not decide there. Somebody about whom it
        could not be asked just now is left out: what was known of her counts until it is too old.
        Raises Unavailable or Forbidden.
        """
        ...
