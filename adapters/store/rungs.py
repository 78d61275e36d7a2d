"""The ladders' rungs, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.claims import with_people
from adapters.store.database import Database
from adapters.store.firing import fire_rungs
from adapters.store.moves import chunks
from adapters.store.proofs import Proofs
from adapters.store.rows import approval_of, rung_of
from adapters.store.wakes import Move
from bot.approval import Approval, Stage
from bot.ladder import Action
from bot.records import DueRung, Firing

_R, _A = tables.rungs.c, tables.approvals.c
_UNFIRED = and_(_R.fired_at.is_(None), _A.stage == Stage.OPEN)


class SqlRungs:
    """`bot.store.Rungs` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, pagers: Sequence[str], proofs: Proofs) -> None:
        """`pagers` are the names of those whom new alerts are owed."""
        self._database, self._pagers, self._proofs = database, tuple(dict.fromkeys(pagers)), proofs

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
        read = [approval_of(row, self._proofs) for row in rows]
        approvals = await with_people(read, self._database.fetch, self._proofs)
        return tuple((rung_of(row), approval) for row, approval in zip(rows, approvals, strict=True))

    async def next_due(self, *, after: datetime) -> datetime | None:
        first = func.min(_R.due_at).label("first")
        whole = tables.rungs.join(tables.approvals)
        rows = await self._database.fetch(select(first).select_from(whole).where(_UNFIRED, _R.due_at > after))
        moment: datetime | None = rows[0]["first"]
        return moment

    async def hasten(self, approval_ids: Sequence[str], *, action: Action, at: datetime) -> bool:
        """Of open approvals; later ones only, so that a rung never moves back."""
        waiting = and_(_R.action == action, _R.fired_at.is_(None), _R.due_at > at)
        is_open = exists().where(_A.id == _R.approval_id, _A.stage == Stage.OPEN)
        found = False
        for some in chunks(approval_ids):
            theirs = and_(_R.approval_id.in_(some), waiting, is_open.correlate(tables.rungs))
            # It is asked each second and there is mostly nothing to do, which should cost no transaction.
            if await self._database.fetch(select(_R.approval_id).where(theirs).limit(1)):
                later = update(tables.rungs).where(theirs).values(due_at=at)
                found |= await self._database.update(Move.HASTEN, later)
        return found

    async def fire(self, firings: Sequence[Firing], *, at: datetime) -> frozenset[str]:
        """Whoever waits at the same moment finds them fired."""

        async def work(connection: AsyncConnection) -> frozenset[str]:
            return await fire_rungs(connection, firings, at=at, pagers=self._pagers, proofs=self._proofs)

        return await self._database.write(Move.FIRE, work)
