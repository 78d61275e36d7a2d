"""The audit: as the flow writes it, the checkpoint signer sees it, retention shortens it, and others read it.

A reader is someone outside: nothing is locked and nothing can be written, the bot may run on.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Select, Table, delete, event, exists, func, insert, inspect, make_url, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.store import audit_events, tables
from adapters.store.columns import milliseconds, storable_text, value_in
from adapters.store.compare_and_set import CHUNK, Move, append, chunks, last_anchor
from adapters.store.database import Part, rows_of
from bot.approval import Stage
from bot.audit import Fact, Row
from bot.errors import ConfigError
from bot.protocol import HITLRequest

_U, _A = tables.audit.c, tables.approvals.c
#: The kind of the rows that say which policy is in force; their body has its `version`.
POLICY = "policy_in_force"
#: Rows of the chain that retention removes in one transaction at most, and approvals: a few milliseconds' work.
BATCH = 500
#: What reading a column raises that holds no value of its kind.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
#: Rows read at once.
PAGE = 1_000

_SETTING = "NOD_DATABASE_URL"


class SqlJournal(Part):
    """`bot.store.Journal` over a database."""

    async def note(self, fact: Fact) -> None:
        """One row in a transaction of its own. Raises NotCanonical for a body that is no plain JSON."""

        async def work(connection: AsyncConnection) -> None:
            await append(connection, fact)

        await self._database.write(Move.NOTE, work)

    async def policy_in_force(self) -> str | None:
        """The `version` in the last row of the kind `policy_in_force`; None when no row tells."""
        last = select(_U.body).where(_U.kind == POLICY).order_by(_U.number.desc()).limit(1)
        body = await self._database.value(last)
        version = None if body is None else json.loads(body).get("version")
        return None if version is None else str(version)

    async def head(self) -> Row | None:
        """The chain's last row; None before the first."""
        return await self._row(select(tables.audit).order_by(_U.number.desc()).limit(1))

    async def row(self, number: int) -> Row | None:
        """The chain's row with this number; None before it is written, and after retention removed it."""
        return await self._row(select(tables.audit).where(_U.number == number))

    async def anchor(self) -> tuple[int, str] | None:
        """Number and hash of the last row that was removed; None while the chain has its beginning."""
        rows = await self._database.fetch(last_anchor())
        return (rows[0]["number"], rows[0]["hash"]) if rows else None

    async def retire(self, before: datetime, *, vouch: Callable[[Row], Awaitable[None]]) -> int:
        """Remove what is older than a moment, as far as approvals are closed; returns how many rows went.

        The oldest go first and without a gap, so the chain stays verifiable from the anchor that is left.
        In small transactions: a click waits for one of them at most. `vouch` signs the last row of each piece
        before it goes: rows that are gone without that are found missing.
        """
        age, gone = min(before, self._clock()), 0
        while last := await self._row(_last_to_go(age)):
            await vouch(last)

            async def work(connection: AsyncConnection, last: Row = last) -> int:
                return await _retire_some(connection, age, self._clock(), last=last)

            some = await self._database.write(Move.RETIRE, work)
            if not some:
                break
            gone += some
        await self._database.write(Move.RETIRE, lambda connection: _remove_closed(connection, age))
        return gone

    async def _row(self, statement: Select[Any]) -> Row | None:
        rows = await self._database.fetch(statement)
        return value_in(rows[0], Row, tables.audit) if rows else None


def _last_to_go(before: datetime) -> Select[Any]:
    """The last row of the next piece of the chain's beginning that may go; no row when none may.

    Never a row of an approval that is not closed, nor anything behind one.
    """
    age = milliseconds(before)
    one, first = tables.audit.alias(), tables.audit.alias()
    began = select(func.min(first.c.number)).scalar_subquery()
    kept = or_(one.c.at_ms >= age, _A.stage != Stage.CLOSED)
    whole = one.outerjoin(tables.approvals, _A.id == one.c.approval_id)
    stays = select(func.min(one.c.number)).select_from(whole).where(kept, one.c.number < began + BATCH)
    end = func.coalesce(stays.scalar_subquery(), began + BATCH)
    return select(tables.audit).where(_U.number < end).order_by(_U.number.desc()).limit(1)


async def _retire_some(connection: AsyncConnection, before: datetime, now: datetime, *, last: Row) -> int:
    """Remove the chain's beginning up to this row, if all of it may still go; returns how many rows went."""
    found = (await connection.execute(_last_to_go(before))).mappings().first()
    if found is None or found[_U.number] < last.number:
        return 0
    # First the anchor: the database deletes no row that none covers.
    await connection.execute(insert(tables.audit_anchor).values(number=last.number, hash=last.hash, at=now))
    removed = await connection.execute(delete(tables.audit).where(_U.number <= last.number))
    await _remove_closed(connection, before)
    told = audit_events.retired(number=last.number, hash_=last.hash, rows=removed.rowcount, at=now)
    await append(connection, told)
    return removed.rowcount


