"""Whether the tables agree with the audit log: each record, its answers, its end, and who signed them.

docs/security.md lists what is compared, and the test for each line. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from adapters.store.audit import Record
from adapters.store.audit_events import moment_text, record_facts
from adapters.store.columns import storable_text
from adapters.store.compare_and_set import kept_object
from adapters.store.proofs import Proofs
from bot.audit import Row
from bot.protocol import HITLDecision, Json

#: Outcomes of a decision by Nod.
OURS = frozenset(verdict.value for verdict in HITLDecision)
#: What a row about a new call, or a new way to answer it, says of the record.
_CALL = (
    "origin", "request_id", "platform", "tool", "agent", "run", "created", "timeout_at", "timeout_seconds",
    "whole", "digest", "arguments_digest",
)  # fmt: skip
_TERMS = ("route", "rule", "widened")
_DEADLINE = ("deadline", "source", "doubt", "renewed")
_END = ("outcome", "shown_trouble")
_NOT_OVER: dict[str, Json] = {"settled_at": None, "platform_word": None}
#: What starts from the beginning when people are asked again.
_ASKED_AGAIN: dict[str, Json] = {"rule": None, "attempts": 0, "gones": 0}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Told:
    """What the remaining rows say. What none of them says is not in `known` and cannot be compared."""

    known: dict[str, Json] = field(default_factory=dict)  #: by the names of `audit_events.record_facts`
    votes: dict[str, dict[str, Json]] = field(default_factory=dict)
    decided: dict[str, Json] | None = None
    closed: bool = False
    whole: bool = False  #: whether every valid answer is in the rows: retention removed none of them

    @property
    def stage(self) -> str:
        """The stage of the request."""
        if self.closed:
            return "closed"
        if self.known.get("outcome") is not None:
            return "settled"
        return "open" if self.decided is None else "decided"

    def take(self, row: Row) -> str | None:
        """Follow one more row; returns why it cannot be Nod's, or None."""
        body: dict[str, Json] = json.loads(row.body)
        match row.kind:
            case "admitted":
                begun: dict[str, Json] = {"first_seen": _moment(row), "attempts": 0, "gones": 0}
                self.known = {**begun, **_NOT_OVER, **_of(body, *_CALL, *_TERMS, *_DEADLINE)}
                self.whole = True
            case "changed":
                self._asked_again()
                self._answered_otherwise(body)
                self.known |= _of(body, *_CALL)
            case "voided":
                self._asked_again()
            case "revived":
                self.known = {name: value for name, value in self.known.items() if name not in _END}
                self.known |= {"gones": 0, **_NOT_OVER}
                self.closed, self.votes, self.decided, self.whole = False, {}, None, True
                self._answered_otherwise(body)
            case "retimed":
                self._answered_otherwise(body)
            case "asked_people":
                self.known["rule"] = None
            case "rung_fired":
                self.known["widened"] = body.get("widened")
            case "voted":
                self.votes[str(body["person"])] = {**body, "at": row.at_ms}
            case "decided":
                return self._decided(body, row.at_ms)
            case "delivery_begun":
                self.known["attempts"] = body["attempt"]
            case "called_resolved":
                gones = self.known.get("gones")
                if isinstance(gones, int):
                    self.known["gones"] = gones + 1
            case "settled":
                return self._settled(body, row)
            case "closed":
                self._closed(body)
            case _:
                pass
        return None

    def _asked_again(self) -> None:
        self.known |= _ASKED_AGAIN
        self.votes, self.decided, self.whole = {}, None, True

    def _answered_otherwise(self, body: dict[str, Json]) -> None:
        """A new route or deadline. An earlier release did not say which route, nor whose votes it kept."""
        for name in ("route", "widened"):
            self.known.pop(name, None)
        self.known |= _of(body, "route", "widened", *_DEADLINE)

    def _decided(self, body: dict[str, Json], at_ms: int) -> str | None:
        vote = self.votes.get(str(body["person"]))
        if vote is None and self.whole:
            return "it records a decision without the deciding vote"
        if vote is not None and (vote["verdict"], vote["digest"]) != (body["verdict"], body["digest"]):
            return "it records a decision without the deciding vote"
        # A decision has the account, the card and the note of that vote.
        self.decided = {**(vote or {}), **body, "at": at_ms}
        return None

    def _settled(self, body: dict[str, Json], row: Row) -> str | None:
        outcome = str(body["outcome"])
        self.known |= {"outcome": outcome, "settled_at": _moment(row)}
        self.known |= _of(body, "platform_word", "shown_trouble")
        made = None if self.decided is None else self.decided["verdict"]
        if outcome in OURS and made != outcome and (self.whole or made is not None):
            return f"it records the outcome {outcome}, but no row records that decision"
        return None

    def _closed(self, body: dict[str, Json]) -> None:
        """This row repeats the whole record: earlier rows win, and it fills in for removed ones."""
        self.closed = True
        if "votes" not in body:
            return  # an earlier release
        votes, decision = body.pop("votes"), body.pop("decision")
        self.known = body | self.known
        if self.whole:
            return
        self.whole = True
        if self.decided is None and decision is not None:
            self.decided = {"signature": decision}
        for person, signature in votes.items() if isinstance(votes, dict) else ():
            self.votes.setdefault(person, {"signature": signature})


def _of(body: dict[str, Json], *names: str) -> dict[str, Json]:
    return {name: body[name] for name in names if name in body}


def _moment(row: Row) -> str:
    return moment_text(_EPOCH + row.at_ms * timedelta(milliseconds=1))


