"""Whether the tables say what the audit says: Nod's outcomes have their votes, and answers hold. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.store.ledger import Record
from adapters.store.proofs import Proofs
from bot.audit import Row
from bot.protocol import HITLDecision, Json

_OURS = frozenset(verdict.value for verdict in HITLDecision)
#: What a row about a vote tells of the columns of its table, by both names.
_VOTE = {
    "verdict": "verdict", "note": "note", "card": "card_id", "digest": "digest", "surface": "surface",
    "account": "account", "name": "name", "email": "email", "acting_for": "acting_for",
    "revision": "revision", "signature": "signature",
}  # fmt: skip
_DECISION = {"verdict": "verdict", "others": "others", "revision": "revision", "signature": "signature"}


@dataclass(slots=True, kw_only=True)
class Told:
    """What the chain says of one approval."""

    known: dict[str, Json] = field(default_factory=dict)  #: digest and route, as they are now
    votes: dict[str, dict[str, Json]] = field(default_factory=dict)
    decided: dict[str, Json] | None = None
    outcome: str | None = None
    closed: bool = False

    @property
    def stage(self) -> str:
        """How far it is."""
        if self.outcome is not None:
            return "closed" if self.closed else "settled"
        return "open" if self.decided is None else "decided"


class Meaning:
    """Follows the chain row by row, and judges the tables by it, unless retention removed the first row."""

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.beheaded: set[str] = set()  #: told of by rows that are left, and admitted in one that is gone

    def take(self, row: Row) -> str | None:
        """Why this row cannot be Nod's, after those before it; None when it can."""
        if row.approval_id is None:
            return None
        body: dict[str, Json] = json.loads(row.body)
        if row.kind == "admitted":
            self.told[row.approval_id] = Told(known=_call(body))
            return None
        told = self.told.get(row.approval_id)
        if told is None:
            self.beheaded.add(row.approval_id)
            return None
        return _follow(told, row.kind, body)

    def differences(self, record: Record, proofs: Proofs | None) -> Iterator[str]:
        """What the tables say of an approval and the chain does not, and which signatures do not hold."""
        told = self.told.get(record.approval_id)
        if told is None:
            if record.approval_id not in self.beheaded:
                yield "no row tells that it was admitted"
            return
        stands = {"digest": record.digest, "route": record.route}
        for name, value in told.known.items():
            if stands[name] != value:
                yield f"its {name} is not the one in the audit"
        if (record.stage, record.outcome) != (told.stage, told.outcome):
            yield f"it is {record.outcome or record.stage}, and {told.outcome or told.stage} in the audit"
        yield from _answers(record, told)
        if proofs is not None:
            yield from _signatures(record, proofs)

    def missing(self, found: set[str]) -> Iterator[str]:
        """Approvals that the chain tells of and that have no record."""
        yield from sorted(set(self.told) - found)


def _call(body: Mapping[str, Json]) -> dict[str, Json]:
    return {name: body.get(name) for name in ("digest", "route")}


def _follow(told: Told, kind: str, body: dict[str, Json]) -> str | None:
    if kind == "changed":
        told.known, told.votes = _call(body), {}
        if told.decided is not None:
            told.decided = None
    elif kind in ("voided", "revived"):
        told.votes, told.decided, told.outcome, told.closed = {}, None, None, False
    elif kind == "retimed":
        told.known.pop("route", None)  # another route may come with another deadline; the row does not say
    elif kind == "voted":
        told.votes[str(body["person"])] = body
    elif kind == "decided":
        vote = told.votes.get(str(body["person"]))
        if vote is None or (vote["verdict"], vote["digest"]) != (body["verdict"], body["digest"]):
            return "it tells of a decision without the vote that made it"
        told.decided = body
    elif kind == "settled":
        told.outcome = str(body["outcome"])
        if told.outcome in _OURS and (told.decided is None or told.decided["verdict"] != told.outcome):
            return f"it says {told.outcome}, and no row tells who decided that"
    elif kind == "closed":
        told.closed = True
    return None


def _answers(record: Record, told: Told) -> Iterator[str]:
    if (record.decision is None) != (told.decided is None):
        yield "its decision is gone" if record.decision is None else "no row tells of its decision"
    elif record.decision is not None and told.decided is not None:
        yield from _unlike("its decision", record.decision, told.decided, _DECISION)
    for person in sorted(set(told.votes) | set(record.votes)):
        if person not in record.votes:
            yield f"the vote of {person} is gone"
        elif person not in told.votes:
            yield f"no row tells of the vote of {person}"
        else:
            yield from _unlike(f"the vote of {person}", record.votes[person], told.votes[person], _VOTE)


def _unlike(
    what: str, stands: Mapping[str, Any], told: Mapping[str, Json], names: Mapping[str, str]
) -> Iterator[str]:
    signed = "signature" in told  # an earlier release told less, and the upgrade signed the row later
    for name, column in names.items():
        if not signed and name in ("revision", "signature"):
            continue
        value = stands[column]
        if (list(value) if isinstance(value, tuple) else value) != told.get(name):
            yield f"{what} has another {name} than in the audit"


def _signatures(record: Record, proofs: Proofs) -> Iterator[str]:
    if record.decision is not None and not proofs.decision_holds(record.decision, digest=record.digest):
        yield "its decision is not signed"
    for person, vote in sorted(record.votes.items()):
        if not proofs.vote_holds(vote):
            yield f"the vote of {person} is not signed"
