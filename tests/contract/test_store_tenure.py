"""One bot per PostgreSQL database, also after the server forgot who had it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.store.database import Database
from adapters.store.single_instance import LEASE, LOST, STALE, TAKEN, single_instance
from bot.errors import InUse, Unavailable

LOCK = "SELECT pg_try_advisory_lock(5140340)"
HOLDER = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 5140340 AND granted"
EVERY = 0.05


@asynccontextmanager
async def held(
    url: str,
    *,
    every: float = EVERY,
    lease: float = LEASE,
    stale: float = STALE,
    kind: type[Database] = Database,
) -> AsyncIterator[Database]:
    """A database that is ours, with looks at the lock in quick succession."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"), pool_pre_ping=True)
    database = kind(writer=engine, reader=engine, ring=lambda _: None, writers=2)
    try:
        async with single_instance(engine, database, every=every, lease=lease, stale=stale):
            yield database
    finally:
        await engine.dispose()


class Noting(Database):
    """Notes what work heard each time that it was to stop."""

    heard: tuple[str | None, ...] = ()

    def refuse(self, why: str) -> None:
        super().refuse(why)
        try:
            self._check()
        except Unavailable as error:
            self.heard += (str(error),)


async def refused(database: Database) -> str | None:
    try:
        database._check()
    except Unavailable as error:
        return str(error)
    return None


async def check_refusal(database: Database, expected: str | None) -> None:
    """Within five seconds work is refused for this reason; None: it is done again."""
    async with asyncio.timeout(5):
        while await refused(database) != expected:
            await asyncio.sleep(EVERY / 5)


async def test_the_lock_is_taken_again_when_the_server_forgot_it(postgres_url: str) -> None:
    """The connection that held it is ended; for a moment nothing is done, then it is ours again."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        async with held(postgres_url) as database:
            (before,) = server.execute(HOLDER).fetchone() or (None,)
            server.execute("SELECT pg_terminate_backend(%s)", [before])
            async with asyncio.timeout(5):
                while (server.execute(HOLDER).fetchone() or (before,))[0] == before:
                    await asyncio.sleep(EVERY / 5)
            await check_refusal(database, None)


async def test_work_stops_when_the_loss_is_noticed(postgres_url: str) -> None:
    """At once, not at the end of the lease: until it is ours again, another process may have it."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        async with held(postgres_url, kind=Noting) as database:
            assert isinstance(database, Noting)
            (mine,) = server.execute(HOLDER).fetchone() or (None,)
            server.execute("SELECT pg_terminate_backend(%s)", [mine])
            async with asyncio.timeout(5):
                while not database.heard:
                    await asyncio.sleep(EVERY / 5)
            assert LOST == database.heard[0]
            await check_refusal(database, None)


async def test_nothing_is_done_while_another_process_has_it(postgres_url: str) -> None:
    """It was quicker after the restart: this one reads and writes nothing until it is gone."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        async with held(postgres_url) as database:
            (mine,) = server.execute(HOLDER).fetchone() or (None,)
            server.execute("SELECT pg_terminate_backend(%s)", [mine])
            with psycopg.connect(postgres_url, autocommit=True) as other:
                async with asyncio.timeout(5):
                    while not (other.execute(LOCK).fetchone() or (False,))[0]:
                        await asyncio.sleep(EVERY / 50)
                await check_refusal(database, TAKEN)
            await check_refusal(database, None)


async def test_a_second_one_is_refused(postgres_url: str) -> None:
    """At the start that is a setting to correct."""
    async with held(postgres_url):
        with pytest.raises(InUse):
            async with held(postgres_url):
                pass
