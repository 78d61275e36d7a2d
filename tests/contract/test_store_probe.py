"""The store's contract: a write that proves that writing works, and what it finds when it does not."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from adapters.store.open import SqlStore, open_store
from bot.errors import Unavailable
from tests.contract.conftest import Eyes
from tests.contract.values import admit


async def trouble(store: SqlStore) -> str | None:
    """Why nothing can be written now."""
    try:
        await store.probe.write()
    except Unavailable as error:
        return str(error)
    return None


async def test_a_probe_writes_something_new_each_time(store: SqlStore, eyes: Eyes) -> None:
    """In one row, so that the table does not grow."""
    seen = set()
    for _ in range(3):
        assert await trouble(store) is None
        ((filler,),) = eyes("SELECT filler FROM probes")
        seen.add(filler)
    assert 3 == len(seen)


@pytest.mark.parametrize("table", ["approvals", "notices", "audit"])
@pytest.mark.parametrize("mode", ["SHARE", "ACCESS EXCLUSIVE"])
async def test_a_table_that_another_session_locks_is_found(postgres_url: str, table: str, mode: str) -> None:
    """Whichever it is, and however much of it the lock leaves free; and it is well as soon as that is over."""
    async with open_store(postgres_url, ring=lambda _: None, pagers=()) as store:
        with psycopg.connect(postgres_url) as other:
            other.execute(f"LOCK TABLE {table} IN {mode} MODE")
            async with asyncio.timeout(4):  # the server itself gives up after 2 s
                assert await trouble(store) is not None
        assert await trouble(store) is None


async def test_a_server_that_takes_no_writes_is_named(postgres_url: str) -> None:
    """As after a fail-over to a standby that is not promoted yet."""
    name = make_url(postgres_url).database
    async with open_store(postgres_url, ring=lambda _: None, pagers=()) as store:
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        async with asyncio.timeout(20):
            while (found := await trouble(store)) != "the server accepts no writes":
                await asyncio.sleep(0.1)
        assert "the server accepts no writes" == found


async def test_damage_that_others_met_counts_for_a_while(new_sqlite_url: str) -> None:
    """A page of one table is garbage, and the probe's own page is fine: the store is not well all the same."""
    async with open_store(new_sqlite_url, ring=lambda _: None, pagers=()) as store:
        await admit(store)
    file = Path(make_url(new_sqlite_url).database or "")
    spoil(file, "alerts")
    async with open_store(new_sqlite_url, ring=lambda _: None, pagers=()) as store:
        assert await trouble(store) is None
        with pytest.raises(Unavailable, match="the file is damaged"):
            await store.alerts.open_of()
        assert "the file is damaged" == await trouble(store)


def spoil(file: Path, table: str) -> None:
    """Overwrite the first page of a table and of its own index."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,)).fetchall()
    with file.open("r+b") as raw:
        for (page,) in pages:
            if page:
                raw.seek((page - 1) * size)
                raw.write(b"\xff" * size)
