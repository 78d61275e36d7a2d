"""Retention: the chain's beginning goes, and the closed approvals with nothing left in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from bot.approval import Stage

_U, _A = tables.audit.c, tables.approvals.c
#: Rows of the chain in one transaction at most, and approvals: a few milliseconds' work.
BATCH = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def retire_some(connection: AsyncConnection, before: datetime, now: datetime) -> int:
    """Remove up to BATCH rows from the chain's beginning; returns how many, 0 when none is left to go.

    Never a row of an approval that is not closed, nor anything behind one.
    """
    gone = await _cut(connection, before, now)
    await _remove_closed(connection, before)
    if gone is None:
        return 0
    number, hash_, rows = gone
    await append(connection, facts.retired(number=number, hash_=hash_, rows=rows, at=now))
    return rows


async def _cut(connection: AsyncConnection, before: datetime, now: datetime) -> tuple[int, str, int] | None:
    """The last row that went, its hash, and how many went."""
    age = (before - _EPOCH) // timedelta(milliseconds=1)
    kept = or_(_U.at_ms >= age, _A.stage != Stage.CLOSED)
    whole = tables.audit.outerjoin(tables.approvals, _A.id == _U.approval_id)
    first = select(func.min(_U.number)).select_from(tables.audit)
    began = (await connection.execute(first)).scalar_one()
    if began is None:
        return None
    stays = select(func.min(_U.number)).select_from(whole).where(kept, _U.number < began + BATCH)
    end = (await connection.execute(stays)).scalar_one()
    last = select(_U.number, _U.hash).where(_U.number < (began + BATCH if end is None else end))
    found = (await connection.execute(last.order_by(_U.number.desc()).limit(1))).first()
    if found is None:
        return None
    number, hash_ = found
    # First the anchor: the database deletes no row that none covers.
    await connection.execute(insert(tables.audit_anchor).values(number=number, hash=hash_, at=now))
    removed = await connection.execute(delete(tables.audit).where(_U.number <= number))
    return number, hash_, removed.rowcount


async def _remove_closed(connection: AsyncConnection, before: datetime) -> None:
    """Approvals that closed and ended before that moment and of which the chain says nothing any more."""
    told = exists().where(_U.approval_id == _A.id).correlate(tables.approvals)
    over = select(_A.id).where(_A.stage == Stage.CLOSED, _A.settled_at < before, ~told).limit(BATCH)
    ids = list((await connection.execute(over)).scalars())
    if not ids:
        return
    belonging = (
        tables.votes, tables.decisions, tables.claims, tables.placements, tables.rungs, tables.notices,
        tables.pages, tables.alerts,
    )  # fmt: skip
    for table in belonging:
        await connection.execute(delete(table).where(table.c.approval_id.in_(ids)))
    await connection.execute(delete(tables.approvals).where(_A.id.in_(ids)))
