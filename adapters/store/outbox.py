"""Notifications to the people who decide, in SQL: those that are due, and the pings that are out of date."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from operator import eq
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, moment, storable_text, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Part, rows_of
from adapters.store.whole import approvals_decided, decided, whole_of
from bot.approval import Approval, Stage
from bot.audit import Fact
from bot.records import DueNotice, Lane, NotificationKind, OutboxItem, Ping, Placement
from bot.surface import Surface

_A, _C, _G = tables.approvals.c, tables.claims.c, tables.digests.c
_P, _T = tables.placements.c, tables.notices.c
#: The platform still waits.
_WAITING = (Stage.OPEN, Stage.DECIDED)
#: Neither sent nor dropped.
OWED = and_(_T.sent_at.is_(None), _T.dropped_at.is_(None))
#: Whether the request of a notification has ended.
HAS_ENDED = exists().where(_A.id == _T.approval_id, _A.stage.not_in(_WAITING)).correlate(tables.notices)

#: Each with its request, its card, and the queue message in its card's place.
_WITH_PLACES = (
    tables.notices.join(tables.approvals)
    .outerjoin(tables.placements, _P.card_id == _T.card_id)
    .outerjoin(tables.digests, and_(_P.gathered, _G.surface == _P.surface, _G.channel == _P.channel))
)
#: Requests that are open come first, then the earliest deadline.
_URGENT = (
    case((_T.news == NotificationKind.OUTCOME, 1), else_=0), _A.deadline, _A.id, _T.owed_since, _T.mark
)  # fmt: skip
#: What takes one message at a time.
_LANE = (_T.surface, func.coalesce(_T.person, ""), func.coalesce(_P.channel, ""))


_NOW, _NEWS_SINCE = (bindparam(name, type_=_T.owed_since.type) for name in ("now", "news_since"))
_MOST, _ROWS = (bindparam(name, type_=_T.tries.type) for name in ("most", "rows"))


def _can_be_worked_on() -> ColumnElement[bool]:
    """Whether it can be sent now, or need not be sent any more. As `bot.flow.notify` judges it."""
    outcome, is_open = _T.news == NotificationKind.OUTCOME, _A.stage == Stage.OPEN
    claims = exists().where(_C.approval_id == _T.approval_id).correlate(tables.notices)
    its_turn = or_(_T.next_try.is_(None), _T.next_try <= _NOW)
    useless = or_(
        _T.surface.not_in(bindparam("surfaces", expanding=True)),
        and_(outcome, _T.owed_since <= _NEWS_SINCE),
        and_(~outcome, or_(~is_open, _P.superseded)),
        and_(_T.news == NotificationKind.LAST_CALL, ~claims.where(_C.person == _T.person)),
    )
    place = or_(_T.person.is_not(None), case((_P.gathered, _G.ref), else_=_P.ref).is_not(None))
    held = and_(_T.news == NotificationKind.RUNG, claims.where(_C.until > _NOW))
    sendable = and_(its_turn, place, ~held, or_(~is_open, _A.deadline > _NOW))
    on_card = and_(outcome, _T.attempted_at.is_(None), _T.tries == 0, _P.shown_revision >= _A.revision)
    return and_(OWED, or_(useless, sendable, and_(on_card, ~_P.gathered)))


def _due(lanes: Collection[Lane] = ()) -> Select[Any]:
    """Of these lanes, or of all: the first `most` of each, and what comes first in its lane before the rest."""
    turn = func.row_number().over(partition_by=_LANE, order_by=_URGENT)
    queue = select(_T.approval_id, _T.mark, turn.label("turn")).select_from(_WITH_PLACES)
    queue = queue.where(_can_be_worked_on())
    if lanes:
        queue = queue.where(or_(*(and_(*map(eq, _LANE, lane)) for lane in lanes)))
    line = queue.subquery()
    mine = and_(line.c.approval_id == _T.approval_id, line.c.mark == _T.mark)
    return (
        select(tables.notices, tables.approvals, tables.decisions, tables.placements, _G.digest_id)
        .add_columns(_G.ref.label("digest_ref"))
        .select_from(decided(_WITH_PLACES).join(line, mine))
        .where(line.c.turn <= _MOST)
        .order_by(line.c.turn > 1, *_URGENT)
        .limit(_ROWS)
    )


def _outdated() -> Select[Any]:
    """Where pings are up of which no request waits any more."""
    place = (_T.surface, _T.channel, _T.ref)
    ended = (
        select(*place, func.min(_T.sent_as).label("mark"), func.max(_A.settled_at).label("ended"))
        .add_columns(func.max(_T.card_id).label("card"))
        .join(tables.approvals, _A.id == _T.approval_id)
        .where(tables.UP, _T.outdated, _T.surface == bindparam("surface"))
        .group_by(*place)
        .subquery()
    )
    other, waiting, one = tables.notices.alias(), tables.approvals.alias(), ended.c
    same = and_(
        other.c.surface == one.surface, other.c.channel == one.channel, other.c.ref == one.ref,
        other.c.amended_at.is_(None),
    )  # fmt: skip
    still = select(other.c.ref).join(waiting, waiting.c.id == other.c.approval_id)
    still = still.where(same, waiting.c.stage.in_(_WAITING)).correlate(ended)
    latest = (one.ended.desc(), one.surface, one.channel, one.ref)
    return select(ended).where(~still.exists()).order_by(*latest).limit(_MOST)


#: Asked at each round, so these are made once.
_DUE, _OUTDATED = _due(), _outdated()


def _due_in(row: RowMapping, approval: Approval) -> DueNotice:
    return DueNotice(
        notice=value_in(row, OutboxItem, tables.notices),
        approval=approval,
        placement=None if row[_P.card_id] is None else value_in(row, Placement, tables.placements),
        digest_id=row[_G.digest_id],
        digest_ref=row["digest_ref"],
    )


class SqlOutbox(Part):
    """`bot.store.Outbox` over a database."""

    async def due(
        self,
        now: datetime,
        *,
        surfaces: Collection[Surface],
        news_since: datetime,
        most: int,
        lanes: Collection[Lane] = (),
    ) -> tuple[DueNotice, ...]:
        """By lane first: one place that has much to be told keeps nobody else waiting.

        One statement, and those that belong to the approvals in it.
        """
        given = {"now": now, "surfaces": list(surfaces), "news_since": news_since, "most": most}
        given["rows"] = most * max(1, len(lanes))
        rows = await self._database.fetch(_due(lanes) if lanes else _DUE, given)
        approvals = await whole_of(rows, self._database.fetch, self._proofs)
        return tuple(_due_in(row, approval) for row, approval in zip(rows, approvals, strict=True))

    async def next_due(self, *, after: datetime) -> datetime | None:
        """The end of a claim, too: some may be held back by it."""
        later = select(func.min(_T.next_try)).where(OWED, _T.next_try > after)
        held = select(func.min(_C.until)).where(_C.until > after)
        return await self._database.earliest(later, held)

    async def hold(self, notices: Sequence[OutboxItem], *, until: datetime) -> None:
        """Not a try."""
        await self._change(Move.HOLD_NOTICE, notices, {"next_try": until})

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
        """With a row of the audit for each: the proof of what was said to which people.

        Where a ping is up is kept, since it is changed when its request ends.
        """
        where = {"channel": case((tables.IS_PING, channel)), "ref": case((tables.IS_PING, ref))}
        await self._change(
            Move.SENT,
            notices,
            {"sent_at": at, "outdated": and_(tables.IS_PING, HAS_ENDED), **where},
            lambda notice: audit_events.told(notice, ref=ref, at=at),
        )

    async def outdated(self, surface: Surface, *, most: int) -> tuple[Ping, ...]:
        """The latest end first: people look at the end of a list."""
        found = await self._database.fetch(_OUTDATED, {"surface": surface, "most": most})
        return tuple([await self._ping(row) for row in found])

    async def _ping(self, row: RowMapping) -> Ping:
        surface, channel, ref = row["surface"], row["channel"], row["ref"]
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
            Move.AMENDED, update(tables.notices).where(tables.UP, *mine).values(amended_at=at, outdated=False)
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
        """Those neither sent nor dropped yet, each as it is then; so nothing is sent, or dropped, twice."""
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


async def ends_pings(connection: AsyncConnection, *ids: str, again: bool = False) -> None:
    """These requests ended, so pings that are up are out of date; or they are open `again`, and are not."""
    mine = update(tables.notices).where(tables.UP, _T.approval_id.in_(ids))
    await connection.execute(mine.values(outdated=not again))


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
