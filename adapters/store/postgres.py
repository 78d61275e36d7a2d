"""PostgreSQL: for several replicas, or where the organisation keeps its data there anyway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.store.database import Database
from adapters.store.fitness import check_durability, check_sessions
from adapters.store.lines import ANSWERS_WITHIN, Lines
from adapters.store.schema import head, revision_of, upgrade
from adapters.store.tenure import LOOK_EVERY, tenured
from bot.errors import Unavailable
from bot.records import Ring

#: Transactions at once. Reads share the pool, so it holds a few connections more.
WRITERS, READERS = 8, 5
#: Seconds to wait for a free connection in the pool.
PATIENCE = 5
#: Seconds for one statement of a migration, which may rewrite a large table.
MIGRATED_WITHIN = 3600.0
#: Seconds for what is under way when the database is closed.
CLOSES_WITHIN = 0.4
#: Any fixed number: replicas that start together take turns at migrating.
_MIGRATION_LOCK = 0x4E6F64


@asynccontextmanager
async def opened(
    url: URL, *, ring: Ring, answers_within: float = ANSWERS_WITHIN, look_every: float = LOOK_EVERY
) -> AsyncIterator[Database]:
    """The database at this address, migrated. A connection without an answer for so many seconds is given up.

    Raises:
        ConfigError: the server may lose committed decisions or characters, a pooler shares its sessions, or a
            newer Nod has been here; `InUse` while another process has it.
        Unavailable: it cannot be reached, or does not let us in.
    """
    lines = Lines(answers_within=answers_within)
    engine = create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=WRITERS + READERS,
        max_overflow=0,
        pool_timeout=PATIENCE,
        pool_pre_ping=True,
        connect_args={**lines.settings, "async_creator_fn": lines.connect},
    )
    reader = engine.execution_options(isolation_level="AUTOCOMMIT")
    database = Database(writer=engine, reader=reader, turn=asyncio.Semaphore(WRITERS), ring=ring)
    try:
        await _prepare(engine, lines)
        async with tenured(engine, database, every=look_every):
            try:
                yield database
            finally:
                lines.end_within(CLOSES_WITHIN)
    finally:
        await database.settle_down(within=CLOSES_WITHIN)
        await engine.dispose()


async def _prepare(engine: AsyncEngine, lines: Lines) -> None:
    try:
        _, settings = engine.dialect.create_connect_args(engine.url)
        await check_sessions({**settings, **lines.settings})
        async with engine.connect() as connection:
            await check_durability(connection)
        with lines.patient(MIGRATED_WITHIN):
            await _migrate(engine)
    except (DBAPIError, psycopg.Error) as error:
        reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        raise Unavailable(f"PostgreSQL cannot be used ({reason})") from error


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
