"""What is owed to people, in SQL: notifications to those who decide, and alerts to pagers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from typing import Any

from sqlalchemy import Update, and_, case, delete, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, moment, storable_text, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Part, insert_new, rows_of
from adapters.store.whole import approvals_decided, decided, whole_of
from bot.approval import Approval, Stage
from bot.audit import Fact
from bot.records import Alert, Heard, OutboxItem, PendingPage, Ping, Placement
from bot.surface import Surface

_A, _P, _T = tables.approvals.c, tables.placements.c, tables.notices.c
#: Somebody may still be waited for.
_WAITING = (Stage.OPEN, Stage.DECIDED)
#: Neither sent nor dropped.
OWED = and_(_T.sent_at.is_(None), _T.dropped_at.is_(None))
_L, _X = tables.alerts.c, tables.pages.c
_OF_ALERT = and_(_X.approval_id == _L.approval_id, _X.cause == _L.cause)  #: a page


class SqlOutbox(Part):
    """`bot.store.Outbox` over a database."""

    async def owed(self) -> tuple[tuple[OutboxItem, Approval, Placement | None], ...]:
        """Those with a `next_try` in the future, and of what has ended, too: the caller judges."""
        whole = decided(tables.notices.join(tables.approvals))
        whole = whole.outerjoin(tables.placements, _P.card_id == _T.card_id)
        statement = (
            select(tables.notices, tables.approvals, tables.decisions, tables.placements)
            .select_from(whole)
            .where(OWED)
            .order_by(_A.deadline, _A.id, _T.owed_since, _T.mark)
        )
        rows = await self._database.fetch(statement)
        approvals = await whole_of(rows, self._database.fetch, self._proofs)
        return tuple(
            (
                value_in(row, OutboxItem, tables.notices),
                approval,
                None if row[_P.card_id] is None else value_in(row, Placement, tables.placements),
            )
            for row, approval in zip(rows, approvals, strict=True)
        )

    async def attempt(self, notices: Sequence[OutboxItem], *, sent_as: str, at: datetime) -> bool:
        """All or none. Of several tries the first one's time stays: a search has to reach back to it."""
        keys = [(notice.approval_id, notice.mark) for notice in notices]
        begun = {"sent_as": sent_as, "attempted_at": func.coalesce(_T.attempted_at, moment(at))}

        async def work(connection: AsyncConnection) -> bool:
            owed = 0
            for some in chunks(keys):
                these = select(_T.mark).where(OWED, tuple_(_T.approval_id, _T.mark).in_(some)).with_for_update()
                owed += len((await connection.execute(these)).all())
            if owed < len(keys):
                return False
            for some in chunks(keys):
                mine = tuple_(_T.approval_id, _T.mark).in_(some)
                await connection.execute(update(tables.notices).where(mine).values(**begun))
            return True

        return await self._database.write(Move.ATTEMPT_NOTICE, work)

    async def sent(self, notices: Sequence[OutboxItem], *, channel: str, ref: str, at: datetime) -> None:
        """With a row of the audit for each: the proof that it was said, and to whom.

        Where a ping is up is kept, since it is changed when its request ends.
        """
        where = {"channel": case((tables.IS_PING, channel)), "ref": case((tables.IS_PING, ref))}
        await self._change(
            Move.SENT,
            notices,
            {"sent_at": at, **where},
            lambda notice: audit_events.told(notice, ref=ref, at=at),
        )

    async def outdated(self, surface: Surface, *, most: int) -> tuple[Ping, ...]:
        """The latest end first: people look at the end of a list."""
        other, waiting = tables.notices.alias(), tables.approvals.alias()
        same = and_(other.c.surface == _T.surface, other.c.channel == _T.channel, other.c.ref == _T.ref)
        still = (
            select(other.c.ref)
            .join(waiting, waiting.c.id == other.c.approval_id)
            .where(same, waiting.c.stage.in_(_WAITING))
            .correlate(tables.notices)
        )
        place = (_T.surface, _T.channel, _T.ref)
        found = await self._database.fetch(
            select(*place, func.min(_T.sent_as).label("mark"), func.max(_T.card_id).label("card"))
            .join(tables.approvals, _A.id == _T.approval_id)
            .where(tables.UP, _T.surface == surface, _A.stage.not_in(_WAITING), ~still.exists())
            .group_by(*place)
            .order_by(func.max(_A.settled_at).desc(), *place)
            .limit(most)
        )
        return tuple([await self._ping(row) for row in found])

    async def _ping(self, row: RowMapping) -> Ping:
        surface, channel, ref = row[_T.surface], row[_T.channel], row[_T.ref]
        told = select(_T.approval_id).where(_T.surface == surface, _T.channel == channel, _T.ref == ref)
        rows = await self._database.fetch(approvals_decided().where(_A.id.in_(told)).order_by(_A.deadline))
        approvals = await whole_of(rows, self._database.fetch, self._proofs)
        return Ping(
            surface=surface,
            channel=channel,
            ref=ref,
            mark=row["mark"],
            approvals=approvals,
            threaded=row["card"] is not None,
        )

    async def amended(self, ping: Ping, *, at: datetime) -> None:
        """All that it tells of."""
        mine = (_T.surface == ping.surface, _T.channel == ping.channel, _T.ref == ping.ref)
        await self._database.update(
            Move.AMENDED, update(tables.notices).where(tables.UP, *mine).values(amended_at=at)
        )

    async def postpone(self, notices: Sequence[OutboxItem], *, next_try: datetime, begun: bool = True) -> None:
        """One more failed try in a row. What was not begun can go together with what comes later."""
        later: dict[str, Any] = {"tries": _T.tries + 1, "next_try": next_try}
        if not begun:
            later |= {"sent_as": None, "attempted_at": None}
        await self._change(Move.POSTPONE_NOTICE, notices, later)

    async def drop(self, notices: Sequence[OutboxItem], *, why: str, at: datetime) -> None:
        """With a row of the audit for each: that it was not said, and why."""
        await self._change(
            Move.DROPPED,
            notices,
            {"dropped_at": at},
            lambda notice: audit_events.not_told(notice, why=why, at=at),
        )

    async def _change(
        self,
        kind: Move,
        notices: Sequence[OutboxItem],
        values: Mapping[str, Any],
        tells: Callable[[OutboxItem], Fact] | None = None,
    ) -> None:
        """Those that are still owed, each as it is then; nothing is sent, or dropped, twice."""
        keys = [(notice.approval_id, notice.mark) for notice in notices]
        change = update(tables.notices).where(OWED).values(**values).returning(tables.notices)

        async def work(connection: AsyncConnection) -> bool:
            found: list[OutboxItem] = []
            for some in chunks(keys):
                these = change.where(tuple_(_T.approval_id, _T.mark).in_(some))
                rows = await rows_of(connection, these)
                found.extend(value_in(row, OutboxItem, tables.notices) for row in rows)
            if found and tells is not None:
                found.sort(key=lambda notice: (notice.approval_id, notice.mark))
                await append(connection, *(tells(notice) for notice in found))
            return bool(found)

        if keys:
            await self._database.write(kind, work)


