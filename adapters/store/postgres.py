"""PostgreSQL: connections that are given up when the server is silent, and whether the server is fit.

A connection can freeze while new ones would work: a fail-over behind a balancer, a firewall that forgot it. TCP
notices late or never, and psycopg waits for ever and cannot be cancelled meanwhile (psycopg/psycopg#1371). So
each wait is bounded here: the socket is shut underneath it, which ends the wait with an ordinary error.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
import structlog
from psycopg.abc import PQGen
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.store.database import Database
from adapters.store.migrations import head, revision_of, upgrade
from adapters.store.single_instance import LOOK_EVERY, single_instance
from bot.errors import ConfigError, Unavailable
from bot.records import Ring

T = TypeVar("T")
#: Seconds until a server that says nothing is given up. It ends statements itself after as many (LIMITS).
ANSWERS_WITHIN = 5.0
#: Limits that the server keeps even when our side hangs, in milliseconds, and seconds
#: after which it notices by itself that our machine is gone, so that the lock of a dead process is free.
LIMITS = {
    "statement_timeout": 5_000,
    "lock_timeout": 2_000,
    "idle_in_transaction_session_timeout": 10_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}
#: What libpq is told of TCP: a peer that is gone is noticed by the kernel, too, also between two statements.
TCP = {
    "connect_timeout": 5,  # seconds
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,  # milliseconds
}

log = structlog.get_logger()


class Lines:
    """Opens connections, knows those that are open, and can cut them all."""

    def __init__(self, *, answers_within: float = ANSWERS_WITHIN) -> None:
        """`answers_within` is in seconds."""
        #: Tells the sessions of this process from others; in `pg_stat_activity` under `application_name`.
        self.name = f"nod-{secrets.token_hex(4)}"
        self.answers_within = answers_within
        self._open: WeakSet[_Line] = WeakSet()
        self._opening: set[asyncio.Task[_Line]] = set()
        self.silent = False  #: whether something was given up, and nothing has been answered since

    @property
    def settings(self) -> dict[str, str | int]:
        """What each connection is opened with, whatever the environment says."""
        return {**TCP, "client_encoding": "utf8", "application_name": self.name}

    async def connect(self, *args: Any, **more: Any) -> psycopg.AsyncConnection[Any]:
        """A connection with our limits; the arguments are psycopg's. Raises psycopg's errors."""
        line = await self._connected(*args, **(more | {"autocommit": True}))
        line.lines = self
        self._open.add(line)
        # Not as startup parameters: a pooler refuses those, or worse, ignores them.
        await line.execute("; ".join(f"SET {name} = {value}" for name, value in LIMITS.items()))
        await line.set_autocommit(bool(more.get("autocommit", False)))
        return line

    async def _connected(self, *args: Any, **more: Any) -> _Line:
        opening = asyncio.create_task(_Line.connect(*args, **more))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        try:
            await asyncio.wait({opening})
        except asyncio.CancelledError:
            opening.cancel()
            raise
        if opening.cancelled():  # by `cut`
            raise psycopg.errors.ConnectionTimeout("given up")
        try:
            return opening.result()
        except psycopg.errors.ConnectionTimeout:
            self.silent = True
            raise
        except psycopg.OperationalError:  # refused, or not ready yet: a server is there
            self.answered()
            raise

    def answered(self) -> None:
        """The server gave a sign of life."""
        self.silent = False

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Wait so long for each answer, for work that takes its time."""
        usual, self.answers_within = self.answers_within, seconds
        try:
            yield
        finally:
            self.answers_within = usual

    def end_within(self, seconds: float) -> None:
        """A server that answers gets so long to do it; then none keeps the process from ending."""
        self.answers_within = min(self.answers_within, seconds)
        asyncio.get_running_loop().call_later(seconds, self.cut)

    def cut(self) -> None:
        """End all waits for the server now, with errors."""
        for opening in tuple(self._opening):
            opening.cancel()
        for line in tuple(self._open):
            line.cut()


class _Line(psycopg.AsyncConnection[Any]):
    """One connection. Everything that it waits for passes through `wait`."""

    lines: Lines | None = None

    async def wait(self, gen: PQGen[T], *args: Any, **more: Any) -> T:
        within = self.lines.answers_within if self.lines else ANSWERS_WITHIN
        given_up = asyncio.get_running_loop().call_later(within, self._give_up)
        try:
            return await super().wait(gen, *args, **more)
        finally:
            given_up.cancel()

    def _give_up(self) -> None:
        log.error("database_connection_given_up", backend=self.pgconn.backend_pid)
        if self.lines:
            self.lines.silent = True
        self.cut()

    def cut(self) -> None:
        """Shut the socket: what waits for it reads its end. The descriptor stays libpq's to close."""
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as mine:
            mine.shutdown(socket.SHUT_RDWR)


#: With one of these off, a crash loses decisions that were acknowledged (measured).
MUST_BE_ON = ("synchronous_commit", "fsync", "full_page_writes")
#: The only encoding of a server that holds all of Unicode (postgresql.org/docs/current/multibyte.html).
ENCODING = "UTF8"

_SETTING = "NOD_DATABASE_URL"


async def check_sessions(settings: Mapping[str, Any]) -> None:
    """Refuse a pooler that hands one session to several connections, and an encoding that loses characters.

    Of two connections that are held open, each must have a session of its own, and keep it while the other
    is in a transaction. Prepared statements tell nothing, since newer poolers carry them.
    `settings` are psycopg's.

    Raises:
        ConfigError: one of these.
        psycopg.Error: the server cannot be asked.
    """
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(await psycopg.AsyncConnection.connect(**settings, autocommit=True))
            for _ in range(2)
        ]
        encoding = one.info.parameter_status("server_encoding")
        if encoding != ENCODING:
            raise ConfigError(
                where=_SETTING,
                what=f"the database's encoding is {encoding}, which cannot store every character of a call",
                fix=f"Create the database with ENCODING '{ENCODING}' TEMPLATE template0.",
            )
        first, second = await _session_of(one), await _session_of(other)
        shared = first == second
        if not shared:
            async with other.transaction():
                shared = await _session_of(other) != second or await _session_of(one) != first
        if shared:
            raise ConfigError(
                where=_SETTING,
                what="the connection pooler shares sessions, so Nod cannot lock the database",
                fix="Put the pooler into session mode (pgbouncer: pool_mode = session), or connect without it.",
            )


async def check_durability(connection: AsyncConnection) -> None:
    """Raises ConfigError when a crash of the server would lose what it acknowledged."""
    for name in MUST_BE_ON:
        value = (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
        if value == "off":
            raise ConfigError(
                where=_SETTING,
                what=f"the server has {name} off, so a crash would lose acknowledged decisions",
                fix=f"Set {name} to on for this database.",
            )


async def _session_of(connection: psycopg.AsyncConnection[Any]) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()", prepare=False)).fetchone()
    return int(row[0]) if row else 0


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
    database = Database(writer=engine, reader=reader, ring=ring, writers=WRITERS)
    database.listen(lambda: lines.silent)
    try:
        await _prepare(engine, lines)
        async with single_instance(engine, database, every=look_every, answered=lines.answered):
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
