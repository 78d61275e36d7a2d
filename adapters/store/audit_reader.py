"""The audit as somebody outside reads it: nothing is locked and nothing can be written, the bot may run on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Table, event, exists, func, inspect, make_url, select
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.store import tables
from adapters.store.columns import storable_text
from adapters.store.compare_and_set import CHUNK, chunks, last_anchor, row_of
from bot.audit import Row
from bot.errors import ConfigError
from bot.protocol import HITLRequest

_U, _A = tables.audit.c, tables.approvals.c
#: What reading a column raises that holds no value of its kind.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
#: Rows read at once.
PAGE = 1_000

_SETTING = "NOD_DATABASE_URL"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last row that retention removed: what is left of the chain follows it."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the tables say of an approval and its answers, as the columns have it."""

    approval_id: str
    row: Mapping[str, Any] | None  #: None when a column holds what Nod cannot have written
    decision: Mapping[str, Any] | None
    votes: Mapping[str, Mapping[str, Any]]  #: by person


class AuditReader:
    """One consistent view of the chain, and of the calls that it is about."""

    def __init__(self, *, connection: AsyncConnection) -> None:
        self._connection = connection

    async def anchor(self) -> Anchor | None:
        """None while the chain has its beginning."""
        found = (await self._connection.execute(last_anchor())).mappings().first()
        return None if found is None else Anchor(number=found["number"], hash=found["hash"])

    async def rows(self) -> AsyncIterator[Row]:
        """All rows in the order of their numbers, whatever has become of them."""
        page = select(tables.audit).order_by(_U.number).limit(PAGE)
        found = (await self._connection.execute(page)).mappings().all()
        while found:
            for row in found:
                yield row_of(row)
            last = found[-1][_U.number]
            found = (await self._connection.execute(page.where(_U.number > last))).mappings().all()

    async def last(self, kind: str) -> Row | None:
        """The last row of a kind; None where there is none."""
        found = select(tables.audit).where(_U.kind == kind).order_by(_U.number.desc()).limit(1)
        row = (await self._connection.execute(found)).mappings().first()
        return None if row is None else row_of(row)

    async def about(self, *, since: datetime | None, until: datetime | None) -> Sequence[str]:
        """The approvals first told of from `since` and before `until`, the oldest first."""
        first = func.min(_U.at_ms)
        ids = select(_U.approval_id).where(_U.approval_id.is_not(None)).group_by(_U.approval_id)
        if since is not None:
            ids = ids.having(first >= _milliseconds(since))
        if until is not None:
            ids = ids.having(first < _milliseconds(until))
        ordered = ids.order_by(first, func.min(_U.number))
        return [str(one) for one in (await self._connection.execute(ordered)).scalars()]

    async def told_of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Row]]:
        """What the chain says of each of these approvals, in its order."""
        told: dict[str, list[Row]] = {one: [] for one in ids}
        for some in chunks(ids):
            mine = select(tables.audit).where(_U.approval_id.in_(some)).order_by(_U.number)
            for row in (await self._connection.execute(mine)).mappings():
                told[row[_U.approval_id]].append(row_of(row))
        return told

    async def records(self) -> AsyncIterator[Record]:
        """Every approval, by its id."""
        page = select(_A.id).order_by(_A.id).limit(CHUNK)
        ids = (await self._connection.execute(page)).scalars().all()
        while ids:
            try:
                found = await self._read(ids)
            except UNREADABLE:
                found = [await self._read_one(one) for one in ids]
            for record in found:
                yield record
            ids = (await self._connection.execute(page.where(_A.id > ids[-1]))).scalars().all()

    async def strays(self) -> Sequence[str]:
        """Ids that an answer names and no record has."""
        found: set[str] = set()
        for table in (tables.decisions, tables.votes):
            of = table.c.approval_id
            alone = select(of).where(~exists().where(_A.id == of).correlate(table))
            found |= {str(one) for one in (await self._connection.execute(alone)).scalars()}
        return sorted(found)

    async def _read_one(self, approval_id: str) -> Record:
        try:
            (record,) = await self._read([approval_id])
        except UNREADABLE:
            return Record(approval_id=approval_id, row=None, decision=None, votes={})
        return record

    async def _read(self, ids: Sequence[str]) -> list[Record]:
        """These, in their order. Raises one of `UNREADABLE`."""
        mine = select(tables.approvals).where(_A.id.in_(ids)).order_by(_A.id)
        rows = [dict(row) for row in (await self._connection.execute(mine)).mappings()]
        decisions = {row["approval_id"]: row for row in await self._of(tables.decisions, ids)}
        votes: dict[str, dict[str, Mapping[str, Any]]] = {}
        for vote in await self._of(tables.votes, ids):
            votes.setdefault(vote["approval_id"], {})[vote["person"]] = vote
        return [
            Record(
                approval_id=row["id"],
                row=row,
                decision=decisions.get(row["id"]),
                votes=votes.get(row["id"], {}),
            )
            for row in rows
        ]

    async def _of(self, table: Table, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """The rows of these approvals, each by the names of its columns, enums as their words."""
        rows = await self._connection.execute(select(table).where(table.c.approval_id.in_(ids)))
        return [dict(row) for row in rows.mappings()]

    async def calls(self, ids: Sequence[str]) -> Mapping[str, HITLRequest]:
        """The calls of these approvals as they are now."""
        calls: dict[str, HITLRequest] = {}
        for some in chunks(ids):
            mine = select(_A.id, _A.request).where(_A.id.in_(some))
            calls |= {storable_text(one): request for one, request in await self._connection.execute(mine)}
        return calls


@asynccontextmanager
async def open_audit_reader(url: str) -> AsyncIterator[AuditReader]:
    """The audit in the database at this address, as `NOD_DATABASE_URL` gives it.

    Raises:
        ConfigError: no such database, or one without an audit.
    """
    async with reading(url, table=tables.audit, named="audit") as connection:
        yield AuditReader(connection=connection)


@asynccontextmanager
async def reading(url: str, *, table: Table, named: str) -> AsyncIterator[AsyncConnection]:
    """One consistent view of a database that has this table, `named` in messages; nothing is locked.

    Raises ConfigError when there is none such.
    """
    engine = await _engine(url)
    try:
        try:
            async with engine.connect() as connection:
                if not await connection.run_sync(lambda c: inspect(c).has_table(table.name)):
                    raise ConfigError(_SETTING, f"this database has no {named}", "Name the one of your bot.")
                yield connection
        except DBAPIError as error:
            raise _unreadable(error.orig) from error
    finally:
        await engine.dispose()


async def _engine(url: str) -> AsyncEngine:
    fix = "Use sqlite:///path or postgresql://user:password@host/name."
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(_SETTING, "it is not a database address", fix) from error
    if address.get_backend_name() == "postgresql":
        engine = create_async_engine(
            address.set(drivername="postgresql+psycopg"), connect_args={"application_name": "nod audit"}
        )
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    if address.get_backend_name() != "sqlite" or not address.database:
        raise ConfigError(_SETTING, "it names no database that Nod knows", fix)
    return _sqlite_engine(await asyncio.to_thread(_readable, address.database))


def _readable(name: str) -> Path:
    """The file, whole. Raises ConfigError unless it can be read.

    Tried before the engine does: aiosqlite does not clean up after a connection that failed.
    """
    path = Path(name).resolve()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        raise _unreadable(error) from error
    return path


def _unreadable(error: object) -> ConfigError:
    fix = "Name the bot's database, and have its folder readable."
    return ConfigError(_SETTING, f"it cannot be read ({error})", fix)


def _sqlite_engine(path: Path) -> AsyncEngine:
    # Read-only by SQLite's own word (sqlite.org/uri.html, mode=ro): a missing file is not made either.
    url = URL.create("sqlite+aiosqlite", database=path.as_uri(), query={"mode": "ro", "uri": "true"})
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def hold_one_view(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
