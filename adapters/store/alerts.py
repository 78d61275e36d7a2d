"""Alerts in SQL: raised, reworded and resolved, and what each pager is still to get of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, and_, bindparam, delete, exists, false, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, moment, value_in
from adapters.store.compare_and_set import Move, append
from adapters.store.database import Part, insert_new, rows_of
from bot.records import Alert, Heard, PendingPage

_L, _X = tables.alerts.c, tables.pages.c
_OF_ALERT = and_(_X.approval_id == _L.approval_id, _X.cause == _L.cause)  #: a page
_OLDEST = (_L.raised_at, _X.approval_id, _X.cause)  #: the alert that has waited longest first


def _due() -> Select[Any]:
    """The pages to be sent: of each pager the first `most`, by the age of their alerts."""
    turn = func.row_number().over(partition_by=_X.pager, order_by=_OLDEST)
    whole = tables.pages.join(tables.alerts)
    waits = and_(_X.owed, or_(_X.next_try.is_(None), _X.next_try <= bindparam("now", type_=_X.next_try.type)))
    line = (
        select(_X.approval_id, _X.cause, _X.pager, turn.label("turn"))
        .select_from(whole)
        .where(waits)
        .subquery()
    )
    same = (line.c[name] == _X[name] for name in ("approval_id", "cause", "pager"))
    return (
        select(tables.pages, tables.alerts)
        .select_from(whole.join(line, and_(*same)))
        .where(line.c.turn <= bindparam("most"))
        .order_by(*_OLDEST, _X.pager)
    )


def _open(by_id: bool, by_cause: bool) -> Select[Any]:
    wanted = [_L.resolved.is_(None)]
    wanted += [_L.approval_id.in_(bindparam("ids", expanding=True))] if by_id else []
    wanted += [_L.cause.in_(bindparam("causes", expanding=True))] if by_cause else []
    return select(tables.alerts).where(*wanted).order_by(_L.raised_at, _L.approval_id, _L.cause)


#: Asked at each round, so they are made once; the second by whether it is by id, and by cause.
_DUE = _due()
_OPEN = {(by_id, by_cause): _open(by_id, by_cause) for by_id in (False, True) for by_cause in (False, True)}


class SqlAlerts(Part):
    """`bot.store.Alerts` over a database."""

    async def raise_(self, alert: Alert, *, heard: Mapping[str, Heard] | None = None) -> bool:
        """The alert with a row for each pager, new or opened again; False if it is open already."""

        # Steps raise what they find in each round: what is open already should wait for no turn at writing.
        if not heard and await self.open_of(approval_id=alert.approval_id, cause=alert.cause):
            return False

        async def work(connection: AsyncConnection) -> bool:
            new = await write_alert(connection, alert, pagers=self._pagers)
            for pager, what in (heard or {}).items():
                mine = _change_page(PendingPage(alert=alert, pager=pager))
                known = columns_of(what, tables.pages)
                await connection.execute(mine.values(**known, owed=not what.taken))
            if not new:
                return False
            await append(connection, audit_events.alert_raised(alert, pagers=self._pagers))
            return True

        return await self._database.write(Move.RAISE, work)

    async def hand_on(self) -> bool:
        """Queue each open alert that no pager has taken for every pager of now; whether there was one.

        For the start: the pager that was to get it may have left the settings, or changed its key.
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
        retold = update(tables.alerts).where(mine, _L.resolved.is_(None), _L.text != text).values(text=text)
        owed = update(tables.pages).where(_X.approval_id == approval_id, _X.cause == cause, _X.taken)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(retold)).rowcount:
                return False
            await connection.execute(owed.values(taken=False, owed=True, tries=0, next_try=None))
            return True

        await self._database.write(Move.RAISE, work)

    async def open_of(
        self, *, approval_id: str | Sequence[str] | None = None, cause: str | Collection[str] | None = None
    ) -> tuple[Alert, ...]:
        """What is not given narrows nothing down."""
        given: dict[str, Any] = {}
        if approval_id is not None:
            given["ids"] = [approval_id] if isinstance(approval_id, str) else list(approval_id)
        if cause is not None:
            given["causes"] = [cause] if isinstance(cause, str) else sorted(cause)
        rows = await self._database.fetch(_OPEN["ids" in given, "causes" in given], given)
        return tuple(value_in(row, Alert, tables.alerts) for row in rows)

    async def unacknowledged(self, raised_before: datetime) -> int:
        """An alert that one of the pagers has is with someone; a pager that left can take none."""
        mine, other = tables.pages.join(tables.alerts), tables.pages.alias()
        taken = select(other.c.pager).where(
            other.c.approval_id == _L.approval_id, other.c.cause == _L.cause, other.c.taken
        )
        owed = select(_L.approval_id, _L.cause).select_from(mine).distinct()
        owed = owed.where(_X.owed, ~_X.taken, _X.pager.in_(self._pagers))
        owed = owed.where(_L.resolved.is_(None), _L.raised_at < raised_before, ~exists(taken))
        return int(await self._database.value(select(func.count()).select_from(owed.subquery())))

    async def due(self, now: datetime, *, most: int) -> tuple[PendingPage, ...]:
        """By an index of what is to be sent. A pager with many waiting keeps no other one's from being read."""
        return tuple(
            value_in(row, PendingPage, tables.pages, alert=value_in(row, Alert, tables.alerts))
            for row in await self._database.fetch(_DUE, {"now": now, "most": most})
        )

    async def next_due(self, *, after: datetime) -> datetime | None:
        """By the same index."""
        first = select(func.min(_X.next_try)).where(_X.owed, _X.next_try > after)
        moment_: datetime | None = await self._database.value(first)
        return moment_

    async def attempt(self, page: PendingPage, *, at: datetime) -> None:
        """Of several tries the first one's time stays, until the pager has taken it."""
        begun = _change_page(page).values(attempted_at=func.coalesce(_X.attempted_at, moment(at)))
        await self._database.update(Move.ATTEMPT_PAGE, begun)

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        """Without a new ref the known one stays."""
        # It may have been resolved meanwhile: then the pager is to get that.
        resolved = exists().where(_OF_ALERT, _L.resolved.is_not(None)).correlate(tables.pages)
        owed = resolved if page.alert.resolved is None else false()
        done = _change_page(page).values(taken=True, owed=owed, attempted_at=None, tries=0, next_try=None)
        if ref is not None:
            done = done.values(ref=ref)
        if page.alert.resolved is not None:
            done = done.values(told_mended=True)
        await self._database.update(Move.TAKEN, done)

    async def postpone(self, page: PendingPage, *, next_try: datetime) -> None:
        """One more failed try in a row."""
        later = _change_page(page).values(tries=_X.tries + 1, next_try=next_try)
        await self._database.update(Move.POSTPONE_PAGE, later)


