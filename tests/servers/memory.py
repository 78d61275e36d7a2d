"""The store in memory: SQLite through the very same code, without a disk to wait for and threads to wake.

One connection serves everybody, so who reads waits for who writes. What a test looks at with `rows` is read
past the store, on that connection.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from adapters.store.database import Database
from bot.records import Ring
from tests.servers.sqlite_template import empty_database

#: Where a file's header says how it is written and read (sqlite.org/fileformat.html, 1.3.3); 1 is no WAL, which
#: memory does not have.
_VERSIONS, _NO_WAL = slice(18, 20), b"\x01\x01"
#: The execution option of who begins no transaction.
_READS = "reads"


class Memory:
    """A database that lasts as long as this object: a fresh one, or one with a file's content."""

    def __init__(self, content: bytes | None = None) -> None:
        file = bytearray(empty_database() if content is None else content)
        file[_VERSIONS] = _NO_WAL
        # Whatever thread collects it closes it.
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.deserialize(bytes(file))
        self._connection.execute("PRAGMA foreign_keys = 1")

    def __del__(self) -> None:
        self._connection.close()

    @property
    def content(self) -> bytes:
        """What a file with all of it would hold."""
        return self._connection.serialize()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement finds, or returns."""
        return self._connection.execute(statement).fetchall()

    @asynccontextmanager
    async def opened(self, *, ring: Ring) -> AsyncIterator[Database]:
        """It, as `adapters.store.sqlite` would open a file."""
        engine = create_async_engine(
            "sqlite+aiosqlite://",
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"async_creator_fn": lambda *_, **__: _Borrowed(lambda: self._connection, 64)},
        )

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            if not connection.get_execution_options().get(_READS):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        reader = engine.execution_options(**{_READS: True})
        database = Database(writer=engine, reader=reader, ring=ring)
        try:
            yield database
        finally:
            await database.settle_down(within=0.4)
            await engine.dispose()


class _AtOnce:
    """In place of the queue to a thread: each job is done when it is put there."""

    def put_nowait(self, job: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, function = job
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - as the thread does
            if future is not None:
                future.set_exception(error)
            return
        if future is not None:
            future.set_result(result)


class _Borrowed(aiosqlite.Connection):
    """Another's connection, in the thread of who uses it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._tx = _AtOnce()

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()

    async def close(self) -> None:
        self._connection, self._running = None, False
