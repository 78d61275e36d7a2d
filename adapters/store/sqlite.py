"""SQLite: how its connections are opened, and whether the files are still the ones under their names.

SQLite goes on with a file that was deleted or replaced: it acknowledges into what nobody finds any more.

Two writing connections wait for each other in seconds where one with a queue waits in milliseconds, so there
is one. A second process is refused by a lock on a file beside the database.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import aiosqlite
from sqlalchemy import URL, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.store.database import Database
from adapters.store.migrations import head, revision_of, upgrade
from bot.errors import ConfigError, InUse
from bot.records import Ring

#: The file, what was committed last, what keeps processes apart in it, and our own lock.
SUFFIXES = ("", "-wal", "-shm", ".lock")

_Identity = tuple[int, int]  #: device and inode


class Presence:
    """Remembers the files as they are now. Made while the database is open: its companions are there then."""

    def __init__(self, path: Path) -> None:
        """`path` is the database's."""
        names = (path.with_name(f"{path.name}{suffix}") for suffix in SUFFIXES)
        self._known: Mapping[Path, _Identity | None] = {name: _identity(name) for name in names}

    def trouble(self) -> str | None:
        """Which file is another now, in words; None while all are there. Four looks at a local disk."""
        for path, known in self._known.items():
            if _identity(path) != known:
                return f"{path} was deleted or replaced while Nod was running"
        return None


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


#: What the writing connection must say of itself (sqlite.org/pragma.html); 2 is FULL: synced at each commit.
WRITER_PRAGMAS: Mapping[str, str | int] = {
    "busy_timeout": 5_000,  # milliseconds
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
}
READER_PRAGMAS: Mapping[str, str | int] = {"busy_timeout": 5_000, "query_only": 1}
#: Seconds in which what waits for its turn still gets it when the database is closed.
CLOSES_WITHIN = 0.4
#: Reading connections; each has a thread of its own.
READERS = 2

_SETTING = "NOD_DATABASE_URL"


@asynccontextmanager
async def opened(url: URL, *, ring: Ring) -> AsyncIterator[Database]:
    """The database in this file, migrated and locked for this process.

    Raises:
        ConfigError: no file, another process uses it, it cannot be written, a newer Nod has been here, or
            SQLite would not promise that a committed decision is on the disk.
    """
    path = _path(url)
    with _locked(path):
        writer, reader = _engines(path)
        database = Database(writer=writer, reader=reader, ring=ring)
        try:
            try:
                await _check(writer, WRITER_PRAGMAS)
                await _migrate(writer, path)
                await _check(reader, READER_PRAGMAS)
            except DBAPIError as error:
                what = f"{path} cannot be used as a database ({error.orig})"
                raise ConfigError(_SETTING, what, "Choose a database file that Nod can write.") from error
            database.watch(Presence(path).trouble)
            yield database
        finally:
            # aiosqlite's threads are no daemons: an engine left open keeps the process from ending.
            await database.settle_down(within=CLOSES_WITHIN)
            await writer.dispose()
            await reader.dispose()


def _path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        what = "names no file; an in-memory database is lost on exit"
        raise ConfigError(_SETTING, what, "Set a file, for example sqlite:///nod.db.")
    return Path(url.database).resolve()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f"{path.name}.lock")
    try:
        # A link laid there would have another file emptied.
        held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            what = f"another process (pid {lock.read_text() or 'unknown'}) already uses {path}"
            raise InUse(_SETTING, what, "Stop that process, or give this one its own database file.") from error
        os.truncate(held, 0)
        os.pwrite(held, str(os.getpid()).encode(), 0)
        # Not before the lock: closing a file drops the locks that SQLite in this very process has on it.
        _create(path)
        yield
    finally:
        os.close(held)


def _create(path: Path) -> None:
    """Make sure that the file is there. The requests in it are for nobody's eyes but our own user's."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    what = f"{path} cannot be written ({error.strerror})"
    return ConfigError(_SETTING, what, "Choose a file in a folder that Nod can write.")


class InThread(aiosqlite.Connection):
    """One connection in a thread of its own, which is handed each statement once.

    aiosqlite goes there four times for a statement: for a cursor, to run it, for its rows, and to close it.
    """

    @classmethod
    def opened(cls, *args: Any, **more: Any) -> Self:
        """To be awaited; the arguments are those of `sqlite3.connect`."""
        made = cls(lambda: sqlite3.connect(*args, **more), 64)
        made._thread.daemon = True  # as SQLAlchemy has it
        return made

    async def in_thread(self, function: Callable[[], None]) -> None:
        """Return when the connection's thread has done it."""
        await self._execute(function)  # type: ignore[no-untyped-call]  # aiosqlite has no types here

    def cursor(self) -> _Statement:  # type: ignore[override]  # there is nothing to open
        return _Statement(self)


class _Statement:
    """One statement and what came of it, as SQLAlchemy asks aiosqlite's cursors for it."""

    def __init__(self, connection: InThread) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount, self.arraysize = -1, 1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> Self:
        return await self._run(sqlite3.Cursor.execute, sql, parameters)

    async def executemany(self, sql: str, parameters: Any) -> Self:
        return await self._run(sqlite3.Cursor.executemany, sql, parameters)

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """It is closed."""

    async def _run(self, how: Callable[..., Any], sql: str, parameters: Any) -> Self:
        await self._connection.in_thread(partial(self._in_thread, how, sql, parameters))
        return self

    def _in_thread(self, how: Callable[..., Any], sql: str, parameters: Any) -> None:
        with closing(self._connection._conn.cursor()) as cursor:  # noqa: SLF001
            how(cursor, sql, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid


def _engines(path: Path) -> tuple[AsyncEngine, AsyncEngine]:
    url = URL.create("sqlite+aiosqlite", database=str(path))
    writer = create_async_engine(
        url, pool_size=1, max_overflow=0, connect_args={"async_creator_fn": InThread.opened}
    )
    _on_connect(writer, WRITER_PRAGMAS)

    @event.listens_for(writer.sync_engine, "begin")
    def take_the_write_lock(connection: Connection) -> None:
        # One that reads first and then writes fails at once instead of waiting (SQLITE_BUSY_SNAPSHOT).
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    reader = create_async_engine(
        url,
        pool_size=READERS,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        connect_args={"async_creator_fn": InThread.opened},
    )
    _on_connect(reader, READER_PRAGMAS)
    return writer, reader


def _on_connect(engine: AsyncEngine, pragmas: Mapping[str, str | int]) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's sqlite3 is to begin no transactions on its own.
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()


async def _check(engine: AsyncEngine, pragmas: Mapping[str, str | int]) -> None:
    async with engine.connect() as connection:
        for name, wanted in pragmas.items():
            value = (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            if value != wanted:
                what = f"SQLite keeps {name} at {value} where Nod needs {wanted}"
                raise ConfigError(_SETTING, what, "Put the file on a local disk.")


async def _migrate(writer: AsyncEngine, path: Path) -> None:
    async with writer.connect() as connection:
        current = await connection.run_sync(revision_of)
        filled = (await connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")).scalar_one()
    if current == head():
        return
    if filled:
        await asyncio.to_thread(_copy, path, path.with_name(f"{path.name}.before-{head()}"))
    async with writer.begin() as connection:
        await connection.run_sync(upgrade)


def _copy(path: Path, to: Path) -> None:
    _create(to)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
