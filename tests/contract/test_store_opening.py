"""The store's contract, last part: opening and closing, and the databases that are refused."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import IntegrityError

from adapters.store import sqlite as on_sqlite
from adapters.store.migrations import VERSION_TABLE, head
from adapters.store.open import open_store
from adapters.store.tables import metadata
from bot.approval import Stage
from bot.errors import ConfigError, InUse, Unavailable
from tests.contract.values import SIGNING, admit, an_approval, bring_to, decide

ROOT = Path(__file__).parents[2]
LIMITS = text(
    "SELECT name, current_setting(name) AS value FROM pg_settings"
    " WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')"
)


def no_ring(step: object) -> None:
    """Nobody to wake."""


async def open_and_close(url: str) -> None:
    """Open a store and close it at once."""
    async with open_store(url, ring=no_ring, pagers=()):
        pass


def file_of(url: str) -> Path:
    """The file of an SQLite address."""
    return Path(make_url(url).database or "")


async def test_everything_is_still_there_after_reopening(fresh_url: str) -> None:
    """What was written is found by the next process, on a database that needs no second migration."""
    async with open_store(fresh_url, ring=no_ring, pagers=(), signing=SIGNING) as store:
        await admit(store)
    async with open_store(fresh_url, ring=no_ring, pagers=(), signing=SIGNING) as store:
        assert an_approval() == await store.approvals.get("r1")


async def test_the_migrations_build_the_tables_that_the_code_expects(fresh_url: str) -> None:
    """A migrated database has exactly the tables, columns and indexes of `tables.metadata`."""
    await open_and_close(fresh_url)
    driver = "sqlite" if fresh_url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(fresh_url).set(drivername=driver))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert [] == differences


async def test_the_migrations_build_the_same_constraints(sqlite_url: str, tmp_path: Path) -> None:
    """Down to the CHECKs, a migrated SQLite file was built by the same statements as `tables.metadata`."""
    await open_and_close(sqlite_url)
    engine = create_engine(f"sqlite:///{tmp_path}/direct.db")
    metadata.create_all(engine)
    engine.dispose()
    built = []
    for file in (tmp_path / "direct.db", file_of(sqlite_url)):
        with closing(sqlite3.connect(file)) as connection:
            rows = connection.execute(
                "SELECT name, sql FROM sqlite_master"
                f" WHERE sql IS NOT NULL AND type != 'trigger' AND name != '{VERSION_TABLE}'"
            )
            built.append({name: parts_of(sql) for name, sql in rows})
    assert built[0] == built[1]


def parts_of(sql: str) -> list[str]:
    """A statement's columns and constraints, in one spelling: a migration adds at the end and quotes names."""
    head, _, rest = sql.replace('"', "").partition("(")
    inside, _, tail = rest.rpartition(")")
    parts, depth = [""], 0
    for letter in inside:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [" ".join(head.split()), *sorted(" ".join(part.split()) for part in parts), tail.strip()]


@pytest.mark.parametrize(
    "change",
    [
        "stage = 'lost'",
        "outcome = 'maybe', stage = 'settled'",
        "outcome = 'approved'",
        "stage = 'settled'",
        "deadline_source = 'guess'",
    ],
)
async def test_the_database_itself_refuses_an_impossible_record(fresh_url: str, change: str) -> None:
    """Whatever writes to the tables, a stage or outcome that does not exist cannot be stored."""
    async with open_store(fresh_url, ring=no_ring, pagers=()) as store:
        await bring_to(store, Stage.OPEN)
    driver = "sqlite" if fresh_url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(fresh_url).set(drivername=driver))
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE approvals SET {change}")
    engine.dispose()


async def test_a_database_of_a_newer_version_is_refused(fresh_url: str) -> None:
    """An older Nod does not touch tables that it does not understand, and says so."""
    await open_and_close(fresh_url)
    newer = f"UPDATE {VERSION_TABLE} SET version_num = '9999'"
    if fresh_url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(fresh_url))) as connection, connection:
            connection.execute(newer)
    else:
        with psycopg.connect(fresh_url) as server:
            server.execute(newer)
    with pytest.raises(ConfigError, match="schema 9999, which is newer than this version"):
        await open_and_close(fresh_url)


