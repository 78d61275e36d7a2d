"""The port to the store, through which the flow works on the records.

Its errors are Unavailable (nothing happened) and Unanswered (it may have happened).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.approval import Approval
from bot.approvals import Approvals
from bot.audit import Fact
from bot.ladder import Action
from bot.records import (
    Alert,
    Backlog,
    Batched,
    DueNotice,
    DueRung,
    Heard,
    Lack,
    Lane,
    Line,
    OutboxItem,
    PendingPage,
    Ping,
    Placement,
    Posted,
    QueueMessage,
    Triggered,
    Up,
    Waiting,
)
from bot.surface import Destination, Surface


class Placements(Protocol):
    """Where cards are posted."""

    async def get(self, card_id: str) -> Placement | None: ...

    async def pressed(self, card_id: str) -> tuple[Placement, Approval] | None:
        """A card with its record, as both are at one moment; None for an unknown card."""
        ...

    async def of(self, *approval_ids: str) -> tuple[Placement, ...]: ...

    async def backlog(self, now: datetime) -> Backlog:
        """Whether there is anything to post or to update, and in which places."""
        ...

    async def line(
        self, where: Destination, *, now: datetime, most: int, probes: int
    ) -> tuple[tuple[Placement, Approval], ...]:
        """The next cards to post in this place, earliest deadline first.

        While a first post there failed and is tried again soon, the `probes` first times, only those whose post
        was begun.
        """
        ...

    async def outdated(
        self,
        surfaces: Collection[Surface],
        *,
        now: datetime,
        most: int,
        decided_before: datetime,
        without: Collection[str] = (),
    ) -> tuple[tuple[Placement, Approval], ...]:
        """The next cards to update, earliest deadline first, `without` these.

        In other chats than `surfaces` only cards that were superseded or have an end to show. What was decided
        later than `decided_before` waits for the platform's answer, unless there is trouble.
        """
        ...

    async def first_sent(self, *, after: datetime) -> datetime | None:
        """When the first decision after then was made for which `outdated` waits."""
        ...

    async def leave(self, where: Destination) -> None:
        """Its chat left the settings: what only had an end to show there is given up."""
        ...

    async def attempt(self, *card_ids: str, at: datetime) -> None:
        """First posts begin."""
        ...

    async def not_begun(self, card_ids: Sequence[str]) -> None:
        """Their first posts were not begun after all."""
        ...

    async def posted(self, cards: Sequence[Posted]) -> None:
        """The chat shows these revisions of these calls."""
        ...

    async def shown(self, card_id: str, *, ref: str, revision: int, digest: str | None = None) -> None:
        """As `posted`, or found again: revision 0 and no digest say that it is unknown which it shows."""
        ...

    async def postpone(
        self, card_id: str, *, next_try: datetime, begun: bool = True, failed: bool = True
    ) -> None:
        """A try failed. Not `begun`: this was the first try, and it certainly posted nothing.

        Not `failed`: it was not its turn, and nothing was tried.
        """
        ...

    async def up(self, *, most: int) -> tuple[Up, ...]:
        """Cards with their own messages about open requests, at most `most`, earliest deadline first."""
        ...

    async def lacking(self) -> tuple[Lack, ...]:
        """The places in which requests wait without a card."""
        ...

    async def repair(self, *, after: str, most: int) -> tuple[int, str]:
        """See whether this many cards with ids behind `after` are found as due when they are, and see to it.

        Returns how many were not, and the last id that was looked at; an empty one after the last of all.
        """
        ...

    async def lost(self, card_id: str, *, ref: str | None = None) -> bool:
        """The message was deleted: post the card again. With `ref` only if that is still its message."""
        ...

    async def give_up(self, card_id: str) -> None:
        """Stop showing this placement."""
        ...


class Rungs(Protocol):
    """The escalation steps, as rows."""

    async def due(self, now: datetime, *, most: int) -> tuple[tuple[DueRung, Approval], ...]:
        """Steps that can fire now, of at most `most` approvals that wait for people, earliest deadline first.

        Without those that a claim holds back. Records that Nod did not write come on top.
        """
        ...

    async def next_due(self, *, after: datetime) -> datetime | None:
        """When the next step of an open approval is due, among those not due yet, or a claim ends."""
        ...

    async def hasten(self, approval_ids: Sequence[str], *, action: Action, at: datetime) -> bool:
        """Make their unfired steps of this kind due at this time, if they were later. False: there is none."""
        ...

    async def trigger(self, firings: Sequence[Triggered], *, at: datetime) -> frozenset[str]:
        """Mark them fired, with all their messages and cards, in one transaction; returns the ids that fired.

        The people of a `widen` can decide from then on. If a notification of an earlier step still waits for
        the same thread or person, the new one replaces it: late ones come as one message. Approvals that are no
        longer open, or one of whose steps had fired, are skipped.
        """
        ...


class Outbox(Protocol):
    """Queued messages."""

    async def due(
        self,
        now: datetime,
        *,
        surfaces: Collection[Surface],
        news_since: datetime,
        most: int,
        lanes: Collection[Lane] = (),
    ) -> tuple[DueNotice, ...]:
        """What can be sent or dropped now, at most `most`: the first of each lane, then the earliest deadline.

        Open requests come before outcomes. Messages of chats that are not in `surfaces`, and outcomes from
        before `news_since`, are there to be dropped. With `lanes` only theirs, and at most `most` of each.
        """
        ...

    async def next_due(self, *, after: datetime) -> datetime | None:
        """When the next one can be due that is not yet, if nothing else happens."""
        ...

    async def hold(self, notices: Sequence[OutboxItem], *, until: datetime) -> None:
        """They need not be sent before then."""
        ...

    async def attempt(self, notices: Sequence[OutboxItem], *, sent_as: str, at: datetime) -> bool:
        """They are about to be sent as one message, under this mark.

        Returns False if a newer message has replaced one of them; then none is marked.
        """
        ...

    async def sent(self, notices: Sequence[OutboxItem], *, channel: str, ref: str, at: datetime) -> None:
        """They are posted, as one message there."""
        ...

    async def outdated(self, surface: Surface, *, most: int) -> tuple[Ping, ...]:
        """Messages there that still call requests pending although all have ended; the latest end first."""
        ...

    async def amended(self, ping: Ping, *, at: datetime) -> None:
        """It says how they ended, or cannot be changed."""
        ...

    async def postpone(self, notices: Sequence[OutboxItem], *, next_try: datetime, begun: bool = True) -> None:
        """A try failed. Not `begun`: this was the first try, and it certainly sent nothing."""
        ...

    async def drop(self, notices: Sequence[OutboxItem], *, why: str, at: datetime) -> None:
        """Never send these: they are too late to matter, or nobody can be reached there."""
        ...


class QueueMessages(Protocol):
    """The queue message of each channel, and the requests on it."""

    async def lines(self) -> Mapping[Destination, Line]:
        """Cards for people that no step has tried to post yet, counted."""
        ...

    async def unmet(self, *, most: int) -> tuple[Waiting, ...]:
        """Some of those of which it is not known yet by when they have to be up."""
        ...

    async def meet(self, up_by: Mapping[str, datetime]) -> None:
        """By when these cards have to be up."""
        ...

    async def waiting(self, where: Destination) -> tuple[Waiting, ...]:
        """The cards of this place that no step has tried to post yet, earliest deadline first."""
        ...

    async def batch(self, card_ids: Sequence[str]) -> int:
        """Put these on their channel's queue message, unless their post has begun; returns how many."""
        ...

    async def earliest(self, digest_id: str, *, without: Collection[str] = ()) -> Waiting | None:
        """The card on it with the earliest deadline, `without` those of these agents; None: there is none."""
        ...

    async def release(self, card_id: str, *, up_by: datetime) -> bool:
        """Give a batched card its place in the channel's line back. False: it is no longer batched."""
        ...

    async def standing(self, *, lines: int, quiet: bool = False) -> tuple[QueueMessage, ...]:
        """Each channel's queue message that has open requests, or still says so, with the first `lines`.

        With `quiet` also those that correctly say that nothing is pending.
        """
        ...

    async def get(self, digest_id: str, *, lines: int = 1, agents: Collection[str] = ()) -> QueueMessage | None:
        """The queue message with the first `lines`, and which of these agents have a request on it."""
        ...

    async def on(self, digest_id: str) -> tuple[Batched, ...]:
        """The open requests on it, earliest deadline first."""
        ...

    async def attempt(self, digest_id: str, *, at: datetime) -> None: ...

    async def shown(self, digest_id: str, *, ref: str, shown: str | None, at: datetime) -> None: ...

    async def postpone(self, digest_id: str, *, next_try: datetime) -> None: ...

    async def up(self) -> tuple[Up, ...]:
        """Queue messages that are up and have requests on them."""
        ...

    async def lost(self, digest_id: str, *, ref: str | None = None) -> bool:
        """The message was deleted: it must be posted again. With `ref` only if that is still its message."""
        ...


