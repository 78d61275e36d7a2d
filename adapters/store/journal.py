"""The audit as the flow writes it, and as the notary and retention see it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.chain import append, last_anchor, row_of
from adapters.store.database import Database
from adapters.store.retention import last_to_go, remove_closed, retire_some
from adapters.store.wakes import Move
from bot.audit import Fact, Row
from bot.ports import Clock

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
