"""What the platform's other answers say: a decision taken, an error, its audit; their bounds. Pure.

The shapes are those that the platform was seen to answer in. Its guide marks the audit as work in progress, and
some platforms have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from adapters.platform.strict import flaw, parse
from bot.errors import Unavailable
from bot.protocol import Json

#: Characters of the platform's own words that reach an operator.
LONGEST_WORDS = 200
#: The longest Retry-After that is kept, in seconds: no request waits for longer than a year.
LONGEST_WAIT = 366 * 86_400.0
#: How a request may have ended: the audit says `timeout` where the stream says `timeout_skip`.
AUDIT_WORDS = frozenset({"approved", "rejected", "skipped", "timeout", "timeout_skip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What messages call a platform, and the settings that have its address and its key."""

    platform: str = "the platform"
    url: str = "AIP_API_URL"
    key: str = "AIP_API_KEY"


USUAL = Names()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much, in seconds and bytes (docs/protocol.md, Connection)."""

    connect: float = 3.0
    read: float = 10.0  #: between two pieces of an answer
    total: float = 15.0  #: of a whole call; a server that drips does not outlast it
    audit: float = 3.0  #: of a whole question to the audit, which is optional
    list: int = (
        110_000_000  #: of the pending list, unpacked; it is read in pieces, and refused a little earlier
    )
    question: int = 20_000_000  #: of the answer to any other question, unpacked
    body: int = 5_000_000  #: of the answer to a decision, unpacked
    posts: int = (
        288  #: decisions on their way at once; the others wait. The flow has fewer (`bot.flow.deliver`)
    )
    questions: int = 16  #: questions to the audit at once; the others wait


def took(body: bytes) -> bool:
    """Whether a 2xx answer to a decision says that it was taken; a page of a proxy does not."""
    answer = _object(body)
    if "success" in answer and answer["success"] is not True:
        return False
    status = answer.get("status", "ok" if "success" in answer else None)
    return isinstance(status, str) and status.lower() == "ok"


def words_of(body: bytes) -> str:
    """What an error answer says, as one short line; empty when it says nothing that can be read."""
    answer = _object(body)
    detail = answer.get("detail")
    said = answer.get("message") or (_problems(detail) if isinstance(detail, list) else detail)
    if not isinstance(said, str):
        return ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1] + "…"


def audit_word(body: bytes, request_id: str) -> str | None:
    """How this request ended, by its audit record; None when the answer is about anything else."""
    answer = _object(body)
    data = answer.get("data", answer)
    for record in data if isinstance(data, list) else [data]:
        if isinstance(record, dict) and record.get("request_id") == request_id:
            word = record.get("decision")
            return word if isinstance(word, str) and word in AUDIT_WORDS else None
    return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = parse(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and flaw(value) is None else {}


def _problems(detail: list[Any]) -> str:
    """FastAPI's 422: where and what, without the input that it may repeat."""
    named = (problem for problem in detail if isinstance(problem, dict))
    return "; ".join(f"{_place(problem.get('loc'))}: {problem.get('msg')}" for problem in named)


def _place(loc: object) -> str:
    return ".".join(map(str, loc)) if isinstance(loc, list) else "body"


DecisionType = Literal["approved", "rejected", "skipped", "timeout"]
SortOrder = Literal["asc", "desc"]

M = TypeVar("M", bound=BaseModel)

#: Records on one page, at most; the platform refuses more.
MOST_RECORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """How one request ended, by the platform."""

    request_id: str
    decision: str  #: approved, rejected, skipped or timeout; other words as they came
    timestamp: datetime | None
    agent_id: str
    agent_name: str
    tool_name: str
    arguments: Json
    metadata: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """One page of the audit, and whether there are more."""

    records: tuple[AuditRecord, ...]
    total: int
    page: int
    limit: int
    has_next: bool
    has_prev: bool


def query_of(
    *,
    page: int,
    limit: int,
    start_date: datetime | None,
    end_date: datetime | None,
    decision_type: DecisionType | None,
    agent_id: str | None,
    sort_order: SortOrder,
) -> str:
    """The query of `GET /agents/hitl/audit`. Raises ValueError for what the platform would refuse."""
    if page < 1 or not 1 <= limit <= MOST_RECORDS:
        raise ValueError(f"page must be at least 1, and limit between 1 and {MOST_RECORDS}")
    dates = {"start_date": start_date, "end_date": end_date}
    if any(date is not None and date.tzinfo is None for date in dates.values()):
        raise ValueError("a date without a time zone is ambiguous; give one with a time zone")
    if start_date and end_date and start_date >= end_date:
        raise ValueError("start_date must be before end_date")
    given = {"page": page, "limit": limit, "sort_order": sort_order}
    named = {name: date.isoformat() for name, date in dates.items() if date is not None}
    chosen = {"decision_type": decision_type, "agent_id": agent_id}
    return urlencode({**given, **named, **{name: value for name, value in chosen.items() if value is not None}})


def read_page(body: bytes) -> AuditPage:
    """One page. Raises Unavailable when it cannot be read."""
    page = _read(_Page, body)
    records = tuple(_record(record) for record in page.data)
    return AuditPage(
        records=records,
        total=len(records) if page.total is None else page.total,
        page=page.page,
        limit=page.limit,
        has_next=page.has_next,
        has_prev=page.has_prev,
    )


def read_record(body: bytes) -> AuditRecord:
    """One record, of `GET /agents/hitl/audit/{request_id}`. Raises Unavailable when it cannot be read."""
    return _record(_read(_Detail, body).data)


class _Named(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str | None = None
    name: str | None = None
    arguments: Any = None


class _Record(BaseModel):
    request_id: str
    decision: str
    timestamp: AwareDatetime | None = None
    agent: _Named = _Named()
    tool: _Named = _Named()
    metadata: Any = None


class _Page(BaseModel):
    data: list[_Record]
    total: int | None = None
    page: int = 1
    limit: int = MOST_RECORDS
    has_next: bool = False
    has_prev: bool = False


class _Detail(BaseModel):
    data: _Record


def _record(read: _Record) -> AuditRecord:
    return AuditRecord(
        request_id=read.request_id,
        decision=read.decision,
        timestamp=read.timestamp,
        agent_id=read.agent.id or "",
        agent_name=read.agent.name or "",
        tool_name=read.tool.name or "",
        arguments=read.tool.arguments,
        metadata=read.metadata,
    )


def _read(kind: type[M], body: bytes) -> M:
    try:
        value = parse(body)
    except ValueError as error:
        raise Unavailable("the platform's audit is not JSON") from error
    if problem := flaw(value, rounded=True):
        raise Unavailable(f"the platform's audit {problem}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # The place and the kind only: pydantic's sentences quote the values.
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Unavailable(f"the platform's audit has no usable {where} ({first['type']})") from None
