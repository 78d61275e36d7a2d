"""One bot per PostgreSQL database: a lock that lasts as long as a connection, watched and taken again.

A restart of the server ends the connection, and with it the lock. Until it is ours again nothing is read or
written: another process may have it by then, and two bots would ask everybody twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.store.database import Database
from bot.errors import InUse

#: Any fixed number that nobody else uses.
_PROCESS_LOCK = 0x4E6F64 + 16
#: Seconds between two looks at the lock.
LOOK_EVERY = 5.0
LOST, TAKEN = "the lock on the database was lost", "another process uses this database"

log = structlog.get_logger()


@asynccontextmanager
async def tenured(engine: AsyncEngine, database: Database, *, every: float = LOOK_EVERY) -> AsyncIterator[None]:
    """Hold the lock while the block runs; without it the database refuses all work. Raises InUse at start."""
    held = await _taken(engine)
    if held is None:
        raise InUse(
            "NOD_DATABASE_URL",
            "another process already uses this database",
            "Stop it, or give this one a database of its own.",
        )
    tenure = _Tenure(engine, database, held)
    watch = asyncio.create_task(tenure.watch(every), name="tenure")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await tenure.end()


class _Tenure:
    """The connection that has the lock, as long as there is one."""

    def __init__(self, engine: AsyncEngine, database: Database, held: AsyncConnection) -> None:
        self._engine, self._database = engine, database
        self._held: AsyncConnection | None = held

    async def watch(self, every: float) -> None:
        """Look at the lock at this interval, in seconds, and take it again when it was lost."""
        while True:
            await asyncio.sleep(every)
            if self._held is not None and await _is_alive(self._held):
                continue
            if self._held is not None:
                self._database.refuse(LOST)
                log.error("database_lock_lost")
                lost, self._held = self._held, None
                await lost.close()
            await self._take_again()

    async def end(self) -> None:
        """Back to the pool, without the lock: that would stay with the session."""
        if self._held is None:
            return
        if await _is_alive(self._held):
            await self._held.exec_driver_sql(f"SELECT pg_advisory_unlock({_PROCESS_LOCK})")
            await self._held.commit()
        await self._held.close()

    async def _take_again(self) -> None:
        """While another has it, or no server answers, the database stays closed."""
        try:
            self._held = await _taken(self._engine)
        except (DBAPIError, PoolTimeoutError):
            return
        if self._held is None:
            self._database.refuse(TAKEN)
            log.error("database_in_use")
        else:
            self._database.accept()
            log.warning("database_lock_taken_again")


async def _taken(engine: AsyncEngine) -> AsyncConnection | None:
    """A connection that has the lock; None while another has it."""
    connection = await engine.connect()
    try:
        taken = (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_PROCESS_LOCK})")).scalar_one()
        await connection.commit()
    except BaseException:
        await connection.close()
        raise
    if taken:
        return connection
    await connection.close()
    return None


async def _is_alive(connection: AsyncConnection) -> bool:
    try:
        await connection.exec_driver_sql("SELECT 1")
        await connection.commit()
    except (DBAPIError, PoolTimeoutError):
        return False
    return True
