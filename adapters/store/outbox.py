"""Messages that are owed, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from typing import Any

from sqlalchemy import and_, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, moment, storable_text, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Database
from adapters.store.proofs import Proofs
from adapters.store.rows import placement_of
from adapters.store.whole import whole_of
from bot.approval import Approval
from bot.audit import Fact
from bot.records import NotificationKind, OutboxItem, Placement

_A, _P, _T = tables.approvals.c, tables.placements.c, tables.notices.c
#: Neither sent nor dropped.
OWED = and_(_T.sent_at.is_(None), _T.dropped_at.is_(None))


class SqlOutbox:
    """`bot.store.Outbox` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, proofs: Proofs) -> None:
        self._database, self._proofs = database, proofs

    async def owed(self) -> tuple[tuple[OutboxItem, Approval, Placement | None], ...]:
        """Those with a `next_try` in the future, and of what has ended, too: the caller judges."""
        whole = (
            tables.notices.join(tables.approvals)
            .outerjoin(tables.decisions, tables.decisions.c.approval_id == _A.id)
            .outerjoin(tables.placements, _P.card_id == _T.card_id)
        )
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
                None if row[_P.card_id] is None else placement_of(row),
            )
            for row, approval in zip(rows, approvals, strict=True)
        )

    async def called(self, card_ids: Sequence[str]) -> frozenset[str]:
        """What was begun counts, too: its answer can have been lost."""
        said: set[str] = set()
        for some in chunks(card_ids):
            rungs = (_T.card_id.in_(some), _T.news == NotificationKind.RUNG, _T.attempted_at.is_not(None))
            said |= {row[_T.card_id] for row in await self._database.fetch(select(_T.card_id).where(*rungs))}
        return frozenset(said)

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

    async def sent(self, notices: Sequence[OutboxItem], *, ref: str, at: datetime) -> None:
        """With a row of the audit for each: the proof that it was said, and to whom."""
        await self._change(
            Move.SENT, notices, {"sent_at": at}, lambda notice: audit_events.told(notice, ref=ref, at=at)
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
                found.extend(
                    value_in(row, OutboxItem, tables.notices)
                    for row in (await connection.execute(these)).mappings()
                )
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
        rows.append(columns_of(replace(notice, mark=unused)))
    await connection.execute(insert(tables.notices), rows)
