"""How long somebody is on it, in SQL: leases that begin, are cut short, or end before their time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.rows import rung_row
from bot.approval import Claim
from bot.ladder import Action, Lease
from bot.records import LAST_CALLS, DueRung

_C, _R = tables.claims.c, tables.rungs.c


async def begin_lease(connection: AsyncConnection, claim: Claim, last_call: DueRung) -> None:
    """The last call, and the moment at which the cards show that nobody is on it any more."""
    of = last_call.approval_id
    last = select(func.max(_R.number)).where(_R.approval_id == of, _R.number >= LAST_CALLS)
    used: int | None = (await connection.execute(last)).scalar_one()
    number = LAST_CALLS if used is None else used + 1
    # The holder's name stands in both, so that they can be found again when her lease ends early.
    over = DueRung(
        approval_id=of, number=number + 1, due_at=claim.until, action=Action.REDRAW, who=last_call.who
    )
    rungs = [replace(last_call, number=number), over]
    await connection.execute(insert(tables.rungs), [rung_row(rung) for rung in rungs])


async def end_lease(connection: AsyncConnection, approval_id: str, *, person: str, at: datetime) -> None:
    """Whoever has answered is on it no more: the others hear of it again, and she hears no last call."""
    running = and_(_C.approval_id == approval_id, _C.person == person, _C.until > at)
    if (await connection.execute(update(tables.claims).where(running).values(until=at))).rowcount:
        hers = and_(_R.approval_id == approval_id, _R.number >= LAST_CALLS, _R.who == (person,))
        await connection.execute(delete(tables.rungs).where(hers, _R.fired_at.is_(None)))


async def cut_lease(connection: AsyncConnection, approval_id: str, lease: Lease) -> None:
    """At most this one: a deadline that came nearer left a running lease too long."""
    long = and_(_C.approval_id == approval_id, _C.until > lease.until)
    await connection.execute(update(tables.claims).where(long).values(until=lease.until))
    ahead = and_(_R.approval_id == approval_id, _R.number >= LAST_CALLS, _R.fired_at.is_(None))
    for action, due_at in ((Action.LAST_CALL, lease.last_call), (Action.REDRAW, lease.until)):
        late = and_(ahead, _R.action == action, _R.due_at > due_at)
        await connection.execute(update(tables.rungs).where(late).values(due_at=due_at))


async def void_claims(connection: AsyncConnection, approval_id: str) -> None:
    """Nobody is on it any more: it is another call, or it had ended."""
    await connection.execute(delete(tables.claims).where(_C.approval_id == approval_id))
