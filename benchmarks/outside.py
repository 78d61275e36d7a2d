"""The platform and Slack for measurements: both answer at once, so that the bot is what is measured.

Nothing here checks what the real ones check; the sandbox does. It runs in the process that measures, and keeps
the moment of everything that it sees.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

#: Found in the raw bytes of any message: each call names its request.
ID = re.compile(rb"req-[0-9a-f-]{36}")
#: Longest list of pending requests that is read or written, in bytes.
MOST = 64 << 20
#: Seconds that a request waits for its answer: longer than any measurement.
WINDOW = 3_600
SCOPES = (
    "chat:write,channels:read,groups:read,channels:history,groups:history,im:write,im:history,"
    "metadata.message:read,usergroups:read,users:read,users:read.email"
)


@dataclass(slots=True, kw_only=True)
class Card:
    """A posted message about one request."""

    at: float  #: when it came, of time.perf_counter like all moments here
    channel: str
    ts: str
    body: bytes
    kind: str
    posts: int = 1
    updates: int = 0

    def blocks(self) -> list[dict[str, Any]]:
        """What it shows."""
        given = _fields(self.body, self.kind)["blocks"]
        shown: list[dict[str, Any]] = json.loads(given) if isinstance(given, str) else given
        return shown


class Outside:
    """What waits, what was posted, what was decided."""

    def __init__(self) -> None:
        self.url = ""
        self.cards: dict[str, Card] = {}  #: by request
        self.decisions: dict[str, list[float]] = {}  #: by request, the moments of each POST
        self.polls: list[float] = []  #: when each was answered
        self.asked = 0.0  #: when a run last began to wait
        self._pending: dict[str, dict[str, Any]] = {}
        self._ended: dict[str, str] = {}
        self._by_ts: dict[str, Card] = {}
        self._list: bytes | None = None
        self._numbers = count(1)
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._pending)

    def ask(self, number: int, *, size: int = 200) -> list[str]:
        """So many agents wait from now on; `size` in characters."""
        now = datetime.now(UTC)
        ids = [f"req-{uuid.uuid4()}" for _ in range(number)]
        for place, one in enumerate(ids):
            hitl = {
                "required": True,
                "decision": "pending",
                "request_id": one,
                "timeout_seconds": WINDOW,
                "timeout_at": (now + timedelta(seconds=WINDOW)).isoformat(),
            }
            self._pending[one] = {
                "request_id": one,
                "tool": "send_email",
                "arguments": {"to": f"user{place}@example.com", "body": "x" * size, "ref": one},
                "created_at": now.isoformat(),
                "agent_id": f"agent-{place % 40}",
                "hitl_metadata": hitl,
            }
        self._list = None
        return ids

    def change(self, number: int) -> None:
        """The calls of so many requests are other ones from now on."""
        for one in list(self._pending)[:number]:
            call = self._pending[one]["arguments"]
            call["body"] = call["body"][::-1] + "!"
        self._list = None if number else self._list

    def body(self) -> bytes:
        """The list of what waits, as a poll gets it."""
        if self._list is None:
            self._list = json.dumps(list(self._pending.values())).encode()
        return self._list

    async def until(self, true: Callable[[], bool], *, within: float) -> bool:
        """Wait until this is true; False when it does not become so within these seconds."""
        end = time.perf_counter() + within
        while not true():
            if time.perf_counter() >= end:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), min(1.0, max(0.0, end - time.perf_counter())))
            except TimeoutError:
                continue
        return True

    def app(self) -> web.Application:
        """Everything on one port."""
        app = web.Application(client_max_size=MOST)
        app.router.add_route("*", "/slack/api/{method}", self._slack)
        app.router.add_post("/slack/response/{ts}", self._replaced)
        app.router.add_get("/agents/hitl/pending", self._poll)
        app.router.add_post("/agents/hitl/decision", self._decide)
        app.router.add_get("/agents/hitl/audit/{id}", self._audit)
        app.router.add_post("/agents/{agent}/run", self._run)
        return app

    async def _poll(self, _: web.Request) -> web.Response:
        self.polls.append(time.perf_counter())
        self._changed.set()
        return web.Response(body=self.body(), content_type="application/json")

    async def _decide(self, request: web.Request) -> web.Response:
        given = await request.json()
        one = str(given["request_id"])
        self.decisions.setdefault(one, []).append(time.perf_counter())
        self._changed.set()
        if self._pending.pop(one, None) is None:
            return web.json_response({"detail": "not found"}, status=404)
        self._ended[one] = given["decision"]
        self._list = None
        return web.json_response({"status": "ok", "message": "recorded"})

    async def _audit(self, request: web.Request) -> web.Response:
        one = request.match_info["id"]
        return web.json_response(
            {"success": True, "data": {"request_id": one, "decision": self._ended.get(one)}}
        )

    async def _run(self, request: web.Request) -> web.StreamResponse:
        """A run that waits for approval in its first event, and stays open."""
        one = self.ask(1)[0]
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        hitl = self._pending[one]["hitl_metadata"]
        self.asked = time.perf_counter()
        await answer.write(b"data: " + json.dumps({"metadata": {"hitl": hitl}}).encode() + b"\n\n")
        while one in self._pending:
            await asyncio.sleep(0.05)
        return answer

    async def _slack(self, request: web.Request) -> web.Response:
        body = await request.read()
        match request.match_info["method"]:
            case "chat.postMessage":
                return self._posted(body, request.content_type)
            case "chat.update":
                fields = _fields(body, request.content_type)
                self._updated(fields["ts"])
                return _ok(channel=fields["channel"], ts=fields["ts"])
            case "auth.test":
                return _ok(
                    {"x-oauth-scopes": SCOPES}, user_id="UNOD", bot_id="B1", team_id="T1", team="T", user="nod"
                )
            case "users.info":
                user = request.query.get("user") or _fields(body, request.content_type).get("user")
                return _ok(
                    user={
                        "id": user,
                        "name": "ann",
                        "real_name": "Ann",
                        "tz": "UTC",
                        "team_id": "T1",
                        "profile": {},
                    }
                )
            case "conversations.info":
                channel = request.query.get("channel") or _fields(body, request.content_type).get("channel")
                return _ok(channel={"id": channel, "name": "approvals", "is_member": True})
            case _:
                return _ok(messages=[], members=[], channels=[], permalink=f"{self.url}/p1")

    def _posted(self, body: bytes, kind: str) -> web.Response:
        ts = f"{int(time.time())}.{next(self._numbers):06d}"
        fields = _fields(body, kind)
        found = ID.search(body)
        if found is not None and not fields.get("thread_ts"):
            one = found.group().decode()
            if one in self.cards:
                self.cards[one].posts += 1
            else:
                card = Card(at=time.perf_counter(), channel=fields["channel"], ts=ts, body=body, kind=kind)
                self.cards[one] = self._by_ts[ts] = card
                self._changed.set()
        return _ok(channel=fields["channel"], ts=ts, message={"ts": ts, "type": "message", "bot_id": "B1"})

    async def _replaced(self, request: web.Request) -> web.Response:
        await request.read()
        self._updated(request.match_info["ts"])
        return web.Response(text="ok")

    def _updated(self, ts: str) -> None:
        if ts in self._by_ts:
            self._by_ts[ts].updates += 1
            self._changed.set()


def _ok(headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    return web.json_response({"ok": True, **more}, headers=headers)


def _fields(body: bytes, kind: str) -> dict[str, Any]:
    if kind == "application/json":
        fields: dict[str, Any] = json.loads(body or b"{}")
        return fields
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


@asynccontextmanager
async def open_outside() -> AsyncIterator[Outside]:
    """Serve both on a free port of loopback."""
    outside = Outside()
    runner = web.AppRunner(outside.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    outside.url = f"http://{address[0]}:{address[1]}"
    try:
        yield outside
    finally:
        await runner.cleanup()
