"""A call that changed under its cards: the new one in its place, and everything asked anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from adapters.store.database import insert_new
from adapters.store.moves import move
from adapters.store.rows import placement_row, request_columns, rung_row
from adapters.store.votes import void_votes
from bot.approval import Stage
from bot.ladder import Deadline
from bot.protocol import HITLRequest
from bot.records import DueRung, Placement

_A, _P, _R = tables.approvals.c, tables.placements.c, tables.rungs.c


async def take_anew(
    connection: AsyncConnection,
    approval_id: str,
    *,
    was: Stage,
    request: HITLRequest,
    deadline: Deadline,
    placements: Sequence[Placement],
    rungs: Sequence[DueRung],
    at: datetime,
) -> bool:
    """The new call, OPEN; False if a POST is under way, it is over, or it is this very call already."""
    if was not in (Stage.OPEN, Stage.DECIDED):
        return False
    then = Stage.OPEN if was is Stage.DECIDED else None
    # No poll has confirmed the new call yet, and the rule was found for the old one: people are asked.
    fresh = {
        "rule": None, "confirmed_at": None, "missed": 0, "trouble": None, "next_try": None, "attempts": 0,
    }  # fmt: skip
    # An attempt that ended without an answer had no effect: the request is still listed as pending.
    idle = or_(_A.attempts == 0, _A.next_try.is_(None), _A.next_try <= at)
    taken = move(approval_id, was, then, idle, _A.digest != request.digest).values(
        **request_columns(request, deadline), **fresh, revision=_A.revision + 1
    )
    if not (await connection.execute(taken)).rowcount:
        return False
    verdict = await void_votes(connection, approval_id)
    await _supersede(connection, approval_id, placements)
    await _ladder_anew(connection, approval_id, rungs)
    told = [facts.changed(approval_id, request, deadline, at=at)]
    if verdict is not None:
        told.append(facts.voided(approval_id, verdict=verdict, at=at))
    await append(connection, *told)
    return True


async def _supersede(connection: AsyncConnection, approval_id: str, placements: Sequence[Placement]) -> None:
    """The old cards have one thing left to say, at once; the new ones ask."""
    old = update(tables.placements).where(_P.approval_id == approval_id)
    await connection.execute(old.values(superseded=True, tries=0, next_try=None))
    if placements:
        await connection.execute(insert(tables.placements), [placement_row(one) for one in placements])


async def _ladder_anew(connection: AsyncConnection, approval_id: str, rungs: Sequence[DueRung]) -> None:
    """Rungs already begun or fired stay as they are: nobody is pinged twice for one rung."""
    begun = or_(_R.attempted_at.is_not(None), _R.fired_at.is_not(None))
    await connection.execute(delete(tables.rungs).where(_R.approval_id == approval_id, ~begun))
    if rungs:
        new = insert_new(connection, tables.rungs).on_conflict_do_nothing()
        await connection.execute(new, [rung_row(rung) for rung in rungs])
