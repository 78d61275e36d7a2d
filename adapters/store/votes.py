"""What people say to a call, in SQL: votes, "I'm on it", and the leases of those who are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Insert, and_, bindparam, delete, exists, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, storable_text, value_in
from adapters.store.compare_and_set import Move, append, move
from adapters.store.database import Part, insert_in, rows_of
from adapters.store.proofs import Proofs
from bot.approval import Claim, Decision, Stage, Vote, distinct_people
from bot.ladder import Action, Lease
from bot.protocol import HITLDecision
from bot.records import LAST_CALLS, Claimed, Counted, DueRung
from bot.surface import Surface

_A, _V, _D = tables.approvals.c, tables.votes.c, tables.decisions.c
_C, _R = tables.claims.c, tables.rungs.c
#: Which move a vote was; a lost one was none.
_MOVES = {Counted.WAITING: Move.VOTE, Counted.DECIDED: Move.DECIDE}


class AnsweredApprovals(Part):
    """What people do to an approval."""

    async def vote(
        self, approval_id: str, *, vote: Vote, needs: int, eligible: frozenset[str] | None
    ) -> Counted:
        """The vote's own moment is what comes before the deadline, or does not.

        The record comes first: its row is locked from there on, so that two votes are counted one after the
        other.
        """
        proofs = self._proofs

        async def work(connection: AsyncConnection) -> tuple[Counted, int]:
            if not proofs.waits(approval_id):
                return Counted.LOST, 0
            # One person is enough almost always: then there is nothing to wait for, and a statement less.
            at_once = Stage.DECIDED if needs <= 1 else None
            # An Approve waits for a list that confirms the call (`adapters.store.decided`).
            # What listed it before confirms nothing, whatever the clock did since.
            due = {"due_at": None if vote.verdict is HITLDecision.APPROVED else vote.at, "confirmed_at": None}
            taken = _taken(at_once, by_rule=vote.actor.surface == Surface.POLICY)
            given = {"one": approval_id, "call": vote.digest, "now": vote.at}
            given |= {"due": due["due_at"]} if at_once else {}
            revision: int | None = (await connection.execute(taken, given)).scalar_one_or_none()
            if revision is None:
                return Counted.LOST, 0
            row = vote_row(approval_id, vote, revision=revision, proofs=proofs)
            voted = audit_events.voted(approval_id, vote, revision=revision, signature=row["signature"])
            await connection.execute(_put(connection.dialect.name), row)
            same = [vote]
            if revision > FIRST:  # a claim or another vote would have raised it
                await _end_lease(connection, approval_id, person=vote.person, at=vote.at)
                same = await _same(connection, approval_id, vote, eligible, proofs)
            if distinct_people(same) < needs:
                await append(connection, voted)
                return Counted.WAITING, revision
            if at_once is None:
                await connection.execute(move(approval_id, Stage.OPEN, Stage.DECIDED).values(**due))
            decision = _decision_by(vote, same)
            made = decision_row(approval_id, decision, digest=vote.digest, revision=revision, proofs=proofs)
            await connection.execute(_DECIDE, made)
            how = {"revision": revision, "signature": made["signature"]}
            await append(connection, voted, audit_events.decided(approval_id, decision, vote, **how))
            return Counted.DECIDED, revision

        def ended(result: tuple[Counted, int] | None, error: Exception | None) -> None:
            # A commit without an answer may have counted: then no earlier vote of theirs does any more, either.
            if result is not None and error is None:
                proofs.counted(approval_id, vote.person, revision=result[1])
                if result[0] is Counted.DECIDED:
                    proofs.used(approval_id)

        counted, _ = await self._database.write(lambda made: _MOVES.get(made[0]), work, ended=ended)
        return counted

    async def claim(self, approval_id: str, *, claim: Claim, digest: str, last_call: DueRung) -> Claimed:
        """Who comes first has it; the record's row is locked first, so two are looked at one after the other.

        The last call gets the next free number from `LAST_CALLS` on, and the end of the lease the next.
        """

        async def work(connection: AsyncConnection) -> Claimed:
            to_people = (_A.stage == Stage.OPEN, _A.rule.is_(None), _A.digest == digest, _A.deadline > claim.at)
            locked = select(_A.id).where(_A.id == approval_id, *to_people).with_for_update()
            if (await connection.execute(locked)).first() is None:
                return Claimed.LOST
            mine = select(tables.claims).where(_C.approval_id == approval_id)
            before = [value_in(row, Claim, tables.claims) for row in await rows_of(connection, mine)]
            if any(other.person == storable_text(claim.person) for other in before):
                return Claimed.BEFORE
            if any(other.at <= claim.at < other.until for other in before):
                return Claimed.TAKEN
            row = {"approval_id": approval_id, **columns_of(claim, tables.claims)}
            await connection.execute(insert(tables.claims), row)
            await _begin_lease(connection, claim, last_call)
            await connection.execute(move(approval_id, Stage.OPEN).values(revision=_A.revision + 1))
            await append(connection, audit_events.claimed(approval_id, claim, digest=digest))
            return Claimed.YES

        return await self._database.write({Claimed.YES: Move.CLAIM}.get, work)


#: What a record's revision is after the first answer to it.
FIRST = 2


@cache
def _taken(then: Stage | None, *, by_rule: bool) -> ReturningUpdate[int]:
    """The compare-and-set of an answer to `one`, about this `call` and before its deadline; made once."""
    undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
    asked = true() if by_rule else _A.rule.is_(None)
    now = bindparam("now", type_=_A.deadline.type)
    counts = (_A.digest == bindparam("call"), _A.deadline > now, asked, undecided)
    due = {"due_at": bindparam("due", type_=_A.due_at.type), "confirmed_at": None} if then else {}
    taken = move(bindparam("one"), Stage.OPEN, then, *counts).values(revision=_A.revision + 1, **due)
    return taken.returning(_A.revision)


@cache
def _put(dialect: str) -> Insert:
    """A person's later vote takes the place of their earlier one."""
    new = insert_in(dialect, tables.votes)
    key = [_V.approval_id, _V.person]
    rest = {name: value for name, value in new.excluded.items() if name not in ("approval_id", "person")}
    return new.on_conflict_do_update(index_elements=key, set_=rest)


