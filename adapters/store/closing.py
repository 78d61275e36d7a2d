"""The end of an approval's life: nothing is owed any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.compare_and_set import append, move
from adapters.store.outbox import OWED
from adapters.store.placements import lags
from bot.approval import Stage
from bot.audit import Fact
from bot.records import NotificationKind

_A, _P, _R, _T = tables.approvals.c, tables.placements.c, tables.rungs.c, tables.notices.c
_D, _V = tables.decisions.c, tables.votes.c


def nothing_owed() -> tuple[ColumnElement[bool], ...]:
    """Of a settled approval: no card lags, and everybody who is to hear of its end has heard."""
    card = exists().where(_P.approval_id == _A.id, lags()).correlate(tables.approvals)
    word = (
        exists()
        .where(_T.approval_id == _A.id, _T.news == NotificationKind.OUTCOME, OWED)
        .correlate(tables.approvals)
    )
    return _A.told, ~card, ~word


async def file_away(connection: AsyncConnection, approval_id: str, *, at: datetime) -> bool:
    """SETTLED -> CLOSED; False while a card lags, or how it ended is still to be told."""
    closed = move(approval_id, Stage.SETTLED, Stage.CLOSED, *nothing_owed())
    if not (await connection.execute(closed)).rowcount:
        return False
    # A post that begins just now stays on the books, so that even a late card shows the end.
    seen_to = or_(_P.ref.is_not(None), _P.attempted_at.is_(None))
    struck = update(tables.placements).where(_P.approval_id == approval_id, seen_to)
    await connection.execute(struck.values(owed=False))
    # Else every look for what is due would pass by the rungs of all that was ever answered early.
    await connection.execute(delete(tables.rungs).where(_R.approval_id == approval_id, _R.fired_at.is_(None)))
    await append(connection, await _told(connection, approval_id, at=at))
    return True


async def _told(connection: AsyncConnection, approval_id: str, *, at: datetime) -> Fact:
    record = await connection.execute(select(tables.approvals).where(_A.id == approval_id))
    decision = await connection.execute(select(_D.signature).where(_D.approval_id == approval_id))
    votes = await connection.execute(select(_V.person, _V.signature).where(_V.approval_id == approval_id))
    return audit_events.closed(
        approval_id,
        dict(record.mappings().one()),
        decision=decision.scalar_one_or_none(),
        votes={row.person: row.signature for row in votes},
        at=at,
    )