class Alerts(Protocol):
    """Alerts, and which pagers have accepted them."""

    async def raise_(self, alert: Alert, *, heard: Mapping[str, Heard] | None = None) -> bool:
        """Write it for every pager; False if this request had this cause already.

        A pager that has `heard` of it, by name, does not get it again, only its resolution.
        """
        ...

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        """The problem of this request and cause is resolved: every pager of the alert gets that."""
        ...

    async def reword(self, approval_id: str, *, cause: str, text: str) -> None:
        """Change the text of an open alert: its pagers get it again under the ref that they have."""
        ...

    async def open_of(
        self, *, approval_id: str | Sequence[str] | None = None, cause: str | Collection[str] | None = None
    ) -> tuple[Alert, ...]:
        """Alerts that are not resolved, of one request or several, or of one cause or several, oldest first."""
        ...

    async def unacknowledged(self, raised_before: datetime) -> int:
        """How many open alerts from before then no pager has accepted yet, although there is one."""
        ...

    async def due(self, now: datetime, *, most: int) -> tuple[PendingPage, ...]:
        """Pages whose turn it is, the oldest alert first, at most `most` for each pager.

        Their pager did not accept them yet, or they are resolved and it did not get that.
        """
        ...

    async def next_due(self, *, after: datetime) -> datetime | None:
        """When a page is due that is not yet."""
        ...

    async def attempt(self, page: PendingPage, *, at: datetime) -> None: ...

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        """The pager accepted the alert as it is in `page` (resolved or not)."""
        ...

    async def postpone(self, page: PendingPage, *, next_try: datetime) -> None: ...


