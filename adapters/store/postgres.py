"""PostgreSQL: for several replicas, or where the organisation keeps its data there anyway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.store.database import Database
from adapters.store.schema import head, revision_of, upgrade
from adapters.store.tenure import tenured
from bot.errors import ConfigError, Unavailable
from bot.records import Ring

#: Transactions at once. Reads share the pool, so it holds a few connections more.
WRITERS, READERS = 8, 5
#: Limits that the server keeps even when our side hangs, in milliseconds (reliability.md §6.3): psycopg alone
#: cannot be timed out on a half-open connection (psycopg/psycopg#1371).
LIMITS = {"statement_timeout": 5_000, "lock_timeout": 2_000, "idle_in_transaction_session_timeout": 10_000}
#: Seconds to wait for a connection to the server, and for a free one in the pool.
PATIENCE = 5
#: With one of these off, a crash loses decisions that were acknowledged (reliability.md §0.7: measured).
MUST_BE_ON = ("synchronous_commit", "fsync", "full_page_writes")
#: Any fixed number: replicas that start together take turns at migrating.
_MIGRATION_LOCK = 0x4E6F64


@asynccontextmanager
async def opened(url: URL, *, ring: Ring) -> AsyncIterator[Database]:
    """The database at this address, migrated.

    Raises:
        ConfigError: the server may lose committed decisions, or a newer Nod has been here; `InUse` while
            another process has it.
        Unavailable: it cannot be reached, or does not let us in.
    """
    options = " ".join(f"-c {name}={value}" for name, value in LIMITS.items())
    engine = create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=WRITERS + READERS,
        max_overflow=0,
        pool_timeout=PATIENCE,
        pool_pre_ping=True,
        connect_args={"connect_timeout": PATIENCE, "options": options, "application_name": "nod"},
    )
    reader = engine.execution_options(isolation_level="AUTOCOMMIT")
    database = Database(writer=engine, reader=reader, turn=asyncio.Semaphore(WRITERS), ring=ring)
    try:
        try:
            async with engine.connect() as connection:
                await _check(connection)
            await _migrate(engine)
        except DBAPIError as error:
            raise Unavailable(f"PostgreSQL cannot be used ({error.orig})") from error
        async with tenured(engine, database):
            yield database
    finally:
        await database.settle_down()
        await engine.dispose()


async def _check(connection: AsyncConnection) -> None:
    for name in MUST_BE_ON:
        value = (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
        if value == "off":
            raise ConfigError(
                where="NOD_DATABASE_URL",
                what=f"the server has {name} off, so a crash loses decisions that were acknowledged",
                fix=f"Set {name} to on for this database.",
            )


async def _migrate(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        if await connection.run_sync(revision_of) == head():
            return
    async with engine.begin() as connection:
        # A migration may take longer than a click is given.
        await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        await connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        await connection.run_sync(upgrade)
