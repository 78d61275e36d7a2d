"""Opening the store, on the database that the setting names."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.store import postgres, sqlite
from adapters.store.alerts import SqlAlerts
from adapters.store.approvals import SqlApprovals
from adapters.store.conversations import SqlConversations
from adapters.store.database import Database, SqlProbe
from adapters.store.journal import SqlJournal
from adapters.store.outbox import SqlOutbox
from adapters.store.placements import SqlPlacements
from adapters.store.proofs import Proofs
from adapters.store.queue_messages import SqlQueueMessages
from adapters.store.recalling import recall, sign_what_was_left
from adapters.store.rungs import SqlRungs
from bot.errors import ConfigError
from bot.ports import Clock, utc_now
from bot.records import Ring
from bot.seal import Signing
from bot.store import Alerts

_OPENERS = {
    "sqlite": sqlite.opened,
    "sqlite+aiosqlite": sqlite.opened,
    "postgresql": postgres.opened,
    "postgresql+psycopg": postgres.opened,
}


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
    database: Database

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

    `ring` is called after each commit for the steps that got work; `pagers` are the names of those whom new
    alerts are owed; `clock` dates what the audit says of moves that bring no moment of their own. Leaving
    waits for what is under way, then closes everything. Open alerts that nobody took are owed to these, too.

    `signing` signs what lets an answer count; without it nothing that was written before or is written now
    counts for another store. With `take_over` what a release left behind that signed nothing is signed, once.
    `fit` sees the audit before anything in the database is believed, and before anything but a migration is
    written; what it raises refuses the database.

    Raises:
        ConfigError: the address is none of these, or the database is not fit for the job.
        Unavailable: the PostgreSQL server cannot be reached.
    """
    address = _address(url)
    async with _OPENERS[address.drivername](address, ring=ring) as database:
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
    journal = SqlJournal(database=database, clock=clock)
    if fit is not None:
        await fit(journal)
    if take_over:
        await sign_what_was_left(database, proofs, at=clock())
    await recall(database, proofs)
    alerts = SqlAlerts(database=database, clock=clock, pagers=pagers)
    await alerts.hand_on()
    return SqlStore(
        approvals=SqlApprovals(database=database, clock=clock, proofs=proofs),
        placements=SqlPlacements(database=database, clock=clock, proofs=proofs),
        rungs=SqlRungs(database=database, pagers=pagers, proofs=proofs),
        outbox=SqlOutbox(database=database, proofs=proofs),
        queue_messages=SqlQueueMessages(database=database, clock=clock, proofs=proofs),
        alerts=alerts,
        journal=journal,
        conversations=SqlConversations(database=database),
        probe=SqlProbe(database=database),
        database=database,
    )


def _address(url: str) -> URL:
    where, fix = "NOD_DATABASE_URL", "Use sqlite:///path or postgresql://user:password@host/name."
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(where, "it is not a database address", fix) from error
    if address.drivername not in _OPENERS:
        raise ConfigError(where, f"Nod does not know databases of the kind {address.drivername!r}", fix)
    return address
