"""A write that proves something: a statement that finds no row to change commits on a full disk, too."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.database import Database
from adapters.store.moves import Move
from bot.errors import Unavailable

#: Characters that are new each time. In one row, so that the page which has it is written.
_FILLER = 1_500
#: What our own writes take: it conflicts with every lock that would keep them waiting, and with none of ours.
_LOCK_ALL = f"LOCK TABLE {', '.join(sorted(tables.metadata.tables))} IN ROW EXCLUSIVE MODE"


class SqlProbe:
    """`bot.store.Probe` over a database."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def write(self) -> None:
        """One page, on the disk when this returns.

        On PostgreSQL in a new file, since an old one may have room left on a disk that has none; and with every
        table free for writing.

        Raises Unavailable, also while the work of others met what does not pass by itself.
        """

        async def work(connection: AsyncConnection) -> None:
            if connection.dialect.name == "postgresql":
                await connection.exec_driver_sql(_LOCK_ALL)
                await connection.exec_driver_sql(f"TRUNCATE {tables.probes.name}")
            else:
                await connection.execute(delete(tables.probes))
            filler = secrets.token_hex(_FILLER // 2)
            await connection.execute(insert(tables.probes).values(id=1, filler=filler))

        await self._database.write(Move.PROBE, work)
        if (ailment := self._database.ailment) is not None:
            raise Unavailable(ailment)
