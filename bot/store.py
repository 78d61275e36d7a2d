"""The store: the port through which the flow works on the records.

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
    Batched,
    DueRung,
    Heard,
    Lack,
    OutboxItem,
    PendingPage,
    Ping,
    Placement,
    QueueMessage,
    Triggered,
    Up,
    Waiting,
)
from bot.surface import Destination, Surface


class Placements(Protocol):
    """Where cards stand."""

    async def get(self, card_id: str) -> Placement | None: ...

    async def of(self, *approval_ids: str) -> tuple[Placement, ...]: ...

    async def lagging(self) -> tuple[tuple[Placement, Approval], ...]:
        """Cards that show less than their record, earliest deadline first; not those given up.

        Of those that were never tried, only the first few of each channel.
        """
        ...

    async def attempt(self, card_id: str, *, at: datetime) -> None:
        """A first post begins."""
        ...

    async def shown(self, card_id: str, *, ref: str, revision: int, digest: str | None = None) -> None:
        """The surface shows this revision of this call there; revision 0 and no digest: not known which."""
        ...

    async def postpone(
        self, card_id: str, *, next_try: datetime, begun: bool = True, failed: bool = True
    ) -> None:
        """A try failed. Not `begun`: it is certain that this one, the first, put nothing up.

        Not `failed`: its turn had not come, and nothing was tried.
        """
        ...

    async def up(self, *, most: int) -> tuple[Up, ...]:
        """Cards with messages of their own about what is open, so many at most, earliest deadline first."""
        ...

    async def lacking(self) -> tuple[Lack, ...]:
        """The places in which requests wait without a card."""
        ...

    async def lost(self, card_id: str, *, ref: str | None = None) -> bool:
        """The message was deleted: the card needs posting anew. With `ref` only if it is that one still."""
        ...

    async def give_up(self, card_id: str) -> None:
        """Nothing more is owed to this placement."""
        ...


class Rungs(Protocol):
    """The ladders' rungs, as rows."""

    async def due(self, now: datetime) -> tuple[tuple[DueRung, Approval], ...]:
        """Unfired rungs of open approvals whose time has come, earliest deadline first."""
        ...

    async def next_due(self, *, after: datetime) -> datetime | None:
        """When the first unfired rung of an open approval is due that is not due yet."""
        ...

    async def hasten(self, approval_ids: Sequence[str], *, action: Action, at: datetime) -> bool:
        """Their unfired rungs of this kind are due at this moment, if they were later. False: there is none."""
        ...

    async def trigger(self, firings: Sequence[Triggered], *, at: datetime) -> frozenset[str]:
        """Mark them fired with all that they owe, in one transaction; the ids of those for which that was done.

        Those whom a `widen` names may decide from then on. Where a notice of an earlier rung still waits for
        the same thread or person, the new one takes its place: what comes late comes as one message. Of an
        approval that is no longer open, or one of whose rungs had fired, nothing is done.
        """
        ...


class Outbox(Protocol):
    """Messages that are owed."""

    async def owed(self) -> tuple[tuple[OutboxItem, Approval, Placement | None], ...]:
        """Not sent yet, earliest deadline first, each with the card in whose thread it belongs."""
        ...

    async def attempt(self, notices: Sequence[OutboxItem], *, sent_as: str, at: datetime) -> bool:
        """They are about to be sent as one message, under this mark.

        False: one of them is owed no more, because a newer one took its place; then none is marked.
        """
        ...

    async def sent(self, notices: Sequence[OutboxItem], *, channel: str, ref: str, at: datetime) -> None:
        """They are up, as one message there."""
        ...

    async def outdated(self, surface: Surface, *, most: int) -> tuple[Ping, ...]:
        """Messages there that say of requests which have all ended that they wait; the latest end first."""
        ...

    async def amended(self, ping: Ping, *, at: datetime) -> None:
        """It says how they ended, or cannot be changed."""
        ...

    async def postpone(self, notices: Sequence[OutboxItem], *, next_try: datetime, begun: bool = True) -> None:
        """A try failed. Not `begun`: it is certain that this one, the first, sent nothing."""
        ...

    async def drop(self, notices: Sequence[OutboxItem], *, why: str, at: datetime) -> None:
        """Nothing more is owed: it came too late to matter, or nobody can be reached there."""
        ...


