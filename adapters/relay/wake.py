"""A wake, at both ends: the relay asks the bot for a poll of the platform at once (`POST /relay/wake`).

The body names which runs requests belong to. The run is on their cards where the platform's list does not tell
it, and goes back to the platform with the answer, which knows it as the client's own word for the run; nothing
is decided by it. A token is required, so that only the relay can make Nod poll. The relay asks at a pace of its
own, and never makes a stream wait for that.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import httpx
import structlog

from adapters.http import open_client, told
from bot.ports import Metrics

SCHEMES: dict[str, Any] = {
    "relay_token": {"type": "http", "scheme": "bearer", "description": "NOD_RELAY_TOKEN"}
}

OPERATION: dict[str, Any] = {
    "summary": "Poll the platform now, and record which run each request belongs to",
    "security": [{"relay_token": []}],
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"runs": {"type": "object", "additionalProperties": {"type": "string"}}},
                }
            }
        },
    },
    "responses": {
        "204": {"description": "Nod polls the platform"},
        "401": {
            "description": "The token is wrong",
            "headers": {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}},
        },
    },
}


#: Where the bot listens for the relay.
WAKE_PATH = "/relay/wake"
#: Seconds until a second look: what vanished from the platform's list is believed gone when two polls in a row
#: miss it (`bot.flow.reconcile`), and a list may lag behind its stream.
AGAIN = 1.0
#: Runs that one wake may name, and how many are kept for requests that have not been listed yet.
MOST_RUNS, MOST_KEPT = 100, 1_000
#: The longest id of a request or a run, in characters.
LONGEST_ID = 200

log = structlog.get_logger()


class WakeEndpoint:
    """Answers the relay. Without a token in the settings there is no door at all."""

    def __init__(self, token: str, *, poll: Callable[[], None], metrics: Metrics) -> None:
        """`poll` asks for a poll, and returns at once; asking a busy step again adds up to one poll."""
        self._authorization = f"Bearer {token}".encode()
        self._poll, self._metrics = poll, metrics
        self._again: asyncio.TimerHandle | None = None
        self._runs: dict[str, str] = {}

    async def receive(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """204, and two polls; 401 and none without the token. `headers` by their names in lower case."""
        given = headers.get("authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._authorization):
            log.warning("relay_refused")
            self._metrics.count("relay_refused")
            return 401, {"www-authenticate": "Bearer"}, b""
        self._metrics.count("relay_woke")
        self._learn(body)
        self._poll()
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(AGAIN, self._poll)
        return 204, {}, b""

    def run_of(self, request_id: str) -> str | None:
        """The run that a stream named for this request."""
        return self._runs.get(request_id)

    def _learn(self, body: bytes) -> None:
        """Whatever else it says, or if it cannot be read, a poll is all that can be had."""
        try:
            said = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            return
        runs = said.get("runs") if isinstance(said, dict) else None
        for request_id, run_id in list(runs.items())[:MOST_RUNS] if isinstance(runs, dict) else ():
            if isinstance(run_id, str) and max(len(request_id), len(run_id)) <= LONGEST_ID:
                self._runs[request_id] = run_id
        while len(self._runs) > MOST_KEPT:
            del self._runs[next(iter(self._runs))]

    @property
    def operation(self) -> Mapping[str, Any]:
        """What `receive` takes and answers, in the terms of OpenAPI."""
        return OPERATION

    @property
    def schemes(self) -> Mapping[str, Any]:
        """The security schemes that `operation` names."""
        return SCHEMES


#: Seconds between two requests at least; what is asked for meanwhile is one request.
PAUSE = 0.25
#: Seconds that the bot has to answer.
PATIENCE = 2.0


class Waker:
    """Sends what was rung, one request at a time."""

    def __init__(self, client: httpx.AsyncClient, *, address: str) -> None:
        self._client, self._address = client, address
        self._rung = asyncio.Event()
        self._well: bool | None = None
        self._runs: dict[str, str] = {}

    def ring(self) -> None:
        """Ask for a poll."""
        self._rung.set()

    def tell(self, request_id: str, run_id: str) -> None:
        """Have the next request for a poll say which run this one belongs to."""
        if len(self._runs) < MOST_RUNS and max(len(request_id), len(run_id)) <= LONGEST_ID:
            self._runs[request_id] = run_id

    async def run(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            self._note(await self._send())
            await asyncio.sleep(PAUSE)

    async def _send(self) -> str | None:
        """What went wrong, or None."""
        runs, self._runs = self._runs, {}
        try:
            response = await self._client.post(self._address, json={"runs": runs})
        except (httpx.HTTPError, OSError) as error:
            return told(error)
        return None if response.status_code == httpx.codes.NO_CONTENT else f"it answered {response.status_code}"

    def _note(self, trouble: str | None) -> None:
        """Only what has changed is news. A wake that is lost costs what the bot's own interval is long."""
        well = trouble is None
        if well and self._well is not True:
            log.info("relay_wakes")
        elif not well and self._well is not False:
            log.warning("relay_wake_failed", reason=trouble)
        self._well = well


@asynccontextmanager
async def open_waker(bot: str, token: str) -> AsyncIterator[Waker]:
    """Asks the bot at this address for polls; its calls return at once.

    It asks once at the beginning, so that a wrong token shows. The token goes to this address only: no
    redirect is followed.
    """
    client = open_client(
        headers={"Authorization": f"Bearer {token}", "User-Agent": "nod-relay"},
        timeout=PATIENCE,
    )
    async with client:
        waker = Waker(client, address=urljoin(bot, WAKE_PATH))
        waker.ring()
        running = asyncio.create_task(waker.run(), name="waker")
        try:
            yield waker
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
