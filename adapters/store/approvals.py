"""The record in SQL. Each move is one compare-and-set statement, in one transaction with what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, Update, case, exists, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.claims import take_claim
from adapters.store.closing import file_away
from adapters.store.columns import moment, storable_text
from adapters.store.compare_and_set import Move, append, as_it_was, chunks, move
from adapters.store.database import Database, rows_of
from adapters.store.inserting import insert_approvals
from adapters.store.outbox import write_outbox
from adapters.store.proofs import Proofs, locked_terms
from adapters.store.reading import ReadApprovals
from adapters.store.revising import take_anew, take_back, take_time, take_up
from adapters.store.rows import approvals_decided
from adapters.store.votes import count_vote
from adapters.store.whole import whole_of
from bot.approval import Approval, Claim, Outcome, Stage, Vote
from bot.errors import Unanswered, Unavailable
from bot.ladder import Deadline, Lease
from bot.ports import Clock
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Claimed, Counted, DueRung, NewApproval, OutboxItem, Placement

_A, _D = tables.approvals.c, tables.decisions.c
#: Which move a vote was; a lost one was none.
_MOVES = {Counted.WAITING: Move.VOTE, Counted.DECIDED: Move.DECIDE}


class _Tampered(Exception):
    """Between the reading and the writing somebody else changed the record."""


class SqlApprovals(ReadApprovals):
    """`bot.approvals.Approvals` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, clock: Clock, proofs: Proofs) -> None:
        super().__init__(database=database, proofs=proofs)
        self._clock = clock

    async def insert(self, new_approvals: Sequence[NewApproval]) -> frozenset[str]:
        """Raises ValueError for an approval whose life has begun elsewhere: all begin OPEN."""
        for new_approval in new_approvals:
            if new_approval.approval.stage is not Stage.OPEN:
                raise ValueError(f"an approval is admitted open, not {new_approval.approval.stage}")
        ruled = any(new_approval.approval.rule for new_approval in new_approvals)

        async def work(connection: AsyncConnection) -> frozenset[str]:
            return await insert_approvals(connection, new_approvals, self._proofs)

        new = [one.approval.id for one in new_approvals if not self._proofs.waits(one.approval.id)]
        try:
            return await self._database.write(Move.INGEST_BY_RULE if ruled else Move.INGEST, work)
        except Unavailable as error:
            for approval_id in new:
                if isinstance(error, Unanswered):
                    self._proofs.may_wait(approval_id)
                else:
                    self._proofs.ends(approval_id)
            raise

    async def confirm(self, calls: Mapping[str, str], *, began_at: datetime) -> None:
        """An earlier poll that comes in late does not set the clock back."""
        for approval_id, digest in calls.items():
            self._proofs.listed(approval_id, digest=digest, began_at=began_at)
        later = or_(_A.confirmed_at.is_(None), _A.confirmed_at < began_at)
        seen = case((later, moment(began_at)), else_=_A.confirmed_at)
        await self._update_many(
            Move.CONFIRM, list(calls), update(tables.approvals).values(confirmed_at=seen, missed=0)
        )

    async def miss(self, ids: Sequence[str], *, began_at: datetime) -> None:
        """Of what was called resolved only a poll that began afterwards counts."""
        late = or_(_A.gone_at.is_(None), _A.gone_at < began_at)
        await self._update_many(
            Move.MISS, ids, update(tables.approvals).where(late).values(missed=_A.missed + 1)
        )

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
        """The new call under the same id, for people even if a rule was to answer the old one."""

        async def work(connection: AsyncConnection) -> int:
            return await take_anew(
                connection, approval_id, was=was, request=request, route=route, deadline=deadline,
                placements=placements, rungs=rungs, at=self._clock(), proofs=self._proofs, why=why,
            )  # fmt: skip

        return self._taken_back(approval_id, await self._database.write(Move.REVISE, work))

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
        """The same call under the same cards, which show the new deadline."""

        async def work(connection: AsyncConnection) -> bool:
            return await take_time(
                connection, approval_id, was=was, route=route, deadline=deadline, placements=placements,
                rungs=rungs, lease=lease, at=self._clock(), proofs=self._proofs,
            )  # fmt: skip

        return await self._database.write(Move.RETIME, work)

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
        """The same call under the same cards, without what had been said about its end."""

        async def work(connection: AsyncConnection) -> int:
            return await take_up(
                connection, approval_id, route=route, deadline=deadline, placements=placements, rungs=rungs,
                at=at, proofs=self._proofs,
            )  # fmt: skip

        return bool(await self._database.write(Move.REVIVE, work))

    async def claim(self, approval_id: str, *, claim: Claim, digest: str, last_call: DueRung) -> Claimed:
        """The last call gets the next free number from `LAST_CALLS` on, and the end of the lease the next."""

        async def work(connection: AsyncConnection) -> Claimed:
            return await take_claim(connection, approval_id, claim=claim, digest=digest, last_call=last_call)

        return await self._database.write({Claimed.YES: Move.CLAIM}.get, work)

    async def told(self, approval_id: str, *, notices: Sequence[OutboxItem]) -> bool:
        """Whether anybody is owed it or not, it is done with."""
        done = move(approval_id, Stage.SETTLED, None, ~_A.told).values(told=True)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(done)).rowcount:
                return False
            await write_outbox(connection, notices)
            return True

        return await self._database.write(Move.TOLD, work)

    async def void(self, approval_id: str, *, why: str, at: datetime) -> bool:
        """The same call under the same cards, for people even if a rule had answered it."""

        async def work(connection: AsyncConnection) -> int:
            return await take_back(connection, approval_id, why=why, at=at, proofs=self._proofs)

        return self._taken_back(approval_id, await self._database.write(Move.VOID, work))

    def _taken_back(self, approval_id: str, revision: int) -> bool:
        """Whether it was. What was answered before does not count any more, whatever the rows say later."""
        if revision:
            self._proofs.took_back(approval_id, since=revision)
        return bool(revision)

    async def vote(
        self, approval_id: str, *, vote: Vote, needs: int, eligible: frozenset[str] | None
    ) -> Counted:
        """The vote's own moment is what comes before the deadline, or does not."""

        async def work(connection: AsyncConnection) -> tuple[Counted, int]:
            return await count_vote(
                connection, approval_id, vote=vote, needs=needs, eligible=eligible, proofs=self._proofs
            )

        counted, revision = await self._database.write(lambda made: _MOVES.get(made[0]), work)
        self._proofs.counted(approval_id, vote.person, revision=revision)
        return counted

    async def ask_people(self, approval_id: str) -> bool:
        """Its card shows buttons from now on."""

        async def work(connection: AsyncConnection) -> bool:
            before = await locked_terms(connection, approval_id, self._proofs)
            if before is None:
                return False
            asked = replace(before, rule=None).columns(self._proofs)
            left = move(approval_id, Stage.OPEN).values(**asked, revision=_A.revision + 1)
            if not (await connection.execute(left)).rowcount:
                return False
            await append(connection, audit_events.asked_people(approval_id, at=self._clock()))
            return True

        return await self._database.write(Move.ASK_PEOPLE, work)

    async def begin_delivery(
        self, approval_id: str, *, now: datetime, until: datetime, as_read: Approval
    ) -> Approval | None:
        """The approval with this attempt counted; None when it is not its turn, or the deadline has passed."""
        its_turn, in_time = or_(_A.next_try.is_(None), _A.next_try <= now), _A.deadline > now
        # By the decision as it is now, whoever read another one.
        ready = exists().where(
            _D.approval_id == _A.id, or_(_D.verdict != HITLDecision.APPROVED, _A.confirmed_at > _D.at)
        )
        waits = or_(_A.gone_at.is_(None), _A.confirmed_at > _A.gone_at)
        same = (*as_it_was(as_read), ready.correlate(tables.approvals), waits)
        taken = move(approval_id, Stage.DECIDED, None, its_turn, in_time, *same)

        async def work(connection: AsyncConnection) -> Approval | None:
            # The listing that confirmed this POST confirms no other: a later one is read anew before.
            counted = taken.values(attempts=_A.attempts + 1, next_try=until, confirmed_at=None, gone_at=None)
            if not (await connection.execute(counted)).rowcount:
                return None
            rows = await connection.execute(approvals_decided().where(_A.id == approval_id))
            (approval,) = await whole_of(rows.mappings(), partial(rows_of, connection), self._proofs)
            if approval.forged or not self._is_listed(approval):
                raise _Tampered  # rolls back: the attempt is not counted
            await append(
                connection, audit_events.delivery_begun(approval_id, attempt=approval.attempts, at=now)
            )
            return approval

        try:
            begun = await self._database.write(Move.BEGIN_DELIVERY, work)
        except _Tampered:
            return None
        if begun is not None:
            self._proofs.used(approval_id)
        return begun

    def _is_listed(self, approval: Approval) -> bool:
        """Whether this process saw the platform list the call after an Approve; no row is believed in that."""
        decision = approval.decision
        if decision is None or decision.verdict is not HITLDecision.APPROVED:
            return True
        seen = self._proofs.listed_at(approval.id, digest=approval.request.digest)
        return seen is not None and seen > decision.at

    async def resume(self) -> None:
        taken = update(tables.approvals).where(_A.stage == Stage.DECIDED, _A.next_try.is_not(None))
        await self._database.update(Move.RESUME, taken.values(next_try=None))

    async def called_resolved(
        self, approval_id: str, *, as_read: Approval, at: datetime, next_try: datetime
    ) -> bool:
        """What polls missed of it before does not count."""
        gone = move(approval_id, Stage.DECIDED, None, *as_it_was(as_read)).values(
            gone_at=at, gones=_A.gones + 1, missed=0, confirmed_at=None, next_try=next_try
        )
        return await self._database.update(
            Move.CALLED_RESOLVED,
            gone,
            audit_events.called_resolved(approval_id, attempt=as_read.attempts, at=at),
        )

    async def postpone(self, approval_id: str, *, next_try: datetime, trouble: str | None) -> None:
        """Later; the revision is raised when what is said about it changes."""
        told = None if trouble is None else storable_text(trouble)
        visible = case((_A.trouble.is_distinct_from(told), 1), else_=0)
        later = move(approval_id, Stage.DECIDED).values(
            next_try=next_try, trouble=told, revision=_A.revision + visible
        )
        await self._database.update(Move.POSTPONE_DELIVERY, later)

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
        """What is not given stays as it was. Raises ValueError for a step that the life does not have."""
        same: tuple[ColumnElement[bool], ...] = ()
        if as_read is not None:
            same = (*as_it_was(as_read), _A.revision == as_read.revision, _A.missed >= as_read.missed)
        settled = move(approval_id, was, Stage.SETTLED, *same).values(
            outcome=outcome, settled_at=at, revision=_A.revision + 1
        )
        if platform_word is not None:
            settled = settled.values(platform_word=platform_word)
        if trouble is not None:
            settled = settled.values(trouble=trouble)

        async def work(connection: AsyncConnection) -> bool:
            found = (await connection.execute(settled.returning(_A.trouble))).first()
            if found is None:
                return False
            told = audit_events.settled(
                approval_id, outcome=outcome, word=platform_word, trouble=trouble, shown=found[0], at=at
            )
            await append(connection, told)
            return True

        if not await self._database.write(Move.SETTLE, work):
            return False
        self._proofs.ends(approval_id)
        return True

    async def close(self, approval_id: str) -> bool:
        """SETTLED -> CLOSED, unless a card lags or somebody has not heard how it ended."""

        async def work(connection: AsyncConnection) -> bool:
            return await file_away(connection, approval_id, at=self._clock())

        return await self._database.write(Move.CLOSE, work)

    async def _update_many(self, kind: Move, ids: Sequence[str], change: Update) -> None:
        async def work(connection: AsyncConnection) -> bool:
            results = [await connection.execute(change.where(_A.id.in_(some))) for some in chunks(ids)]
            return any(result.rowcount for result in results)

        if ids:
            await self._database.write(kind, work)
