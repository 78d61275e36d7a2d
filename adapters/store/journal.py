"""The audit as the flow writes it, as the checkpoint signer sees it, and as retention shortens it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.compare_and_set import Move, append, last_anchor, row_of
from adapters.store.database import Database
from bot.approval import Stage
from bot.audit import Fact, Row
from bot.ports import Clock

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
    told = audit_events.retired(number=last.number, hash_=last.hash, rows=removed.rowcount, at=now)
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


_U = tables.audit.c
#: The kind of the rows that say which policy is in force; their body has its `version`.
POLICY = "policy_in_force"


class SqlJournal:
    """`bot.store.Journal` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def note(self, fact: Fact) -> None:
        """One row in a transaction of its own. Raises NotCanonical for a body that is no plain JSON."""

        async def work(connection: AsyncConnection) -> None:
            await append(connection, fact)

        await self._database.write(Move.NOTE, work)

    async def policy_in_force(self) -> str | None:
        """The `version` in the last row of the kind `policy_in_force`; None when no row tells."""
        last = select(_U.body).where(_U.kind == POLICY).order_by(_U.number.desc()).limit(1)
        rows = await self._database.fetch(last)
        if not rows:
            return None
        version = json.loads(rows[0][_U.body]).get("version")
        return None if version is None else str(version)

    async def head(self) -> Row | None:
        """The chain's last row; None before the first."""
        rows = await self._database.fetch(select(tables.audit).order_by(_U.number.desc()).limit(1))
        return row_of(rows[0]) if rows else None

    async def row(self, number: int) -> Row | None:
        """The chain's row with this number; None before it is written, and after retention removed it."""
        rows = await self._database.fetch(select(tables.audit).where(_U.number == number))
        return row_of(rows[0]) if rows else None

    async def anchor(self) -> tuple[int, str] | None:
        """Number and hash of the last row that was removed; None while the chain has its beginning."""
        rows = await self._database.fetch(last_anchor())
        return (rows[0]["number"], rows[0]["hash"]) if rows else None

    async def retire(self, before: datetime, *, vouch: Callable[[Row], Awaitable[None]]) -> int:
        """Remove what is older than a moment, as far as approvals are closed; returns how many rows went.

        The oldest go first and without a gap, so the chain stays verifiable from the anchor that is left.
        In small transactions: a click waits for one of them at most. `vouch` signs the last row of each piece
        before it goes: rows that are gone without that are found missing.
        """
        age, gone = min(before, self._clock()), 0
        while found := await self._database.fetch(last_to_go(age)):
            last = row_of(found[0])
            await vouch(last)

            async def work(connection: AsyncConnection, last: Row = last) -> int:
                return await retire_some(connection, age, self._clock(), last=last)

            some = await self._database.write(Move.RETIRE, work)
            if not some:
                break
            gone += some
        await self._database.write(Move.RETIRE, lambda connection: remove_closed(connection, age))
        return gone
