"""The database file is deleted or replaced under a running store: nothing is acknowledged from then on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.compare_and_set import Move
from adapters.store.open import open_store
from bot.errors import Unanswered, Unavailable
from tests.contract.values import admit, decide

Harm = Callable[[Path], None]


def deleted(file: Path) -> None:
    """`rm nod.db`."""
    file.unlink()


def replaced(file: Path) -> None:
    """Another file of that name, as a restore without a stop leaves one."""
    copy = file.with_name("copy.db")
    shutil.copy(file, copy)
    copy.replace(file)


def without_wal(file: Path) -> None:
    """What was committed last is in there."""
    file.with_name(f"{file.name}-wal").unlink()


def without_shm(file: Path) -> None:
    """By it processes keep out of each other's way."""
    file.with_name(f"{file.name}-shm").unlink()


def without_lock(file: Path) -> None:
    """It keeps a second process out."""
    file.with_name(f"{file.name}.lock").unlink()


@pytest.mark.parametrize("harm", [deleted, replaced, without_wal, without_shm, without_lock])
async def test_nothing_is_acknowledged_once_the_file_is_another(new_sqlite_url: str, harm: Harm) -> None:
    """Neither a write nor a read; and the reason says which file it is."""
    file = Path(make_url(new_sqlite_url).database or "")
    async with open_store(new_sqlite_url, ring=lambda _: None, pagers=()) as store:
        await admit(store)
        harm(file)
        for work in (decide(store), store.probe.write(), store.approvals.get("r1")):
            with pytest.raises(Unavailable, match=r"nod\.db.* was deleted or replaced"):
                await work


async def test_what_was_under_way_is_not_acknowledged(new_sqlite_url: str) -> None:
    """The file goes between the beginning of a transaction and its commit, which itself works."""
    file = Path(make_url(new_sqlite_url).database or "")
    rung: list[object] = []
    async with open_store(new_sqlite_url, ring=rung.append, pagers=()) as store:

        async def work(connection: AsyncConnection) -> bool:
            await connection.exec_driver_sql("INSERT INTO probes VALUES (7, 'x')")
            file.unlink()
            return True

        with pytest.raises(Unanswered, match="was deleted or replaced"):
            await store.approvals._database.write(Move.DECIDE, work)
    assert [] == rung


async def test_a_file_that_is_back_is_used_again(new_sqlite_url: str) -> None:
    """The very one: all that was written is in it."""
    file = Path(make_url(new_sqlite_url).database or "")
    async with open_store(new_sqlite_url, ring=lambda _: None, pagers=()) as store:
        await admit(store)
        away = file.rename(file.with_name("away.db"))
        with pytest.raises(Unavailable):
            await store.approvals.get("r1")
        away.rename(file)
        assert await store.approvals.get("r1") is not None
        await decide(store)
