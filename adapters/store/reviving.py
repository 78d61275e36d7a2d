"""Time that moves: another deadline for the same call, or a call that is listed again after its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, false, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from adapters.store.claims import void_claims
from adapters.store.database import insert_new
from adapters.store.moves import move
from adapters.store.rows import deadline_columns, rung_row
from adapters.store.votes import void_votes
from bot.approval import Outcome, Stage
from bot.ladder import Action, Deadline
from bot.records import DueRung, News

_A, _D, _P = tables.approvals.c, tables.decisions.c, tables.placements.c
_R, _T = tables.rungs.c, tables.notices.c


async def take_time(
    connection: AsyncConnection,
    approval_id: str,
    *,
    was: datetime,
    deadline: Deadline,
    rungs: Sequence[DueRung],
    at: datetime,
) -> bool:
    """The new deadline; False if it is no longer `was`, or it is over."""
    moved = (
        update(tables.approvals)
        .where(_A.id == approval_id, _A.stage.in_((Stage.OPEN, Stage.DECIDED)), _A.deadline == was)
        .values(**deadline_columns(deadline), revision=_A.revision + 1)
    )
    if not (await connection.execute(moved)).rowcount:
        return False
    # Who is on it still is: her last call has to do with her lease, not with the ladder.
    await ladder_anew(connection, approval_id, rungs, keeping=_R.action == Action.LAST_CALL)
    await append(connection, facts.retimed(approval_id, deadline, was=was, at=at))
    return True


async def take_up(
    connection: AsyncConnection, approval_id: str, *, deadline: Deadline, rungs: Sequence[DueRung], at: datetime
) -> bool:
    """OPEN again, with nothing left of its end; False unless it vanished and nobody of ours had decided it."""
    undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
    fresh: dict[str, Any] = {
        "outcome": None, "settled_at": None, "platform_word": None, "trouble": None, "told": False, "missed": 0,
    }  # fmt: skip
    for was in (Stage.SETTLED, Stage.CLOSED):
        again = move(approval_id, was, Stage.OPEN, _A.outcome == Outcome.ELSEWHERE, undecided)
        again = again.values(**fresh, **deadline_columns(deadline), revision=_A.revision + 1)
        if (await connection.execute(again)).rowcount:
            break
    else:
        return False
    await void_votes(connection, approval_id)
    await void_claims(connection, approval_id)
    await ladder_anew(connection, approval_id, rungs)
    # What was said about its end is true no more, and is said anew when it ends again.
    ended = (_T.approval_id == approval_id, _T.news == News.OUTCOME)
    await connection.execute(delete(tables.notices).where(*ended))
    asked = update(tables.placements).where(_P.approval_id == approval_id, ~_P.superseded)
    await connection.execute(asked.values(owed=True, tries=0, next_try=None))
    await append(connection, facts.revived(approval_id, deadline, at=at))
    return True


async def ladder_anew(
    connection: AsyncConnection,
    approval_id: str,
    rungs: Sequence[DueRung],
    *,
    keeping: ColumnElement[bool] | None = None,
) -> None:
    """Rungs that have fired stay as they are: nobody is pinged twice for one rung.

    Redraws are written anew all the same: nobody is told of them, and the words about the time left have to
    follow the new deadline.
    """
    unfired = or_(_R.fired_at.is_(None), _R.action == Action.REDRAW)
    gone = and_(unfired, ~(false() if keeping is None else keeping))
    await connection.execute(delete(tables.rungs).where(_R.approval_id == approval_id, gone))
    if rungs:
        new = insert_new(connection, tables.rungs).on_conflict_do_nothing()
        await connection.execute(new, [rung_row(rung) for rung in rungs])
