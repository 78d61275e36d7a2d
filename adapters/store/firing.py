"""A rung that is due, in one transaction: marked as fired, with all that it owes written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from adapters.store.moves import move
from adapters.store.notices import OWED, write_notices
from adapters.store.placing import place
from bot.approval import Stage
from bot.ladder import Action
from bot.records import DueRung, News, OwedNotice, Placement

_A, _R, _T = tables.approvals.c, tables.rungs.c, tables.notices.c
#: What these do is not about everybody who looks at the card.
_QUIET = frozenset({Action.LAST_CALL, Action.REDRAW})


async def fire_rungs(
    connection: AsyncConnection,
    rungs: Sequence[DueRung],
    *,
    at: datetime,
    notices: Sequence[OwedNotice],
    placements: Sequence[Placement],
) -> bool:
    """Fire the rungs of one approval; False if one has fired, was put off, or it is no longer open.

    The record's row is locked first, so a decision comes before all of this or after it.
    """
    approval_id = rungs[0].approval_id
    locked = select(_A.widened).where(_A.id == approval_id, _A.stage == Stage.OPEN).with_for_update()
    found = (await connection.execute(locked)).first()
    if found is None or not await _mark(connection, approval_id, rungs, at=at):
        return False
    named = [name for rung in rungs if rung.action is Action.WIDEN for name in rung.who]
    widened = tuple(dict.fromkeys((*found.widened, *named)))
    await place(connection, approval_id, placements)
    await write_notices(connection, [await _merged(connection, notice) for notice in notices])
    if any(rung.action is not Action.LAST_CALL for rung in rungs):
        shown = move(approval_id, Stage.OPEN).values(revision=_A.revision + 1, widened=widened)
        loud = any(rung.action not in _QUIET for rung in rungs)
        await connection.execute(shown.values(escalated_at=at) if loud else shown)
    told = [facts.rung_fired(r, widened=widened, at=at) for r in rungs if r.action is not Action.REDRAW]
    if told:
        await append(connection, *told)
    return True


async def _mark(
    connection: AsyncConnection, approval_id: str, rungs: Sequence[DueRung], *, at: datetime
) -> bool:
    """All of them or none; one that was written anew with another moment is another rung."""
    these = or_(*(and_(_R.number == rung.number, _R.due_at == rung.due_at) for rung in rungs))
    mine = and_(_R.approval_id == approval_id, _R.fired_at.is_(None), these)
    waiting = (await connection.execute(select(_R.number).where(mine))).all()
    if len(waiting) < len(rungs):
        return False
    await connection.execute(update(tables.rungs).where(mine).values(fired_at=at))
    return True


async def _merged(connection: AsyncConnection, notice: OwedNotice) -> OwedNotice:
    """In place of what waits for the same thread or person, with everybody whom that would have mentioned."""
    if notice.news is not News.RUNG:
        return notice
    if notice.card_id is not None:
        same: ColumnElement[bool] = _T.card_id == notice.card_id
    else:
        same = and_(_T.surface == notice.surface, _T.person == notice.person)
    waits = (_T.approval_id == notice.approval_id, _T.news == News.RUNG, _T.sent_as.is_(None), same, OWED)
    old = delete(tables.notices).where(*waits).returning(_T.who)
    named = [name for who in (await connection.execute(old)).scalars() for name in who]
    return replace(notice, who=tuple(dict.fromkeys((*named, *notice.who))))
