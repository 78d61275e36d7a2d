"""The bot's side: `POST /relay/wake`, by which the relay asks for a poll of the platform at once.

It takes a token and reads nothing else, so whoever has the token can make Nod poll, and do no more than that.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from adapters.relay.openapi import OPERATION, SCHEMES

#: Where the bot listens for the relay.
WAKE_PATH = "/relay/wake"
#: Seconds until a second look: what vanished from the platform's list is believed gone when two polls in a row
#: miss it (`bot.flow.reconcile`), and a list may lag behind its stream.
AGAIN = 1.0

log = structlog.get_logger()


class Door:
    """Answers the relay. Without a token in the settings there is no door at all."""

    def __init__(self, token: str, *, poll: Callable[[], None], count: Callable[[str], None]) -> None:
        """`poll` asks for a poll, and returns at once; asking a busy step again adds up to one poll."""
        self._authorization = f"Bearer {token}".encode()
        self._poll, self._count = poll, count
        self._again: asyncio.TimerHandle | None = None

    async def receive(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """204, and two polls; 401 and none without the token. `headers` by their names in lower case."""
        del body  # whatever it says, a poll is all that can be had here
        given = headers.get("authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._authorization):
            log.warning("relay_refused")
            self._count("relay_refused")
            return 401, {"www-authenticate": "Bearer"}, b""
        self._count("relay_woke")
        self._poll()
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(AGAIN, self._poll)
        return 204, {}, b""

    @property
    def operation(self) -> Mapping[str, Any]:
        """What `receive` takes and answers, in the terms of OpenAPI."""
        return OPERATION

    @property
    def schemes(self) -> Mapping[str, Any]:
        """The security schemes that `operation` names."""
        return SCHEMES
