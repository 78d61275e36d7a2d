"""The store: the port through which the flow works on the records.

Its errors are Unavailable (nothing happened) and Unanswered (it may have happened).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.approval import Approval, Claim, Outcome, Stage, Vote
from bot.audit import Fact
from bot.ladder import Deadline, Lease
from bot.protocol import HITLRequest
from bot.records import (
    Alert,
    Claimed,
    Counted,
    Digest,
    DueRung,
    Gathered,
    OwedNotice,
    OwedPage,
    Placement,
    Standing,
    Waiting,
)
from bot.surface import Destination


class Approvals(Protocol):
    """The record. Moves are compare-and-set in one statement; losing one returns False or None."""

    async def admit(
        self, approval: Approval, *, placements: Sequence[Placement], rungs: Sequence[DueRung]
    ) -> bool:
        """Write a new approval with its placements and rungs in one transaction; False if it is known."""
        ...

    async def get(self, approval_id: str) -> Approval | None: ...

    async def at(
        self, *stages: Stage, due_by: datetime | None = None, missed: int = 0, by_rule: bool = False
    ) -> tuple[Approval, ...]:
        """Approvals at these stages, earliest deadline first.

        Only those whose deadline is not after `due_by`, that so many good polls in a row did not list, and,
        with `by_rule`, that a rule is to answer.
        """
        ...

    async def next_deadline(self, *, after: datetime) -> datetime | None:
        """The first deadline of an open approval that has not come yet."""
        ...

    async def standing(self) -> Mapping[str, Standing]:
        """Every approval that the platform should still list, by id: only what a poll is compared with."""
        ...

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these ids have a record, at any stage."""
        ...

    async def confirm(self, ids: Sequence[str], *, began_at: datetime) -> None:
        """A poll that began then listed these very calls: note it, and forget that they were missing."""
        ...

    async def miss(self, ids: Sequence[str]) -> None:
        """A good poll did not list these: one more."""
        ...

    async def revise(
        self,
        approval_id: str,
        *,
        was: Stage,
        request: HITLRequest,
        route: str,
        deadline: Deadline,
        placements: Sequence[Placement],
        rungs: Sequence[DueRung],
    ) -> bool:
        """The call changed under its cards: take the new one, OPEN, under the route that it has now.

        The old cards are superseded by `placements`, and by new ones where rungs of the same route had put
        one; votes, claims and a decision of which no POST is under way are void. Rungs are written anew, as
        in `retime`. False: a POST is under way, or it is over.
        """
        ...

    async def retime(
        self,
        approval_id: str,
        *,
        was: datetime,
        route: str,
        deadline: Deadline,
        rungs: Sequence[DueRung],
        lease: Lease,
        placements: Sequence[Placement] = (),
    ) -> bool:
        """The same call has another deadline: take it, and write the rungs anew.

        Those that have fired stay so unless their moment lies ahead again; claims last as long as `lease` at
        most. Under another route the old ladder and claims are gone, and the card stands at `placements`,
        too. False: its deadline is no longer `was`, or it is over.
        """
        ...

    async def revive(
        self,
        approval_id: str,
        *,
        route: str,
        deadline: Deadline,
        rungs: Sequence[DueRung],
        at: datetime,
        placements: Sequence[Placement] = (),
    ) -> bool:
        """SETTLED or CLOSED -> OPEN: it had vanished, nobody of ours decided, and it is listed again.

        Its cards show it again; what was given up is owed anew. False: it ended in another way.
        """
        ...

    async def claim(self, approval_id: str, *, claim: Claim, digest: str, last_call: DueRung) -> Claimed:
        """ "I'm on it", the last call before the lease ends, and a redraw at its end, in one transaction."""
        ...

    async def told(self, approval_id: str, *, notices: Sequence[OwedNotice]) -> bool:
        """How it ended is owed to these; once for each settled approval. False: it was done before."""
        ...

    async def closable(self) -> tuple[str, ...]:
        """Ids of settled approvals to which nothing is owed any more, for `close`."""
        ...

    async def untold(self) -> tuple[Approval, ...]:
        """Settled approvals of which nobody was told yet how they ended."""
        ...

    async def unseen(self, now: datetime, *, share: float) -> tuple[Approval, ...]:
        """Open approvals for people that have no card up anywhere after this share of their window."""
        ...

    async def open_by_agent(self, *, at_least: int) -> Mapping[str, int]:
        """How many open requests wait for people, by agent, where there are so many."""
        ...

    async def void(self, approval_id: str, *, why: str, at: datetime) -> bool:
        """DECIDED -> OPEN: the decision may not go out after all, and people are asked anew.

        False: a POST is under way, or it is not decided.
        """
        ...

    async def vote(
        self, approval_id: str, *, vote: Vote, needs: int, counting: frozenset[str] | None
    ) -> Counted:
        """Count a person's vote, if the approval is still open, unexpired, and the same call.

        Votes count of the people in `counting` (None: of all), each account and each seat once: whoever has
        two names, or acts for somebody who voted, is not a second person.

        The vote that brings its verdict to `needs` distinct people moves OPEN -> DECIDED, in the same
        transaction. A person has one vote; a later one of hers takes the place of the earlier. Who votes is
        on it no more: her claim ends with her vote.
        """
        ...

    async def ask_people(self, approval_id: str) -> bool:
        """The rule that was to answer is gone: leave an open approval to people. False: it is not open."""
        ...

    async def begin_delivery(
        self, approval_id: str, *, now: datetime, until: datetime, as_read: Approval
    ) -> Approval | None:
        """Take a decided approval whose turn it is for one POST, which counts from here.

        Returns it with the attempt counted, or None when it is not its turn. Nobody else may post it before
        `until`, and an Approve must be confirmed anew before it is posted again. None too when it is no
        longer the call, the attempt and the confirmation of `as_read`.
        """
        ...

    async def resume(self) -> None:
        """At start, by the only process: what an earlier one had taken for a POST is due again at once."""
        ...

    async def postpone(self, approval_id: str, *, next_try: datetime, trouble: str | None) -> None:
        """A POST failed, or must wait: try again then. A new `trouble` shows on the card."""
        ...

    async def settle(
        self,
        approval_id: str,
        *,
        was: Stage,
        outcome: Outcome,
        at: datetime,
        as_read: Approval | None = None,
        platform_word: str | None = None,
        trouble: str | None = None,
    ) -> bool:
        """`was` -> SETTLED, with its outcome. False: something else came first.

        With `as_read`, also False when it has another revision, call or attempt by now, or was listed again.
        """
        ...

    async def close(self, approval_id: str) -> bool:
        """SETTLED -> CLOSED if every placement shows the last revision or never will, and all were told."""
        ...


