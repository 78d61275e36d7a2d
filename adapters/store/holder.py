"""Who has the lock on a PostgreSQL database, seen from another session; and how a dead one is put out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import rows_of

#: Any fixed number that nobody else uses.
PROCESS_LOCK = 0x4E6F64 + 16

_MINE = text("SELECT pid, backend_start, application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
#: A bigint key stands in `objid`, with its upper half in `classid` (postgresql.org/docs/current/view-pg-locks).
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