async def test_closing_waits_for_what_is_under_way(fresh_url: str) -> None:
    """A decision that was begun is finished before the database closes."""
    async with open_store(fresh_url, ring=no_ring, pagers=()) as store:
        await admit(store)
        click = asyncio.create_task(decide(store))
        await asyncio.sleep(0)
    await click
    async with open_store(fresh_url, ring=no_ring, pagers=()) as store:
        assert ["r1"] == [approval.id for approval in await store.approvals.at(Stage.DECIDED)]


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/nod", "postgresql+asyncpg://host/nod"])
async def test_an_address_of_another_kind_is_refused(url: str) -> None:
    """Only SQLite and PostgreSQL are known, each by one driver; the message says what to write."""
    with pytest.raises(ConfigError, match=r"NOD_DATABASE_URL.*Use sqlite:///path or postgresql://"):
        await open_and_close(url)


# --- SQLite -----------------------------------------------------------------------------------------------


async def test_the_writing_connection_promises_durability(sqlite_url: str) -> None:
    """WAL, synced at every commit, foreign keys kept; the reading one cannot write."""
    engines = on_sqlite._engines(file_of(sqlite_url))
    said = []
    for engine, names in zip(engines, (on_sqlite.WRITER_PRAGMAS, on_sqlite.READER_PRAGMAS), strict=True):
        async with engine.connect() as connection:
            said.append(
                {name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in names}
            )
        await engine.dispose()
    writer = {"busy_timeout": 5_000, "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert [writer, {"busy_timeout": 5_000, "query_only": 1}] == said


async def test_a_transaction_has_the_file_before_it_reads(sqlite_url: str) -> None:
    """What it has read is still so when it writes: nobody writes in between, and it never has to fail."""
    path = file_of(sqlite_url)
    writer, reader = on_sqlite._engines(path)
    async with writer.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (n)")
    async with writer.begin() as connection:
        await connection.exec_driver_sql("SELECT count(*) FROM t")
        with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("INSERT INTO t VALUES (1)")
        await connection.exec_driver_sql("INSERT INTO t VALUES (2)")
    await writer.dispose()
    await reader.dispose()


async def test_a_connection_that_promises_less_is_refused(sqlite_url: str) -> None:
    """If SQLite does not do as it is told, for example on a network drive, Nod does not start."""
    writer, reader = on_sqlite._engines(file_of(sqlite_url))
    with pytest.raises(ConfigError, match="keeps query_only at 0 where Nod needs 1"):
        await on_sqlite._check(writer, on_sqlite.READER_PRAGMAS)
    await writer.dispose()
    await reader.dispose()


async def test_a_second_process_is_refused_by_name(sqlite_url: str) -> None:
    """Two processes never share a file; the second is told who has it, and gets it when the first is gone."""
    child = [sys.executable, "-m", "tests.contract.deciding_child", sqlite_url]
    with subprocess.Popen(child, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        with pytest.raises(ConfigError) as refused:
            await open_and_close(sqlite_url)
        process.kill()
    expected = (
        "NOD_DATABASE_URL",
        f"another process (pid {process.pid}) already uses {file_of(sqlite_url)}",
        "Stop that process, or give this one its own database file.",
    )
    assert expected == (refused.value.where, refused.value.what, refused.value.fix)
    await open_and_close(sqlite_url)


@pytest.mark.parametrize("path", ["missing/nod.db", "file/nod.db", "."])
async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, path: str) -> None:
    """A missing folder, a file where a folder should be, a folder where a file should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written .*Choose a file in a folder that Nod can write"):
        await open_and_close(f"sqlite:///{tmp_path}/{path}")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+aiosqlite://"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    """A decision that is lost with the process was never durable."""
    with pytest.raises(ConfigError, match="lost on exit"):
        await open_and_close(url)


async def test_a_file_that_is_no_database_is_refused(sqlite_url: str) -> None:
    """A file that is not Nod's is left alone."""
    file_of(sqlite_url).write_text("Dear diary, " * 500)
    with pytest.raises(ConfigError, match="cannot be used as a database"):
        await open_and_close(sqlite_url)
    assert file_of(sqlite_url).read_text().startswith("Dear diary")


async def test_a_filled_database_is_copied_before_it_is_migrated(sqlite_url: str) -> None:
    """A migration that goes wrong can be undone by hand: the old file is kept beside it."""
    file = file_of(sqlite_url)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE before (x)")
    await open_and_close(sqlite_url)
    copy = file.with_name(f"{file.name}.before-{head()}")
    assert 0o600 == copy.stat().st_mode & 0o777
    with closing(sqlite3.connect(copy)) as connection:
        assert [("before",)] == connection.execute("SELECT name FROM sqlite_master").fetchall()


async def test_a_new_or_current_database_is_not_copied(sqlite_url: str) -> None:
    """There is nothing to undo, and what lies there is readable by our own user only."""
    await open_and_close(sqlite_url)
    await open_and_close(sqlite_url)
    files = {file.name: file.stat().st_mode & 0o777 for file in file_of(sqlite_url).parent.iterdir()}
    assert {"nod.db": 0o600, "nod.db.lock": 0o600} == files


async def test_nothing_stays_behind_after_closing(sqlite_url: str) -> None:
    """No thread keeps the process from ending, also when what ran inside the store failed."""
    before, during = threading.active_count(), 0

    async def fail_inside() -> None:
        nonlocal during
        async with open_store(sqlite_url, ring=no_ring, pagers=()) as store:
            await admit(store)
            during = threading.active_count()
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        await fail_inside()
    assert before < during
    async with asyncio.timeout(5):
        while threading.active_count() > before:
            await asyncio.sleep(0.005)


# --- PostgreSQL -------------------------------------------------------------------------------------------


async def test_a_server_that_may_lose_decisions_is_refused(postgres_url: str) -> None:
    """With synchronous_commit off, a crash loses what was acknowledged; the message names the setting."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {make_url(postgres_url).database} SET synchronous_commit = off")
    with pytest.raises(ConfigError, match=r"has synchronous_commit off.*Set synchronous_commit to on"):
        await open_and_close(postgres_url)


async def test_a_server_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    """It may come up later: not a wrong setting."""
    with pytest.raises(Unavailable, match="PostgreSQL cannot be used"):
        await open_and_close(f"postgresql://nobody@/nod?host={tmp_path}")


async def test_a_second_process_on_one_postgresql_database_is_refused(postgres_url: str) -> None:
    """One bot per database, as on SQLite; when the first one is gone, the next may begin."""
    child = [sys.executable, "-m", "tests.contract.deciding_child", postgres_url]
    with subprocess.Popen(child, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith(f"{first.pid}-")
        with pytest.raises(InUse, match="another process already uses this database"):
            async with open_store(postgres_url, ring=no_ring, pagers=()):
                pass
        first.kill()
    for _ in range(100):  # the server notices the end of a killed process in its own time
        try:
            async with open_store(postgres_url, ring=no_ring, pagers=()) as store:
                assert await store.approvals.at(Stage.DECIDED)
                return
        except InUse:
            await asyncio.sleep(0.05)
    pytest.fail("the lock of a process that is gone was not released")


async def test_the_server_keeps_the_limits(postgres_url: str) -> None:
    """A statement, a wait for a lock and an idle transaction end by the server's hand when ours hangs."""
    async with open_store(postgres_url, ring=no_ring, pagers=()) as store:
        rows = await store.approvals._database.fetch(LIMITS)
    assert {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"} == {
        row["name"]: row["value"] for row in rows
    }
