"""Approvals as a whole: their rows, with the votes, claims and rungs that are in other tables.

An approval is read in several statements, while others write. What was judged by two moments at once looks
forged though nobody touched it, so it is read again before anybody is told that the record was changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    FromClause,
    Select,
    TextClause,
    bindparam,
    func,
    select,
)
from sqlalchemy.engine import RowMapping

from adapters.store import tables
from adapters.store.columns import storable_text, value_in
from adapters.store.compare_and_set import chunks
from adapters.store.database import Fetch, Part, paced
from adapters.store.proofs import Proofs
from bot.approval import Actor, Approval, Claim, Decision, Outcome, Stage, Vote
from bot.ladder import WRITTEN, Ahead, Deadline
from bot.protocol import HITLDecision
from bot.surface import Surface

_A, _C, _D = tables.approvals.c, tables.claims.c, tables.decisions.c
_R, _V = tables.rungs.c, tables.votes.c

#: What still changes after so many readings counts as forged: Nod fails closed.
READINGS = 5


def approvals_decided() -> Select[Any]:
    """Every approval with its decision, if it has one."""
    return _DECIDED


def decided(approvals: FromClause) -> FromClause:
    """These rows, each with the decision on its approval, if it has one."""
    return approvals.outerjoin(tables.decisions, _D.approval_id == _A.id)


#: Made once, as is everything here that each reading needs: making one takes longer than running it.
_DECIDED = select(tables.approvals, tables.decisions).select_from(decided(tables.approvals))
#: Those of some approvals, which are given under this name.
_SOME: BindParameter[Any] = bindparam("some", expanding=True)
_DECIDED_OF = _DECIDED.where(_A.id.in_(_SOME))
_VOTES_OF = select(tables.votes).where(_V.approval_id.in_(_SOME)).order_by(_V.at, _V.person)
_CLAIMS_OF = select(tables.claims).where(_C.approval_id.in_(_SOME)).order_by(_C.at, _C.person)
_SAID = _R.action.in_(WRITTEN)
_FIRED_OF = (
    select(tables.rungs)
    .where(_R.fired_at.is_not(None), _SAID, _R.approval_id.in_(_SOME))
    .order_by(_R.approval_id, _R.number)
)


def _next_of() -> Select[Any]:
    """Of each the next rung that others hear of."""
    turn = func.row_number().over(partition_by=_R.approval_id, order_by=[_R.due_at, _R.number])
    unfired = _R.fired_at.is_(None), _SAID, _R.approval_id.in_(_SOME)
    lines = select(_R.approval_id, _R.number, turn.label("turn")).where(*unfired).subquery()
    first = (lines.c.approval_id == _R.approval_id) & (lines.c.number == _R.number) & (lines.c.turn == 1)
    return select(tables.rungs).join(lines, first)


_NEXT_OF = _next_of()


def with_next(approvals: FromClause) -> FromClause:
    """These rows, each with what happens next while nobody answers: for one reading of a few approvals."""
    other = tables.rungs.alias()
    of_same = other.c.approval_id == _A.id
    first = (
        select(other.c.number)
        .where(of_same, other.c.fired_at.is_(None), other.c.action.in_(WRITTEN))
        .order_by(other.c.due_at, other.c.number)
        .limit(1)
        .correlate(tables.approvals)
        .scalar_subquery()
    )
    return approvals.outerjoin(tables.rungs, (_R.approval_id == _A.id) & (_R.number == first))


#: One approval with its decision and what happens next.
_ONE = (
    select(tables.approvals, tables.decisions, tables.rungs)
    .select_from(with_next(decided(tables.approvals)))
    .where(_A.id == bindparam("one"))
)


async def whole_of(
    rows: Iterable[RowMapping], fetch: Fetch, proofs: Proofs, *, next_read: bool = False
) -> tuple[Approval, ...]:
    """The approvals in these rows, which have the columns of `approvals_decided`; a few statements for all.

    What is not Nod's own word is named in `forged`, and doubted from then on. With `next_read` the rows are
    `with_next`.
    """
    kept = list(rows)
    found = [_approval_of(row, proofs) async for row in paced(kept)]
    ahead = {row[_A.id]: _ahead_in(row) for row in kept if row[_R.number] is not None} if next_read else None
    approvals = await _together(found, fetch, proofs, ahead)
    suspect = {approval.id: approval for approval in approvals if approval.forged}
    if not suspect:
        return approvals
    sure = await _read_again(suspect, fetch, proofs)
    return tuple(sure.get(approval.id, approval) for approval in approvals)


class WholeApprovals(Part):
    """Approvals read whole, as all that is sent or decided from is."""

    @property
    def _mine(self) -> ColumnElement[bool]:
        return _A.source == self._source

    async def get(self, approval_id: str) -> Approval | None:
        """The approval with its decision and votes; None for an unknown id."""
        rows = await self._database.fetch(_ONE, {"one": approval_id})
        found = await whole_of(rows, self._database.fetch, self._proofs, next_read=True)
        return found[0] if found else None

    async def at(self, *stages: Stage) -> tuple[Approval, ...]:
        """A few statements for all of them, earliest deadline first."""
        statement = approvals_decided().where(_A.stage.in_(stages)).order_by(_A.deadline, _A.id)
        return await self._whole(statement, *stages)

    async def _urgent(
        self, *wanted: ColumnElement[bool] | TextClause, most: int, without: Collection[str] = ()
    ) -> tuple[Approval, ...]:
        """The first few of these that wait, with the earliest deadlines, read whole; without these ids."""
        if most <= 0:
            return ()
        statement = approvals_decided().where(*wanted).order_by(_A.deadline, _A.id).limit(most)
        if without:
            statement = statement.where(_A.id.not_in([storable_text(one) for one in without]))
        rows = await self._database.fetch(statement)
        found = await whole_of(rows, self._database.fetch, self._proofs)
        stages = {row[_A.id]: row[_A.stage] for row in rows}
        return tuple(one for one in found if one.stage is stages.get(storable_text(one.id)))

    async def _whole(self, statement: Select[Any], *stages: Stage) -> tuple[Approval, ...]:
        """The approvals that the statement finds; without those that have left these stages meanwhile."""
        found = await whole_of(await self._database.fetch(statement), self._database.fetch, self._proofs)
        return tuple(approval for approval in found if not stages or approval.stage in stages)


async def _read_again(suspect: Mapping[str, Approval], fetch: Fetch, proofs: Proofs) -> dict[str, Approval]:
    """The same approvals, read while nothing that is known of them changed."""
    now, left = dict(suspect), list(suspect)
    for _ in range(READINGS):
        known = {approval_id: proofs.known_of(approval_id) for approval_id in left}
        rows = await _beside(left, _DECIDED_OF, fetch)
        again = await _together([_approval_of(row, proofs) for row in rows], fetch, proofs)
        now.update({approval.id: approval for approval in again})
        left = [
            approval_id
            for approval_id in left
            if now[approval_id].forged and proofs.known_of(approval_id) != known[approval_id]
        ]
        if not left:
            break
    for approval in now.values():
        if approval.forged:
            proofs.doubt(approval.id, approval.forged)
    return now


# --- an approval's own row


def _approval_of(row: RowMapping, proofs: Proofs) -> Approval:
    """The approval in a row that has the columns of `approvals_decided`.

    What is not Nod's own word is named in `forged`; a decision that is not is left out, or is nobody's.
    """
    waits = row[_A.stage] in (Stage.OPEN, Stage.DECIDED)
    forged = _forged(row, proofs) if waits else ()
    return value_in(
        row,
        Approval,
        tables.approvals,
        deadline=Deadline(
            at=row[_A.deadline],
            source=row[_A.deadline_source],
            doubt=row[_A.deadline_doubt],
            renewed=row[_A.renewed],
        ),
        decision=_decision_in(row, forged),
        confirmed_at=_confirmed(row, proofs) if waits else row[_A.confirmed_at],
        forged=forged,
    )


def _forged(row: RowMapping, proofs: Proofs) -> tuple[str, ...]:
    """Which parts of an approval that waits were not written by Nod, or are in force no more."""
    request, approval_id, digest = row[_A.request], row[_A.id], row[_A.digest]
    parts = {
        "stage": proofs.waits(approval_id),
        "call": (approval_id, digest) == (storable_text(request.key), request.digest)
        and (row[_A.source], row[_A.request_id]) == (request.source, storable_text(request.request_id))
        and proofs.call_holds(row[_A.call_signature], request, row[_A.first_seen]),
        "terms": proofs.terms_hold(
            row[_A.terms_signature],
            approval_id,
            digest=digest,
            route=row[_A.route],
            rule=row[_A.rule],
            widened=row[_A.widened],
        ),
        "decision": row[_D.approval_id] is None
        if row[_A.stage] is Stage.OPEN
        else row[_D.approval_id] is not None
        and proofs.decision_counts({column.name: row[column] for column in _D}, digest=digest),
    }
    return tuple(part for part, holds in parts.items() if not holds)


def _decision_in(row: RowMapping, forged: tuple[str, ...]) -> Decision | None:
    if row[_A.stage] is Stage.OPEN:
        return None
    if "decision" in forged:
        nobody = Actor(surface=Surface.POLICY, account="", name="nobody")
        return Decision(verdict=HITLDecision.SKIPPED, actor=nobody, at=row[_A.first_seen], card_id="")
    return None if row[_D.approval_id] is None else value_in(row, Decision, tables.decisions)


def _confirmed(row: RowMapping, proofs: Proofs) -> datetime | None:
    """The database only says whether a listing is unused; which one it was, this process saw itself."""
    return None if row[_A.confirmed_at] is None else proofs.listed_at(row[_A.id], digest=row[_A.digest])


# --- what belongs to it in other tables


async def _together(
    found: Sequence[Approval], fetch: Fetch, proofs: Proofs, ahead: Mapping[str, Ahead] | None = None
) -> tuple[Approval, ...]:
    """The approvals with what belongs to them, as it is now.

    Read after the approvals: a vote or claim in between raises the revision, so the card is drawn again.
    """
    votes, forged = await _votes(found, fetch, proofs)
    claims = await _claims(found, fetch)
    ahead = await _ahead(found, fetch) if ahead is None else ahead
    pinged = await _pinged(found, fetch)

    def whole(one: Approval) -> Approval:
        kept = storable_text(one.id)
        belongs = {
            "votes": tuple(votes.get((kept, one.request.digest), ())),
            "forged": (*one.forged, "vote") if kept in forged else (),
            "claims": tuple(claims.get(kept, ())),
            "ahead": ahead.get(kept) if _asks_people(one) else None,
            "pinged": tuple(dict.fromkeys(pinged.get(kept, ()))),
        }
        # Most have nothing of it, and there may be thousands.
        more: dict[str, Any] = {name: value for name, value in belongs.items() if value}
        return replace(one, **more) if more else one

    return tuple(whole(one) for one in found)


async def _votes(
    found: Sequence[Approval], fetch: Fetch, proofs: Proofs
) -> tuple[Mapping[tuple[str, str], Sequence[Vote]], Collection[str]]:
    """Votes by approval and call, earliest first, and the approvals that have one which does not count."""
    votes: defaultdict[tuple[str, str], list[Vote]] = defaultdict(list)
    forged: set[str] = set()
    waiting = {storable_text(one.id) for one in found if one.stage in (Stage.OPEN, Stage.DECIDED)}

    for row in await _beside((one.id for one in found if one.revision > 1), _VOTES_OF, fetch):
        if row[_V.approval_id] in waiting and not proofs.vote_counts(row):
            forged.add(row[_V.approval_id])
        else:
            votes[row[_V.approval_id], row[_V.digest]].append(value_in(row, Vote, tables.votes))
    return votes, forged


async def _claims(found: Sequence[Approval], fetch: Fetch) -> Mapping[str, Sequence[Claim]]:
    """Who said "I'm on it", by approval, earliest first."""
    claims: defaultdict[str, list[Claim]] = defaultdict(list)
    for row in await _beside((one.id for one in found if one.revision > 1), _CLAIMS_OF, fetch):
        claims[row[_C.approval_id]].append(value_in(row, Claim, tables.claims))
    return claims


def _asks_people(approval: Approval) -> bool:
    return approval.stage is Stage.OPEN and approval.rule is None


async def _ahead(found: Sequence[Approval], fetch: Fetch) -> Mapping[str, Ahead]:
    """What happens next while nobody answers, by approval."""
    rows = await _beside((one.id for one in found if _asks_people(one)), _NEXT_OF, fetch)
    return {row[_R.approval_id]: _ahead_in(row) for row in rows}


def _ahead_in(row: RowMapping) -> Ahead:
    return value_in(row, Ahead, tables.rungs, at=row[_R.due_at])


async def _pinged(found: Sequence[Approval], fetch: Fetch) -> Mapping[str, Sequence[str]]:
    """Of those that nobody answered, the people named by their rungs, in the order of the rungs."""
    pinged: defaultdict[str, list[str]] = defaultdict(list)
    over = (one.id for one in found if one.outcome is Outcome.TIMEOUT_SKIP)
    for row in await _beside(over, _FIRED_OF, fetch):
        pinged[row[_R.approval_id]].extend(row[_R.who])
    return pinged


async def _beside(ids: Iterable[str], statement: Executable, fetch: Fetch) -> list[RowMapping]:
    """The rows that belong to these approvals, a few hundred of them at a time."""
    rows: list[RowMapping] = []
    for some in chunks(list(dict.fromkeys(ids))):
        rows.extend(await fetch(statement, {"some": some}))
    return rows
