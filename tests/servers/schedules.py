"""The services that know who is on call, as they are documented, and a server of calendars.

PagerDuty: `GET /oncalls` of the REST API v2. Opsgenie: docs.opsgenie.com/docs/who-is-on-call-api.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serve import serve

PAGERDUTY_KEY, OPSGENIE_KEY = "u+wZQEWYvQwyQCyzyB9w", "eb243592-faa2-4ba2-a551-1afdf565c889"
SCHEDULE = "PI7DH85"  #: at PagerDuty
SCHEDULE_ID, SCHEDULE_NAME = "d8757f84-9b4e-4219-8a3d-0c26936d18de", "Night shift #2 / EU"  #: at Opsgenie


class Service:
    """What they share: an answer that is given instead, and whether it hangs; `asked` counts."""

    def __init__(self) -> None:
        self.instead: Response | None = None
        self.hangs = False
        self.asked = 0

    async def trouble(self) -> Response | None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(30)
        return self.instead


class PagerDuty(Service):
    """`entries` are its on-calls; those that overlap the range that is asked for are listed."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/oncalls", self.oncalls)])

    async def oncalls(self, request: Request) -> Response:
        if (instead := await self.trouble()) is not None:
            return instead
        if request.headers.get("Authorization") != f"Token token={PAGERDUTY_KEY}":
            return JSONResponse({"error": {"message": "Unauthorized", "code": 2006}}, 401)
        if request.headers.get("Accept") != "application/vnd.pagerduty+json;version=2":
            return JSONResponse({"error": {"message": "Not Acceptable"}}, 406)
        query = request.query_params
        since, until = (datetime.fromisoformat(query[name]) for name in ("since", "until"))
        if since > until:
            return JSONResponse({"error": {"message": "Invalid Input Provided", "code": 2001}}, 400)
        wanted, with_users = query.getlist("schedule_ids[]"), "users" in query.getlist("include[]")
        listed = [
            entry if with_users else entry | {"user": {**entry["user"], "email": None}}
            for entry in self.entries
            if entry["schedule"] is not None and entry["schedule"]["id"] in wanted
            if entry["start"] is None or datetime.fromisoformat(entry["start"]) <= until
            if entry["end"] is None or since <= datetime.fromisoformat(entry["end"])
        ]
        return JSONResponse({"oncalls": listed, "limit": 25, "offset": 0, "more": False, "total": None})


def oncall(
    who: str, *, level: int = 1, start: str | None = None, end: str | None = None, schedule: str = SCHEDULE
) -> dict[str, Any]:
    """One entry of PagerDuty's list."""
    user = {"id": f"P{who.upper()}", "type": "user", "summary": who.title(), "name": who.title()}
    return {
        "user": user | {"email": f"{who}@acme.example"},
        "schedule": {"id": schedule, "type": "schedule_reference", "summary": "Daily Engineering Rotation"},
        "escalation_policy": {"id": "PT20YPA", "type": "escalation_policy_reference"},
        "escalation_level": level,
        "start": start,
        "end": end,
    }


class Opsgenie(Service):
    """One schedule; `recipients` are on call in it now, and `dates` are the moments that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.recipients: list[str] = []
        self.dates: list[datetime] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v2/schedules/{identifier:path}/on-calls", self.on_calls)])

    async def on_calls(self, request: Request) -> Response:
        if (instead := await self.trouble()) is not None:
            return instead
        if request.headers.get("Authorization") != f"GenieKey {OPSGENIE_KEY}":
            return JSONResponse({"message": "Key format is not valid!", "took": 0.0, "requestId": "1"}, 401)
        query = request.query_params
        known = {"id": SCHEDULE_ID, "name": SCHEDULE_NAME}[query.get("scheduleIdentifierType", "id")]
        if request.path_params["identifier"] != known:
            return JSONResponse({"message": "Schedule does not exist", "took": 0.0, "requestId": "1"}, 404)
        self.dates.append(datetime.fromisoformat(query["date"]))
        parent = {"id": SCHEDULE_ID, "name": SCHEDULE_NAME, "enabled": True}
        flat = query.get("flat") == "true"
        people = {"onCallRecipients": self.recipients} if flat else {"onCallParticipants": []}
        return JSONResponse({"data": {"_parent": parent, **people}, "took": 0.071, "requestId": "1"})


class CalendarHost(Service):
    """Serves `calendar` under an address that is its own key."""

    def __init__(self) -> None:
        super().__init__()
        self.calendar = b""

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/private-3f9a/basic.ics", self.basic)])

    async def basic(self, request: Request) -> Response:
        if (instead := await self.trouble()) is not None:
            return instead
        return Response(self.calendar, media_type="text/calendar")


def calendar(*events: str, head: str = "") -> bytes:
    """An iCalendar file of events, each given by its properties, one to a line."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Acme//Rota//EN", *head.splitlines()]
    for number, event in enumerate(events):
        stamp = [f"UID:{number}@acme.example", "DTSTAMP:20260101T000000Z"]
        lines += ["BEGIN:VEVENT", *stamp, *filter(None, map(str.strip, event.splitlines())), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


@asynccontextmanager
async def open_service(service: PagerDuty | Opsgenie | CalendarHost) -> AsyncIterator[str]:
    """Its address on this machine."""
    async with serve(service.app()) as address:
        yield address
