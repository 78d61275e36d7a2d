"""Opening the store, on the database that the setting names.

A start has to know before anything counts: what waits, and which answers were taken back before.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import URL, make_url, select, update
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, sqlite, tables
from adapters.store.alerts import SqlAlerts
from adapters.store.approvals import SqlApprovals
from adapters.store.audit import SqlJournal
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.conversations import SqlConversations
from adapters.store.database import Database, SqlProbe, rows_of
from adapters.store.due_columns import SqlDueColumns
from adapters.store.outbox import SqlOutbox
from adapters.store.placements import SqlPlacements
from adapters.store.proofs import Proofs
from adapters.store.queue_messages import SqlQueueMessages
from adapters.store.rungs import SqlRungs
from bot.approval import Stage
from bot.errors import ConfigError
from bot.ports import Clock, utc_now
from bot.records import Ring
from bot.seal import Signing
from bot.store import Alerts

_A, _D, _V, _U = tables.approvals.c, tables.decisions.c, tables.votes.c, tables.audit.c
_WAITING = (Stage.OPEN, Stage.DECIDED)
#: The kinds of rows that take answers back, or begin a life again.
_FRESH = frozenset({"admitted", "changed", "voided", "revived"})
_SQLITE, _POSTGRES = ("sqlite", "sqlite+aiosqlite"), ("postgresql", "postgresql+psycopg")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStore:
    """`bot.store.Store` in its parts, and `bot.surface.Conversations`."""

    approvals: SqlApprovals
    placements: SqlPlacements
    rungs: SqlRungs
    outbox: SqlOutbox
    queue_messages: SqlQueueMessages
    alerts: Alerts
    journal: SqlJournal
    conversations: SqlConversations
    probe: SqlProbe
    due_columns: SqlDueColumns
    database: Database

    def of(self, source: str) -> SqlStore:
        """The same; what polls and deliveries ask of `approvals` is about this source alone."""
        return replace(self, approvals=self.approvals.of(source))

    @property
    def is_silent(self) -> bool:
        """Whether the server answers nowhere; of any thread."""
        return self.database.is_silent


@asynccontextmanager
async def open_store(
    url: str,
    *,
    ring: Ring,
    pagers: Sequence[str],
    clock: Clock = utc_now,
    signing: Signing | None = None,
    take_over: bool = False,
    fit: Callable[[SqlJournal], Awaitable[None]] | None = None,
) -> AsyncIterator[SqlStore]:
    """The store at `sqlite:///path` or `postgresql://user:password@host/name`, ready and migrated.

    `ring` is called after each commit for the steps that got work; `pagers` are the names of those that get
    new alerts; `clock` dates what the audit says of moves that bring no moment of their own. Leaving
    waits for what is under way, then closes everything. Those get open alerts that nobody took, too.

    `signing` signs what lets an answer count; without it nothing that was written before or is written now
    counts for another store. With `take_over` what a release left behind that signed nothing is signed, once.
    `fit` sees the audit before anything in the database is believed, and before anything but a migration is
    written; what it raises refuses the database.

    Raises:
        ConfigError: the address is none of these, or the database is not fit for the job.
        Unavailable: the PostgreSQL server cannot be reached.
    """
    address = _address(url)
    async with _opener(address)(address, ring=ring) as database:
        yield await store_in(
            database, pagers=pagers, clock=clock, signing=signing, take_over=take_over, fit=fit
        )


async def store_in(
    database: Database,
    *,
    pagers: Sequence[str],
    clock: Clock,
    signing: Signing | None = None,
    take_over: bool = False,
    fit: Callable[[SqlJournal], Awaitable[None]] | None = None,
) -> SqlStore:
    """The store in a database that is open, as a start finds it; see `open_store`."""
    proofs = Proofs(signing or Signing(secrets.token_hex(32)))
    noun: dict[str, Any] = {"database": database, "clock": clock, "proofs": proofs, "pagers": pagers}
    journal, alerts = SqlJournal(**noun), SqlAlerts(**noun)
    if fit is not None:
        await fit(journal)
    if take_over:
        await _sign_what_was_left(database, proofs, at=clock())
    await _recall(database, proofs)
    await alerts.hand_on()
    return SqlStore(
        approvals=SqlApprovals(**noun),
        placements=SqlPlacements(**noun),
        rungs=SqlRungs(**noun),
        outbox=SqlOutbox(**noun),
        queue_messages=SqlQueueMessages(**noun),
        alerts=alerts,
        journal=journal,
        conversations=SqlConversations(**noun),
        probe=SqlProbe(**noun),
        due_columns=SqlDueColumns(**noun),
        database=database,
    )


def _address(url: str) -> URL:
    where, fix = "NOD_DATABASE_URL", "Use sqlite:///path or postgresql://user:password@host/name."
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(where, "is not a database address", fix) from error
    if address.drivername not in (*_SQLITE, *_POSTGRES):
        raise ConfigError(where, f"Nod does not support {address.drivername!r} databases", fix)
    return address


def _opener(address: URL) -> Callable[..., AbstractAsyncContextManager[Database]]:
    if address.drivername in _SQLITE:
        return sqlite.opened
    from adapters.store import postgres

    return postgres.opened


async def _recall(database: Database, proofs: Proofs) -> None:
    """Tell `proofs` what waits, and from which revision on its answers count, as the audit has it.

    What the audit calls settled is not pending, no matter what its row says.
    """
    rows = await database.fetch(select(_A.id).where(_A.stage.in_(_WAITING)))
    ids = [str(row[_A.id]) for row in rows]
    for approval_id in ids:
        proofs.begins(approval_id)
    for some in chunks(ids):
        told = select(_U.kind, _U.approval_id, _U.body).where(
            _U.approval_id.in_(some), _U.kind.in_((*_FRESH, "voted", "settled"))
        )
        for row in await database.fetch(told.order_by(_U.number)):
            _recall_one(proofs, row[_U.approval_id], row[_U.kind], _object(row[_U.body]))


def _recall_one(proofs: Proofs, approval_id: str, kind: str, body: Mapping[str, Any]) -> None:
    revision = body.get("revision")
    known = revision if isinstance(revision, int) else 0  # a row of an earlier release has none
    if kind == "settled":
        proofs.ends(approval_id)
    elif kind in _FRESH:
        proofs.begins(approval_id, since=known)
    else:
        proofs.counted(approval_id, str(body.get("person")), revision=known)


def _object(body: object) -> Mapping[str, Any]:
    try:
        value = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}


async def _sign_what_was_left(database: Database, proofs: Proofs, *, at: datetime) -> bool:
    """Sign what waits and has no signature, as a release left it that made none; whether there was any.

    Once in the life of a database: the row that says so in the audit keeps it from happening again.
    """
    done = select(_U.number).where(_U.kind == audit_events.SIGNED).limit(1)
    if await database.fetch(done):
        return False

    async def work(connection: AsyncConnection) -> bool:
        left = select(_A.id, _A.request, _A.first_seen, _A.digest, _A.route, _A.rule, _A.widened, _A.revision)
        unsigned = left.where(_A.stage.in_(_WAITING), _A.call_signature.is_(None)).with_for_update()
        rows = await rows_of(connection, unsigned)
        # A digest of another make than its call is taken as new by the next poll.
        own = [row for row in rows if row[_A.digest] == row[_A.request].digest]
        counts = {"approvals": len(own), "votes": 0, "decisions": 0}
        for row in own:
            terms = {"route": row[_A.route], "rule": row[_A.rule], "widened": row[_A.widened]}
            signed = update(tables.approvals).where(_A.id == row[_A.id])
            await connection.execute(
                signed.values(
                    call_signature=proofs.of_call(row[_A.request], row[_A.first_seen]),
                    terms_signature=proofs.of_terms(row[_A.id], digest=row[_A.digest], **terms),
                )
            )
            counts["votes"] += await _sign_votes(connection, row[_A.id], row[_A.revision], proofs)
            counts["decisions"] += await _sign_decision(connection, row, proofs)
        if own:
            await append(connection, audit_events.signed(counts, at=at))
        return bool(own)

    return await database.write(Move.NOTE, work)


async def _sign_votes(connection: AsyncConnection, approval_id: str, revision: int, proofs: Proofs) -> int:
    found = await rows_of(connection, select(tables.votes).where(_V.approval_id == approval_id))
    rows: Sequence[Mapping[str, Any]] = [{**row, "revision": revision} for row in found]
    for row in rows:
        mine = update(tables.votes).where(_V.approval_id == approval_id, _V.person == row["person"])
        await connection.execute(mine.values(revision=revision, signature=proofs.of_vote(row)))
    return len(rows)


async def _sign_decision(connection: AsyncConnection, approval: Mapping[Any, Any], proofs: Proofs) -> int:
    of = _D.approval_id == approval[_A.id]
    found = (await connection.execute(select(tables.decisions).where(of))).mappings().first()
    if found is None:
        return 0
    row = {**found, "revision": approval[_A.revision]}
    signature = proofs.of_decision(row, digest=approval[_A.digest])
    await connection.execute(
        update(tables.decisions).where(of).values(revision=row["revision"], signature=signature)
    )
    return 1
