"""Votes, and the leases of those who are on it, in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, and_, delete, exists, func, insert, select, true, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, storable_text
from adapters.store.compare_and_set import append, chunks, move
from adapters.store.database import insert_new
from adapters.store.proofs import Proofs
from adapters.store.rows import decision_row, vote_of, vote_row
from bot.approval import Approval, Claim, Decision, Stage, Vote, distinct_people
from bot.ladder import Action, Lease
from bot.records import LAST_CALLS, Counted, DueRung
from bot.surface import Surface

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
    await connection.execute(insert(tables.rungs), [columns_of(rung) for rung in rungs])


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


_A, _V, _D = tables.approvals.c, tables.votes.c, tables.decisions.c

#: Runs one reading statement.
Fetch = Callable[[Executable], Awaitable[Sequence[RowMapping]]]


async def count_vote(
    connection: AsyncConnection,
    approval_id: str,
    *,
    vote: Vote,
    needs: int,
    eligible: frozenset[str] | None,
    proofs: Proofs,
) -> tuple[Counted, int]:
    """Take a vote, and at `needs` distinct people the decision, in the transaction of this connection.

    Returns also the revision that the record has with it.

    The record comes first: its row is locked from here on, so that two votes are counted one after the other.
    """
    if not proofs.waits(approval_id):
        return Counted.LOST, 0
    undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
    asked = true() if vote.actor.surface is Surface.POLICY else _A.rule.is_(None)
    counts = (_A.digest == vote.digest, _A.deadline > vote.at, asked, undecided)
    # One person is enough almost always: then there is nothing to wait for, and a statement less.
    at_once = Stage.DECIDED if needs <= 1 else None
    taken = move(approval_id, Stage.OPEN, at_once, *counts).values(revision=_A.revision + 1)
    revision: int | None = (await connection.execute(taken.returning(_A.revision))).scalar_one_or_none()
    if revision is None:
        return Counted.LOST, 0
    row = vote_row(approval_id, vote, revision=revision, proofs=proofs)
    voted = audit_events.voted(approval_id, vote, revision=revision, signature=row["signature"])
    await _put(connection, row)
    await end_lease(connection, approval_id, person=vote.person, at=vote.at)
    same = await _same(connection, approval_id, vote, eligible, proofs)
    if distinct_people(same) < needs:
        await append(connection, voted)
        return Counted.WAITING, revision
    # Whoever has two names is named once, and the one whose vote was enough by that vote.
    named = {_account(other): str(other.actor) for other in same}
    others = tuple(name for account, name in named.items() if account != _account(vote))
    decision = Decision(
        verdict=vote.verdict,
        actor=vote.actor,
        at=vote.at,
        card_id=vote.card_id,
        note=vote.note,
        others=others,
    )
    if at_once is None:
        await connection.execute(move(approval_id, Stage.OPEN, Stage.DECIDED))
    made = decision_row(approval_id, decision, digest=vote.digest, revision=revision, proofs=proofs)
    await connection.execute(insert(tables.decisions), made)
    decided = audit_events.decided(approval_id, decision, vote, revision=revision, signature=made["signature"])
    await append(connection, voted, decided)
    return Counted.DECIDED, revision


async def _put(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """A person's later vote takes the place of her earlier one."""
    new = insert_new(connection, tables.votes).values(row)
    key = [_V.approval_id, _V.person]
    rest = {
        column.name: new.excluded[column.name] for column in _V if column.name not in ("approval_id", "person")
    }
    await connection.execute(new.on_conflict_do_update(index_elements=key, set_=rest))


async def _same(
    connection: AsyncConnection,
    approval_id: str,
    vote: Vote,
    eligible: frozenset[str] | None,
    proofs: Proofs,
) -> list[Vote]:
    """The votes that count, with this verdict on this call, earliest first; this one always does."""
    alike = select(tables.votes).where(
        _V.approval_id == approval_id, _V.verdict == vote.verdict, _V.digest == vote.digest
    )
    found = await connection.execute(alike.order_by(_V.at, _V.person))
    rows = found.mappings().all()
    votes = [
        vote_of(row) for row in rows if row[_V.person] == storable_text(vote.person) or proofs.vote_counts(row)
    ]
    if eligible is None:
        return votes
    theirs = {storable_text(person) for person in (*eligible, vote.person)}
    return [one for one in votes if one.person in theirs]


def _account(vote: Vote) -> tuple[Surface, str]:
    return vote.actor.surface, storable_text(vote.actor.account)


async def void_votes(connection: AsyncConnection, approval_id: str) -> str | None:
    """Take back all votes, and the decision if there is one; returns the decision's verdict."""
    await connection.execute(delete(tables.votes).where(_V.approval_id == approval_id))
    gone = delete(tables.decisions).where(_D.approval_id == approval_id).returning(_D.verdict)
    verdict = (await connection.execute(gone)).scalar_one_or_none()
    return None if verdict is None else str(verdict.value)


async def with_votes(found: Iterable[Approval], fetch: Fetch, proofs: Proofs) -> tuple[Approval, ...]:
    """The approvals with the votes on their calls as they are now, in a few statements for any number.

    A vote that does not count is left out, and named in `forged`.

    Read after the approvals: a vote that comes in between raises the revision, so its card is drawn again.
    """
    approvals = tuple(found)
    voted_on = list(dict.fromkeys(approval.id for approval in approvals if approval.revision > 1))
    votes: defaultdict[tuple[str, str], list[Vote]] = defaultdict(list)
    waiting = {
        storable_text(approval.id) for approval in approvals if approval.stage in (Stage.OPEN, Stage.DECIDED)
    }
    forged: set[str] = set()
    for some in chunks(voted_on):
        statement = select(tables.votes).where(_V.approval_id.in_(some)).order_by(_V.at, _V.person)
        for row in await fetch(statement):
            if row[_V.approval_id] in waiting and not proofs.vote_counts(row):
                forged.add(row[_V.approval_id])
            else:
                votes[row[_V.approval_id], row[_V.digest]].append(vote_of(row))
    return tuple(
        _with(
            approval,
            votes.get((storable_text(approval.id), approval.request.digest)),
            forged=storable_text(approval.id) in forged,
        )
        for approval in approvals
    )


def _with(approval: Approval, votes: list[Vote] | None, *, forged: bool) -> Approval:
    if forged:
        return replace(approval, votes=tuple(votes or ()), forged=(*approval.forged, "vote"))
    return replace(approval, votes=tuple(votes)) if votes else approval
