"""Rows into values of the domain and back. Nothing outside the store ever sees a row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.engine import RowMapping

from adapters.store.columns import storable_text, value_in
from adapters.store.proofs import Proofs
from adapters.store.tables import approvals, decisions, placements, rungs, votes
from bot.approval import Actor, Approval, Decision, Stage, Vote
from bot.ladder import Deadline
from bot.protocol import HITLDecision, HITLRequest
from bot.records import DueRung, Placement
from bot.surface import Destination, Surface

_A, _D, _P, _R, _V = approvals.c, decisions.c, placements.c, rungs.c, votes.c


def approvals_decided() -> Select[Any]:
    """Every approval with its decision, if it has one."""
    return select(approvals, decisions).select_from(approvals.outerjoin(decisions))


def approval_of(row: RowMapping, proofs: Proofs) -> Approval:
    """The approval in a row that has the columns of `approvals_decided`.

    What is not Nod's own word is named in `forged`; a decision that is not is left out, or is nobody's.
    """
    waits = row[_A.stage] in (Stage.OPEN, Stage.DECIDED)
    forged = _forged(row, proofs) if waits else ()
    return Approval(
        request=row[_A.request],
        route=row[_A.route],
        rule=row[_A.rule],
        widened=row[_A.widened],
        stage=row[_A.stage],
        first_seen=row[_A.first_seen],
        deadline=Deadline(
            at=row[_A.deadline],
            source=row[_A.deadline_source],
            doubt=row[_A.deadline_doubt],
            renewed=row[_A.renewed],
        ),
        revision=row[_A.revision],
        decision=_decision_in(row, forged),
        outcome=row[_A.outcome],
        settled_at=row[_A.settled_at],
        platform_word=row[_A.platform_word],
        trouble=row[_A.trouble],
        escalated_at=row[_A.escalated_at],
        confirmed_at=_confirmed(row, proofs) if waits else row[_A.confirmed_at],
        missed=row[_A.missed],
        attempts=row[_A.attempts],
        next_try=row[_A.next_try],
        gone_at=row[_A.gone_at],
        gones=row[_A.gones],
        forged=forged,
    )


def _forged(row: RowMapping, proofs: Proofs) -> tuple[str, ...]:
    """Which parts of an approval that waits were not written by Nod, or are in force no more."""
    request, approval_id, digest = row[_A.request], row[_A.id], row[_A.digest]
    parts = {
        "stage": proofs.waits(approval_id),
        "call": (approval_id, digest) == (storable_text(request.request_id), request.digest)
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
    return None if row[_D.approval_id] is None else _decision_of(row)


def _confirmed(row: RowMapping, proofs: Proofs) -> datetime | None:
    """The database only says whether a listing is unused; which one it was, this process saw itself."""
    return None if row[_A.confirmed_at] is None else proofs.listed_at(row[_A.id], digest=row[_A.digest])


def _decision_of(row: RowMapping) -> Decision:
    actor = Actor(surface=row[_D.surface], account=row[_D.account], name=row[_D.name], email=row[_D.email])
    return Decision(
        verdict=row[_D.verdict],
        actor=actor,
        at=row[_D.at],
        card_id=row[_D.card_id],
        note=row[_D.note],
        others=row[_D.others],
    )


def vote_of(row: RowMapping) -> Vote:
    """The vote in a row."""
    actor = Actor(surface=row[_V.surface], account=row[_V.account], name=row[_V.name], email=row[_V.email])
    return Vote(
        person=row[_V.person],
        verdict=row[_V.verdict],
        actor=actor,
        at=row[_V.at],
        card_id=row[_V.card_id],
        digest=row[_V.digest],
        note=row[_V.note],
        acting_for=row[_V.acting_for],
    )


def placement_of(row: RowMapping) -> Placement:
    """The placement in a row."""
    return Placement(
        card_id=row[_P.card_id],
        approval_id=row[_P.approval_id],
        destination=Destination(surface=row[_P.surface], channel=row[_P.channel]),
        ref=row[_P.ref],
        shown_revision=row[_P.shown_revision],
        attempted_at=row[_P.attempted_at],
        tries=row[_P.tries],
        next_try=row[_P.next_try],
        digest=row[_P.digest],
        superseded=row[_P.superseded],
        gathered=row[_P.gathered],
        gathered_at=row[_P.gathered_at],
    )


def rung_of(row: RowMapping) -> DueRung:
    """The rung in a row."""
    return value_in(row, DueRung, rungs)


def request_columns(request: HITLRequest, deadline: Deadline) -> dict[str, Any]:
    """What a request and its deadline put into an approval's row."""
    return {
        "request": request,
        "digest": request.digest,
        "agent": request.agent_id,
        **deadline_columns(deadline),
    }


def deadline_columns(deadline: Deadline) -> dict[str, Any]:
    """What a deadline puts into an approval's row."""
    return {
        "deadline": deadline.at,
        "deadline_source": deadline.source,
        "deadline_doubt": deadline.doubt,
        "renewed": deadline.renewed,
    }


def approval_row(approval: Approval, proofs: Proofs) -> dict[str, Any]:
    """A new approval's row."""
    return {
        **request_columns(approval.request, approval.deadline),
        "call_signature": proofs.of_call(approval.request, approval.first_seen),
        "terms_signature": proofs.of_terms(
            approval.id,
            digest=approval.request.digest,
            route=approval.route,
            rule=approval.rule,
            widened=approval.widened,
        ),
        "id": approval.id,
        "widened": approval.widened,
        "route": approval.route,
        "rule": approval.rule,
        "stage": approval.stage,
        "first_seen": approval.first_seen,
        "revision": approval.revision,
        "trouble": approval.trouble,
        "confirmed_at": approval.confirmed_at,
        "missed": approval.missed,
        "attempts": approval.attempts,
        "next_try": approval.next_try,
        "gone_at": approval.gone_at,
        "gones": approval.gones,
    }


def decision_row(
    approval_id: str, decision: Decision, *, digest: str, revision: int, proofs: Proofs
) -> dict[str, Any]:
    """A decision's row: about the call with this digest, by the vote with this revision."""
    row = {**_answer_row(approval_id, decision), "others": decision.others, "revision": revision}
    return {**row, "signature": proofs.of_decision(row, digest=digest)}


def vote_row(approval_id: str, vote: Vote, *, revision: int, proofs: Proofs) -> dict[str, Any]:
    """A vote's row; `revision` is the record's with this vote."""
    more = {"person": vote.person, "digest": vote.digest, "acting_for": vote.acting_for, "revision": revision}
    row = {**_answer_row(approval_id, vote), **more}
    return {**row, "signature": proofs.of_vote(row)}


def _answer_row(approval_id: str, answer: Decision | Vote) -> dict[str, Any]:
    return {
        "approval_id": approval_id,
        "verdict": answer.verdict,
        "surface": answer.actor.surface,
        "account": answer.actor.account,
        "name": answer.actor.name,
        "email": answer.actor.email,
        "at": answer.at,
        "card_id": answer.card_id,
        "note": answer.note,
    }


def placement_row(placement: Placement) -> dict[str, Any]:
    """A new placement's row."""
    return {
        "card_id": placement.card_id,
        "approval_id": placement.approval_id,
        "surface": placement.destination.surface,
        "channel": placement.destination.channel,
        "ref": placement.ref,
        "shown_revision": placement.shown_revision,
        "attempted_at": placement.attempted_at,
        "tries": placement.tries,
        "next_try": placement.next_try,
        "owed": True,
        "digest": placement.digest,
        "superseded": placement.superseded,
        "gathered": placement.gathered,
        "gathered_at": placement.gathered_at,
    }
