"""Socket Mode: clicks over a connection that Nod opens, for places that Slack cannot reach.

A socket can die without a word (slackapi/python-slack-sdk issue 1922), so what counts as alive is having heard
something lately. The remedy is a new client; if that does not help either, the process ends and is restarted.

Slack gives each click to one socket of the app token, so another bot on the same token takes some of ours. Its
hello tells how many sockets there are; for a minute that can be one of ours that Slack has not let go yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.http import proxy_for, trusted
from bot.errors import Unavailable

PING = 5.0  #: seconds between two pings of ours; Slack answers each
SILENT = 30.0  #: seconds without a word until the client is rebuilt
LOST = 60.0  #: seconds without a word until the process ends
CONNECT = 20.0  #: seconds for one try to connect
#: Seconds for the closing handshake; aiohttp would wait ten, and a stop may take three in all.
GOODBYE = 0.2
LONGEST_HELLO = 1_000  #: characters; a click is longer, and is not read here
#: Seconds for which sockets that are not ours can be left over from a refresh or a restart.
OVERLAP = 60.0

#: Told how many sockets of this token are open, how many of them are not ours, and whether those stay.
Counted = Callable[[int, int, bool], Awaitable[None]]

log = structlog.get_logger(__name__)


class _Line:
    """One client, when it was last heard, and what Slack's last hello to it said."""

    def __init__(
        self,
        *,
        app: AsyncApp,
        app_token: str,
        client: AsyncWebClient,
        logger: logging.Logger,
        ping: float,
        beside: int = 0,
    ) -> None:
        """Opened `beside` so many sockets of ours that are still open then."""
        self._handler = AsyncSocketModeHandler(
            app, app_token=app_token, logger=logger, web_client=client, ping_interval=ping
        )
        self._handler.client.proxy = client.proxy
        self._handler.client.on_message_listeners.append(self._spoken)
        self._heard = False
        self._pong: float | None = None
        self._ours = 1 + beside
        self._hello: tuple[int, int] | None = None

    async def connect(self, *, within: float) -> bool:
        """Whether it is connected in time; slack_sdk would try for ever."""
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

    def counted(self) -> tuple[int, int] | None:
        """How many sockets are open, and how many of them are not ours, by a hello since the last call."""
        hello, self._hello = self._hello, None
        return hello

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

    async def _spoken(self, message: aiohttp.WSMessage) -> None:
        self._heard = True
        open_ = sockets_in(message.data)
        if open_ is not None:
            self._hello = open_, max(0, open_ - self._ours)
            self._ours = 1  # the client closes its socket before it opens the next


def sockets_in(frame: object) -> int | None:
    """How many sockets Slack's hello counts, with the one that it greets; None for any other frame."""
    if not isinstance(frame, str) or '"hello"' not in frame[:LONGEST_HELLO]:
        return None
    try:
        hello = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    number = hello.get("num_connections") if isinstance(hello, dict) and hello.get("type") == "hello" else None
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds: between two looks, and until a silent or a shared socket has consequences."""

    ping: float = PING
    silent: float = SILENT
    lost: float = LOST
    overlap: float = OVERLAP


class _Watch:
    """Keeps one line open: a new one when nothing is heard, the end when that does not help either."""

    def __init__(
        self,
        *,
        new: Callable[[int], _Line],
        patience: Patience,
        counted: Counted | None,
        monotonic: Callable[[], float],
    ) -> None:
        """`new` makes a line beside so many others of ours."""
        self._new, self._patience, self._counted, self._monotonic = new, patience, counted, monotonic
        self._line = new(0)
        self._heard_at = self._tried_at = monotonic()
        self._others_since: float | None = None
        self._counts_again = False  #: the next hello comes of the second count

    async def run(self) -> None:
        """Never returns. Raises Unavailable when nothing was heard for too long."""
        try:
            await self._line.connect(within=self._connect)
            while True:
                await asyncio.sleep(min(self._patience.ping, 1.0))
                now = self._monotonic()
                await self._hear_hello(now)
                await self._hear_anything(now)
                if self._others_since is not None and now - self._others_since >= self._patience.overlap:
                    await self._count_again(now)
        finally:
            await self._line.close()

    @property
    def _connect(self) -> float:
        return min(CONNECT, self._patience.silent)

    async def _hear_hello(self, now: float) -> None:
        hello = self._line.counted()
        if hello is None:
            return
        self._others_since = (self._others_since or now) if hello[1] else None
        if self._counted:
            await self._counted(*hello, self._counts_again)
        self._counts_again = False

    async def _hear_anything(self, now: float) -> None:
        if self._line.heard():
            self._heard_at = self._tried_at = now
        elif now - self._heard_at > self._patience.lost:
            raise Unavailable(f"Slack's socket has been silent for {self._patience.lost:.0f} s")
        elif now - self._tried_at > self._patience.silent:
            log.warning("socket_rebuilt", silent_for=round(now - self._heard_at, 1))
            self._tried_at = now
            await self._line.close()
            self._line = self._new(0)
            await self._line.connect(within=self._connect)

    async def _count_again(self, now: float) -> None:
        """By a new line that is open before the old one is closed: no click is missed by that."""
        self._others_since, newer = now, self._new(1)
        self._counts_again = await newer.connect(within=self._connect)
        older = self._line if self._counts_again else newer
        self._line = newer if self._counts_again else self._line
        await older.close()


@asynccontextmanager
async def open_socket(
    *,
    app: AsyncApp,
    app_token: str,
    client: AsyncWebClient,
    logger: logging.Logger,
    patience: Patience = Patience(),
    counted: Counted | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[None]:
    """Clicks reach `app` for as long as the block runs.

    `counted` is told what each hello says. Sockets that are not ours are counted once more after
    `patience.overlap`.

    Raises:
        ExceptionGroup: with Unavailable in it, into the block too, when nothing was heard for too long.
    """

    def new(beside: int) -> _Line:
        ping = patience.ping
        return _Line(app=app, app_token=app_token, client=client, logger=logger, ping=ping, beside=beside)

    watch = _Watch(new=new, patience=patience, counted=counted, monotonic=monotonic)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch.run(), name="slack-socket")
        try:
            yield
        finally:
            watching.cancel()


async def sockets_of(url: str) -> int | None:
    """How many sockets there are beside one that is opened at this address and closed again after its hello.

    Raises Unavailable.
    """
    try:
        async with (
            asyncio.timeout(CONNECT),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, ssl=trusted(), proxy=proxy_for(url, os.environ)) as socket,
        ):
            async for message in socket:
                number = sockets_in(message.data)
                if number is not None:
                    return number - 1
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"Slack opened no socket: {type(error).__name__}") from error
    return None
