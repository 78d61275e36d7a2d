"""Alerts, and what each pager is still owed, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Update, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment
from adapters.store.compare_and_set import Move, append
from adapters.store.database import Database, insert_new, rows_of
from bot.ports import Clock
from bot.records import Alert, Heard, PendingPage

_L, _G = tables.alerts.c, tables.pages.c
_MINE = and_(_G.approval_id == _L.approval_id, _G.cause == _L.cause)  #: a page of an alert


class SqlAlerts:
    """`bot.store.Alerts` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, clock: Clock, pagers: Sequence[str]) -> None:
        """`pagers` are the names of those whom new alerts are owed."""
        self._database, self._clock = database, clock
        self._pagers = tuple(dict.fromkeys(pagers))

    async def raise_(self, alert: Alert, *, heard: Mapping[str, Heard] | None = None) -> bool:
        """The alert with a row for each pager, new or opened again; False if it is open already."""

        # Steps raise what they find in each round: what is open already should wait for no turn at writing.
        if not heard and await self.open_of(approval_id=alert.approval_id, cause=alert.cause):
            return False

        async def work(connection: AsyncConnection) -> bool:
            new = await write_alert(connection, alert, pagers=self._pagers)
            for pager, what in (heard or {}).items():
                await connection.execute(_change(PendingPage(alert=alert, pager=pager)).values(_known(what)))
            if not new:
                return False
            await append(connection, audit_events.alert_raised(alert, pagers=self._pagers))
            return True

        return await self._database.write(Move.RAISE, work)

    async def hand_on(self) -> bool:
        """Owe each open alert that nobody has taken to every pager of now; whether there was one.

        For the start: whom it was owed to may have left the settings meanwhile, or changed its key.
        """

        async def work(connection: AsyncConnection) -> bool:
            return any([await _owe_open(connection, pager) for pager in self._pagers])

        return bool(self._pagers) and await self._database.write(Move.RAISE, work)

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        """Once: without an open alert nothing happens. A pager that waits to try again is told at once."""

        async def work(connection: AsyncConnection) -> bool:
            return await resolve_alert(connection, approval_id, cause=cause, how=how, at=self._clock())

        await self._database.write(Move.RESOLVE_ALERT, work)

    async def reword(self, approval_id: str, *, cause: str, text: str) -> None:
        """Without an open alert, or where it says just that, nothing happens."""
        mine = and_(_L.approval_id == approval_id, _L.cause == cause)
        retold = update(tables.alerts).where(mine, _L.mended.is_(None), _L.text != text).values(text=text)
        owed = update(tables.pages).where(_G.approval_id == approval_id, _G.cause == cause, _G.taken)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(retold)).rowcount:
                return False
            await connection.execute(owed.values(taken=False, tries=0, next_try=None))
            return True

        await self._database.write(Move.RAISE, work)

    async def open_of(self, *, approval_id: str | None = None, cause: str | None = None) -> tuple[Alert, ...]:
        """What is not given narrows nothing down."""
        statement = select(tables.alerts).where(_L.mended.is_(None))
        if approval_id is not None:
            statement = statement.where(_L.approval_id == approval_id)
        if cause is not None:
            statement = statement.where(_L.cause == cause)
        rows = await self._database.fetch(statement.order_by(_L.raised_at, _L.approval_id, _L.cause))
        return tuple(_alert_of(row) for row in rows)

    async def unacknowledged(self, raised_before: datetime) -> int:
        """Alerts that one pager has and another has not are with somebody; one that left can take none."""
        taken, owed = select(_G.pager).where(_MINE, _G.taken), select(_G.pager).where(_MINE)
        owed = owed.where(_G.pager.in_(self._pagers))
        number = func.count().label("number")
        statement = (
            select(number)
            .select_from(tables.alerts)
            .where(_L.mended.is_(None), _L.raised_at < raised_before, exists(owed), ~exists(taken))
        )
        return int((await self._database.fetch(statement))[0]["number"])

    async def owed(self, now: datetime) -> tuple[PendingPage, ...]:
        """Pages whose turn it is, the oldest alert first: not taken yet, or resolved and not told so."""
        its_turn = or_(_G.next_try.is_(None), _G.next_try <= now)
        untold = or_(~_G.taken, and_(_L.mended.is_not(None), ~_G.told_mended))
        statement = (
            select(tables.pages, tables.alerts)
            .select_from(tables.pages.join(tables.alerts))
            # Nobody waits for more about what was told to be resolved; saying so lets the index leave it out.
            .where(~_G.told_mended, its_turn, untold)
            .order_by(_L.raised_at, _G.approval_id, _G.cause, _G.pager)
        )
        return tuple(_owed_page_of(row) for row in await self._database.fetch(statement))

    async def attempt(self, page: PendingPage, *, at: datetime) -> None:
        """Of several tries the first one's time stays, until the pager has taken it."""
        begun = _change(page).values(attempted_at=func.coalesce(_G.attempted_at, moment(at)))
        await self._database.update(Move.ATTEMPT_PAGE, begun)

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        """Without a new ref the known one stays."""
        done = _change(page).values(taken=True, attempted_at=None, tries=0, next_try=None)
        if ref is not None:
            done = done.values(ref=ref)
        if page.alert.resolved is not None:
            done = done.values(told_mended=True)
        await self._database.update(Move.TAKEN, done)

    async def postpone(self, page: PendingPage, *, next_try: datetime) -> None:
        """One more failed try in a row."""
        later = _change(page).values(tries=_G.tries + 1, next_try=next_try)
        await self._database.update(Move.POSTPONE_PAGE, later)