_DECIDE = insert(tables.decisions)


async def _begin_lease(connection: AsyncConnection, claim: Claim, last_call: DueRung) -> None:
    """The last call, and the moment at which the cards show that nobody is on it any more."""
    of = last_call.approval_id
    last = select(func.max(_R.number)).where(_R.approval_id == of, _R.number >= LAST_CALLS)
    used: int | None = (await connection.execute(last)).scalar_one()
    number = LAST_CALLS if used is None else used + 1
    # The holder's name is in both, so that they can be found again when the lease ends early.
    over = DueRung(
        approval_id=of, number=number + 1, due_at=claim.until, action=Action.REDRAW, who=last_call.who
    )
    rungs = [replace(last_call, number=number), over]
    await connection.execute(insert(tables.rungs), [columns_of(rung, tables.rungs) for rung in rungs])


_NOW = bindparam("now", type_=_C.until.type)
_LEASE_ENDS = (
    update(tables.claims)
    .where(_C.approval_id == bindparam("one"), _C.person == bindparam("who"), _C.until > _NOW)
    .values(until=_NOW)
)


async def _end_lease(connection: AsyncConnection, approval_id: str, *, person: str, at: datetime) -> None:
    """A person who has answered is no longer on it: the others hear of it again, and they get no last call."""
    if (await connection.execute(_LEASE_ENDS, {"one": approval_id, "who": person, "now": at})).rowcount:
        theirs = and_(_R.approval_id == approval_id, _R.number >= LAST_CALLS, _R.who == (person,))
        await connection.execute(delete(tables.rungs).where(theirs, _R.fired_at.is_(None)))


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


_ALIKE = (
    select(tables.votes)
    .where(
        _V.approval_id == bindparam("one"),
        _V.verdict == bindparam("verdict", type_=_V.verdict.type),
        _V.digest == bindparam("call"),
    )
    .order_by(_V.at, _V.person)
)


async def _same(
    connection: AsyncConnection, approval_id: str, vote: Vote, eligible: frozenset[str] | None, proofs: Proofs
) -> list[Vote]:
    """The votes that count, with this verdict on this call, earliest first; this one always does."""
    given = {"one": approval_id, "verdict": vote.verdict, "call": vote.digest}
    votes = [
        value_in(row, Vote, tables.votes)
        for row in await rows_of(connection, _ALIKE, given)
        if row[_V.person] == storable_text(vote.person) or proofs.vote_counts(row)
    ]
    if eligible is None:
        return votes
    theirs = {storable_text(person) for person in (*eligible, vote.person)}
    return [one for one in votes if one.person in theirs]


def _decision_by(vote: Vote, same: Sequence[Vote]) -> Decision:
    """A person with two names is named once, and the one whose vote was enough by that vote."""
    named = {_account(other): str(other.actor) for other in same}
    others = tuple(name for account, name in named.items() if account != _account(vote))
    return Decision(
        verdict=vote.verdict, actor=vote.actor, at=vote.at, card_id=vote.card_id, note=vote.note, others=others
    )


def _account(vote: Vote) -> tuple[Surface, str]:
    return vote.actor.surface, storable_text(vote.actor.account)


async def void_votes(connection: AsyncConnection, approval_id: str) -> str | None:
    """Take back all votes, and the decision if there is one; returns the decision's verdict."""
    await connection.execute(delete(tables.votes).where(_V.approval_id == approval_id))
    gone = delete(tables.decisions).where(_D.approval_id == approval_id).returning(_D.verdict)
    verdict = (await connection.execute(gone)).scalar_one_or_none()
    return None if verdict is None else str(verdict.value)


def decision_row(
    approval_id: str, decision: Decision, *, digest: str, revision: int, proofs: Proofs
) -> dict[str, Any]:
    """A decision's row: about the call with this digest, by the vote with this revision."""
    row = columns_of(decision, tables.decisions) | {"approval_id": approval_id, "revision": revision}
    return {**row, "signature": proofs.of_decision(row, digest=digest)}


def vote_row(approval_id: str, vote: Vote, *, revision: int, proofs: Proofs) -> dict[str, Any]:
    """A vote's row; `revision` is the record's with this vote. The audit says whether all was shown."""
    row = columns_of(vote, tables.votes, "seen_whole") | {"approval_id": approval_id, "revision": revision}
    return {**row, "signature": proofs.of_vote(row)}
