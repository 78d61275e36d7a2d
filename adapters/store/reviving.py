"""Time that moves: another deadline for the same call, or a call that is listed again after its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, exists, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from adapters.store.columns import Names
from adapters.store.laddering import ladder_anew
from adapters.store.leases import cut_lease, void_claims
from adapters.store.moves import move
from adapters.store.placing import place
from adapters.store.rows import deadline_columns
from adapters.store.votes import void_votes
from bot.approval import Outcome, Stage
from bot.ladder import Deadline, Lease
from bot.records import DueRung, News, Placement

_A, _D, _P, _T = tables.approvals.c, tables.decisions.c, tables.placements.c, tables.notices.c


async def take_time(
    connection: AsyncConnection,
    approval_id: str,
    *,
    was: datetime,
    route: str,
    deadline: Deadline,
    placements: Sequence[Placement],
    rungs: Sequence[DueRung],
    lease: Lease,
    at: datetime,
) -> bool:
    """The new deadline; False if it is no longer `was`, or it is over."""
    before = await route_of(connection, approval_id)
    moved = (
        update(tables.approvals)
        .where(_A.id == approval_id, _A.stage.in_((Stage.OPEN, Stage.DECIDED)), _A.deadline == was)
        .values(**deadline_columns(deadline), **route_columns(route), revision=_A.revision + 1)
    )
    if not (await connection.execute(moved)).rowcount:
        return False
    if route != before:
        await void_claims(connection, approval_id)
        await place(connection, approval_id, placements)
    # Who is on it still is, for as long as the new deadline allows.
    await cut_lease(connection, approval_id, lease)
    await ladder_anew(
        connection, approval_id, rungs, at=at, another_route=route != before, keep_lease=route == before
    )
    await append(connection, facts.retimed(approval_id, deadline, was=was, at=at))
    return True


async def take_up(
    connection: AsyncConnection,
    approval_id: str,
    *,
    route: str,
    deadline: Deadline,
    placements: Sequence[Placement],
    rungs: Sequence[DueRung],
    at: datetime,
) -> bool:
    """OPEN again, with nothing left of its end; False unless it vanished and nobody of ours had decided it."""
    before = await route_of(connection, approval_id)
    undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
    fresh: dict[str, Any] = {
        "outcome": None, "settled_at": None, "platform_word": None, "trouble": None, "told": False, "missed": 0,
        "gone_at": None, "gones": 0,
    }  # fmt: skip
    for was in (Stage.SETTLED, Stage.CLOSED):
        again = move(approval_id, was, Stage.OPEN, _A.outcome == Outcome.ELSEWHERE, undecided).values(
            **fresh, **deadline_columns(deadline), **route_columns(route), revision=_A.revision + 1
        )
        if (await connection.execute(again)).rowcount:
            break
    else:
        return False
    await void_votes(connection, approval_id)
    await void_claims(connection, approval_id)
    await ladder_anew(connection, approval_id, rungs, at=at, another_route=route != before)
    # What was said about its end is true no more, and is said anew when it ends again.
    ended = (_T.approval_id == approval_id, _T.news == News.OUTCOME)
    await connection.execute(delete(tables.notices).where(*ended))
    asked = update(tables.placements).where(_P.approval_id == approval_id, ~_P.superseded)
    await connection.execute(asked.values(owed=True, tries=0, next_try=None))
    if route != before:
        await place(connection, approval_id, placements)
    await append(connection, facts.revived(approval_id, deadline, at=at))
    return True


async def route_of(connection: AsyncConnection, approval_id: str) -> str | None:
    """The name of the route that it has now, with its row locked."""
    locked = select(_A.route).where(_A.id == approval_id).with_for_update()
    name: str | None = (await connection.execute(locked)).scalar_one_or_none()
    return name


def route_columns(route: str) -> dict[str, Any]:
    """What a route puts into an approval's row.

    Those whom another route's ladder let in have no say on this one.
    """
    return {"route": route, "widened": case((_A.route == route, _A.widened), else_=literal((), Names()))}
