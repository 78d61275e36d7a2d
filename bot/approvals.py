"""The part of the store that holds approvals, with every move of their life.

Its errors are Unavailable (nothing happened) and Unanswered (it may have happened).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Protocol

from bot.approval import Approval, Claim, Outcome, Stage, Vote
from bot.ladder import Deadline, Lease
from bot.protocol import HITLRequest
from bot.records import (
    PORTION,
    Claimed,
    Counted,
    Cursor,
    DueRung,
    End,
    NewApproval,
    OutboxItem,
    Outlook,
    Placement,
    Poll,
    Standing,
    Unseen,
)


class Approvals(Protocol):
    """The approvals. Each move is a compare-and-set in one statement; if it loses, it returns False or None.

    What is asked without ids, for a poll, a delivery or an end, is about one source (`bot.store.Store.of`).
    """

    async def insert(self, new_approvals: Sequence[NewApproval]) -> frozenset[str]:
        """Write new approvals with their placements and escalation steps, all in one transaction.

        Returns the ids that were written. An approval that is known already is left as it is.
        """
        ...

    async def get(self, approval_id: str) -> Approval | None: ...

    async def at(self, *stages: Stage) -> tuple[Approval, ...]:
        """All approvals at these stages, earliest deadline first. Reads each of them: not for frequent use."""
        ...

    async def ruled(self, *, most: int, without: Collection[str] = ()) -> tuple[Approval, ...]:
        """Open ones that a rule answers, earliest deadline first; without these ids, as in all that follow."""
        ...

    async def expired(self, now: datetime, *, most: int, without: Collection[str] = ()) -> tuple[Approval, ...]:
        """Open ones whose deadline has passed, without made-up deadlines; earliest first."""
        ...

    async def vanished(
        self,
        now: datetime,
        *,
        believed_after: int,
        asked_after: int,
        by_word: bool,
        most: int,
        without: Collection[str] = (),
    ) -> tuple[Approval, ...]:
        """Those that are gone, or of which the audit is to be asked, earliest deadline first.

        Gone: this many good polls in a row miss it; `by_word` also if the platform called it resolved. Asked is
        once, after `asked_after` polls, or after the first if the platform called it resolved.
        """
        ...

    async def asked(self, missed: Mapping[str, int]) -> None:
        """The audit did not know of these; `missed` is after how many polls each was asked about."""
        ...

    async def next_deadline(self, *, after: datetime) -> datetime | None:
        """The earliest deadline of an open approval that is still ahead."""
        ...

    def waiting(self) -> Set[str]:
        """Ids of what the platform should still list, as this process knows them: open or decided. No read."""
        ...

    def doubted(self) -> Set[str]:
        """Ids of records that Nod did not write, until a poll takes them in again. No read."""
        ...

    async def standing(self, ids: Collection[str]) -> Mapping[str, Standing]:
        """What a poll is compared with, of those of these approvals that are open or decided."""
        ...

    async def awaiting_poll(self, now: datetime) -> Mapping[str, Standing]:
        """Those that need the next good poll even if it lists what the last one listed.

        A decision that waits until a poll confirms the call, or a made-up deadline that has passed.
        """
        ...

    async def last_poll(self) -> Poll | None:
        """The one that was noted last; None where there is none, or Nod did not write it."""
        ...

    async def note_poll(self, poll: Poll) -> None:
        """In place of the one before."""
        ...

    async def untried(self) -> int:
        """How many open or decided approvals have no decision POST begun; counted, not read."""
        ...

    async def recorded(self, ids: Sequence[str]) -> Mapping[str, datetime | None]:
        """Those of these ids that have a record, at any stage.

        The value is when it was first seen if it could be revived: it ended elsewhere or by its deadline, and
        nobody decided it in Nod. None for every other.
        """
        ...

    async def confirm(self, calls: Mapping[str, str], *, began_at: datetime) -> None:
        """Note that a poll that began then listed exactly these calls; they are no longer missing.

        `calls` maps each id to the digest in its record.
        """
        ...

    async def miss(self, ids: Sequence[str], *, began_at: datetime) -> None:
        """Note that a good poll that began then did not list these: one more miss for each."""
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
        why: str | None = None,
    ) -> bool:
        """The call changed under its cards: store the new one as OPEN, under the route that it has now.

        `why` stores an unchanged call too, because its record was not written by Nod.

        The old cards are superseded by `placements`, and by new ones where steps of the same route had posted
        one. Votes, claims and a decision without a POST under way are void. Steps are written again, as in
        `retime`. Returns False if a POST is under way or the request has ended.
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
        """The same call has another deadline: store it, and write the escalation steps again.

        Steps that have fired stay fired unless they are due in the future again; claims last no longer than
        `lease`. Under another route the old ladder and claims are gone, and the card is shown at `placements`,
        too. Returns False if the deadline is no longer `was`, or the request has ended.
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
        """SETTLED or CLOSED -> OPEN: it vanished or expired, nobody decided it in Nod, and it is listed again.

        Its cards show it again, also those that were given up. Returns False if it ended in another way.
        """
        ...

    async def claim(self, approval_id: str, *, claim: Claim, digest: str, last_call: DueRung) -> Claimed:
        """Save a claim, the last call before its lease ends, and a redraw at its end, in one transaction."""
        ...

    async def told(self, notices: Mapping[str, Sequence[OutboxItem]]) -> frozenset[str]:
        """Queue the outcome of these for these people, once for each; returns those not done before."""
        ...

    async def closable(self, *, most: int) -> tuple[str, ...]:
        """Ids of settled approvals with nothing left to send or show, for `close`."""
        ...

    async def lost_since(self, then: datetime) -> int:
        """How many decisions were too late for the platform since then."""
        ...

    async def untold(self, *, most: int, without: Collection[str] = ()) -> tuple[Approval, ...]:
        """Settled approvals whose outcome nobody was notified of yet, earliest deadline first."""
        ...

    async def unseen(
        self,
        now: datetime,
        *,
        share: float,
        within: timedelta | None = None,
        after: Cursor | None = None,
        most: int = PORTION,
    ) -> tuple[tuple[Unseen, ...], Cursor | None]:
        """Open approvals for people that have no card up anywhere after this share of their window.

        `within` adds those without a card after that long, where this is earlier, unless one of their cards
        only waits for its turn: many cards in one channel take time, and nothing is wrong there.

        Those with a card that is not up are found at once, the others a portion at a time: `after` is where the
        last one ended, as it was returned.
        """
        ...

    async def portion(self, *, after: Cursor | None, most: int) -> tuple[tuple[Approval, ...], Cursor | None]:
        """A few open approvals for people, earliest deadline first, and where the next portion begins."""
        ...

    async def open_by_agent(self, *, at_least: int) -> Mapping[str, int]:
        """How many open requests wait for people, by agent, for agents with at least that many."""
        ...

    async def open_by_route(self) -> Mapping[tuple[str, str], int]:
        """How many open requests wait for people, by the names of their source and route."""
        ...

    async def waiting_elsewhere(self, sources: Collection[str], *, now: datetime) -> Mapping[str, int]:
        """How many are open or decided, before their deadline, of each source that is not among these."""
        ...

    async def void(self, approval_id: str, *, why: str, at: datetime) -> bool:
        """DECIDED -> OPEN: the decision cannot be delivered after all, and people are asked again.

        Returns False if a POST is under way, or it is not decided.
        """
        ...

    async def vote(
        self, approval_id: str, *, vote: Vote, needs: int, eligible: frozenset[str] | None
    ) -> Counted:
        """Count a person's vote, if the approval is still open, unexpired, and for the same call.

        Only votes of the people in `eligible` are counted (None: all), each account and each seat once: a
        person with two names, or one who acts for someone who voted, is not a second person.

        The vote that brings its verdict to `needs` distinct people moves OPEN -> DECIDED, in the same
        transaction. A person has one vote; a later vote replaces the earlier one. A vote ends the voter's
        claim.
        """
        ...

    async def ask_people(self, approval_id: str) -> bool:
        """The rule that was to answer is gone: people answer this open approval. False: it is not open."""
        ...

    async def outlook(self, now: datetime, *, late: datetime) -> Outlook:
        """What there is to do for decisions. No decision is sent whose deadline is not after `late`."""
        ...

    async def deliverable(
        self,
        now: datetime,
        *,
        after: datetime,
        most: int,
        tried: bool | None = None,
        by: datetime | None = None,
        without: Collection[str] = (),
    ) -> tuple[Approval, ...]:
        """Decided ones that can be sent now, with a deadline `after` this and not later than `by`.

        Earliest deadline first; `tried`: only those that were sent before, or were not.
        """
        ...

    async def overdue(
        self, now: datetime, *, by: datetime, most: int, without: Collection[str] = ()
    ) -> tuple[Approval, ...]:
        """Decided ones with a deadline not after `by` and no POST under way, earliest first."""
        ...

    async def first_late(self) -> Approval | None:
        """Of the decided ones in trouble the one with the earliest deadline."""
        ...

    async def begin_delivery(
        self, as_read: Sequence[Approval], *, now: datetime, until: datetime
    ) -> tuple[Approval, ...]:
        """Start one POST of each of these that is due; its attempt counts from here.

        Returns those with the attempt counted. Nobody else can post them before `until`, and an Approve must be
        confirmed again before the next POST. Leaves out one whose call or attempt differs from `as_read`, of
        which no poll that began after an Approve listed the call, or none that began after the platform called
        it resolved.
        """
        ...

    async def put_off(self, ids: Sequence[str], *, until: datetime | None) -> None:
        """These decisions are not due before; None: until a poll lists the call."""
        ...

    async def repair_due(self, now: datetime) -> bool:
        """Make due what could be sent and is not due; whether there was any. No move leaves such a one."""
        ...

    async def hold(self, now: datetime, *, trouble: str, most: int) -> int:
        """Show this trouble on the cards of so many decisions that are due; returns how many did not yet."""
        ...

    async def unread(self, *, begun_by: datetime, trouble: str, most: int) -> int:
        """Show this trouble on the cards of decisions that have waited for a list since then, or before."""
        ...

    async def unread_since(self) -> datetime | None:
        """Since when the first decision without a trouble waits for a list."""
        ...

    async def called_resolved(
        self, approval_id: str, *, as_read: Approval, at: datetime, next_try: datetime
    ) -> bool:
        """The platform answered this attempt with 404 or 409; a poll that begins after `at` shows the truth.

        There is no POST before `next_try`. Returns False if something else came first.
        """
        ...

    async def resume(self) -> None:
        """Called at start by the only process: POSTs that an earlier process began are due again at once."""
        ...

    async def postpone(self, approval_id: str, *, next_try: datetime, trouble: str | None) -> None:
        """A POST failed or has to wait: try again at `next_try`. A new `trouble` is shown on the card."""
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

        With `as_read`, also False when its revision, call or attempt differs by now, or it was listed again.
        """
        ...

    async def settle_all(self, ends: Sequence[End]) -> frozenset[str]:
        """The same for several, in one transaction; returns the ids that were settled."""
        ...

    async def close(self, *ids: str) -> frozenset[str]:
        """SETTLED -> CLOSED if every placement shows the last revision or never will, and all were notified."""
        ...
