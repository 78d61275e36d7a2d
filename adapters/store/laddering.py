"""A ladder written anew: for another deadline, for another call, or for what is listed again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.alerts import mend_alert
from adapters.store.database import insert_new
from adapters.store.rows import rung_row
from bot.ladder import Action
from bot.records import LAST_CALLS, DueRung, rung_cause

_R = tables.rungs.c


async def ladder_anew(
    connection: AsyncConnection,
    approval_id: str,
    rungs: Sequence[DueRung],
    *,
    at: datetime,
    another_route: bool = False,
    keep_lease: bool = False,
) -> None:
    """Rungs that have fired stay as they are, unless their moment lies ahead again.

    So nobody is pinged twice for one moment, and nobody is left in peace because of one that was taken back.
    Of another route's ladder nothing stays: its numbers stand for other rungs. Redraws are written anew in
    any case: nobody is told of them. With `keep_lease` what has to do with somebody's claim stays.
    """
    ahead = [rung.number for rung in rungs if rung.due_at > at]
    gone = true() if another_route else _R.fired_at.is_(None) | (_R.action == Action.REDRAW)
    mine = and_(_R.approval_id == approval_id, or_(gone, _R.number.in_(ahead)))
    if keep_lease:
        mine = and_(mine, _R.number < LAST_CALLS)
    paged = and_(mine, _R.fired_at.is_not(None), _R.action == Action.PAGE)
    numbers = (await connection.execute(select(_R.number).where(paged).order_by(_R.number))).scalars().all()
    await connection.execute(delete(tables.rungs).where(mine))
    if rungs:
        new = insert_new(connection, tables.rungs).on_conflict_do_nothing()
        await connection.execute(new, [rung_row(rung) for rung in rungs])
    for number in numbers:  # else the page of the new rung would be taken for the one that is out
        how = "it changed, or has another deadline: the page comes again if nobody answers"
        await mend_alert(connection, approval_id, cause=rung_cause(number), how=how, at=at)
