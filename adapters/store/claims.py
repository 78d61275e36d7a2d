""" "I'm on it", in SQL: taken in one transaction."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, storable_text, value_in
from adapters.store.compare_and_set import append, move
from adapters.store.votes import begin_lease
from bot.approval import Claim, Stage
from bot.records import Claimed, DueRung

_A, _C = tables.approvals.c, tables.claims.c


async def take_claim(
    connection: AsyncConnection, approval_id: str, *, claim: Claim, digest: str, last_call: DueRung
) -> Claimed:
    """Who comes first has it. The record's row is locked first, so two are looked at one after the other."""
    open_to_people = (_A.stage == Stage.OPEN, _A.rule.is_(None), _A.digest == digest, _A.deadline > claim.at)
    locked = select(_A.id).where(_A.id == approval_id, *open_to_people).with_for_update()
    if (await connection.execute(locked)).first() is None:
        return Claimed.LOST
    mine = select(tables.claims).where(_C.approval_id == approval_id)
    before = [claim_of(row) for row in (await connection.execute(mine)).mappings()]
    if any(other.person == storable_text(claim.person) for other in before):
        return Claimed.BEFORE
    if any(other.at <= claim.at < other.until for other in before):
        return Claimed.TAKEN
    await connection.execute(insert(tables.claims), {"approval_id": approval_id, **columns_of(claim)})
    await begin_lease(connection, claim, last_call)
    await connection.execute(move(approval_id, Stage.OPEN).values(revision=_A.revision + 1))
    await append(connection, audit_events.claimed(approval_id, claim, digest=digest))
    return Claimed.YES


def claim_of(row: RowMapping) -> Claim:
    """The claim in a row."""
    return value_in(row, Claim, tables.claims)
