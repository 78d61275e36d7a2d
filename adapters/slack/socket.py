"""Socket Mode: clicks over a connection that Nod opens, for places that Slack cannot reach.

A socket can die without a word (slackapi/python-slack-sdk issue 1922), so what counts as alive is having heard
something lately. The remedy is a new client; if that does not help either, the process ends and is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import Unavailable

PING = 5.0  #: seconds between two pings of ours; Slack answers each
SILENT = 30.0  #: seconds without a word until the client is built anew
LOST = 60.0  #: seconds without a word until the process ends
CONNECT = 20.0  #: seconds for one try to connect
GOODBYE = 1.0  #: seconds for the closing handshake; aiohttp would wait ten

log = structlog.get_logger(__name__)


class _Line:
    """One client and when it was last heard."""

    def __init__(
        self, *, app: AsyncApp, app_token: str, client: AsyncWebClient, logger: logging.Logger, ping: float
    ) -> None:
        self._handler = AsyncSocketModeHandler(
            app, app_token=app_token, logger=logger, web_client=client, ping_interval=ping
        )
        self._handler.client.proxy = client.proxy
        self._handler.client.on_message_listeners.append(self._spoken)
        self._heard = False
        self._pong: float | None = None

    async def connect(self, *, within: float) -> bool:
        """Whether the connection stands; slack_sdk would try for ever."""
        try:
            async with asyncio.timeout(within):
                await self._handler.connect_async()  # type: ignore[no-untyped-call]  # slack_bolt has no types
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False
        return True

    def heard(self) -> bool:
        """Whether anything came in since this was last asked."""
        # slack_sdk sets the time itself once, before any pong; only a change of it is a pong.
        pong = self._handler.client.last_ping_pong_time
        answered = self._pong is not None and pong is not None and pong != self._pong
        self._pong = pong
        heard, self._heard = self._heard or answered, False
        return heard

    async def close(self) -> None:
        """Give the connection and its tasks back."""
        client = self._handler.client
        client.closed = True
        with contextlib.suppress(TimeoutError):  # a mute server answers no goodbye either
            async with asyncio.timeout(GOODBYE):
                await client.disconnect()  # type: ignore[no-untyped-call]  # slack_sdk has no types here
        tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
        await client.close()  # type: ignore[no-untyped-call]  # slack_sdk has no types here
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    async def _spoken(self, _: aiohttp.WSMessage) -> None:
        self._heard = True


@asynccontextmanager
async def open_socket(
    *,
    app: AsyncApp,
    app_token: str,
    client: AsyncWebClient,
    logger: logging.Logger,
    ping: float = PING,
    silent: float = SILENT,
    lost: float = LOST,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[None]:
    """Clicks reach `app` for as long as the block runs. All times in seconds.

    Raises:
        ExceptionGroup: with Unavailable in it, into the block too, when nothing was heard for `lost` seconds.
    """

    def new() -> _Line:
        return _Line(app=app, app_token=app_token, client=client, logger=logger, ping=ping)

    async def watch() -> None:
        line = new()
        heard_at = tried_at = monotonic()
        try:
            await line.connect(within=min(CONNECT, silent))
            while True:
                await asyncio.sleep(min(ping, 1.0))
                now = monotonic()
                if line.heard():
                    heard_at = tried_at = now
                elif now - heard_at > lost:
                    raise Unavailable(f"Slack's socket has been silent for {lost:.0f} s")
                elif now - tried_at > silent:
                    log.warning("socket_rebuilt", silent_for=round(now - heard_at, 1))
                    tried_at = now
                    await line.close()
                    line = new()
                    await line.connect(within=min(CONNECT, silent))
        finally:
            await line.close()

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch(), name="slack-socket")
        try:
            yield
        finally:
            watching.cancel()
