"""Which cards are due, in SQL: what there is to post or to update, found by the indexes of their own rows.

A card's row has a copy of what its approval asks of it (`migrations/copies.py`), so none of this reads what is
not due. What is drawn from is read whole.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)

from adapters.store import tables
from adapters.store.columns import value_in
from adapters.store.compare_and_set import Move
from adapters.store.database import Part
from adapters.store.whole import decided, whole_of
from bot.approval import Approval, Stage
from bot.records import Backlog, Placement
from bot.surface import Destination, Surface

_P, _A, _D = tables.placements.c, tables.approvals.c, tables.decisions.c
#: The order in which cards are posted: the earliest deadline first.
_EARLIEST_FIRST = (_P.deadline, _P.approval_id, _P.card_id)


class DueCards(Part):
    """What the step that shows cards asks."""

    async def backlog(self, now: datetime) -> Backlog:
        """One statement, and a row for each line."""
        found = await self._database.fetch(_BACKLOG.params(now=now))
        places = [row for row in found if row["surface"] is not None]
        (others,) = [row for row in found if row["surface"] is None]
        return Backlog(
            lines=tuple(Destination(surface=row["surface"], channel=row["channel"]) for row in places),
            outdated=bool(others["behind"]),
            next_try=others["later"],
        )

    async def line(
        self, where: Destination, *, now: datetime, most: int, probes: int
    ) -> tuple[tuple[Placement, Approval], ...]:
        """By the index of the line. No card is drawn from a record that is not Nod's."""
        here = (_P.surface == where.surface, _P.channel == where.channel)
        probed = select(_P.card_id).where(tables.BEGUN, *here, _P.next_try > now, _P.tries < probes)
        # What is not begun can still go on the queue message.
        quiet = or_(_P.attempted_at.is_not(None), ~exists(probed.correlate(None)))
        due = select(_P.card_id).where(tables.IN_LINE, *here, _is_due(now), quiet)
        return await self._whole(due.order_by(*_EARLIEST_FIRST).limit(most))

    async def outdated(
        self,
        surfaces: Collection[Surface],
        *,
        now: datetime,
        most: int,
        decided_before: datetime,
        without: Collection[str] = (),
    ) -> tuple[tuple[Placement, Approval], ...]:
        """By their index: a statement for all of them, and a few for what belongs to their approvals."""
        due = select(_P.card_id).where(tables.OUTDATED, _is_due(now), _P.card_id.not_in(tuple(without)))
        due = due.where(or_(_P.surface.in_(tuple(surfaces)), _is_over()))
        due = due.where(~exists(_being_sent(decided_before).correlate(tables.placements)))
        return await self._whole(due.order_by(_P.deadline, _P.card_id).limit(most))

    async def first_sent(self, *, after: datetime) -> datetime | None:
        """Of cards that are out of date because of it."""
        first = select(func.min(_D.at)).select_from(tables.placements.join(tables.decisions, _OF_CARD))
        sent = first.where(
            tables.OUTDATED, _D.at > after, exists(_being_sent(after).correlate(tables.placements))
        )
        found: datetime | None = await self._database.value(sent)
        return found

    async def leave(self, where: Destination) -> None:
        """What has ended, or was superseded, is shown there no more."""
        here = (_P.surface == where.surface, _P.channel == where.channel)
        gone = update(tables.placements).where(tables.IN_LINE, *here, _is_over()).values(owed=False)
        await self._database.update(Move.GIVE_UP, gone)

    async def _whole(self, ids: Select[Any]) -> tuple[tuple[Placement, Approval], ...]:
        statement = (
            select(tables.placements, tables.approvals, tables.decisions)
            .select_from(decided(tables.placements.join(tables.approvals)))
            .where(_P.card_id.in_(ids.correlate(None)))
            .order_by(*_EARLIEST_FIRST)
        )
        rows = await self._database.fetch(statement)
        approvals = await whole_of(rows, self._database.fetch, self._proofs)
        return tuple(
            (value_in(row, Placement, tables.placements), approval)
            for row, approval in zip(rows, approvals, strict=True)
            if not approval.forged
        )


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(_P.next_try.is_(None), _P.next_try <= now)


def _is_over() -> ColumnElement[bool]:
    """Whether a card has only an end to show, or was superseded."""
    ended = select(_A.id).where(_A.id == _P.approval_id, _A.stage.in_((Stage.SETTLED, Stage.CLOSED)))
    return or_(_P.superseded, exists(ended.correlate(tables.placements)))


def _lines() -> CTE:
    """The places in which cards are in line, each found from the one before by one look into the index.

    The last row is NULL. A DISTINCT would read every card of every line.
    """
    here = select(_P.surface, _P.channel).where(tables.IN_LINE).order_by(_P.surface, _P.channel).limit(1)
    first = here.subquery()
    lines = select(first.c.surface, first.c.channel).cte("lines", recursive=True)
    after = tuple_(_P.surface, _P.channel) > tuple_(lines.c.surface, lines.c.channel)
    following = here.where(after).correlate(lines)
    surface, channel = (
        following.with_only_columns(column).scalar_subquery() for column in (_P.surface, _P.channel)
    )
    return lines.union_all(select(surface, channel).select_from(lines).where(lines.c.surface.is_not(None)))


_OF_CARD = _D.approval_id == _P.approval_id


def _being_sent(since: datetime) -> Select[Any]:
    """The decision on a card's request, made since then and without trouble so far."""
    decided_ = tables.approvals.join(tables.decisions, _D.approval_id == _A.id)
    made = select(_A.id).select_from(decided_).where(_A.id == _P.approval_id, _D.at > since)
    return made.where(_A.stage == Stage.DECIDED, _A.trouble.is_(None))


def _backlog() -> CompoundSelect[Any]:
    """The lines, and in a row without a place when the next is due and whether a message is out of date."""
    now, none = bindparam("now", type_=_P.next_try.type), type_coerce(null(), _P.next_try.type)
    lines = _lines()
    heads = select(lines.c.surface, lines.c.channel, none.label("later"), literal(0).label("behind"))
    later = select(_P.next_try).where(_P.next_try > now, or_(tables.IN_LINE, tables.OUTDATED))
    first = later.order_by(_P.next_try).limit(1).scalar_subquery()
    due = or_(_P.next_try.is_(None), _P.next_try <= now)
    outdated = exists(select(_P.card_id).where(tables.OUTDATED, due))
    rest = select(null(), null(), first, case((outdated, 1), else_=0))
    return heads.where(lines.c.surface.is_not(None)).union_all(rest)


#: Asked at each round, so it is made once.
_BACKLOG = _backlog()
