"""Time that moves: another deadline for the same call, or a call that is listed again after its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.chain import append
from adapters.store.laddering import ladder_anew
from adapters.store.leases import cut_lease, void_claims
from adapters.store.moves import move
from adapters.store.placing import place
from adapters.store.proofs import Proofs
from adapters.store.rows import deadline_columns
from adapters.store.terms import locked_terms
from adapters.store.votes import void_votes
from bot.approval import Outcome, Stage
from bot.ladder import Deadline, Lease
from bot.records import DueRung, News, Placement

_A, _D, _P, _T = tables.approvals.c, tables.decisions.c, tables.placements.c, tables.notices.c


#: Nobody of ours had answered.
_REVERSIBLE = (Outcome.ELSEWHERE, Outcome.TIMEOUT_SKIP)


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
    proofs: Proofs,
) -> bool:
    """The new deadline; False if it is no longer `was`, or it is over."""
    before = await locked_terms(connection, approval_id, proofs)
    if before is None:
        return False
    after = before.by_route(route)
    moved = (
        update(tables.approvals)
        .where(_A.id == approval_id, _A.stage.in_((Stage.OPEN, Stage.DECIDED)), _A.deadline == was)
        .values(**deadline_columns(deadline), **after.columns(proofs), revision=_A.revision + 1)
    )
    if not (await connection.execute(moved)).rowcount:
        return False
    same_route = route == before.route
    if not same_route:
        await void_claims(connection, approval_id)
        await place(connection, approval_id, placements)
    # Who is on it still is, for as long as the new deadline allows.
    await cut_lease(connection, approval_id, lease)
    await ladder_anew(
        connection, approval_id, rungs, at=at, another_route=not same_route, keep_lease=same_route
    )
    told = facts.retimed(approval_id, deadline, route=route, widened=after.widened, was=was, at=at)
    await append(connection, told)
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
    proofs: Proofs,
) -> int:
    """OPEN again, with nothing left of its end: its revision.

    0 unless it vanished and nobody of ours had decided it.
    """
    before = await locked_terms(connection, approval_id, proofs)
    if before is None:
        return 0
    after = before.by_route(route)
    undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
    fresh: dict[str, Any] = {
        "outcome": None, "settled_at": None, "platform_word": None, "trouble": None, "told": False, "missed": 0,
        "gone_at": None, "gones": 0,
    }  # fmt: skip
    for was in (Stage.SETTLED, Stage.CLOSED):
        again = move(approval_id, was, Stage.OPEN, _A.outcome.in_(_REVERSIBLE), undecided).values(
            **fresh,
            **deadline_columns(deadline),
            **after.columns(proofs),
            revision=_A.revision + 1,
        )
        revision: int | None = (await connection.execute(again.returning(_A.revision))).scalar_one_or_none()
        if revision is not None:
            break
    else:
        return 0
    proofs.begins(approval_id, since=revision)  # before the commit: it is read at once
    await void_votes(connection, approval_id)
    await void_claims(connection, approval_id)
    await ladder_anew(connection, approval_id, rungs, at=at, another_route=route != before.route)
    # What was said about its end is true no more, and is said anew when it ends again.
    ended = (_T.approval_id == approval_id, _T.news == News.OUTCOME)
    await connection.execute(delete(tables.notices).where(*ended))
    asked = update(tables.placements).where(_P.approval_id == approval_id, ~_P.superseded)
    await connection.execute(asked.values(owed=True, tries=0, next_try=None))
    if route != before.route:
        await place(connection, approval_id, placements)
    told = facts.revived(approval_id, deadline, route=route, widened=after.widened, revision=revision, at=at)
    await append(connection, told)
    return revision
