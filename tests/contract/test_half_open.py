"""PostgreSQL whose connections freeze while new ones work: a fail-over behind a balancer."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy import make_url, select

from adapters.store import postgres, tables
from adapters.store.database import LAPSED, Database
from bot.errors import InUse, Unavailable
from tests.contract.test_store_tenure import EVERY, HOLDER, LOCK, check_refusal, held, refused
from tests.servers.freezing import FreezingProxy, open_freezing

#: Seconds, in place of 5 and 2.
ANSWERS_WITHIN, LOOK_EVERY = 0.5, 0.2


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database whose connections are given up early."""
    async with postgres.opened(
        make_url(url), ring=lambda _: None, answers_within=ANSWERS_WITHIN, look_every=LOOK_EVERY
    ) as database:
        yield database


@pytest.fixture
async def proxied(postgres_url: str) -> AsyncIterator[tuple[FreezingProxy, str]]:
    """A database behind a proxy, with the address through it."""
    async with open_freezing(postgres_url) as proxied:
        yield proxied


async def read(database: Database) -> bool:
    """Whether it can be read now."""
    try:
        await database.fetch(select(tables.approvals.c.id))
    except Unavailable:
        return False
    return True


async def recovered(database: Database, *, within: float = 10.0) -> float:
    """Seconds until it can be read."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while not await read(database):
            await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_a_connection_without_an_answer_is_given_up_and_work_goes_on(
    proxied: tuple[FreezingProxy, str],
) -> None:
    """On new connections, with the lock taken over from the frozen session; nothing waits for the old ones."""
    proxy, url = proxied
    async with opened(url) as database:
        assert all(await asyncio.gather(*(read(database) for _ in range(8))))
        assert proxy.freeze() >= 8

        assert await asyncio.gather(*(read(database) for _ in range(20)))
        assert await recovered(database) < 3

        await asyncio.sleep(2 * LOOK_EVERY + ANSWERS_WITHIN)  # the lock's own connection was frozen, too
        assert await recovered(database) < 3
        assert await read(database)


async def test_closing_waits_for_no_frozen_connection(proxied: tuple[FreezingProxy, str]) -> None:
    """What is under way ends with an error, and no task is left whose error nobody has read."""
    proxy, url = proxied
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    async with opened(url) as database:
        assert await read(database)
        proxy.freeze()
        works = [asyncio.create_task(read(database)) for _ in range(20)]
        await asyncio.sleep(0.05)
        for work in works:
            work.cancel()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    del works, work
    gc.collect()
    await asyncio.sleep(0)
    assert [] == troubles


async def test_the_next_start_takes_over_from_a_dead_session(
    proxied: tuple[FreezingProxy, str], postgres_url: str
) -> None:
    """Its process is gone, and the server does not know it yet: without a sign of life it goes."""
    proxy, url = proxied
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, application_name="nod-0badc0de")
    await connection.execute(LOCK)
    proxy.freeze()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        (dead,) = server.execute(HOLDER).fetchone() or (None,)
        async with held(postgres_url, stale=0.5) as database:
            (holder,) = server.execute(HOLDER).fetchone() or (None,)
            assert dead != holder
            assert await refused(database) is None
    await connection.close()


async def test_a_session_that_lives_is_not_put_out(postgres_url: str) -> None:
    """However soon it would count as dead: it was looked at meanwhile."""
    async with held(postgres_url) as database:
        with pytest.raises(InUse):
            async with held(postgres_url, stale=5 * EVERY):
                pass
        assert await refused(database) is None


async def test_without_a_look_in_time_nothing_is_done(postgres_url: str) -> None:
    """A process that was stopped may have been taken for dead: it waits for its next look."""
    async with held(postgres_url, every=1.0, lease=0.3) as database:
        assert await refused(database) is None
        await check_refusal(database, LAPSED)
        await check_refusal(database, None)


async def test_a_server_that_answers_nowhere_is_silent(proxied: tuple[FreezingProxy, str]) -> None:
    """Open connections freeze and new ones do not work; one that works again ends it."""
    proxy, url = proxied
    async with opened(url) as database:
        assert not database.is_silent
        proxy.freeze(new=True)
        async with asyncio.timeout(3):
            while not database.is_silent:
                await asyncio.sleep(0.02)
        await asyncio.sleep(2 * LOOK_EVERY)
        assert database.is_silent


async def test_a_server_that_refuses_is_not_silent(proxied: tuple[FreezingProxy, str]) -> None:
    """It is away, which ending the process does not mend; nor is one whose new connections work."""
    proxy, url = proxied
    async with opened(url) as database:
        proxy.freeze()
        proxy.refuses = True
        await asyncio.sleep(ANSWERS_WITHIN + 2 * LOOK_EVERY)
        async with asyncio.timeout(5):
            while database.is_silent:
                await asyncio.sleep(0.01)
        assert not await read(database)