class Placements(Protocol):
    """Where cards stand."""

    async def get(self, card_id: str) -> Placement | None: ...

    async def of(self, approval_id: str) -> tuple[Placement, ...]: ...

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

    async def postpone(self, card_id: str, *, next_try: datetime) -> None: ...

    async def lost(self, card_id: str) -> None:
        """The message was deleted: the card needs posting anew."""
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

    async def fire(
        self,
        rungs: Sequence[DueRung],
        *,
        at: datetime,
        notices: Sequence[OwedNotice] = (),
        placements: Sequence[Placement] = (),
    ) -> bool:
        """Mark them fired with all that they owe, in one transaction; those of one approval at a time.

        Those whom a `widen` names may decide from then on. Where a notice of an earlier rung still waits for
        the same thread or person, the new one takes its place: what comes late comes as one message.
        False: one of them had fired, or the approval is no longer open; then nothing was done.
        """
        ...


class Notices(Protocol):
    """Messages that are owed."""

    async def owed(self) -> tuple[tuple[OwedNotice, Approval, Placement | None], ...]:
        """Not sent yet, earliest deadline first, each with the card in whose thread it belongs."""
        ...

    async def attempt(self, notices: Sequence[OwedNotice], *, sent_as: str, at: datetime) -> bool:
        """They are about to be sent as one message, under this mark.

        False: one of them is owed no more, because a newer one took its place; then none is marked.
        """
        ...

    async def sent(self, notices: Sequence[OwedNotice], *, ref: str, at: datetime) -> None: ...

    async def postpone(self, notices: Sequence[OwedNotice], *, next_try: datetime) -> None: ...

    async def drop(self, notices: Sequence[OwedNotice], *, why: str, at: datetime) -> None:
        """Nothing more is owed: it came too late to matter, or nobody can be reached there."""
        ...


class Digests(Protocol):
    """What is gathered for each channel, and the message that says so."""

    async def waiting(self) -> Mapping[Destination, tuple[Waiting, ...]]:
        """Cards that nobody has tried to post yet, of open approvals, earliest deadline first."""
        ...

    async def gather(self, card_ids: Sequence[str]) -> int:
        """Put these on their channel's digest, unless their post has begun; returns how many."""
        ...

    async def standing(self, *, lines: int, quiet: bool = False) -> tuple[Digest, ...]:
        """Each channel's digest that has open requests, or still says so; with the first `lines` of them.

        With `quiet` those too that say that nothing waits, and are right.
        """
        ...

    async def get(self, digest_id: str) -> Digest | None: ...

    async def on(self, digest_id: str) -> tuple[Gathered, ...]:
        """The open requests that stand on it, earliest deadline first."""
        ...

    async def attempt(self, digest_id: str, *, at: datetime) -> None: ...

    async def shown(self, digest_id: str, *, ref: str, shown: str | None, at: datetime) -> None: ...

    async def postpone(self, digest_id: str, *, next_try: datetime) -> None: ...

    async def lost(self, digest_id: str) -> None:
        """The message was deleted: it needs posting anew."""
        ...


class Alerts(Protocol):
    """Alerts, and who has taken them."""

    async def raise_(self, alert: Alert) -> bool:
        """Write it for every pager; False if this request had this cause already."""
        ...

    async def mend(self, approval_id: str, *, cause: str, how: str) -> None:
        """What was alerted for this request and cause came right: every pager of the alert will be told."""
        ...

    async def open_of(self, *, approval_id: str | None = None, cause: str | None = None) -> tuple[Alert, ...]:
        """Alerts that have not come right, of one request, or of one cause, oldest first."""
        ...

    async def untaken(self, raised_before: datetime) -> int:
        """How many open alerts from before then no pager has taken yet, although there is one."""
        ...

    async def owed(self, now: datetime) -> tuple[OwedPage, ...]: ...

    async def attempt(self, page: OwedPage, *, at: datetime) -> None: ...

    async def taken(self, page: OwedPage, *, ref: str | None) -> None:
        """The pager took the alert as it is in `page` (mended or not)."""
        ...

    async def postpone(self, page: OwedPage, *, next_try: datetime) -> None: ...


class Journal(Protocol):
    """The audit: hash-chained rows. What moves a record writes its own row, in the same transaction."""

    async def note(self, fact: Fact) -> None:
        """Write a fact that moves no record (a refusal, a change of policy)."""
        ...

    async def policy_in_force(self) -> str | None:
        """The version that the last row about a policy names."""
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
    def notices(self) -> Notices: ...

    @property
    def digests(self) -> Digests: ...

    @property
    def alerts(self) -> Alerts: ...

    @property
    def journal(self) -> Journal: ...
