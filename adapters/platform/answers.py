"""What the platform's other answers say: a decision taken, an error, an audit record, a wait. Pure.

The shapes are those that the platform was seen to answer in.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.platform.strict import flaw, parse

#: Characters of the platform's own words that reach an operator.
LONGEST_WORDS = 200
#: Bounds for what a Retry-After may ask of us, in seconds; no request waits for longer than a year.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 366 * 86_400.0
#: How a request may have ended: the audit says `timeout` where the stream says `timeout_skip`.
AUDIT_WORDS = frozenset({"approved", "rejected", "skipped", "timeout", "timeout_skip"})


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


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: seconds or a date), within our bounds.

    None when there is none, or it is neither.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (aware - now).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def skew(date: str | None, now: datetime) -> timedelta | None:
    """How far our clock is ahead of a Date header (RFC 9110, 6.6.1); None when there is no usable one."""
    try:
        moment = parsedate_to_datetime(date) if date else None
    except (ValueError, OverflowError):
        return None
    if moment is None:
        return None
    return now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


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
