"""What each move of the record leaves in the audit: who, what, when, and never the arguments in clear. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.approval import Actor, Approval, Claim, Decision, Outcome, Vote
from bot.audit import Fact
from bot.canonical import NotCanonical, digest_of
from bot.ladder import Deadline
from bot.protocol import HITLRequest, Json
from bot.records import Alert, DueRung, OutboxItem


def admitted(approval: Approval) -> Fact:
    """A request was seen for the first time, and which route and rule it met."""
    body: dict[str, Json] = {
        "route": approval.route,
        "rule": approval.rule,
        "widened": list(approval.widened),
        **_call(approval.request, approval.deadline),
    }
    return Fact(kind="admitted", at=approval.first_seen, approval_id=approval.id, body=body)


def changed(
    approval_id: str,
    request: HITLRequest,
    deadline: Deadline,
    *,
    route: str,
    widened: Sequence[str],
    revision: int,
    at: datetime,
) -> Fact:
    """The platform lists another call under the same id: people are asked anew, by the route it has now."""
    how: dict[str, Json] = {"route": route, "widened": list(widened), "revision": revision}
    body = {**how, **_call(request, deadline)}
    return Fact(kind="changed", at=at, approval_id=approval_id, body=body)


def voided(approval_id: str, *, verdict: str | None, why: str, revision: int, at: datetime) -> Fact:
    """A decision that no POST carries does not count any more, nor does any vote up to this revision."""
    body: dict[str, Json] = {"verdict": verdict, "why": why, "revision": revision}
    return Fact(kind="voided", at=at, approval_id=approval_id, body=body)


def asked_people(approval_id: str, *, at: datetime) -> Fact:
    """The rule that was to answer is gone from the policy."""
    return Fact(kind="asked_people", at=at, approval_id=approval_id, body={})


def voted(approval_id: str, vote: Vote, *, revision: int, signature: str) -> Fact:
    """A person, or a rule, answered one card about one call; with the signature that its row has."""
    body: dict[str, Json] = {
        "person": vote.person,
        "acting_for": vote.acting_for,
        "verdict": vote.verdict.value,
        "note": vote.note,
        "note_length": len(vote.note or ""),
        "card": vote.card_id,
        "digest": vote.digest,
        "seen_whole": vote.seen_whole,
        **_actor(vote.actor),
        "revision": revision,
        "signature": signature,
    }
    return Fact(kind="voted", at=vote.at, approval_id=approval_id, body=body)


def decided(approval_id: str, decision: Decision, vote: Vote, *, revision: int, signature: str) -> Fact:
    """The vote that was enough; with the words that the agent will be told, and the signature of its row."""
    body: dict[str, Json] = {
        "verdict": decision.verdict.value,
        "person": vote.person,
        "others": list(decision.others),
        "operator": str(decision.actor),
        "operator_input": decision.response.operator_input,
        "digest": vote.digest,
        "revision": revision,
        "signature": signature,
    }
    return Fact(kind="decided", at=decision.at, approval_id=approval_id, body=body)


def delivery_begun(approval_id: str, *, attempt: int, at: datetime) -> Fact:
    """A decision POST is about to be sent."""
    return Fact(kind="delivery_begun", at=at, approval_id=approval_id, body={"attempt": attempt})


def called_resolved(approval_id: str, *, attempt: int, at: datetime) -> Fact:
    """The platform answered a decision POST with 404 or 409."""
    return Fact(kind="called_resolved", at=at, approval_id=approval_id, body={"attempt": attempt})


def settled(
    approval_id: str,
    *,
    outcome: Outcome,
    word: str | None,
    trouble: str | None,
    shown: str | None,
    at: datetime,
) -> Fact:
    """How it ended, what the platform says about that, and the trouble that its card shows from then on."""
    body: dict[str, Json] = {
        "outcome": outcome.value,
        "platform_word": word,
        "trouble": trouble,
        "shown_trouble": shown,
    }
    return Fact(kind="settled", at=at, approval_id=approval_id, body=body)


def closed(
    approval_id: str,
    record: Mapping[str, Any],
    *,
    decision: str | None,
    votes: Mapping[str, str | None],
    at: datetime,
) -> Fact:
    """Nothing is owed any more. All of the record once more, since retention removes the rows before first.

    `decision` and `votes` (by person) are the signatures of its answers.
    """
    body: dict[str, Json] = {**record_facts(record), "decision": decision, "votes": dict(votes)}
    return Fact(kind="closed", at=at, approval_id=approval_id, body=body)


def record_facts(row: Mapping[str, Any]) -> dict[str, Json]:
    """What a row of `approvals`, by the names of its columns, says that matters to how the call was answered.

    Under the names that the facts of its moves have for it.
    """
    deadline = Deadline(
        at=row["deadline"],
        source=row["deadline_source"],
        doubt=row["deadline_doubt"],
        renewed=row["renewed"],
    )
    known: dict[str, Json] = {
        **_call(row["request"], deadline),
        "digest": row["digest"],
        "agent": row["agent"],
        "route": row["route"],
        "rule": row["rule"],
        "widened": list(row["widened"]),
        "first_seen": moment_text(row["first_seen"]),
        "attempts": row["attempts"],
        "gones": row["gones"],
    }
    ended: dict[str, Json] = {
        "settled_at": None if row["settled_at"] is None else moment_text(row["settled_at"]),
        "platform_word": row["platform_word"],
    }
    if row["outcome"] is not None:  # until then its trouble comes and goes
        ended |= {"outcome": row["outcome"].value, "shown_trouble": row["trouble"]}
    return known | ended


def card_shown(
    approval_id: str, *, superseded: bool, card_id: str, destination: str, ref: str, revision: int,
    digest: str | None, at: datetime,
) -> Fact:  # fmt: skip
    """A message shows this revision of this call; a superseded one says that a newer card asks."""
    body: dict[str, Json] = {
        "card": card_id,
        "destination": destination,
        "ref": ref,
        "revision": revision,
        "digest": digest,
    }
    kind = "card_superseded" if superseded else "card_shown"
    return Fact(kind=kind, at=at, approval_id=approval_id, body=body)


def rung_fired(rung: DueRung, *, widened: Sequence[str], at: datetime) -> Fact:
    """What it owed is written down; `widened` is everybody who may decide from then on, too."""
    body: dict[str, Json] = {
        "rung": rung.number,
        "action": rung.action.value,
        "who": list(rung.who),
        "cards": [str(place) for place in rung.cards],
        "due": moment_text(rung.due_at),
        "widened": list(widened),
    }
    return Fact(kind="rung_fired", at=at, approval_id=rung.approval_id, body=body)


def retimed(
    approval_id: str, deadline: Deadline, *, route: str, widened: Sequence[str], was: datetime, at: datetime
) -> Fact:
    """The platform waits longer, or shorter, for the same call; the route may be another one by then."""
    how: dict[str, Json] = {"route": route, "widened": list(widened), "was": moment_text(was)}
    body = {**how, **_deadline(deadline)}
    return Fact(kind="retimed", at=at, approval_id=approval_id, body=body)


def revived(
    approval_id: str, deadline: Deadline, *, route: str, widened: Sequence[str], revision: int, at: datetime
) -> Fact:
    """It had vanished, nobody of ours had decided it, and the platform lists it again."""
    how: dict[str, Json] = {"route": route, "widened": list(widened), "revision": revision}
    body = {**how, **_deadline(deadline)}
    return Fact(kind="revived", at=at, approval_id=approval_id, body=body)


def claimed(approval_id: str, claim: Claim, *, digest: str) -> Fact:
    """Somebody is on it, and until when the others are left in peace."""
    body: dict[str, Json] = {
        "person": claim.person,
        "name": claim.name,
        "until": moment_text(claim.until),
        "digest": digest,
    }
    return Fact(kind="claimed", at=claim.at, approval_id=approval_id, body=body)


def told(notice: OutboxItem, *, ref: str, at: datetime) -> Fact:
    """A message that was owed is up."""
    body: dict[str, Json] = {**_notice(notice), "ref": ref}
    return Fact(kind="told", at=at, approval_id=notice.approval_id, body=body)


def not_told(notice: OutboxItem, *, why: str, at: datetime) -> Fact:
    """A message that was owed is owed no more, and was not said."""
    body: dict[str, Json] = {**_notice(notice), "why": why}
    return Fact(kind="not_told", at=at, approval_id=notice.approval_id, body=body)


def gathered(*, destination: str, digest_id: str, cards: Sequence[str], at: datetime) -> Fact:
    """These cards have no message of their own: they stand on their channel's digest."""
    body: dict[str, Json] = {
        "destination": destination,
        "digest_card": digest_id,
        "count": len(cards),
        "cards": list(cards),
    }
    return Fact(kind="gathered", at=at, body=body)