async def write_alert(connection: AsyncConnection, alert: Alert, *, pagers: Sequence[str]) -> bool:
    """The alert with a row for each pager, without its row of the audit; False if it is open already."""
    new = insert_new(connection, tables.alerts).values(columns_of(alert, tables.alerts, "link"))
    again = new.on_conflict_do_update(
        index_elements=[_L.approval_id, _L.cause],
        set_={name: new.excluded[name] for name in ("text", "raised_at", "resolved")},
        where=_L.resolved.is_not(None),
    )
    if (await connection.execute(again.returning(_L.cause))).first() is None:
        return False
    # A pager that left the settings keeps its row, for when it is back.
    mine = (_X.approval_id == alert.approval_id, _X.cause == alert.cause)
    told = await connection.execute(delete(tables.pages).where(*mine).returning(_X.pager))
    owed = tuple(dict.fromkeys((*pagers, *sorted(told.scalars()))))
    if owed:
        await connection.execute(insert(tables.pages), [_page_row(alert, pager) for pager in owed])
    return True


async def resolve_alert(
    connection: AsyncConnection, approval_id: str, *, cause: str, how: str, at: datetime
) -> bool:
    """What was alerted came right; False without an open alert."""
    mine = and_(_L.approval_id == approval_id, _L.cause == cause)
    resolved = update(tables.alerts).where(mine, _L.resolved.is_(None)).values(resolved=how)
    if not (await connection.execute(resolved)).rowcount:
        return False
    owed = update(tables.pages).where(_X.approval_id == approval_id, _X.cause == cause)
    await connection.execute(owed.values(next_try=None, tries=0, owed=~_X.told_mended))
    await append(connection, audit_events.alert_resolved(approval_id, cause=cause, how=how, at=at))
    return True


async def _owe_open(connection: AsyncConnection, pager: str) -> bool:
    known = select(_X.pager).where(_OF_ALERT, or_(_X.taken, _X.pager == pager))
    unacknowledged = select(tables.alerts).where(_L.resolved.is_(None), ~exists(known))
    alerts = [value_in(row, Alert, tables.alerts) for row in await rows_of(connection, unacknowledged)]
    rows = [_page_row(alert, pager) for alert in alerts]
    if rows:
        await connection.execute(insert(tables.pages), rows)
    return bool(rows)


def _change_page(page: PendingPage) -> Update:
    """The page, unless its alert was raised again meanwhile: then another is sent in its place."""
    alert = page.alert
    mine = and_(_X.approval_id == alert.approval_id, _X.cause == alert.cause, _X.pager == page.pager)
    same = exists().where(
        _L.approval_id == _X.approval_id, _L.cause == _X.cause, _L.raised_at == alert.raised_at
    )
    return update(tables.pages).where(mine, same.correlate(tables.pages))


def _page_row(alert: Alert, pager: str) -> dict[str, object]:
    page = columns_of(PendingPage(alert=alert, pager=pager), tables.pages, "alert")
    owed = {"taken": False, "told_mended": False, "owed": True}
    return {"approval_id": alert.approval_id, "cause": alert.cause, **page, **owed}
