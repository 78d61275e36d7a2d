"""People asked once more: a call that changed, another deadline, a call that is listed again after its end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.compare_and_set import append, move
from adapters.store.placements import destinations_of, place
from adapters.store.proofs import Proofs, locked_terms
from adapters.store.rows import deadline_columns, request_columns
from adapters.store.rungs import ladder_anew
from adapters.store.votes import cut_lease, void_claims, void_votes
from bot.approval import Outcome, Stage
from bot.ladder import Deadline, Lease
from bot.protocol import HITLRequest
from bot.records import DueRung, NotificationKind, Placement

_A, _P, _R = tables.approvals.c, tables.placements.c, tables.rungs.c

#: What an approval forgets when its people are asked anew.
_FRESH: Mapping[str, Any] = {
    "confirmed_at": None, "trouble": None, "next_try": None, "attempts": 0,
    "gone_at": None, "gones": 0,
}  # fmt: skip


async def take_anew(
    connection: AsyncConnection,
    approval_id: str,
    *,
    was: Stage,
    request: HITLRequest,
    route: str,
    deadline: Deadline,
    placements: Sequence[Placement],
    rungs: Sequence[DueRung],
    at: datetime,
    proofs: Proofs,
    why: str | None = None,
) -> int:
    """The new call, OPEN: its revision; 0 if a POST is under way, it is over, or it is this very call already.

    With `why` this very call too: its rows are not Nod's.
    """
    before = await locked_terms(connection, approval_id, proofs)
    if was not in (Stage.OPEN, Stage.DECIDED) or before is None:
        return 0
    # Whom rungs let in has a say on the new call, too, if Nod wrote that down.
    widened = before.by_route(route).widened if before.hold else ()
    terms = replace(before, digest=request.digest, route=route, rule=None, widened=widened, hold=True)
    then = Stage.OPEN if was is Stage.DECIDED else None
    # No poll has confirmed the new call yet, and the rule was found for the old one: people are asked.
    another = true() if why else _A.digest != request.digest
    taken = move(approval_id, was, then, _idle(at), another).values(
        **request_columns(request, deadline),
        **_FRESH,
        **terms.columns(proofs),
        missed=0,
        revision=_A.revision + 1,
        escalated_at=None,
    )
    found = (await connection.execute(taken.returning(_A.revision, _A.first_seen))).first()
    if found is None:
        return 0
    revision: int = found[0]
    signed = update(tables.approvals).where(_A.id == approval_id)
    await connection.execute(signed.values(call_signature=proofs.of_call(request, found[1])))
    verdict = await void_votes(connection, approval_id)
    await void_claims(connection, approval_id)
    more = await _let_in(connection, approval_id) if route == before.route and placements else ()
    await _supersede(connection, approval_id, (*placements, *more))
    await ladder_anew(connection, approval_id, rungs, at=at, another_route=route != before.route)
    if why:  # before the commit: it is read at once, and may not have been known to wait
        proofs.begins(approval_id, since=revision)
    told = [
        audit_events.changed(
            approval_id, request, deadline, route=route, widened=widened, revision=revision, at=at
        )
    ]
    if verdict is not None or why:
        because = why or "the call changed"
        told.append(audit_events.voided(approval_id, verdict=verdict, why=because, revision=revision, at=at))
    await append(connection, *told)
    return revision


async def take_back(
    connection: AsyncConnection, approval_id: str, *, why: str, at: datetime, proofs: Proofs
) -> int:
    """The same call, OPEN and without votes: its revision; 0 if a POST is under way, or it is not decided."""
    before = await locked_terms(connection, approval_id, proofs)
    if before is None:
        return 0
    # A rule would give the answer again that may not go out: people are asked.
    asked = replace(before, rule=None).columns(proofs)
    taken = move(approval_id, Stage.DECIDED, Stage.OPEN, _idle(at)).values(
        **{**_FRESH, **asked}, revision=_A.revision + 1
    )
    revision: int | None = (await connection.execute(taken.returning(_A.revision))).scalar_one_or_none()
    if revision is None:
        return 0
    verdict = await void_votes(connection, approval_id)
    told = audit_events.voided(approval_id, verdict=verdict, why=why, revision=revision, at=at)
    await append(connection, told)
    return revision


def _idle(at: datetime) -> ColumnElement[bool]:
    """No POST is under way: one that ended without an answer had no effect if the request is still listed."""
    return or_(_A.attempts == 0, _A.next_try.is_(None), _A.next_try <= at, _A.gone_at.is_not(None))


async def _supersede(connection: AsyncConnection, approval_id: str, placements: Sequence[Placement]) -> None:
    """The old cards have one thing left to say, at once; the new ones ask, one in each place."""
    old = update(tables.placements).where(_P.approval_id == approval_id)
    await connection.execute(old.values(superseded=True, tries=0, next_try=None))
    await place(connection, approval_id, placements)


async def _let_in(connection: AsyncConnection, approval_id: str) -> tuple[Placement, ...]:
    """New cards where rungs of this ladder had put one: those people have a say on the new call, too."""
    there = await destinations_of(connection, approval_id)
    ladder = select(_R.cards).where(_R.approval_id == approval_id).order_by(_R.number)
    named = [one for cards in (await connection.execute(ladder)).scalars() for one in cards]
    return tuple(
        Placement(card_id=secrets.token_urlsafe(12), approval_id=approval_id, destination=destination)
        for destination in dict.fromkeys(named)
        if destination in there
    )


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
    told = audit_events.retimed(approval_id, deadline, route=route, widened=after.widened, was=was, at=at)
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
    ended = (_T.approval_id == approval_id, _T.news == NotificationKind.OUTCOME)
    await connection.execute(delete(tables.notices).where(*ended))
    asked = update(tables.placements).where(_P.approval_id == approval_id, ~_P.superseded)
    await connection.execute(asked.values(owed=True, tries=0, next_try=None))
    if route != before.route:
        await place(connection, approval_id, placements)
    told = audit_events.revived(
        approval_id, deadline, route=route, widened=after.widened, revision=revision, at=at
    )
    await append(connection, told)
    return revision
