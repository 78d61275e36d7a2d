"""Schedules of Opsgenie (`GET /v2/schedules/{id}/on-calls`, docs.opsgenie.com/docs/who-is-on-call-api)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

from adapters.oncall.fetch import Fetch
from bot.errors import Unavailable
from bot.rotation import ScheduleRef

API_URL = "https://api.opsgenie.com"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WHO = "Opsgenie"


class OpsgenieSchedules:
    """Implements `adapters.oncall.Schedules`: a schedule by its id (a UUID) or its name."""

    def __init__(self, *, fetch: Fetch, key: str, url: str = API_URL) -> None:
        """`key` is an API integration's with read access; `url` is the instance's, without `/v2`."""
        self._fetch, self._key, self._url = fetch, key, url.rstrip("/")
        self._skipped: dict[ScheduleRef, tuple[str, ...]] = {}

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        """Ask once; raises Unavailable also for an answer of another shape."""
        body = await self._fetch.read_object(
            f"{self._url}/v2/schedules/{quote(ref.id, safe='')}/on-calls",
            who=_WHO,
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
            raise Unavailable(f"{_WHO}'s answer has no list of recipients")
        self._skipped[ref] = tuple(f"recipient {n} is null" for n, name in enumerate(names, 1) if name is None)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def skipped(self, ref: ScheduleRef) -> tuple[str, ...]:
        """The recipients of the last answer that hold nothing."""
        return self._skipped.get(ref, ())