#: Names in a row about an answer, and the columns of its table.
_ANSWER = {
    "verdict": "verdict", "note": "note", "card": "card_id", "surface": "surface", "account": "account",
    "name": "name", "email": "email", "at": "at", "revision": "revision", "signature": "signature",
}  # fmt: skip
_VOTE = {**_ANSWER, "digest": "digest", "acting_for": "acting_for"}
_DECISION = {**_ANSWER, "others": "others"}
#: Rows that can name something that was never an approval: `platform`, or a card of another sender.
_ABOUT_ANYTHING = frozenset({"alert_raised", "alert_mended", "refused"})
#: What a sentence calls by another name than a row.
_SAID = {
    "others": "list of earlier voters", "widened": "list of added approvers",
    "origin": "source", "request_id": "request id",
    "first_seen": "time of arrival", "settled_at": "end time",
    "platform_word": "answer from the platform", "shown_trouble": "delivery error",
    "attempts": "number of attempts", "gones": "number of refused attempts", "source": "source of the deadline",
    "created": "creation time", "doubt": "warning about the deadline",
    "renewed": "number of estimated deadlines", "whole": "truncation mark",
}  # fmt: skip
_WAITING = ("open", "decided")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Meaning:
    """Follows the chain row by row, and compares the tables with it."""

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.unjudged = 0  #: answers of closed requests, signed with a secret that was not given
        self._named: set[str] = set()  #: by rows that can be about anything

    def take(self, row: Row) -> str | None:
        """Why Nod cannot have written this row after those before it; None if it can."""
        if row.approval_id is None:
            return None
        if row.kind in _ABOUT_ANYTHING:
            self._named.add(row.approval_id)
            return None
        told = self.told.get(row.approval_id)
        if told is None:  # admitted now, or in a removed row: retention removes only closed requests
            told = self.told[row.approval_id] = Told(closed=row.kind != "admitted")
        return told.take(row)

    def differences(self, record: Record, proofs: Proofs | None) -> Iterator[str]:
        """Where the tables and the chain differ about an approval, and which signatures are invalid."""
        told = self.told.get(record.approval_id)
        if told is None and record.approval_id in self._named:
            told = Told(closed=True)
        if told is None:
            yield "no audit row records its arrival"
            return
        if record.row is None:
            yield "one of its columns has a value that Nod never writes"
            return
        yield from _record(record.row, told)
        yield from _answers(record, told)
        if proofs is not None:
            yield from self._signatures(record, record.row, proofs)

    def _signatures(self, record: Record, row: Mapping[str, Any], proofs: Proofs) -> Iterator[str]:
        waits = row["stage"].value in _WAITING
        if not proofs.record_holds(row, waits=waits):
            yield "its record (call, route and rule) has no valid signature"
        decision = record.decision
        if decision is not None:
            self.unjudged += not proofs.knows(decision)
            if not proofs.decision_holds(decision, digest=row["digest"], waits=waits):
                yield "its decision has no valid signature"
        for person, vote in sorted(record.votes.items()):
            self.unjudged += not proofs.knows(vote)
            if not proofs.vote_holds(vote, waits=waits):
                yield f"the vote of {person} has no valid signature"

    def missing(self, found: set[str]) -> Iterator[str]:
        """Approvals in the chain that have no record."""
        yield from sorted(set(self.told) - found)


def _record(row: Mapping[str, Any], told: Told) -> Iterator[str]:
    now = kept_object(record_facts(row))
    outcome = now.get("outcome")
    stage = row["stage"].value
    said = told.known.get("outcome", outcome if told.closed else None)
    if (stage, outcome) != (told.stage, said):
        yield f"it is {outcome or stage}, but {said or told.stage} in the audit log"
    for name, value in told.known.items():
        if name != "outcome" and now.get(name) != value:
            yield f"its {_SAID.get(name, name)} differs from the one in the audit log"
    if not row["request"].named_by(row["digest"]):
        yield "its call does not match its digest"
    if (row["id"], row["source"]) != (storable_text(row["request"].key), row["request"].source):
        yield "its source differs from the one in its call"
    if row["request_id"] != storable_text(row["request"].request_id):
        yield "its request id differs from the one in its call"
    if row["agent"] != storable_text(row["request"].agent_id):
        yield "its agent differs from the one in its call"


def _answers(record: Record, told: Told) -> Iterator[str]:
    if record.decision is None:
        if told.decided is not None or (not told.whole and _outcome(record) in OURS):
            yield "its decision is missing"
    elif told.decided is not None:
        yield from _unlike("its decision", record.decision, told.decided, _DECISION)
    elif told.whole:
        yield "no row records its decision"
    for person in sorted(set(told.votes) | set(record.votes)):
        if person not in record.votes:
            yield f"the vote of {person} is missing"
        elif person in told.votes:
            yield from _unlike(f"the vote of {person}", record.votes[person], told.votes[person], _VOTE)
        elif told.whole:
            yield f"no row records the vote of {person}"
    if not told.whole and record.decision is not None:
        if _outcome(record) in OURS and record.decision["verdict"].value != _outcome(record):
            yield "its decision and its outcome have different verdicts"
        if not any(_made(vote, record.decision) for vote in record.votes.values()):
            yield "its deciding vote is missing"


def _outcome(record: Record) -> str | None:
    outcome = record.row and record.row["outcome"]
    return outcome.value if outcome else None


def _made(vote: Mapping[str, Any], decision: Mapping[str, Any]) -> bool:
    return all(vote[name] == decision[name] for name in _ANSWER.values() if name != "signature")


def _unlike(
    what: str, kept: Mapping[str, Any], told: Mapping[str, Json], names: Mapping[str, str]
) -> Iterator[str]:
    for name, column in names.items():
        if name in told and _plain(kept[column]) != told[name]:  # an earlier release wrote less
            yield f"{what} has a different {_SAID.get(name, name)} in the audit log"


def _plain(value: object) -> Json:
    """A column in the form that a body has."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return value if isinstance(value, str | int) else None
