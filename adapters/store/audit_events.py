"""What each move of the record leaves in the audit: who, what, when, and never the arguments in clear. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.approval import Actor, Approval, Claim, Decision, Outcome, Vote
from bot.audit import Fact
from bot.canonical import NotCanonical, digest_of
from bot.ladder import Deadline
from bot.protocol import GLAIP, HITLRequest, Json
from bot.records import Alert, DueRung, OutboxItem
from bot.surface import Destination

#: The kind of the row that says that an upgrade signed what a release without signatures had left.
SIGNED = "answers_signed"


def admitted(approval: Approval) -> Fact:
    """A request was seen for the first time, and which route and rule it met."""
    return _fact(
        "admitted", approval.first_seen, approval.id, route=approval.route, rule=approval.rule,
        widened=list(approval.widened), **_call(approval.request, approval.deadline),
    )  # fmt: skip


def changed(
    approval_id: str, request: HITLRequest, deadline: Deadline, *, route: str, widened: Sequence[str],
    revision: int, at: datetime,
) -> Fact:  # fmt: skip
    """The platform lists another call under the same id: people are asked again, by the route it has now."""
    how: dict[str, Json] = {"route": route, "widened": list(widened), "revision": revision}
    return _fact("changed", at, approval_id, **how, **_call(request, deadline))


def voided(approval_id: str, *, verdict: str | None, why: str, revision: int, at: datetime) -> Fact:
    """A decision that no POST carries does not count any more, nor does any vote up to this revision."""
    return _fact("voided", at, approval_id, verdict=verdict, why=why, revision=revision)


def asked_people(approval_id: str, *, at: datetime) -> Fact:
    """The rule that was to answer is gone from the policy."""
    return _fact("asked_people", at, approval_id)


def voted(approval_id: str, vote: Vote, *, revision: int, signature: str) -> Fact:
    """A person, or a rule, answered one card about one call; with the signature that its row has."""
    return _fact(
        "voted", vote.at, approval_id, person=vote.person, acting_for=vote.acting_for,
        verdict=vote.verdict.value, note=vote.note, note_length=len(vote.note or ""), card=vote.card_id,
        digest=vote.digest, seen_whole=vote.seen_whole, **_actor(vote.actor), revision=revision,
        signature=signature,
    )  # fmt: skip


def decided(approval_id: str, decision: Decision, vote: Vote, *, revision: int, signature: str) -> Fact:
    """The vote that was enough; with the words that the agent will be told, and the signature of its row."""
    return _fact(
        "decided", decision.at, approval_id, verdict=decision.verdict.value, person=vote.person,
        others=list(decision.others), operator=str(decision.actor),
        operator_input=decision.response.operator_input, digest=vote.digest, revision=revision,
        signature=signature,
    )  # fmt: skip


def delivery_begun(approval_id: str, *, attempt: int, at: datetime) -> Fact:
    """A decision POST is about to be sent."""
    return _fact("delivery_begun", at, approval_id, attempt=attempt)


def called_resolved(approval_id: str, *, attempt: int, at: datetime) -> Fact:
    """The platform answered a decision POST with 404 or 409."""
    return _fact("called_resolved", at, approval_id, attempt=attempt)


def settled(
    approval_id: str, *, outcome: Outcome, word: str | None, trouble: str | None, shown: str | None,
    at: datetime,
) -> Fact:  # fmt: skip
    """How it ended, what the platform says about that, and the trouble that its card shows from then on."""
    how = {"platform_word": word, "trouble": trouble, "shown_trouble": shown}
    return _fact("settled", at, approval_id, outcome=outcome.value, **how)


def closed(
    approval_id: str, record: Mapping[str, Any], *, decision: str | None, votes: Mapping[str, str | None],
    at: datetime,
) -> Fact:  # fmt: skip
    """Nothing is left to do. All of the record once more, since retention removes the rows before first.

    `decision` and `votes` (by person) are the signatures of its answers.
    """
    return _fact("closed", at, approval_id, **record_facts(record), decision=decision, votes=dict(votes))


def record_facts(row: Mapping[str, Any]) -> dict[str, Json]:
    """What a row of `approvals`, by the names of its columns, says that matters to how the call was answered.

    Under the names that the facts of its moves have for it.
    """
    deadline = Deadline(
        at=row["deadline"], source=row["deadline_source"], doubt=row["deadline_doubt"], renewed=row["renewed"]
    )
    same = ("digest", "agent", "route", "rule", "attempts", "gones", "platform_word")
    known: dict[str, Json] = {
        **_call(row["request"], deadline),
        **{name: row[name] for name in same},
        "widened": list(row["widened"]),
        "first_seen": moment_text(row["first_seen"]),
        "settled_at": None if row["settled_at"] is None else moment_text(row["settled_at"]),
    }
    if row["outcome"] is not None:  # until then its trouble comes and goes
        known |= {"outcome": row["outcome"].value, "shown_trouble": row["trouble"]}
    return known


def card_shown(
    approval_id: str, *, superseded: bool, card_id: str, destination: Destination, ref: str, revision: int,
    digest: str | None, at: datetime,
) -> Fact:  # fmt: skip
    """A message shows this revision of this call; a superseded one says that a newer card asks."""
    kind = "card_superseded" if superseded else "card_shown"
    what: dict[str, Json] = {"ref": ref, "revision": revision, "digest": digest}
    return _fact(kind, at, approval_id, card=card_id, destination=str(destination), **what)


def rung_fired(rung: DueRung, *, widened: Sequence[str], at: datetime) -> Fact:
    """What it owed is written down; `widened` is everybody who may decide from then on, too."""
    return _fact(
        "rung_fired", at, rung.approval_id, rung=rung.number, action=rung.action.value, who=list(rung.who),
        cards=[str(place) for place in rung.cards], due=moment_text(rung.due_at), widened=list(widened),
    )  # fmt: skip


def retimed(
    approval_id: str, deadline: Deadline, *, route: str, widened: Sequence[str], was: datetime, at: datetime
) -> Fact:
    """The platform waits longer, or shorter, for the same call; the route may be another one by then."""
    how: dict[str, Json] = {"route": route, "widened": list(widened), "was": moment_text(was)}
    return _fact("retimed", at, approval_id, **how, **_deadline(deadline))


def revived(
    approval_id: str, deadline: Deadline, *, route: str, widened: Sequence[str], revision: int, at: datetime
) -> Fact:
    """It had vanished, nobody of ours had decided it, and the platform lists it again."""
    how: dict[str, Json] = {"route": route, "widened": list(widened), "revision": revision}
    return _fact("revived", at, approval_id, **how, **_deadline(deadline))


def claimed(approval_id: str, claim: Claim, *, digest: str) -> Fact:
    """Somebody is on it, and until when the others are left in peace."""
    until = moment_text(claim.until)
    return _fact(
        "claimed", claim.at, approval_id, person=claim.person, name=claim.name, until=until, digest=digest
    )


def told(notice: OutboxItem, *, ref: str, at: datetime) -> Fact:
    """A message that was owed is up."""
    return _fact("told", at, notice.approval_id, **_notice(notice), ref=ref)


def not_told(notice: OutboxItem, *, why: str, at: datetime) -> Fact:
    """A message that was due is no longer needed, and was not sent."""
    return _fact("not_told", at, notice.approval_id, **_notice(notice), why=why)


def gathered(*, destination: Destination, digest_id: str, cards: Sequence[str], at: datetime) -> Fact:
    """These cards have no message of their own: they stand on their channel's digest."""
    what: dict[str, Json] = {"count": len(cards), "cards": list(cards)}
    return _fact("gathered", at, destination=str(destination), digest_card=digest_id, **what)


