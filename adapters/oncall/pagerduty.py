"""Schedules of PagerDuty (`GET /oncalls`, developer.pagerduty.com/api-reference, List all of the on-calls)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.oncall.fetch import Fetch
from bot.errors import Unavailable
from bot.ladder import parse_time
from bot.rotation import ScheduleRef

API_URL = "https://api.pagerduty.com"
#: Entries of one page, the most that the API gives; one schedule has an entry per escalation policy and level.
PAGE = 100
_ACCEPT = "application/vnd.pagerduty+json;version=2"
_WHO = "PagerDuty"


class PagerDutySchedules:
    """Implements `adapters.oncall.Schedules`: the people of a schedule, at its lowest escalation level.

    PagerDuty lists a schedule only through the escalation policies that use it.
    """

    def __init__(self, *, fetch: Fetch, key: str, url: str = API_URL) -> None:
        """`key` is a key of the REST API, which may be read-only; `url` is without a path."""
        self._fetch, self._key, self._url = fetch, key, url.rstrip("/")
        self._skipped: dict[ScheduleRef, tuple[str, ...]] = {}

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        """Ask once; raises Unavailable also for an answer of another shape."""
        body = await self._fetch.read_object(
            f"{self._url}/oncalls",
            who=_WHO,
            headers={"Authorization": f"Token token={self._key}", "Accept": _ACCEPT},
            params={
                "schedule_ids[]": ref.id,
                "include[]": "users",
                "since": _stamp(at),
                "until": _stamp(at + timedelta(seconds=1)),
                "limit": str(PAGE),
            },
        )
        entries = body.get("oncalls")
        if not isinstance(entries, list):
            raise Unavailable(f"{_WHO}'s answer has no list of on-calls")
        found = [found for entry in entries if entry is not None for found in _person(entry, ref.id, at)]
        self._skipped[ref] = tuple(f"entry {n} is null" for n, one in enumerate(entries, 1) if one is None)
        lowest = min((level for level, _ in found), default=0)
        return tuple(dict.fromkeys(person for level, person in found if level == lowest))

    def skipped(self, ref: ScheduleRef) -> tuple[str, ...]:
        """The entries of the last answer that hold nothing."""
        return self._skipped.get(ref, ())


def _person(entry: Any, schedule: str, at: datetime) -> list[tuple[int, str]]:
    """Level and e-mail address, or name, of an entry that is in force; empty for another one.

    An entry without a start or an end always was, or never ends. Raises Unavailable for another shape.
    """
    if not isinstance(entry, dict):
        raise Unavailable(f"{_WHO}'s answer has an on-call that is no object")
    user, kept_in, level = entry.get("user"), entry.get("schedule"), entry.get("escalation_level")
    if not isinstance(user, dict) or not isinstance(level, int):
        raise Unavailable(f"{_WHO}'s answer has an on-call without a user or a level")
    start, end = (_moment(entry.get(name)) for name in ("start", "end"))
    ours = isinstance(kept_in, dict) and kept_in.get("id") == schedule
    name = user.get("email") or user.get("name") or user.get("summary")
    in_force = (start is None or start <= at) and (end is None or at < end)
    return [(level, name)] if ours and isinstance(name, str) and in_force else []


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = parse_time(value) if isinstance(value, str) else None
    if moment is None:
        raise Unavailable(f"{_WHO}'s answer has a time that cannot be read")
    return moment


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
