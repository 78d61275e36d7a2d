"""Proves, a portion at a time, that what is due says so in the column by which steps find it.

Steps read what is due by a column that the move which made it due has set. A move that forgot it, or a change
by hand, would leave a row that no step ever finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, exists, literal, not_, or_, select, tuple_, update

from adapters.store import tables
from adapters.store.compare_and_set import Move
from adapters.store.database import Database, Part
from adapters.store.outbox import HAS_ENDED

#: Rows of each kind that one look reads the keys of.
PORTION = 500

_L, _T, _X = tables.alerts.c, tables.notices.c, tables.pages.c


@dataclass(frozen=True, slots=True, kw_only=True)
class DueColumn:
    """One such column, and how to tell that it is wrong."""

    named: str  #: its rows, for an operator
    table: Table
    key: Sequence[Column[Any]]  #: the columns of an index whose rows are looked at in its order
    among: ColumnElement[bool]  #: the rows that can be wrong, as that index has them
    lags: ColumnElement[bool]  #: something is due, and the column does not say so
    due: Mapping[str, Any]  #: what puts that right


#: Each such column has its check here.
DUE_COLUMNS = (
    DueColumn(
        named="pings",
        table=tables.notices,
        key=(_T.surface, _T.channel, _T.ref),
        among=tables.UP,
        lags=and_(not_(_T.outdated), HAS_ENDED),
        due={"outdated": True},
    ),
    DueColumn(
        named="pages",
        table=tables.pages,
        key=(_X.approval_id, _X.cause),
        among=tables.TAKEN,
        lags=or_(
            not_(_X.taken),
            exists()
            .where(_L.approval_id == _X.approval_id, _L.cause == _X.cause, _L.resolved.is_not(None))
            .correlate(tables.pages),
        ),
        due={"owed": True},
    ),
)


class SqlDueColumns(Part):
    """`bot.store.DueColumns` over a database."""

    def __init__(self, *, database: Database, **noun: Any) -> None:
        super().__init__(database=database, **noun)
        self._after: dict[str, tuple[Any, ...]] = {}

    async def repair(self, *, portion: int = PORTION) -> Mapping[str, int]:
        """A write only where something was wrong."""
        found = {one.named: await self._repaired(one, portion) for one in DUE_COLUMNS}
        return {named: count for named, count in found.items() if count}

    async def _repaired(self, one: DueColumn, portion: int) -> int:
        some = select(*one.key).where(one.among)
        if after := self._after.get(one.named):
            some = some.where(_key(one) > _values(one, after))
        last = await self._database.fetch(some.order_by(*one.key).offset(portion - 1).limit(1))
        upto = tuple(last[0].values()) if last else None
        wrong = and_(one.among, one.lags)
        if after:
            wrong = and_(wrong, _key(one) > _values(one, after))
        if upto:
            wrong = and_(wrong, _key(one) <= _values(one, upto))
        found = await self._database.fetch(select(*one.key).where(wrong).limit(portion))
        if found:
            await self._database.update(Move.REPAIR, update(one.table).where(wrong).values(**one.due))
        self._after.pop(one.named, None)
        if upto:
            self._after[one.named] = upto
        return len(found)


def _key(one: DueColumn) -> ColumnElement[Any]:
    return tuple_(*one.key)


def _values(one: DueColumn, values: Sequence[Any]) -> ColumnElement[Any]:
    typed = (literal(value, column.type) for value, column in zip(values, one.key, strict=True))
    return tuple_(*typed)
