"""Retention: the chain's beginning goes, and the closed approvals with nothing left in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from bot.approval import Stage
from bot.audit import Row

_U, _A = tables.audit.c, tables.approvals.c
#: Rows of the chain in one transaction at most, and approvals: a few milliseconds' work.
BATCH = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def last_to_go(before: datetime) -> Select[Any]:
    """The last row of the next piece of the chain's beginning that may go; no row when none may.

    Never a row of an approval that is not closed, nor anything behind one.
    """
    age = (before - _EPOCH) // timedelta(milliseconds=1)
    one, first = tables.audit.alias(), tables.audit.alias()
    began = select(func.min(first.c.number)).scalar_subquery()
    kept = or_(one.c.at_ms >= age, _A.stage != Stage.CLOSED)
    whole = one.outerjoin(tables.approvals, _A.id == one.c.approval_id)
    stays = select(func.min(one.c.number)).select_from(whole).where(kept, one.c.number < began + BATCH)
    end = func.coalesce(stays.scalar_subquery(), began + BATCH)
    return select(tables.audit).where(_U.number < end).order_by(_U.number.desc()).limit(1)


async def retire_some(connection: AsyncConnection, before: datetime, now: datetime, *, last: Row) -> int:
    """Remove the chain's beginning up to this row, if all of it may still go; returns how many rows went."""
    found = (await connection.execute(last_to_go(before))).mappings().first()
    if found is None or found[_U.number] < last.number:
        return 0
    # First the anchor: the database deletes no row that none covers.
    await connection.execute(insert(tables.audit_anchor).values(number=last.number, hash=last.hash, at=now))
    removed = await connection.execute(delete(tables.audit).where(_U.number <= last.number))
    await remove_closed(connection, before)
    told = facts.retired(number=last.number, hash_=last.hash, rows=removed.rowcount, at=now)
    await append(connection, told)
    return removed.rowcount


async def remove_closed(connection: AsyncConnection, before: datetime) -> bool:
    """Approvals that closed and ended before that moment and of which the chain says nothing any more."""
    told = exists().where(_U.approval_id == _A.id).correlate(tables.approvals)
    over = select(_A.id).where(_A.stage == Stage.CLOSED, _A.settled_at < before, ~told).limit(BATCH)
    ids = list((await connection.execute(over)).scalars())
    if not ids:
        return False
    belonging = (
        tables.votes, tables.decisions, tables.claims, tables.placements, tables.rungs, tables.notices,
        tables.pages, tables.alerts,
    )  # fmt: skip
    for table in belonging:
        await connection.execute(delete(table).where(table.c.approval_id.in_(ids)))
    await connection.execute(delete(tables.approvals).where(_A.id.in_(ids)))
    return True