def digest_shown(*, destination: str, digest_id: str, ref: str, at: datetime) -> Fact:
    """A channel's digest has a message, which is brought up to date from then on."""
    body: dict[str, Json] = {"destination": destination, "digest_card": digest_id, "ref": ref}
    return Fact(kind="digest_shown", at=at, body=body)


def alert_raised(alert: Alert, *, pagers: Sequence[str]) -> Fact:
    """Something could not be recovered, and who is owed a page about it."""
    body: dict[str, Json] = {"cause": alert.cause, "text": alert.text, "pagers": list(pagers)}
    return Fact(kind="alert_raised", at=alert.raised_at, approval_id=alert.approval_id, body=body)


def alert_resolved(approval_id: str, *, cause: str, how: str, at: datetime) -> Fact:
    """It came right after all."""
    return Fact(kind="alert_mended", at=at, approval_id=approval_id, body={"cause": cause, "how": how})


def retired(*, number: int, hash_: str, rows: int, at: datetime) -> Fact:
    """Retention removed the beginning of the chain, up to this row."""
    return Fact(kind="retired", at=at, body={"number": number, "hash": hash_, "rows": rows})


#: The kind of the row that says that an upgrade signed what a release without signatures had left.
SIGNED = "answers_signed"


def signed(counts: Mapping[str, int], *, at: datetime) -> Fact:
    """An upgrade signed what waited, once: so many rows of each table, at this place in the chain."""
    return Fact(kind="answers_signed", at=at, body=dict(counts))