async def _remove_closed(connection: AsyncConnection, before: datetime) -> bool:
    """Approvals that closed and ended before that moment and of which the chain says nothing any more."""
    told = exists().where(_U.approval_id == _A.id).correlate(tables.approvals)
    over = select(_A.id).where(_A.stage == Stage.CLOSED, _A.settled_at < before, ~told).limit(BATCH)
    ids = list((await connection.execute(over)).scalars())
    if not ids:
        return False
    belonging = (
        tables.votes, tables.decisions, tables.claims, tables.placements, tables.rungs, tables.notices,
        tables.pages, tables.alerts,
    )  # fmt: skip
    for table in belonging:
        await connection.execute(delete(table).where(table.c.approval_id.in_(ids)))
    await connection.execute(delete(tables.approvals).where(_A.id.in_(ids)))
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last row that retention removed: what is left of the chain follows it."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the tables say of an approval and its answers, as the columns have it."""

    approval_id: str
    row: Mapping[str, Any] | None = None  #: None when a column holds what Nod cannot have written
    decision: Mapping[str, Any] | None = None
    votes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: by person


class AuditReader:
    """One consistent view of the chain, and of the calls that it is about."""

    def __init__(self, *, connection: AsyncConnection) -> None:
        self._connection = connection

    async def anchor(self) -> Anchor | None:
        """None while the chain has its beginning."""
        found = await rows_of(self._connection, last_anchor())
        return value_in(found[0], Anchor, tables.audit_anchor) if found else None

    async def rows(self) -> AsyncIterator[Row]:
        """All rows in the order of their numbers, whatever has become of them."""
        page = select(tables.audit).order_by(_U.number).limit(PAGE)
        found = await rows_of(self._connection, page)
        while found:
            for row in found:
                yield value_in(row, Row, tables.audit)
            found = await rows_of(self._connection, page.where(_U.number > found[-1][_U.number]))

    async def last(self, kind: str) -> Row | None:
        """The last row of a kind; None where there is none."""
        found = select(tables.audit).where(_U.kind == kind).order_by(_U.number.desc()).limit(1)
        rows = await rows_of(self._connection, found)
        return value_in(rows[0], Row, tables.audit) if rows else None

    async def about(self, *, since: datetime | None, until: datetime | None) -> Sequence[str]:
        """The approvals first told of from `since` and before `until`, the oldest first."""
        first = func.min(_U.at_ms)
        ids = select(_U.approval_id).where(_U.approval_id.is_not(None)).group_by(_U.approval_id)
        if since is not None:
            ids = ids.having(first >= milliseconds(since))
        if until is not None:
            ids = ids.having(first < milliseconds(until))
        ordered = ids.order_by(first, func.min(_U.number))
        return [str(one) for one in (await self._connection.execute(ordered)).scalars()]

    async def told_of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Row]]:
        """What the chain says of each of these approvals, in its order."""
        told: dict[str, list[Row]] = {one: [] for one in ids}
        for some in chunks(ids):
            mine = select(tables.audit).where(_U.approval_id.in_(some)).order_by(_U.number)
            for row in await rows_of(self._connection, mine):
                told[row[_U.approval_id]].append(value_in(row, Row, tables.audit))
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
            return (await self._read([approval_id]))[0]
        except UNREADABLE:
            return Record(approval_id=approval_id)

    async def _read(self, ids: Sequence[str]) -> list[Record]:
        """These, in their order. Raises one of `UNREADABLE`."""
        mine = select(tables.approvals).where(_A.id.in_(ids)).order_by(_A.id)
        rows = [dict(row) for row in await rows_of(self._connection, mine)]
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
        mine = select(table).where(table.c.approval_id.in_(ids))
        return [dict(row) for row in await rows_of(self._connection, mine)]

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
                    raise ConfigError(
                        _SETTING, f"this database has no {named}", "Give the address of your bot's database."
                    )
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
        raise ConfigError(_SETTING, "is not a database address", fix) from error
    if address.get_backend_name() == "postgresql":
        engine = create_async_engine(
            address.set(drivername="postgresql+psycopg"), connect_args={"application_name": "nod audit"}
        )
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    if address.get_backend_name() != "sqlite" or not address.database:
        raise ConfigError(_SETTING, "names no database that Nod can open", fix)
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
    fix = "Give the path of the bot's database, in a folder that you can read."
    return ConfigError(_SETTING, f"cannot be read ({error})", fix)


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
