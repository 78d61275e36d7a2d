"""One approval as the audit tells it: put together from its rows of the chain. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from bot.audit import Row
from bot.call import covered_of
from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What the rows about a call (`admitted`, `changed`) are taken over for, by their names there.
_CALL = {
    "agent": "agent_id",
    "run": "run_id",
    "tool": "tool",
    "created": "created_at",
    "deadline": "timeout_at",
    "arguments_digest": "arguments_digest",
    "route": "route",
    "rule": "rule",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one request; times in ISO 8601. `decision` is None when nobody gave one."""

    request_id: str
    agent_id: str | None = None
    run_id: str | None = None
    decision: str | None = None
    outcome: str | None = None  #: `timeout_skip` when nobody answered
    operator: str | None = None  #: everybody it took, by name and address
    operator_input: str | None = None
    created_at: str | None = None  #: the platform's word; failing that, when Nod saw it first
    resolved_at: str | None = None
    timeout_at: str | None = None  #: the deadline that was believed
    tool: str | None = None
    arguments_digest: str | None = None
    arguments: Json = None
    route: str | None = None
    rule: str | None = None
    votes: tuple[dict[str, Json], ...] = ()  #: every one that was given, also those void or taken back
    rows: tuple[int, ...] = ()  #: where the chain tells all this

    def fields(self, *, with_arguments: bool) -> dict[str, Json]:
        """All fields by name, in their order."""
        named = {name: getattr(self, name) for name in FIELDS if with_arguments or name != "arguments"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}

    @property
    def people(self) -> frozenset[str]:
        """Everybody who voted, by every name, casefolded."""
        names = ("person", "name", "email", "account", "acting_for")
        return frozenset(str(vote[name]).casefold() for vote in self.votes for name in names if vote.get(name))


FIELDS = tuple(field.name for field in fields(Entry))


def entry_of(
    approval_id: str, told: Sequence[Row], *, call: HITLRequest | None, redaction: Redaction | None
) -> Entry:
    """The entry of an approval. With a redaction it has its call's arguments, redacted.

    `call` stands in where the chain no longer tells of it (retention took the row, or it is older than the
    audit).
    """
    known: dict[str, Json] = {}
    if call is not None:
        known |= {"agent_id": call.agent_id, "run_id": call.run_id, "tool": call.tool_name}
        known |= {"created_at": call.created_at, "timeout_at": call.timeout_at}
        if redaction is not None:
            known["arguments"] = covered_of(call.arguments, redaction=redaction)
    votes: list[dict[str, Json]] = []
    for row in told:
        body: dict[str, Json] = json.loads(row.body)
        if row.kind in ("admitted", "changed"):
            known |= {_CALL[name]: value for name, value in body.items() if name in _CALL}
            known["created_at"] = known.get("created_at") or iso(row.at_ms)
            known["rule"] = body.get("rule")  # of a changed call people are asked, whatever the rule was
        elif row.kind == "retimed":
            known["timeout_at"] = body["deadline"]
        elif row.kind == "revived":
            known |= {"timeout_at": body["deadline"], "outcome": None, "resolved_at": None}
        elif row.kind == "voted":
            votes.append({"at": iso(row.at_ms), **_vote(body)})
        elif row.kind == "decided":
            known |= _decision(body)
        elif row.kind == "voided":
            known |= {"decision": None, "operator": None, "operator_input": None}
        elif row.kind == "settled":
            known |= {"outcome": body["outcome"], "resolved_at": iso(row.at_ms)}
    rows = tuple(row.number for row in told)
    return Entry(request_id=approval_id, votes=tuple(votes), rows=rows, **known)  # type: ignore[arg-type]  # JSON by name


def iso(at_ms: int) -> str:
    """Milliseconds since 1970 as a moment in UTC."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")


def _vote(body: dict[str, Json]) -> dict[str, Json]:
    names = ("person", "name", "email", "surface", "account", "acting_for", "verdict", "note", "seen_whole")
    return {name: body.get(name) for name in names}


def _decision(body: dict[str, Json]) -> dict[str, Json]:
    others = body.get("others")
    everybody = [*(others if isinstance(others, list) else []), body.get("operator")]
    return {
        "decision": body.get("verdict"),
        "operator": ", ".join(str(one) for one in everybody),
        "operator_input": body.get("operator_input"),
    }