def digest_shown(*, destination: Destination, digest_id: str, ref: str, at: datetime) -> Fact:
    """A channel's digest has a message, which is brought up to date from then on."""
    return _fact("digest_shown", at, destination=str(destination), digest_card=digest_id, ref=ref)


def alert_raised(alert: Alert, *, pagers: Sequence[str]) -> Fact:
    """Something could not be recovered, and who must be paged about it."""
    what: dict[str, Json] = {"cause": alert.cause, "text": alert.text, "pagers": list(pagers)}
    return _fact("alert_raised", alert.raised_at, alert.approval_id, **what)


def alert_resolved(approval_id: str, *, cause: str, how: str, at: datetime) -> Fact:
    """It came right after all."""
    return _fact("alert_mended", at, approval_id, cause=cause, how=how)


def retired(*, number: int, hash_: str, rows: int, at: datetime) -> Fact:
    """Retention removed the beginning of the chain, up to this row."""
    return _fact("retired", at, number=number, hash=hash_, rows=rows)


def signed(counts: Mapping[str, int], *, at: datetime) -> Fact:
    """An upgrade signed what waited, once: so many rows of each table, at this place in the chain."""
    return _fact("answers_signed", at, **counts)


def moment_text(at: datetime) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond, like the store keeps it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _fact(kind: str, moment: datetime, of: str | None = None, /, **body: Json) -> Fact:
    return Fact(kind=kind, at=moment, approval_id=of, body=body)


def _call(request: HITLRequest, deadline: Deadline) -> dict[str, Json]:
    asked: dict[str, Json] = {"origin": request.source, "request_id": request.request_id}
    return {
        **(asked if request.source != GLAIP else {}),  # the rows of `glaip` are those of releases before
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
        "surface": str(notice.surface),
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
        "surface": str(actor.surface),
        "account": actor.account,
        "name": actor.name,
        "email": actor.email,
    }
