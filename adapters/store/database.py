"""Reading and writing, the same on every database: whole transactions, and errors named by their codes.

Nothing here reads the text of an error, which may hold arguments.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Delete, Executable, Select, Table, Update, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.clock import seconds_since_boot
from adapters.store import tables
from adapters.store.compare_and_set import WAKES, Move, append
from adapters.store.group_commit import GroupCommit, Piece
from adapters.store.proofs import Proofs
from bot.audit import Fact
from bot.errors import Unavailable
from bot.ports import Clock
from bot.protocol import GLAIP
from bot.records import Ring

#: What does not heal while we run: what is written beside damage may be lost with it.
DAMAGED, DATA_DAMAGED = "the file is damaged", "the server's data is damaged"
#: SQLite's primary result codes (sqlite.org/rescode.html).
_OF_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
    sqlite3.SQLITE_IOERR: "the disk reports errors",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
#: PostgreSQL's SQLSTATEs, and classes of them (postgresql.org/docs/current/errcodes-appendix.html).
_OF_POSTGRES: Mapping[str, str] = {
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "25006": "the server accepts no writes",
    "58": "the server's disk reports errors",
    "XX001": DATA_DAMAGED,
    "XX002": DATA_DAMAGED,
}


def ailment_of(error: Exception) -> str | None:
    """What ails the database itself, if this error tells; None for what concerns one statement alone."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(orig, "sqlite_errorcode", None)
    if code is not None:
        return _OF_SQLITE.get(code & 0xFF)
    state = getattr(orig, "sqlstate", None)
    if state is not None:
        return _OF_POSTGRES.get(state) or _OF_POSTGRES.get(state[:2])
    return None


log = structlog.get_logger()

T = TypeVar("T")
#: What a statement that is made once is given each time.
Given = Mapping[str, Any]


class Fetch(Protocol):
    """Runs one reading statement."""

    async def __call__(self, statement: Executable, given: Given | None = None, /) -> Sequence[RowMapping]: ...


#: The move that a piece of work makes, or how to tell it from the work's result.
Made = Move | Callable[[T], Move | None]
#: What hears how a piece of work ended; without an error the result counts.
Ended = Callable[[T | None, Exception | None], None]
#: What ails the database itself counts for so many seconds after it was last met: who is kept from working by
#: it tries again each second, and what happens to have room meanwhile proves nothing.
LASTS = 6.0
#: Why nothing is done while the lock was not looked at in time.
LAPSED = "Nod has not checked recently that it still holds the database lock"


