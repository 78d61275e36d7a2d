"""The ladders' rungs, in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Update, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from adapters.store.columns import moment
from adapters.store.database import Database
from adapters.store.rows import approval_of, rung_of
from adapters.store.votes import with_votes
from adapters.store.wakes import Move
from bot.approval import Approval, Stage
from bot.records import DueRung

_R, _A = tables.rungs.c, tables.approvals.c
_UNFIRED = and_(_R.fired_at.is_(None), _A.stage == Stage.OPEN)


class SqlRungs:
    """`bot.records.Rungs` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def due(self, now: datetime) -> tuple[tuple[DueRung, Approval], ...]:
        """Unfired rungs of open approvals, earliest deadline first, then by their place on the ladder."""
        whole = tables.rungs.join(tables.approvals).outerjoin(
            tables.decisions, tables.decisions.c.approval_id == _A.id
        )
        statement = (
            select(tables.rungs, tables.approvals, tables.decisions)
            .select_from(whole)
            .where(_UNFIRED, _R.due_at <= now)
            .order_by(_A.deadline, _A.id, _R.number)
        )
        rows = await self._database.fetch(statement)
        approvals = await with_votes([approval_of(row) for row in rows], self._database.fetch)
        return tuple((rung_of(row), approval) for row, approval in zip(rows, approvals, strict=True))

    async def next_due(self, *, after: datetime) -> datetime | None:
        first = func.min(_R.due_at).label("first")
        whole = tables.rungs.join(tables.approvals)
        rows = await self._database.fetch(select(first).select_from(whole).where(_UNFIRED, _R.due_at > after))
        moment: datetime | None = rows[0]["first"]
        return moment

    async def attempt(self, rung: DueRung, *, at: datetime) -> None:
        """Of several tries the first one's time stays: a search for the reply has to reach back to it."""
        begun = _change(rung).values(attempted_at=func.coalesce(_R.attempted_at, moment(at)))
        await self._database.update(Move.ATTEMPT_RUNG, begun)

    async def fired(self, rung: DueRung, *, at: datetime) -> None:
        """A closed approval's card stays as it is: nothing is owed to it."""
        marked = _change(rung).where(_R.fired_at.is_(None)).values(fired_at=at)
        told = (
            update(tables.approvals)
            .where(_A.id == rung.approval_id, _A.stage != Stage.CLOSED)
            .values(escalated_at=at, revision=_A.revision + 1)
        )

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(marked)).rowcount:
                return False
            await connection.execute(told)
            await append(connection, facts.rung_fired(rung, at=at))
            return True

        await self._database.write(Move.FIRED, work)


def _change(rung: DueRung) -> Update:
    mine = and_(_R.approval_id == rung.approval_id, _R.number == rung.number)
    return update(tables.rungs).where(mine)
