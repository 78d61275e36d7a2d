"""The record's part of the store: approvals, and every move of their life.

Its errors are Unavailable (nothing happened) and Unanswered (it may have happened).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bot.approval import Approval, Claim, Outcome, Stage, Vote
from bot.ladder import Deadline, Lease
from bot.protocol import HITLRequest
from bot.records import (
    Claimed,
    Counted,
    DueRung,
    NewApproval,
    OutboxItem,
    Placement,
    Standing,
)


class Approvals(Protocol):
    """The record. Moves are compare-and-set in one statement; losing one returns False or None."""

    async def insert(self, new_approvals: Sequence[NewApproval]) -> frozenset[str]:
        """Write new approvals with their placements and rungs, all in one transaction.

        The ids of those that were written; one that is known stays as it is.
        """
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

    async def confirm(self, calls: Mapping[str, str], *, began_at: datetime) -> None:
        """A poll that began then listed these very calls, by id with their digest as the record has it.

        Note it, and forget that they were missing.
        """
        ...

    async def miss(self, ids: Sequence[str], *, began_at: datetime) -> None:
        """A good poll that began then did not list these: one more."""
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
        """The call changed under its cards: take the new one, OPEN, under the route that it has now.

        With `why` the same call too, because its record is not Nod's own.

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
        """SETTLED or CLOSED -> OPEN: it vanished or expired, nobody of ours decided, and it is listed again.

        Its cards show it again; what was given up is owed anew. False: it ended in another way.
        """
        ...

    async def claim(self, approval_id: str, *, claim: Claim, digest: str, last_call: DueRung) -> Claimed:
        """ "I'm on it", the last call before the lease ends, and a redraw at its end, in one transaction."""
        ...

    async def told(self, approval_id: str, *, notices: Sequence[OutboxItem]) -> bool:
        """How it ended is owed to these; once for each settled approval. False: it was done before."""
        ...

    async def closable(self) -> tuple[str, ...]:
        """Ids of settled approvals to which nothing is owed any more, for `close`."""
        ...

    async def lost_since(self, then: datetime) -> int:
        """How many decisions have come too late for the platform since."""
        ...

    async def untold(self) -> tuple[Approval, ...]:
        """Settled approvals of which nobody was told yet how they ended."""
        ...

    async def unseen(
        self, now: datetime, *, share: float, within: timedelta | None = None
    ) -> tuple[Approval, ...]:
        """Open approvals for people that have no card up anywhere after this share of their window.

        With `within` also those that have none after so long, where that is earlier, unless one only waits for
        its turn: many cards in one channel take their time, and nothing is wrong there.
        """
        ...

    async def open_by_agent(self, *, at_least: int) -> Mapping[str, int]:
        """How many open requests wait for people, by agent, where there are so many."""
        ...

    async def open_by_route(self) -> Mapping[str, int]:
        """How many open requests wait for people, by the name of their route."""
        ...

    async def void(self, approval_id: str, *, why: str, at: datetime) -> bool:
        """DECIDED -> OPEN: the decision may not go out after all, and people are asked anew.

        False: a POST is under way, or it is not decided.
        """
        ...

    async def vote(
        self, approval_id: str, *, vote: Vote, needs: int, eligible: frozenset[str] | None
    ) -> Counted:
        """Count a person's vote, if the approval is still open, unexpired, and the same call.

        Votes count of the people in `eligible` (None: of all), each account and each seat once: whoever has
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
        longer the call and the attempt of `as_read`, when no poll that began after an Approve listed the call,
        or none that began after the platform called it resolved.
        """
        ...

    async def called_resolved(
        self, approval_id: str, *, as_read: Approval, at: datetime, next_try: datetime
    ) -> bool:
        """The platform answered this attempt with 404 or 409; a poll that begins after `at` tells more.

        Not to be posted before `next_try`. False: something else came first.
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
