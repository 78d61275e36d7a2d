"""The relay's side: asks the bot for a poll, at a pace of its own, and never makes a stream wait for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin

import httpx
import structlog

from adapters.http import open_client, told
from adapters.relay.wake_endpoint import LONGEST_ID, MOST_RUNS, WAKE_PATH

#: Seconds between two requests at least; what is asked for meanwhile is one request.
PAUSE = 0.25
#: Seconds that the bot has to answer.
PATIENCE = 2.0

log = structlog.get_logger()


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
