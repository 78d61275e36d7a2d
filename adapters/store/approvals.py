"""The record in SQL: how it is read, answered by a rule or by nobody, delivered, and how it ends.

Each move is one compare-and-set statement, in one transaction with what belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment, storable_text, value_in
from adapters.store.compare_and_set import Move, append, as_it_was, chunks, move
from adapters.store.database import paced, rows_of
from adapters.store.outbox import OWED, ends_pings, write_outbox
from adapters.store.placements import in_sight, lags
from adapters.store.polled import PolledApprovals
from adapters.store.proofs import locked_terms
from adapters.store.tables import UNTRIED
from adapters.store.votes import AnsweredApprovals
from adapters.store.whole import approvals_decided, whole_of
from bot.approval import Approval, Outcome, Stage
from bot.audit import Fact
from bot.protocol import HITLDecision
from bot.records import PORTION, Cursor, NotificationKind, OutboxItem, Standing, Unseen

_A, _D, _V = tables.approvals.c, tables.decisions.c, tables.votes.c
_P, _R, _T = tables.placements.c, tables.rungs.c, tables.notices.c


class _Tampered(Exception):
    """Between the reading and the writing somebody else changed the record."""


class SqlApprovals(AnsweredApprovals, PolledApprovals):
    """`bot.approvals.Approvals` over a database."""

    async def get(self, approval_id: str) -> Approval | None:
        """The approval with its decision and votes; None for an unknown id."""
        found = await self._whole(approvals_decided().where(_A.id == approval_id))
        return found[0] if found else None

    async def at(
        self, *stages: Stage, due_by: datetime | None = None, missed: int = 0, by_rule: bool = False
    ) -> tuple[Approval, ...]:
        """A few statements for all of them, earliest deadline first."""
        statement = approvals_decided().where(_A.stage.in_(stages)).order_by(_A.deadline, _A.id)
        if due_by is not None:
            statement = statement.where(_A.deadline <= due_by)
        if missed:
            statement = statement.where(_A.missed >= missed)
        if by_rule:
            statement = statement.where(_A.rule.is_not(None))
        return await self._whole(statement, *stages)

    async def next_deadline(self, *, after: datetime) -> datetime | None:
        """None when there is none ahead."""
        first = select(func.min(_A.deadline)).where(_A.stage == Stage.OPEN, _A.deadline > after)
        deadline: datetime | None = await self._database.value(first)
        return deadline

    async def standing(self) -> Mapping[str, Standing]:
        """Without the calls."""
        wanted = select(_A.id, _A.stage, _A.digest, _A.missed, _A.first_seen, _A.deadline, _A.attempts)
        rows = await self._database.fetch(wanted.where(_A.stage.in_((Stage.OPEN, Stage.DECIDED))))
        return {
            row[_A.id]: value_in(row, Standing, tables.approvals, forged=self._proofs.doubts(row[_A.id]))
            async for row in paced(rows)
        }

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these ids have a record."""
        found: set[str] = set()
        for some in chunks(ids):
            rows = await self._database.fetch(select(_A.id).where(_A.id.in_(some)))
            found.update(row[_A.id] for row in rows)
        return frozenset(one for one in ids if storable_text(one) in found)

    async def lost_since(self, then: datetime) -> int:
        """By the moment at which each was settled."""
        lost = select(func.count()).where(_A.outcome == Outcome.UNDELIVERABLE, _A.settled_at >= then)
        return int(await self._database.value(lost))

    async def untold(self) -> tuple[Approval, ...]:
        """Earliest deadline first."""
        owing = approvals_decided().where(_A.stage == Stage.SETTLED, ~_A.told).order_by(_A.deadline, _A.id)
        return await self._whole(owing, Stage.SETTLED)

    async def closable(self) -> tuple[str, ...]:
        """Ids only, and none of those for which a `close` would be refused."""
        done = select(_A.id).where(_A.stage == Stage.SETTLED, *nothing_owed()).order_by(_A.deadline, _A.id)
        return tuple(row[_A.id] for row in await self._database.fetch(done))

    async def open_by_agent(self, *, at_least: int) -> Mapping[str, int]:
        """Counted in an index, without reading a call."""
        together = func.count().label("together")
        statement = (
            select(_A.agent, together)
            .where(_A.stage == Stage.OPEN, _A.rule.is_(None), _A.agent.is_not(None))
            .group_by(_A.agent)
            .having(together >= at_least)
        )
        return {row[_A.agent]: row["together"] for row in await self._database.fetch(statement)}

    async def open_by_route(self) -> Mapping[str, int]:
        """Counted without reading a call."""
        together = func.count().label("together")
        asked = select(_A.route, together).where(_A.stage == Stage.OPEN, _A.rule.is_(None)).group_by(_A.route)
        return {row[_A.route]: row["together"] for row in await self._database.fetch(asked)}

    async def unseen(
        self,
        now: datetime,
        *,
        share: float,
        within: timedelta | None = None,
        after: Cursor | None = None,
        most: int = PORTION,
    ) -> tuple[tuple[Unseen, ...], Cursor | None]:
        """Without a call. The share is counted in the database's whole milliseconds."""
        seen, whole = cast(_A.first_seen, BigInteger), cast(_A.deadline, BigInteger)
        gone = cast(moment(now), BigInteger) - seen
        late = gone * 1000 >= (whole - seen) * round(share * 1000)
        if within is not None:
            late = or_(late, and_(gone >= within // timedelta(milliseconds=1), ~_waits_its_turn()))
        some = _portion(after).limit(most).subquery()
        bare = select(_P.approval_id).where(tables.BARE).union(select(some.c.id)).subquery()
        statement = (
            select(_A.id, _A.route)
            .join_from(bare, tables.approvals, _A.id == bare.c[0])
            .where(_A.stage == Stage.OPEN, _A.rule.is_(None), late, ~in_sight())
            .order_by(_A.deadline, _A.id)
        )
        rows = await self._database.fetch(statement)
        found = tuple(value_in(row, Unseen, tables.approvals) for row in rows)
        return found, await self._next(after, most)

    async def portion(self, *, after: Cursor | None, most: int) -> tuple[tuple[Approval, ...], Cursor | None]:
        """Those of a rule are left out."""
        ids = _portion(after).limit(most).subquery()
        statement = approvals_decided().where(_A.id.in_(select(ids.c.id))).order_by(_A.deadline, _A.id)
        return await self._whole(statement, Stage.OPEN), await self._next(after, most)

    async def _next(self, after: Cursor | None, most: int) -> Cursor | None:
        """Where the portion after this one begins; None: at the first."""
        last = await self._database.fetch(_portion(after).offset(most - 1).limit(1))
        return (last[0][_A.deadline], last[0][_A.id]) if last else None

    async def _whole(self, statement: Select[Any], *stages: Stage) -> tuple[Approval, ...]:
        """The approvals that the statement finds; without those that have left these stages meanwhile."""
        found = await whole_of(await self._database.fetch(statement), self._database.fetch, self._proofs)
        return tuple(approval for approval in found if not stages or approval.stage in stages)

    async def told(self, approval_id: str, *, notices: Sequence[OutboxItem]) -> bool:
        """Whether anybody is owed it or not, it is done with."""
        done = move(approval_id, Stage.SETTLED, None, ~_A.told).values(told=True)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(done)).rowcount:
                return False
            await write_outbox(connection, notices)
            return True

        return await self._database.write(Move.TOLD, work)

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
            await ends_pings(connection, approval_id)
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
            closed = move(approval_id, Stage.SETTLED, Stage.CLOSED, *nothing_owed())
            if not (await connection.execute(closed)).rowcount:
                return False
            # A post that begins just now stays on the books, so that even a late card shows the end.
            seen_to = or_(_P.ref.is_not(None), _P.attempted_at.is_(None))
            struck = update(tables.placements).where(_P.approval_id == approval_id, seen_to)
            await connection.execute(struck.values(owed=False))
            # Else every look for what is due would pass by the rungs of all that was ever answered early.
            await connection.execute(
                delete(tables.rungs).where(_R.approval_id == approval_id, _R.fired_at.is_(None))
            )
            await append(connection, await _told(connection, approval_id, at=self._clock()))
            return True

        return await self._database.write(Move.CLOSE, work)


async def _told(connection: AsyncConnection, approval_id: str, *, at: datetime) -> Fact:
    record = await connection.execute(select(tables.approvals).where(_A.id == approval_id))
    decision = await connection.execute(select(_D.signature).where(_D.approval_id == approval_id))
    votes = await connection.execute(select(_V.person, _V.signature).where(_V.approval_id == approval_id))
    return audit_events.closed(
        approval_id,
        dict(record.mappings().one()),
        decision=decision.scalar_one_or_none(),
        votes={row.person: row.signature for row in votes},
        at=at,
    )


def nothing_owed() -> tuple[ColumnElement[bool], ...]:
    """Of a settled approval: no card lags, and everybody who is to hear of its end has heard."""
    card = exists().where(_P.approval_id == _A.id, lags()).correlate(tables.approvals)
    word = (
        exists()
        .where(_T.approval_id == _A.id, _T.news == NotificationKind.OUTCOME, OWED)
        .correlate(tables.approvals)
    )
    return _A.told, ~card, ~word


def _portion(after: Cursor | None) -> Select[Any]:
    """Open approvals for people from there on, by an index."""
    some = select(_A.id, _A.deadline).where(_A.stage == Stage.OPEN, _A.rule.is_(None))
    if after is not None:
        some = some.where(tuple_(_A.deadline, _A.id) > tuple_(moment(after[0]), after[1]))
    return some.order_by(_A.deadline, _A.id)


def _waits_its_turn() -> ColumnElement[bool]:
    """Whether an approval has a card that nobody tried to post yet, in a channel where no other post fails."""
    head = tables.placements.alias()
    fails = select(head.c.card_id).where(
        head.c.surface == _P.surface,
        head.c.channel == _P.channel,
        head.c.owed,
        head.c.ref.is_(None),
        head.c.tries > 0,
    )
    mine = select(_P.card_id).where(_P.approval_id == _A.id, UNTRIED, _P.tries == 0)
    return exists(mine.where(~exists(fails)))
