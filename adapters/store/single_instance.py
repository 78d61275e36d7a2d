"""One bot per PostgreSQL database: a lock that lasts as long as a connection, and who has it otherwise.

A restart of the server ends the connection, and with it the lock; one that freezes keeps it, for nobody. Until
it is ours again nothing is read or written: another process may have it by then, and two bots would ask
everybody twice. Each process stops by itself `LEASE` seconds after its last look. So a session that was not
looked at for `STALE` seconds belongs to nobody who works: it is put out, and the lock is taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.clock import seconds_since_boot
from adapters.store.database import Database, rows_of
from bot.errors import InUse

#: Any fixed number that nobody else uses.
PROCESS_LOCK = 0x4E6F64 + 16

_MINE = text("SELECT pid, backend_start, application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
#: A bigint key is in `objid`, with its upper half in `classid` (postgresql.org/docs/current/view-pg-locks).
_HOLDER = text(
    "SELECT pid, backend_start, application_name,"
    " extract(epoch FROM clock_timestamp() - state_change)::float8 AS quiet"
    " FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND classid = 0 AND objid = :lock AND objsubid = 1 AND granted"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
).bindparams(lock=PROCESS_LOCK)
_PUT_OUT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
    " AND ((pid = :pid AND backend_start = :since) OR (application_name = :name AND :name LIKE 'nod-%'))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session of the server. A pid may come again, with its beginning it does not."""

    pid: int
    since: datetime
    name: str  #: as its process calls itself, by `Lines.name`


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The session that has the lock."""

    session: Session
    quiet: float | None  #: seconds since it last ended a statement; None where we may not see that


async def own_session(connection: AsyncConnection) -> Session:
    """The session of this connection."""
    (row,) = await rows_of(connection, _MINE)
    return Session(pid=row["pid"], since=row["backend_start"], name=row["application_name"])


async def holder_of_lock(connection: AsyncConnection) -> Holder | None:
    """Who has the lock now, unless it is this connection; None when it is free, or cannot be told."""
    for row in await rows_of(connection, _HOLDER):
        session = Session(pid=row["pid"], since=row["backend_start"], name=row["application_name"])
        return Holder(session=session, quiet=row["quiet"])
    return None


async def put_out(connection: AsyncConnection, session: Session, *, whole_process: bool) -> None:
    """End this session, or all of its process: what was begun there is rolled back, and the lock is free."""
    values = {"pid": session.pid, "since": session.since, "name": session.name if whole_process else ""}
    await connection.execute(_PUT_OUT, values)


#: Seconds between two looks at the lock; each shows the server, too, that we live.
LOOK_EVERY = 2.0
#: Seconds after a look for which the lock counts as ours, and after which that of another counts as nobody's.
#: Between them a statement that was begun in time has ended (`lines.LIMITS`); the rest is put out.
LEASE, STALE = 6.0, 12.0
#: Seconds between two looks at a holder of whom it is not known yet whether it lives.
WAIT = 0.25
#: Seconds that a session gets to end when it is told to.
ENDS_WITHIN = 2.0
LOST, TAKEN = "the lock on the database was lost", "another process uses this database"

log = structlog.get_logger()


@asynccontextmanager
async def single_instance(
    engine: AsyncEngine,
    database: Database,
    *,
    every: float = LOOK_EVERY,
    lease: float = LEASE,
    stale: float = STALE,
    answered: Callable[[], None] = lambda: None,
) -> AsyncIterator[None]:
    """Hold the lock while the block runs; without it the database refuses all work. All in seconds.

    `answered` is called after each look that the server answered.

    Raises InUse at the start while another process has it and lives; of a dead one it is taken over.
    """
    lock = _Lock(engine, database, lease=lease, stale=stale, answered=answered)
    if not await lock.begin():
        raise InUse(
            "NOD_DATABASE_URL",
            "another process already uses this database",
            "Stop that process, or give this one its own database.",
        )
    over = asyncio.Event()
    watch = asyncio.create_task(lock.watch(every, until=over), name="lock")
    try:
        yield
    finally:
        over.set()  # not cancelled: a connection does not survive that in the middle of a look
        await asyncio.gather(watch, return_exceptions=True)
        await lock.end()


class _Lock:
    """The connection that has the lock, as long as there is one."""

    def __init__(
        self,
        engine: AsyncEngine,
        database: Database,
        *,
        lease: float,
        stale: float,
        answered: Callable[[], None],
    ) -> None:
        self._engine, self._database, self._lease, self._stale = engine, database, lease, stale
        self._answered = answered
        self._held: AsyncConnection | None = None
        self._sessions: list[Session] = []  #: of ours, each of which had the lock

    async def begin(self) -> bool:
        """Take the lock; wait for a holder that gives no sign of life, until it does or counts as dead."""
        quiet = 0.0
        while not await self._take():
            holder = await self._holder()
            if holder is None:
                continue  # it has gone just now
            if holder.quiet is None or holder.quiet < quiet or holder.quiet > self._stale + ENDS_WITHIN:
                return False  # it lives, or it is not for us to tell or to end
            quiet = holder.quiet
            await asyncio.sleep(WAIT)
        return True

    async def watch(self, every: float, *, until: asyncio.Event) -> None:
        """Look at the lock at this interval, in seconds, and take it again when it was lost."""
        while not await _comes(until, within=every):
            began = seconds_since_boot()
            if self._held is not None and await _is_alive(self._held):
                self._answered()
                self._database.accept(until=began + self._lease)
                continue
            if self._held is not None:
                self._database.refuse(LOST)
                log.error("database_lock_lost")
                lost, self._held = self._held, None
                await _closed(lost)
            await self._take_again()

    async def end(self) -> None:
        """Let go of it: back in the pool it would stay with the session."""
        if self._held is None:
            return
        if await _is_alive(self._held):
            await self._held.exec_driver_sql(f"SELECT pg_advisory_unlock({PROCESS_LOCK})")
            await self._held.commit()
        await _closed(self._held)

    async def _take_again(self) -> None:
        """While another has it, or no server answers, the database stays closed."""
        try:
            if await self._take():
                log.warning("database_lock_taken_again")
            elif (await self._holder()) is not None:
                self._database.refuse(TAKEN)
                log.error("database_in_use")
        except (DBAPIError, PoolTimeoutError):
            return

    async def _take(self) -> bool:
        """Whether the lock is ours now. One that nobody alive has is taken over."""
        began = seconds_since_boot()
        connection = await self._engine.connect()
        try:
            taken = await _locked(connection)
            self._answered()
            if taken or (taken := await self._taken_over(connection)):
                self._sessions.append(await own_session(connection))
            await connection.commit()
        except BaseException:
            await _closed(connection)
            raise
        if not taken:
            await _closed(connection)
            return False
        self._held = connection
        self._database.accept(until=began + self._lease)
        return True

    async def _taken_over(self, connection: AsyncConnection) -> bool:
        holder = await holder_of_lock(connection)
        if holder is None:
            return False
        ours = holder.session in self._sessions
        if not ours and (holder.quiet is None or holder.quiet <= self._stale):
            return False
        log.warning("database_lock_taken_over", backend=holder.session.pid, quiet=holder.quiet)
        await put_out(connection, holder.session, whole_process=not ours)
        for _ in range(round(ENDS_WITHIN / WAIT)):
            if await _locked(connection):
                return True
            await asyncio.sleep(WAIT)
        return False

    async def _holder(self) -> Holder | None:
        async with self._engine.connect() as connection:
            return await holder_of_lock(connection)


async def _comes(event: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False


async def _locked(connection: AsyncConnection) -> bool:
    taken = (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({PROCESS_LOCK})")).scalar_one()
    await connection.commit()
    return bool(taken)


async def _is_alive(connection: AsyncConnection) -> bool:
    try:
        await connection.exec_driver_sql("SELECT 1")
        await connection.commit()
    except (DBAPIError, PoolTimeoutError):
        return False
    return True


async def _closed(connection: AsyncConnection) -> None:
    """Closed for good, whatever state it is in: a session that may have the lock is not for the pool."""
    await connection.invalidate()
    await connection.close()
