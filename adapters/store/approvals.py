"""The record in SQL. Each move is one compare-and-set statement, in one transaction with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Update, case, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.columns import keepable, moment
from adapters.store.database import Database, insert_new
from adapters.store.moves import chunks, move
from adapters.store.placements import lags
from adapters.store.rows import (
    approval_of,
    approval_row,
    approvals_decided,
    decision_row,
    placement_row,
    request_columns,
    rung_row,
)
from adapters.store.wakes import Move
from bot.approval import Approval, Decision, Outcome, Stage
from bot.ladder import Deadline
from bot.ports import DueRung, Placement
from bot.protocol import HITLRequest

_A = tables.approvals.c


class SqlApprovals:
    """`bot.ports.Approvals` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def admit(
        self, approval: Approval, *, placements: Sequence[Placement], rungs: Sequence[DueRung]
    ) -> bool:
        """Raises ValueError for an approval whose life has begun elsewhere: all begin OPEN."""
        if approval.stage is not Stage.OPEN:
            raise ValueError(f"an approval is admitted open, not {approval.stage}")

        async def work(connection: AsyncConnection) -> bool:
            new = insert_new(connection, tables.approvals).values(approval_row(approval))
            written = await connection.execute(new.on_conflict_do_nothing().returning(_A.id))
            if written.first() is None:
                return False
            if placements:
                await connection.execute(insert(tables.placements), [placement_row(p) for p in placements])
            if rungs:
                await connection.execute(insert(tables.rungs), [rung_row(r) for r in rungs])
            return True

        return await self._database.write(Move.ADMIT, work)

    async def get(self, approval_id: str) -> Approval | None:
        """The approval with its decision; None for an unknown id."""
        rows = await self._database.fetch(approvals_decided().where(_A.id == approval_id))
        return approval_of(rows[0]) if rows else None

    async def at(self, *stages: Stage) -> tuple[Approval, ...]:
        """One statement for all of them, earliest deadline first."""
        statement = approvals_decided().where(_A.stage.in_(stages)).order_by(_A.deadline, _A.id)
        return tuple(approval_of(row) for row in await self._database.fetch(statement))

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these ids have a record."""
        found: set[str] = set()
        for some in chunks(ids):
            rows = await self._database.fetch(select(_A.id).where(_A.id.in_(some)))
            found.update(row[_A.id] for row in rows)
        return frozenset(one for one in ids if keepable(one) in found)

    async def confirm(self, ids: Sequence[str], *, began_at: datetime) -> None:
        """An earlier poll that comes in late does not set the clock back."""
        later = or_(_A.confirmed_at.is_(None), _A.confirmed_at < began_at)
        seen = case((later, moment(began_at)), else_=_A.confirmed_at)
        await self._update_many(Move.CONFIRM, ids, update(tables.approvals).values(confirmed_at=seen, missed=0))

    async def miss(self, ids: Sequence[str]) -> None:
        """One more good poll that did not list these."""
        await self._update_many(Move.MISS, ids, update(tables.approvals).values(missed=_A.missed + 1))

    async def revise(
        self, approval_id: str, *, request: HITLRequest, deadline: Deadline, rungs: Sequence[DueRung]
    ) -> bool:
        """The new call under the same id; rungs already begun or fired stay as they are."""
        # No poll has confirmed the new call yet: it is another one than was confirmed before.
        taken_anew = move(approval_id, Stage.OPEN).values(
            **request_columns(request, deadline), revision=_A.revision + 1, confirmed_at=None, missed=0
        )

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(taken_anew)).rowcount:
                return False
            begun = or_(tables.rungs.c.attempted_at.is_not(None), tables.rungs.c.fired_at.is_not(None))
            old = delete(tables.rungs).where(tables.rungs.c.approval_id == approval_id, ~begun)
            await connection.execute(old)
            if rungs:
                new = insert_new(connection, tables.rungs).on_conflict_do_nothing()
                await connection.execute(new, [rung_row(rung) for rung in rungs])
            return True

        return await self._database.write(Move.REVISE, work)

    async def decide(self, approval_id: str, *, decision: Decision, digest: str) -> bool:
        """OPEN -> DECIDED; the decision's own moment is what comes before the deadline, or does not."""
        same_call, in_time = _A.digest == digest, _A.deadline > decision.at
        won = move(approval_id, Stage.OPEN, Stage.DECIDED, same_call, in_time)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(won.values(revision=_A.revision + 1))).rowcount:
                return False
            await connection.execute(insert(tables.decisions), decision_row(approval_id, decision))
            return True

        try:
            return await self._database.write(Move.DECIDE, work)
        except IntegrityError:
            # The primary key has the last word: this request has its decision, whatever its row says.
            return False

    async def begin_delivery(self, approval_id: str, *, now: datetime, until: datetime) -> Approval | None:
        """The approval with this attempt counted; None when it is not its turn, or the deadline has passed."""
        its_turn, in_time = or_(_A.next_try.is_(None), _A.next_try <= now), _A.deadline > now
        taken = move(approval_id, Stage.DECIDED, None, its_turn, in_time)

        async def work(connection: AsyncConnection) -> Approval | None:
            counted = taken.values(attempts=_A.attempts + 1, next_try=until)
            if not (await connection.execute(counted)).rowcount:
                return None
            rows = await connection.execute(approvals_decided().where(_A.id == approval_id))
            return approval_of(rows.mappings().one())

        return await self._database.write(Move.BEGIN_DELIVERY, work)

    async def resume(self) -> None:
        taken = update(tables.approvals).where(_A.stage == Stage.DECIDED, _A.next_try.is_not(None))
        await self._database.update(Move.RESUME, taken.values(next_try=None))

    async def postpone(self, approval_id: str, *, next_try: datetime, trouble: str | None) -> None:
        """Later; the revision is raised when what is said about it changes."""
        told = None if trouble is None else keepable(trouble)
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
        platform_word: str | None = None,
        trouble: str | None = None,
    ) -> bool:
        """What is not given stays as it was. Raises ValueError for a step that the life does not have."""
        settled = move(approval_id, was, Stage.SETTLED).values(
            outcome=outcome, settled_at=at, revision=_A.revision + 1
        )
        if platform_word is not None:
            settled = settled.values(platform_word=platform_word)
        if trouble is not None:
            settled = settled.values(trouble=trouble)
        return await self._database.update(Move.SETTLE, settled)

    async def close(self, approval_id: str) -> bool:
        """SETTLED -> CLOSED, unless a card lags."""
        mine = tables.placements.c.approval_id == _A.id
        debt = exists().where(mine, lags()).correlate(tables.approvals)
        closed = move(approval_id, Stage.SETTLED, Stage.CLOSED, ~debt)
        placements = tables.placements
        # A post that begins just now stays on the books, so that even a late card shows the end.
        seen_to = or_(placements.c.ref.is_not(None), placements.c.attempted_at.is_(None))
        struck = update(placements).where(placements.c.approval_id == approval_id, seen_to).values(owed=False)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(closed)).rowcount:
                return False
            await connection.execute(struck)
            return True

        return await self._database.write(Move.CLOSE, work)

    async def _update_many(self, kind: Move, ids: Sequence[str], change: Update) -> None:
        async def work(connection: AsyncConnection) -> bool:
            results = [await connection.execute(change.where(_A.id.in_(some))) for some in chunks(ids)]
            return any(result.rowcount for result in results)

        if ids:
            await self._database.write(kind, work)