class QueueMessages(Protocol):
    """What is gathered for each channel, and the message that says so."""

    async def waiting(self) -> Mapping[Destination, tuple[Waiting, ...]]:
        """Cards that nobody has tried to post yet, of open approvals, earliest deadline first."""
        ...

    async def batch(self, card_ids: Sequence[str]) -> int:
        """Put these on their channel's digest, unless their post has begun; returns how many."""
        ...

    async def earliest(self, digest_id: str, *, without: Collection[str] = ()) -> Waiting | None:
        """The card on it with the earliest deadline, `without` those of these agents; None: there is none."""
        ...

    async def release(self, card_id: str) -> bool:
        """Give a gathered card its place in the channel's line back. False: it is not gathered any more."""
        ...

    async def standing(self, *, lines: int, quiet: bool = False) -> tuple[QueueMessage, ...]:
        """Each channel's digest that has open requests, or still says so; with the first `lines` of them.

        With `quiet` those too that say that nothing waits, and are right.
        """
        ...

    async def get(self, digest_id: str) -> QueueMessage | None: ...

    async def on(self, digest_id: str) -> tuple[Batched, ...]:
        """The open requests that stand on it, earliest deadline first."""
        ...

    async def attempt(self, digest_id: str, *, at: datetime) -> None: ...

    async def shown(self, digest_id: str, *, ref: str, shown: str | None, at: datetime) -> None: ...

    async def postpone(self, digest_id: str, *, next_try: datetime) -> None: ...

    async def up(self) -> tuple[Up, ...]:
        """Digests that are up and have something on them."""
        ...

    async def lost(self, digest_id: str, *, ref: str | None = None) -> bool:
        """The message was deleted: it needs posting anew. With `ref` only if it is that one still."""
        ...


class Alerts(Protocol):
    """Alerts, and who has taken them."""

    async def raise_(self, alert: Alert, *, heard: Mapping[str, Heard] | None = None) -> bool:
        """Write it for every pager; False if this request had this cause already.

        Who has `heard` of it, by name, is not told again, only how it came right.
        """
        ...

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        """What was alerted for this request and cause came right: every pager of the alert will be told."""
        ...

    async def reword(self, approval_id: str, *, cause: str, text: str) -> None:
        """An open alert says this now: its pagers get it again under the ref that they have."""
        ...

    async def open_of(self, *, approval_id: str | None = None, cause: str | None = None) -> tuple[Alert, ...]:
        """Alerts that have not come right, of one request, or of one cause, oldest first."""
        ...

    async def unacknowledged(self, raised_before: datetime) -> int:
        """How many open alerts from before then no pager has taken yet, although there is one."""
        ...

    async def owed(self, now: datetime) -> tuple[PendingPage, ...]: ...

    async def attempt(self, page: PendingPage, *, at: datetime) -> None: ...

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        """The pager took the alert as it is in `page` (resolved or not)."""
        ...

    async def postpone(self, page: PendingPage, *, next_try: datetime) -> None: ...


class Journal(Protocol):
    """The audit: hash-chained rows. What moves a record writes its own row, in the same transaction."""

    async def note(self, fact: Fact) -> None:
        """Write a fact that moves no record (a refusal, a change of policy)."""
        ...

    async def policy_in_force(self) -> str | None:
        """The version that the last row about a policy names."""
        ...


class Probe(Protocol):
    """Whether the store takes a write."""

    async def write(self) -> None:
        """Write something that is new each time, and return when it is durable. Raises Unavailable."""
        ...


class Store(Protocol):
    """Everything durable, in its parts."""

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
