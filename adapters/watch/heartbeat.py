"""The heartbeat: a sign of life to a dead man's switch outside, which pages when the signs stop coming.

Services of this kind (healthchecks.io/docs/http_api, and others alike) take a GET of an address of their own
and answer with a 2xx.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog

from adapters.http import exchange, open_client
from bot.errors import NodError
from bot.ports import Metrics

#: Seconds of a whole beat, from the name lookup to the answer's status.
LIMIT = 5.0
#: Hex digits by which the address is called in logs, as pagers are: it may hold a token.
NAME_DIGITS = 8

log = structlog.get_logger()


class Heartbeat:
    """Tells one address that all is well. It is for the caller to be silent when it is not."""

    def __init__(self, url: str, *, client: httpx.AsyncClient, metrics: Metrics, limit: float = LIMIT) -> None:
        """`limit` is in seconds; the client follows no redirect."""
        self._url, self._client, self._metrics, self._limit = url, client, metrics, limit

    @property
    def name(self) -> str:
        """`heartbeat:` and the hash of the address."""
        address = self._url.encode("utf-8", "surrogateescape")
        return f"heartbeat:{hashlib.sha256(address).hexdigest()[:NAME_DIGITS]}"

    async def beat(self) -> bool:
        """Once; whether a 2xx came in time. Whatever goes wrong is logged and counted, and never raised."""
        trouble = await self._trouble()
        if trouble is None:
            return True
        log.warning("heartbeat_failed", heartbeat=self.name, reason=trouble)
        self._metrics.count("heartbeat_failed")
        return False

    async def _trouble(self) -> str | None:
        try:
            answer = await exchange(self._client, "GET", self._url, who="it", limit=self._limit, largest=None)
        except NodError as error:
            return str(error)
        return None if 200 <= answer.status < 300 else f"it answered {answer.status}"


@asynccontextmanager
async def open_heartbeat(
    url: str | None, *, metrics: Metrics, limit: float = LIMIT
) -> AsyncIterator[Heartbeat | None]:
    """A heartbeat for this address, or None where none is set. `limit` is in seconds. Nothing is sent yet."""
    if url is None:
        yield None
        return
    async with open_client(timeout=limit) as client:
        yield Heartbeat(url, client=client, metrics=metrics, limit=limit)
