"""The bot's side: `POST /relay/wake`, by which the relay asks for a poll of the platform at once.

The body names which runs requests belong to. The run is on their cards where the platform's list does not tell
it, and goes back to the platform with the answer, which knows it as the client's own word for the run; nothing
is decided by it. A token is required, so that only the relay can make Nod poll.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import structlog

SCHEMES: dict[str, Any] = {
    "relay_token": {"type": "http", "scheme": "bearer", "description": "NOD_RELAY_TOKEN"}
}

OPERATION: dict[str, Any] = {
    "summary": "Poll the platform at once, and learn which runs requests belong to",
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
        "204": {"description": "Nod polls"},
        "401": {
            "description": "Not the token",
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

    def __init__(self, token: str, *, poll: Callable[[], None], count: Callable[[str], None]) -> None:
        """`poll` asks for a poll, and returns at once; asking a busy step again adds up to one poll."""
        self._authorization = f"Bearer {token}".encode()
        self._poll, self._count = poll, count
        self._again: asyncio.TimerHandle | None = None
        self._runs: dict[str, str] = {}

    async def receive(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """204, and two polls; 401 and none without the token. `headers` by their names in lower case."""
        given = headers.get("authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._authorization):
            log.warning("relay_refused")
            self._count("relay_refused")
            return 401, {"www-authenticate": "Bearer"}, b""
        self._count("relay_woke")
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