class Journal(Protocol):
    """The audit log: hash-chained rows. Each change of a record writes its own row, in the same transaction."""

    async def note(self, fact: Fact) -> None:
        """Write a fact that changes no record (a refusal, a change of policy)."""
        ...

    async def policy_in_force(self) -> str | None:
        """The version in the last row about a policy."""
        ...


class Probe(Protocol):
    """Checks whether the store accepts a write."""

    async def write(self) -> None:
        """Write a new value, and return when it is durable. Raises Unavailable."""
        ...


class DueColumns(Protocol):
    """The columns by which steps find what is due."""

    async def repair(self) -> Mapping[str, int]:
        """Look at the next portion of rows; returns how many of which kind were due without saying so.

        They say so from then on.
        """
        ...


class Store(Protocol):
    """Everything durable, in its parts."""

    def of(self, source: str) -> Store:
        """The same; what polls and deliveries ask of `approvals` is about this source alone."""
        ...

    @property
    def approvals(self) -> Approvals: ...

    @property
    def placements(self) -> Placements: ...

    @property
    def rungs(self) -> Rungs: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def queue_messages(self) -> QueueMessages: ...

    @property
    def alerts(self) -> Alerts: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def probe(self) -> Probe: ...

    @property
    def due_columns(self) -> DueColumns: ...
