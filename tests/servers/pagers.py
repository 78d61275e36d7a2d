"""The services that take alerts, as they are documented: they refuse what the real ones would refuse."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serve import serve

ROUTING_KEY = "e93facc04764012d7bfb002500d5d1a6"
API_KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
WEBHOOK_SECRET = "fedcba9876543210" * 2
#: Seconds that a receiver lets pass between a timestamp and now.
FRESH = 300
#: Opsgenie's text fields and their characters (docs.opsgenie.com/docs/alert-api).
OPSGENIE_LIMITS = {"message": 130, "alias": 512, "description": 15_000, "source": 100, "note": 25_000}
OPSGENIE_FIELDS = {*OPSGENIE_LIMITS, "priority", "details"}
SUCCESS = {"status": "success", "message": "Event processed"}


class Service:
    """What they share: answers that are given instead, one each, and whether it is down."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.down = False
        self.hangs = False
        self.tries = 0

    async def instead(self) -> Response | None:
        self.tries += 1
        if self.hangs:
            await asyncio.sleep(30)
        if self.down:
            return Response("<html>Bad gateway</html>", 503)
        return self.answers.pop(0) if self.answers else None


class FakePagerDuty(Service):
    """Events API v2: `events` in the order they were taken, `open` the keys of alerts that are not resolved."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.open: set[str] = set()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v2/enqueue", self.enqueue, methods=["POST"])])

    async def enqueue(self, request: Request) -> Response:
        if (instead := await self.instead()) is not None:
            return instead
        event = json.loads(await request.body())
        if errors := faults_of_event(event):
            body = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return JSONResponse(body, 400)
        self.events.append(event)
        if event["event_action"] == "trigger":
            self.open.add(event["dedup_key"])
        else:
            self.open.discard(event["dedup_key"])
        return JSONResponse({**SUCCESS, "dedup_key": event["dedup_key"]}, 202)

    def told(self) -> list[tuple[str, str]]:
        """Action and key of each event."""
        return [(event["event_action"], event["dedup_key"]) for event in self.events]


def faults_of_event(event: dict[str, Any]) -> list[str]:
    """What the Events API would say about it."""
    faults = [f"'{name}' is unknown" for name in event.keys() - EVENT_FIELDS]
    if len(event.get("routing_key", "")) != 32:
        faults.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if event.get("routing_key") != ROUTING_KEY:
        faults.append("'routing_key' is unknown")
    if not 0 < len(event.get("dedup_key", "")) <= 255:
        faults.append("'dedup_key' is missing or too long")
    if event.get("event_action") not in ("trigger", "resolve"):
        faults.append("'event_action' is not valid")
    if event.get("event_action") == "trigger":
        payload = event.get("payload", {})
        faults += [f"'payload.{name}' is unknown" for name in payload.keys() - PAYLOAD_FIELDS]
        faults += [f"'payload.{name}' is missing" for name in ("summary", "source") if not payload.get(name)]
        if len(payload.get("summary", "")) > 1024:
            faults.append("'payload.summary' is too long")
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            faults.append("'payload.severity' is not valid")
        datetime.fromisoformat(payload.get("timestamp", "no time"))
    for link in event.get("links", ()):
        if link.keys() != {"href", "text"} or not link["href"].startswith(("https://", "http://")):
            faults.append("'links' is not valid")
    return faults


EVENT_FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "links"}
PAYLOAD_FIELDS = {"summary", "source", "severity", "timestamp", "class", "custom_details"}


class FakeOpsgenie(Service):
    """Alert API: `created` and `closed` in order, `open` by alias."""

    def __init__(self) -> None:
        super().__init__()
        self.created: list[dict[str, Any]] = []
        self.closed: list[tuple[str, dict[str, Any]]] = []
        self.open: set[str] = set()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v2/alerts", self.create, methods=["POST"]),
                Route("/v2/alerts/{identifier}/close", self.close, methods=["POST"]),
            ]
        )

    async def create(self, request: Request) -> Response:
        body, refusal = await self._read(request, needs="message")
        if refusal is not None:
            return refusal
        if body.get("priority") not in ("P1", "P2", "P3", "P4", "P5"):
            return JSONResponse({"message": "Request body is not processable."}, 422)
        self.created.append(body)
        self.open.add(body["alias"])
        return self._accepted()

    async def close(self, request: Request) -> Response:
        body, refusal = await self._read(request, needs=None)
        if refusal is not None:
            return refusal
        if request.query_params.get("identifierType") != "alias":
            return JSONResponse({"message": "Identifier should be a UUID."}, 422)
        alias = request.path_params["identifier"]
        self.closed.append((alias, body))
        self.open.discard(alias)  # closing what is not there is accepted as well, and fails later
        return self._accepted()

    async def _read(self, request: Request, *, needs: str | None) -> tuple[dict[str, Any], Response | None]:
        if (instead := await self.instead()) is not None:
            return {}, instead
        if request.headers.get("Authorization") != f"GenieKey {API_KEY}":
            return {}, JSONResponse({"message": "Key format is not valid!"}, 401)
        body = json.loads(await request.body())
        too_long = any(len(body.get(name, "")) > most for name, most in OPSGENIE_LIMITS.items())
        if too_long or body.keys() - OPSGENIE_FIELDS or (needs and not body.get(needs)):
            return body, JSONResponse({"message": "Request body is not processable."}, 422)
        return body, None

    @staticmethod
    def _accepted() -> Response:
        return JSONResponse({"result": "Request will be processed", "took": 0.3, "requestId": "43a29c5c"}, 202)


class Receiver(Service):
    """A webhook of an operator, who verifies as docs/operations.md says; `bodies` are those that hold."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hooks/{token}", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        if (instead := await self.instead()) is not None:
            return instead
        raw = await request.body()
        timestamp = request.headers.get("X-Nod-Timestamp", "")
        expected = hmac.new(WEBHOOK_SECRET.encode(), f"{timestamp}.".encode() + raw, hashlib.sha256)
        signature = request.headers.get("X-Nod-Signature", "")
        if not hmac.compare_digest(f"v1={expected.hexdigest()}", signature):
            return Response("forged", 401)
        if abs(time.time() - int(timestamp)) > FRESH:
            return Response("too old", 401)
        self.bodies.append(json.loads(raw))
        self.headers.append(dict(request.headers))
        return Response(status_code=204)


@asynccontextmanager
async def open_service(service: FakePagerDuty | FakeOpsgenie | Receiver) -> AsyncIterator[str]:
    """Its address on this machine."""
    async with serve(service.app()) as address:
        yield address