async def write_outbox(connection: AsyncConnection, notices: Sequence[OutboxItem]) -> None:
    """New ones. A mark that this approval has used gets a number: a rung can fire again after a change, and
    what is said then must not be taken for what was said before."""
    if not notices:
        return
    ids = {notice.approval_id for notice in notices}
    found = await connection.execute(select(_T.approval_id, _T.mark).where(_T.approval_id.in_(sorted(ids))))
    used = {(approval_id, mark) for approval_id, mark in found}
    rows = []
    for notice in notices:
        approval_id, mark = storable_text(notice.approval_id), storable_text(notice.mark)
        numbered = (f"{mark}.{number}" for number in count(2))
        unused = next(one for one in chain((mark,), numbered) if (approval_id, one) not in used)
        used.add((approval_id, unused))
        rows.append(columns_of(replace(notice, mark=unused), tables.notices))
    await connection.execute(insert(tables.notices), rows)


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
                await connection.execute(mine.values(columns_of(what, tables.pages)))
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
        retold = update(tables.alerts).where(mine, _L.resolved.is_(None), _L.text != text).values(text=text)
        owed = update(tables.pages).where(_X.approval_id == approval_id, _X.cause == cause, _X.taken)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(retold)).rowcount:
                return False
            await connection.execute(owed.values(taken=False, tries=0, next_try=None))
            return True

        await self._database.write(Move.RAISE, work)

    async def open_of(self, *, approval_id: str | None = None, cause: str | None = None) -> tuple[Alert, ...]:
        """What is not given narrows nothing down."""
        statement = select(tables.alerts).where(_L.resolved.is_(None))
        if approval_id is not None:
            statement = statement.where(_L.approval_id == approval_id)
        if cause is not None:
            statement = statement.where(_L.cause == cause)
        rows = await self._database.fetch(statement.order_by(_L.raised_at, _L.approval_id, _L.cause))
        return tuple(value_in(row, Alert, tables.alerts) for row in rows)

    async def unacknowledged(self, raised_before: datetime) -> int:
        """Alerts that one pager has and another has not are with somebody; one that left can take none."""
        taken, owed = select(_X.pager).where(_OF_ALERT, _X.taken), select(_X.pager).where(_OF_ALERT)
        owed = owed.where(_X.pager.in_(self._pagers))
        statement = (
            select(func.count())
            .select_from(tables.alerts)
            .where(_L.resolved.is_(None), _L.raised_at < raised_before, exists(owed), ~exists(taken))
        )
        return int(await self._database.value(statement))

    async def owed(self, now: datetime) -> tuple[PendingPage, ...]:
        """Pages whose turn it is, the oldest alert first: not taken yet, or resolved and not told so."""
        its_turn = or_(_X.next_try.is_(None), _X.next_try <= now)
        untold = or_(~_X.taken, and_(_L.resolved.is_not(None), ~_X.told_mended))
        statement = (
            select(tables.pages, tables.alerts)
            .select_from(tables.pages.join(tables.alerts))
            # Nobody waits for more about what was told to be resolved; saying so lets the index leave it out.
            .where(~_X.told_mended, its_turn, untold)
            .order_by(_L.raised_at, _X.approval_id, _X.cause, _X.pager)
        )
        return tuple(
            value_in(row, PendingPage, tables.pages, alert=value_in(row, Alert, tables.alerts))
            for row in await self._database.fetch(statement)
        )

    async def attempt(self, page: PendingPage, *, at: datetime) -> None:
        """Of several tries the first one's time stays, until the pager has taken it."""
        begun = _change_page(page).values(attempted_at=func.coalesce(_X.attempted_at, moment(at)))
        await self._database.update(Move.ATTEMPT_PAGE, begun)

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        """Without a new ref the known one stays."""
        done = _change_page(page).values(taken=True, attempted_at=None, tries=0, next_try=None)
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
    await connection.execute(owed.values(next_try=None, tries=0))
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
    """The page, unless its alert was raised again meanwhile: then another is owed in its place."""
    alert = page.alert
    mine = and_(_X.approval_id == alert.approval_id, _X.cause == alert.cause, _X.pager == page.pager)
    same = exists().where(
        _L.approval_id == _X.approval_id, _L.cause == _X.cause, _L.raised_at == alert.raised_at
    )
    return update(tables.pages).where(mine, same.correlate(tables.pages))


def _page_row(alert: Alert, pager: str) -> dict[str, object]:
    page = columns_of(PendingPage(alert=alert, pager=pager), tables.pages, "alert")
    owed = {"taken": False, "told_mended": False}
    return {"approval_id": alert.approval_id, "cause": alert.cause, **page, **owed}