async def write_alert(connection: AsyncConnection, alert: Alert, *, pagers: Sequence[str]) -> bool:
    """The alert with a row for each pager, without its row of the audit; False if it is open already."""
    new = insert_new(connection, tables.alerts).values(_alert_row(alert))
    again = new.on_conflict_do_update(
        index_elements=[_L.approval_id, _L.cause],
        set_={name: new.excluded[name] for name in ("text", "raised_at", "mended")},
        where=_L.mended.is_not(None),
    )
    if (await connection.execute(again.returning(_L.cause))).first() is None:
        return False
    # A pager that left the settings keeps its row, for when it is back.
    mine = (_G.approval_id == alert.approval_id, _G.cause == alert.cause)
    told = await connection.execute(delete(tables.pages).where(*mine).returning(_G.pager))
    owed = tuple(dict.fromkeys((*pagers, *sorted(told.scalars()))))
    if owed:
        await connection.execute(insert(tables.pages), [_page_row(alert, pager) for pager in owed])
    return True


async def resolve_alert(
    connection: AsyncConnection, approval_id: str, *, cause: str, how: str, at: datetime
) -> bool:
    """What was alerted came right; False without an open alert."""
    mine = and_(_L.approval_id == approval_id, _L.cause == cause)
    resolved = update(tables.alerts).where(mine, _L.mended.is_(None)).values(mended=how)
    if not (await connection.execute(resolved)).rowcount:
        return False
    owed = update(tables.pages).where(_G.approval_id == approval_id, _G.cause == cause)
    await connection.execute(owed.values(next_try=None, tries=0))
    await append(connection, audit_events.alert_resolved(approval_id, cause=cause, how=how, at=at))
    return True


async def _owe_open(connection: AsyncConnection, pager: str) -> bool:
    known = select(_G.pager).where(_MINE, or_(_G.taken, _G.pager == pager))
    unacknowledged = select(tables.alerts).where(_L.mended.is_(None), ~exists(known))
    rows = [_page_row(_alert_of(row), pager) for row in await rows_of(connection, unacknowledged)]
    if rows:
        await connection.execute(insert(tables.pages), rows)
    return bool(rows)


def _change(page: PendingPage) -> Update:
    """The page, unless its alert was raised again meanwhile: then another is owed in its place."""
    alert = page.alert
    mine = and_(_G.approval_id == alert.approval_id, _G.cause == alert.cause, _G.pager == page.pager)
    same = exists().where(
        _L.approval_id == _G.approval_id, _L.cause == _G.cause, _L.raised_at == alert.raised_at
    )
    return update(tables.pages).where(mine, same.correlate(tables.pages))


def _known(heard: Heard) -> dict[str, object]:
    return {"taken": heard.taken, "ref": heard.ref, "attempted_at": heard.attempted_at}


def _alert_row(alert: Alert) -> dict[str, object]:
    return {
        "approval_id": alert.approval_id,
        "cause": alert.cause,
        "text": alert.text,
        "raised_at": alert.raised_at,
        "mended": alert.resolved,
    }


def _page_row(alert: Alert, pager: str) -> dict[str, object]:
    return {
        "approval_id": alert.approval_id,
        "cause": alert.cause,
        "pager": pager,
        "tries": 0,
        "taken": False,
        "told_mended": False,
    }


def _alert_of(row: RowMapping) -> Alert:
    return Alert(
        approval_id=row[_L.approval_id],
        cause=row[_L.cause],
        text=row[_L.text],
        raised_at=row[_L.raised_at],
        resolved=row[_L.mended],
    )


def _owed_page_of(row: RowMapping) -> PendingPage:
    return PendingPage(
        alert=_alert_of(row),
        pager=row[_G.pager],
        ref=row[_G.ref],
        attempted_at=row[_G.attempted_at],
        tries=row[_G.tries],
    )
