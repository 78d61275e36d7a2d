"""`nod audit export`: one line for each approval, oldest first, as JSON lines or CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TextIO

from adapters.store.audit import AuditReader, open_audit_reader
from bot.approval import Outcome
from bot.audit import Row
from bot.call import covered_name, covered_of
from bot.errors import ConfigError
from bot.protocol import GLAIP, HITLRequest, Json, split_key
from bot.redaction import Redaction
from bot.visible import visible

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Which fields the rows about a call (`admitted`, `changed`) fill, by their names there.
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
    """How one request ended; times in ISO 8601. `decision` is None when nobody gave one."""

    request_id: str
    agent_id: str | None = None
    run_id: str | None = None
    decision: str | None = None
    outcome: str | None = None  #: `timeout_skip` when nobody answered
    operator: str | None = None  #: everyone who decided, by name and address
    operator_input: str | None = None
    created_at: str | None = None  #: the platform's time; without one, when Nod first saw it
    resolved_at: str | None = None
    timeout_at: str | None = None  #: the deadline that Nod used
    tool: str | None = None
    arguments_digest: str | None = None
    arguments: Json = None
    route: str | None = None
    rule: str | None = None
    votes: tuple[dict[str, Json], ...] = ()  #: all votes, also those that were voided or taken back
    rows: tuple[int, ...] = ()  #: the audit rows that say all this
    source: str = GLAIP  #: which platform asked

    def fields(self, *, with_arguments: bool) -> dict[str, Json]:
        """All fields by name, in their order, without the secrets in names."""
        named = {name: getattr(self, name) for name in FIELDS if with_arguments or name != "arguments"}
        named |= {name: covered_name(named[name]) for name in ("tool", "agent_id") if named[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}

    @property
    def people(self) -> frozenset[str]:
        """Everyone who voted, by every name, casefolded."""
        names = ("person", "name", "email", "account", "acting_for")
        return frozenset(str(vote[name]).casefold() for vote in self.votes for name in names if vote.get(name))


FIELDS = tuple(field.name for field in fields(Entry))


def entry_of(
    approval_id: str, told: Sequence[Row], *, call: HITLRequest | None, redaction: Redaction | None
) -> Entry:
    """The entry of an approval. With a redaction it has the call's arguments, redacted.

    `call` is used where the chain has no row about the call (retention removed it, or it is older than the
    audit log).
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
            known["rule"] = body.get("rule")  # people are asked about a changed call, whatever the rule was
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
    source, request_id = split_key(approval_id)
    return Entry(request_id=request_id, votes=tuple(votes), rows=rows, source=source, **known)  # type: ignore[arg-type]  # JSON by name


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


Format = Literal["jsonl", "csv"]

#: A spreadsheet reads a cell that begins so as a formula (OWASP, CSV Injection).
_FORMULA = frozenset("=+-@|%\u2212")
#: In some countries a spreadsheet ends a cell at a semicolon or a tab, even within quotes.
_ENDS = re.compile(r"(;)")
#: Approvals processed at once.
_SOME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which approvals are exported: those that match every condition given."""

    since: datetime | None = None  #: first seen from then on
    until: datetime | None = None  #: first seen before then
    agent: str | None = None  #: a glob
    tool: str | None = None  #: a glob
    person: str | None = None  #: a voter's handle, name, address or account, in any case
    decision: Outcome | None = None  #: how it was decided, or how it ended

    def takes(self, entry: Entry) -> bool:
        """Whether it is exported, apart from its time."""
        return (
            (self.agent is None or fnmatchcase(entry.agent_id or "", self.agent))
            and (self.tool is None or fnmatchcase(entry.tool or "", self.tool))
            and (self.decision is None or self.decision in (entry.decision, entry.outcome))
            and (self.person is None or self.person.casefold() in entry.people)
        )


async def export(
    url: str,
    *,
    form: Format,
    only: Filter,
    output: Path | None = None,
    with_arguments: bool = False,
    redaction: Redaction,
) -> int:
    """Write the matching approvals to a file (or to standard output), oldest first; returns 0.

    Arguments are written only on request, redacted. Raises ConfigError.
    """
    count = 0
    async with open_audit_reader(url) as audit_reader, _opened(output) as stream:
        if form == "csv":
            await asyncio.to_thread(stream.write, _csv([_columns(with_arguments)]))
        async for entries in _entries(audit_reader, only, redaction if with_arguments else None):
            count += len(entries)
            lines = [entry.fields(with_arguments=with_arguments) for entry in entries]
            if form == "csv":
                text = _csv([[_cell(value) for value in line.values()] for line in lines])
            else:
                text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
            await asyncio.to_thread(stream.write, text)
    if output is not None:
        print(f"{count} approvals written to {output}")
    return 0


async def _entries(
    audit_reader: AuditReader, only: Filter, redaction: Redaction | None
) -> AsyncIterator[Sequence[Entry]]:
    ids = await audit_reader.about(since=only.since, until=only.until)
    for start in range(0, len(ids), _SOME):
        some = ids[start : start + _SOME]
        told, calls = await audit_reader.told_of(some), await audit_reader.calls(some)
        entries = [entry_of(one, told[one], call=calls.get(one), redaction=redaction) for one in some]
        yield [entry for entry in entries if only.takes(entry)]


@asynccontextmanager
async def _opened(output: Path | None) -> AsyncIterator[TextIO]:
    """Standard output, or a new file that only our user can read."""
    if output is None:
        yield sys.stdout
        return
    try:
        held = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ConfigError(
            "-o", f"{output} cannot be written ({error.strerror})", "Choose another file."
        ) from error
    stream = os.fdopen(held, "w", encoding="utf-8", newline="")
    try:
        yield stream
    finally:
        await asyncio.to_thread(stream.close)


def _columns(with_arguments: bool) -> list[str]:
    return [name for name in FIELDS if with_arguments or name != "arguments"]


def _cell(value: object) -> str:
    """A value as a one-line cell that no spreadsheet runs: an apostrophe goes before a formula.

    Also behind blanks and invisible characters, and for full-width signs: spreadsheets ignore those.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    flat = visible(text).replace("\n", "\\u{A}").replace("\t", "\\u{9}")
    formula = _is_formula(text) or _is_formula(flat)
    return "".join(
        f"'{part}" if (formula and not at) or (at and _is_formula(part)) else part
        for at, part in enumerate(_ENDS.split(flat))
    )


def _is_formula(text: str) -> bool:
    seen = (char for char in text if unicodedata.category(char)[0] not in "CZM")
    first = unicodedata.normalize("NFKC", next(seen, ""))[:1]
    return first in _FORMULA if first else False


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