class Database:
    """One open database.

    No caller can cancel a piece of work: a click whose connection drops leaves either nothing or the whole of
    it, and the steps are rung all the same. SQLAlchemy's connections do not survive cancellation well
    (sqlalchemy/sqlalchemy#12077, #12099).
    """

    def __init__(self, *, writer: AsyncEngine, reader: AsyncEngine, ring: Ring, writers: int = 1) -> None:
        """At most `writers` transactions at once."""
        self._reader, self._ring = reader, ring
        self._commits = GroupCommit(
            engine=writer,
            most=writers,
            trouble_is=self._trouble_is,
            fit=self._still_fit,
            gone=lambda: self._gone(),
            started=self._keep,
        )
        self._under_way: set[asyncio.Task[Any]] = set()
        self._refused: str | None = None
        self._ours_until: float | None = None
        self._ailment: tuple[str, float] | None = None
        self._damage: str | None = None
        self._gone: Callable[[], str | None] = lambda: None
        self._silent: Callable[[], bool] = lambda: False
        self._over = False

    def refuse(self, why: str) -> None:
        """From now on every piece of work raises Unavailable: the database may belong to another process."""
        self._refused = why

    def accept(self, *, until: float | None = None) -> None:
        """It is ours; until a moment by `seconds_since_boot`, where that has to be looked at again."""
        self._refused, self._ours_until = None, until

    def watch(self, gone: Callable[[], str | None]) -> None:
        """Before each piece of work, and before each acknowledgement, `gone` tells why there must be none."""
        self._gone = gone

    def listen(self, silent: Callable[[], bool]) -> None:
        """`silent` tells whether the server answers nowhere; it may be asked from any thread."""
        self._silent = silent

    @property
    def is_silent(self) -> bool:
        """Whether neither open connections nor new ones are answered; a server that refuses us answers."""
        return self._silent()

    async def fetch(self, statement: Executable, given: Given | None = None, /) -> Sequence[RowMapping]:
        """All rows of one reading statement. Raises Unavailable."""
        self._check()
        return await self._unharmed(self._read(statement, given))

    async def value(self, statement: Executable) -> Any:
        """The only column of the first row of one reading statement; None without a row. Raises Unavailable."""
        rows = await self.fetch(statement)
        return next(iter(rows[0].values())) if rows else None

    async def earliest(self, *moments: Select[tuple[Any]]) -> datetime | None:
        """The earliest of what these find, each one moment or none; in one statement. Raises Unavailable."""
        rows = await self.fetch(select(*(one.scalar_subquery() for one in moments)))
        return min((one for one in rows[0].values() if one is not None), default=None)

    async def write(
        self,
        made: Made[T],
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        ended: Ended[T] | None = None,
    ) -> T:
        """Do this work in a transaction, then ring the steps that got work by the move that was made.

        `made` is the move that a true result means, or tells the move from the result. `ended` is called
        with the result at once after the commit, or with the error: also when the caller has left by then.

        Raises:
            Unavailable: the database could not be reached, was busy, or is damaged; nothing happened.
            Unanswered: the commit itself failed, so it may have happened.
        """
        self._check()
        if self._damage is not None:
            raise Unavailable(self._damage)

        def over(result: T, error: Exception | None) -> None:
            if ended is not None:
                ended(result, error)
            if error is None:
                move = (made if result else None) if isinstance(made, Move) else made(result)
                for step in WAKES.get(move, ()) if move else ():
                    self._ring(step)

        piece = Piece(work=work, ended=over)
        self._commits.add(piece)
        result: T = await asyncio.shield(piece.done)
        return result

    async def update(self, move: Move, statement: Update | Delete, *told: Fact) -> bool:
        """One statement in one transaction; whether it found a row to change. Raises as `write`.

        If it did, what is `told` about it goes into the audit in the same transaction.
        """

        async def work(connection: AsyncConnection) -> bool:
            found = bool((await connection.execute(statement)).rowcount)
            if found and told:
                await append(connection, *told)
            return found

        return await self.write(move, work)

    def _check(self) -> None:
        if self._refused is not None:
            raise Unavailable(self._refused)
        if self._ours_until is not None and seconds_since_boot() > self._ours_until:
            raise Unavailable(LAPSED)
        if (gone := self._gone()) is not None:
            raise Unavailable(gone)

    @property
    def ailment(self) -> str | None:
        """What keeps the database from working and does not pass by itself, in words; None when it is well."""
        if self._damage is not None:
            return self._damage
        if self._ailment is None or seconds_since_boot() > self._ailment[1] + LASTS:
            return None
        return self._ailment[0]

    async def settle_down(self, *, within: float) -> None:
        """Return when nothing is under way any more; for closing.

        What has not had its turn within so many seconds is refused: in a burst nobody waits for all of it.
        """
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)
        self._over = True
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _unharmed(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        self._keep(task)
        return await asyncio.shield(task)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Its caller may have left: then nobody else reads the error. It is trouble that others meet, too."""
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()

    async def _read(self, statement: Executable, given: Given | None) -> Sequence[RowMapping]:
        with self._trouble_is(Unavailable):
            async with self._reader.connect() as connection:
                self._still_open()
                return await _rows_in_turns(connection, statement, given)

    def _still_fit(self) -> None:
        self._still_open()
        self._check()

    def _still_open(self) -> None:
        if self._over:
            raise Unavailable("the database is being closed")

    @contextmanager
    def _trouble_is(self, kind: type[Unavailable]) -> Iterator[None]:
        """Turns a database's trouble into ours, by its type and without its text, which may hold arguments.

        A broken rule or a wrong statement is a mistake of ours and passes as it is.
        """
        try:
            yield
        except (IntegrityError, DataError, ProgrammingError):
            raise
        except (DBAPIError, PoolTimeoutError) as error:
            if ailment := ailment_of(error):
                self._ailment = ailment, seconds_since_boot()
            if ailment in (DAMAGED, DATA_DAMAGED) and self._damage is None:
                self._damage = ailment
                log.error("database_damaged", reason=ailment)
            raise kind(ailment or f"the database failed ({type(error).__name__})") from error


#: Rows that are decoded before others have a turn: a few milliseconds.
IN_ONE_GO = 200


async def paced(items: Iterable[T]) -> AsyncIterator[T]:
    """These items, for work on many of them: after every few hundred others have a turn."""
    for number, item in enumerate(items, start=1):
        if not number % IN_ONE_GO:
            await asyncio.sleep(0)
        yield item


async def _rows_in_turns(
    connection: AsyncConnection, statement: Executable, given: Given | None
) -> Sequence[RowMapping]:
    """As `rows_of`. The driver has all rows by then; decoding tens of thousands would hold everybody up."""
    result = (await connection.execute(statement, given)).mappings()
    rows: list[RowMapping] = []
    while some := result.fetchmany(IN_ONE_GO):
        rows.extend(some)
        if len(some) < IN_ONE_GO:
            break
        await asyncio.sleep(0)
    return rows


async def rows_of(
    connection: AsyncConnection, statement: Executable, given: Given | None = None, /
) -> Sequence[RowMapping]:
    """All rows of one reading statement, inside a transaction."""
    return (await connection.execute(statement, given)).mappings().all()


def insert_new(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT with `on_conflict_do_nothing`, which each database spells in a dialect of its own."""
    return insert_in(connection.dialect.name, table)


def insert_in(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The same in a dialect that is named."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


class Part:
    """One noun's part of the store. Every method raises Unavailable when the database is in trouble."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        proofs: Proofs,
        pagers: Sequence[str] = (),
        source: str = GLAIP,
    ) -> None:
        """`clock` dates what the audit says; `pagers` are the names of those that get new alerts.

        What polls and deliveries ask is about this `source`.
        """
        self._database, self._clock, self._proofs = database, clock, proofs
        self._pagers, self._source = tuple(dict.fromkeys(pagers)), source


#: Characters that are new each time. In one row, so that the page which has it is written.
_FILLER = 1_500
#: What our own writes take: it conflicts with every lock that would keep them waiting, and with none of ours.
_LOCK_ALL = f"LOCK TABLE {', '.join(sorted(tables.metadata.tables))} IN ROW EXCLUSIVE MODE"


class SqlProbe(Part):
    """`bot.store.Probe` over a database."""

    async def write(self) -> None:
        """One page, on the disk when this returns.

        On PostgreSQL in a new file, since an old one may have room left on a disk that has none; and with every
        table free for writing.

        Raises Unavailable, also while the work of others met what does not pass by itself.
        """

        async def work(connection: AsyncConnection) -> None:
            if connection.dialect.name == "postgresql":
                await connection.exec_driver_sql(_LOCK_ALL)
                await connection.exec_driver_sql(f"TRUNCATE {tables.probes.name}")
            else:
                await connection.execute(delete(tables.probes))
            filler = secrets.token_hex(_FILLER // 2)
            await connection.execute(insert(tables.probes).values(id=1, filler=filler))

        await self._database.write(Move.PROBE, work)
        if (ailment := self._database.ailment) is not None:
            raise Unavailable(ailment)
