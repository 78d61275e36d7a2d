"""The platform's audit: its query, and its bytes read strictly. Pure.

It is marked work in progress by the platform's guide, and absent on some platforms.
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
        raise ValueError("a date without its zone could be meant in any; give an aware one")
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
        raise Unavailable("the platform's audit is no JSON") from error
    if problem := flaw(value, rounded=True):
        raise Unavailable(f"the platform's audit {problem}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # The place and the kind only: pydantic's sentences quote the values.
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Unavailable(f"the platform's audit has no usable {where} ({first['type']})") from None
