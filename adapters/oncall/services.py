"""Schedules that PagerDuty and Opsgenie keep: who they say is on call now.

PagerDuty: `GET /oncalls` (developer.pagerduty.com/api-reference, List all of the on-calls). Opsgenie: `GET
/v2/schedules/{id}/on-calls` (docs.opsgenie.com/docs/who-is-on-call-api).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from adapters.http import exchange
from bot.errors import Forbidden, Gone, Unavailable
from bot.ladder import parse_time
from bot.rotation import ScheduleRef

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Seconds of a whole answer, from the name lookup to its last byte.
LIMIT = 5.0
#: Bytes of an answer or a file.
LARGEST = 1_000_000


class Fetch:
    """GETs over one client that all schedules share; its opener closes it."""

    def __init__(self, *, client: httpx.AsyncClient, limit: float = LIMIT) -> None:
        """`limit` is in seconds; the client follows no redirect."""
        self._client, self._limit = client, limit

    async def read(
        self,
        url: str,
        *,
        who: str,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """What `url` answers with 200; `who` is what operators call the other side.

        Raises:
            Unavailable: no answer in time, too long a one, 429 or 5xx.
            Gone: 404 or 410.
            Forbidden: any other status, or an address that cannot be used at all.
        """
        answer = await exchange(
            self._client,
            "GET",
            url,
            who=who,
            headers=headers,
            params=params,
            limit=self._limit,
            largest=LARGEST,
        )
        _check(answer.status, who)
        return answer.body

    async def read_object(
        self, url: str, *, who: str, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> dict[str, Any]:
        """The same for an answer that is one JSON object. Raises Unavailable when it is not."""
        content = await self.read(url, who=who, headers=headers, params=params)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise Unavailable(f"{who}'s answer is not JSON") from None
        if not isinstance(body, dict):
            raise Unavailable(f"{who}'s answer is not a JSON object")
        return body


def _check(status: int, who: str) -> None:
    if status == httpx.codes.OK:
        return
    if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise Gone(f"{who} has no such schedule ({status})")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Forbidden(f"{who} denies access ({status})")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{who} answered {status}")
    raise Forbidden(f"{who} answered {status}")


OPSGENIE_URL = "https://api.opsgenie.com"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class OpsgenieSchedules:
    """Implements `adapters.oncall.Schedules`: a schedule by its id (a UUID) or its name."""

    def __init__(self, *, fetch: Fetch, key: str, url: str = OPSGENIE_URL) -> None:
        """`key` is an API integration's with read access; `url` is the instance's, without `/v2`."""
        self._fetch, self._key, self._url = fetch, key, url.rstrip("/")
        self._skipped: dict[ScheduleRef, tuple[str, ...]] = {}

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        """Ask once; raises Unavailable also for an answer of another shape."""
        body = await self._fetch.read_object(
            f"{self._url}/v2/schedules/{quote(ref.id, safe='')}/on-calls",
            who="Opsgenie",
            headers={"Authorization": f"GenieKey {self._key}"},
            params={
                "scheduleIdentifierType": "id" if _ID.fullmatch(ref.id) else "name",
                "flat": "true",
                "date": at.astimezone(UTC).isoformat(timespec="seconds"),
            },
        )
        data = body.get("data")
        names = data.get("onCallRecipients") if isinstance(data, dict) else None
        if not isinstance(names, list) or not all(name is None or isinstance(name, str) for name in names):
            raise Unavailable("Opsgenie's answer has no list of recipients")
        self._skipped[ref] = tuple(f"recipient {n} is null" for n, name in enumerate(names, 1) if name is None)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def skipped(self, ref: ScheduleRef) -> tuple[str, ...]:
        """The recipients of the last answer that hold nothing."""
        return self._skipped.get(ref, ())


PAGERDUTY_URL = "https://api.pagerduty.com"
#: Entries of one page, the most that the API gives; one schedule has an entry per escalation policy and level.
PAGE = 100
_ACCEPT = "application/vnd.pagerduty+json;version=2"


class PagerDutySchedules:
    """Implements `adapters.oncall.Schedules`: the people of a schedule, at its lowest escalation level.

    PagerDuty lists a schedule only through the escalation policies that use it.
    """

    def __init__(self, *, fetch: Fetch, key: str, url: str = PAGERDUTY_URL) -> None:
        """`key` is a key of the REST API, which may be read-only; `url` is without a path."""
        self._fetch, self._key, self._url = fetch, key, url.rstrip("/")
        self._skipped: dict[ScheduleRef, tuple[str, ...]] = {}

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        """Ask once; raises Unavailable also for an answer of another shape."""
        body = await self._fetch.read_object(
            f"{self._url}/oncalls",
            who="PagerDuty",
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
            raise Unavailable("PagerDuty's answer has no list of on-calls")
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
        raise Unavailable("PagerDuty's answer has an on-call entry that is not a JSON object")
    user, kept_in, level = entry.get("user"), entry.get("schedule"), entry.get("escalation_level")
    if not isinstance(user, dict) or not isinstance(level, int):
        raise Unavailable("PagerDuty's answer has an on-call without a user or a level")
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
        raise Unavailable("PagerDuty's answer has a time that cannot be read")
    return moment


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