def moment_text(at: datetime) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond, like the store keeps it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _call(request: HITLRequest, deadline: Deadline) -> dict[str, Json]:
    return {
        "platform": request.platform,
        "tool": request.tool_name,
        "agent": request.agent_id,
        "run": request.run_id,
        "created": request.created_at,
        "timeout_at": request.timeout_at,
        "timeout_seconds": None if request.timeout_seconds is None else str(request.timeout_seconds),
        "whole": request.whole,
        "digest": request.digest,
        "arguments_digest": _arguments_digest(request),
        **_deadline(deadline),
    }


def _deadline(deadline: Deadline) -> dict[str, Json]:
    return {
        "deadline": moment_text(deadline.at),
        "source": deadline.source.value,
        "doubt": deadline.doubt,
        "renewed": deadline.renewed,
    }


def _notice(notice: OutboxItem) -> dict[str, Json]:
    return {
        "news": notice.news.value,
        "surface": notice.surface.value,
        "card": notice.card_id,
        "person": notice.person,
        "who": list(notice.who),
        "mark": notice.sent_as or notice.mark,
    }


def _arguments_digest(request: HITLRequest) -> str | None:
    """Of the arguments alone; None for what has no canonical form: its request's digest names it."""
    try:
        return digest_of([request.arguments])
    except NotCanonical:
        return None


def _actor(actor: Actor) -> dict[str, Json]:
    return {
        "surface": actor.surface.value,
        "account": actor.account,
        "name": actor.name,
        "email": actor.email,
    }
