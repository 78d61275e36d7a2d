"""Slack, opened: one place that builds the parts, hands them out, and closes them again."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.background import open_background_tasks
from adapters.chat.channel_pager import ChannelPager
from adapters.chat.endpoint import endpoint_of
from adapters.chat.pacing import Cooldown
from adapters.http import proxy_for, trusted
from adapters.slack.api import SlackApi, Updates, posts_of
from adapters.slack.chat import ResponseUrls, SlackChat
from adapters.slack.checkup import Checked, checked
from adapters.slack.clicks import Clicks
from adapters.slack.directory import SlackDirectory
from adapters.slack.identity import Identity
from adapters.slack.listing import Channel, Member, channels_in, members_of, name_of
from adapters.slack.receive import Reply, receive
from adapters.slack.socket import Counted, open_socket, sockets_of
from bot.desk import Desk
from bot.errors import ConfigError, Unavailable
from bot.ports import Clock, Metrics
from bot.surface import Destination

_ANY = re.compile("")


def build_app(
    *, clicks: Clicks, client: AsyncWebClient, identity: Identity, signing_secret: str, logger: logging.Logger
) -> AsyncApp:
    """The bolt app with its two listeners. `logger` at INFO or above: bolt's DEBUG lines carry bodies."""

    async def authorize() -> AuthorizeResult:
        # Known since the start, so that no click waits for an auth.test.
        return AuthorizeResult(
            enterprise_id=identity.enterprise_id,
            team_id=identity.team_id,
            bot_user_id=identity.bot_user_id,
            bot_id=identity.bot_id,
            bot_token=client.token,
        )

    nameless = AsyncWebClient(
        base_url=client.base_url, session=client.session, retry_handlers=[], logger=logger
    )
    # Bolt finds SLACK_BOT_TOKEN in the environment by itself and would warn that it does not use it.
    level = logger.level
    logger.setLevel(logging.ERROR)
    app = AsyncApp(
        name="nod",
        logger=logger,
        client=nameless,
        authorize=authorize,
        signing_secret=signing_secret,
        # Otherwise bolt looks every 10 ms whether a listener has acked. Ours ack as the last thing they do.
        process_before_response=True,
    )
    logger.setLevel(level)
    app.action(_ANY)(clicks.pressed)
    app.view(_ANY)(clicks.submitted)
    return app


API_URL = "https://slack.com/api/"
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)  #: seconds; a call takes Slack well below one
SHORTEST_SECRET = 16  #: characters; Slack's signing secrets have 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """What the rest of Nod gets of Slack."""

    chat: SlackChat
    directory: SlackDirectory
    identity: Identity
    _api: SlackApi
    _app: AsyncApp
    _secret: str | None
    _clock: Clock
    _metrics: Metrics
    _late: set[asyncio.Task[BoltResponse]] = field(default_factory=set)

    def pager(self, channel: str) -> ChannelPager:
        """A channel as a place for alerts."""
        return ChannelPager(board=self.chat, channel=channel)

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request to `POST /slack/events`: (status, headers, body). Never raises, never 500."""
        return await receive(
            headers,
            body,
            app=self._app,
            secret=self._secret,
            now=self._clock(),
            metrics=self._metrics,
            late=self._late,
        )

    @property
    def operation(self) -> Mapping[str, Any]:
        """What `receive` takes and answers, in the terms of OpenAPI."""
        return endpoint_of(__package__)["operation"]

    @property
    def schemes(self) -> Mapping[str, Any]:
        """The security schemes that `operation` names."""
        return endpoint_of(__package__)["schemes"]

    async def check_app_token(self, app_token: str) -> None:
        """Raises Forbidden when Slack refuses this token a socket. None is opened: it would take clicks."""
        await self._api.can_open_socket(app_token)

    async def sockets(self, app_token: str) -> int | None:
        """How many other sockets of this token are open, by opening one for a moment; None: Slack does not say.

        Only where no bot of ours runs: it can be given a click. Raises Unavailable, or Forbidden as
        `check_app_token`.
        """
        return await sockets_of(await self._api.can_open_socket(app_token))

    async def name_of(self, channel: str) -> str:
        """What people call a channel, such as #approvals; its id where Slack does not tell."""
        return await name_of(self._api, channel)

    async def channels(self) -> tuple[Channel, ...]:
        """Every channel that Nod can see, those that it is in first. Raises Unavailable or Forbidden."""
        return await channels_in(self._api, self.identity)

    async def members(self) -> tuple[Member, ...]:
        """Every person of the workspace. Raises Unavailable or Forbidden."""
        return await members_of(self._api, self.identity)

    async def check(self, destinations: Sequence[Destination]) -> Checked:
        """What is not right with the token's scopes and with these channels, and which channels are well.

        Raises Unavailable when Slack cannot be asked.
        """
        return await checked(self._api, self.identity, destinations)


@asynccontextmanager
async def open_slack(
    *,
    token: str,
    signing_secret: str | None,
    app_token: str | None,
    api_url: str = API_URL,
    desk: Desk,
    clock: Clock,
    metrics: Metrics,
    counted: Counted | None = None,
) -> AsyncIterator[Slack]:
    """Slack for as long as the block runs: with `app_token` clicks come over a socket, else over HTTP.

    `counted` is told how many sockets there are.

    Raises:
        ConfigError: neither a usable signing secret nor an app token.
        Unavailable: Slack cannot be reached at the start.
        Forbidden: one of the tokens is refused.
    """
    _check(signing_secret=signing_secret, app_token=app_token)
    logger = _quiet_logger()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=TIMEOUT))
        client = _client(session, token=token, api_url=api_url, logger=logger)
        api = _api(client)
        identity = await api.identity()
        urls = ResponseUrls(session=session, api_url=api_url, monotonic=time.monotonic)
        background = await stack.enter_async_context(open_background_tasks())
        clicks = Clicks(
            desk=desk, api=api, identity=identity, background=background, urls=urls, metrics=metrics
        )
        app = build_app(
            clicks=clicks,
            client=client,
            identity=identity,
            signing_secret=signing_secret or "",
            logger=logger,
        )
        if app_token:
            with suppress(Unavailable):  # the socket itself is tried again for as long as it takes
                await api.can_open_socket(app_token)
            await stack.enter_async_context(
                open_socket(app=app, app_token=app_token, client=client, logger=logger, counted=counted)
            )
        yield Slack(
            chat=SlackChat(api=api, identity=identity, urls=urls),
            directory=SlackDirectory(api=api, identity=identity),
            identity=identity,
            _api=api,
            _app=app,
            _secret=signing_secret,
            _clock=clock,
            _metrics=metrics,
        )


def _client(
    session: aiohttp.ClientSession, *, token: str, api_url: str, logger: logging.Logger
) -> AsyncWebClient:
    """slack_sdk's client, without retries of its own: Nod knows which call may be repeated."""
    client = AsyncWebClient(
        token=token, base_url=api_url, session=session, ssl=trusted(), retry_handlers=[], logger=logger
    )
    client.proxy = proxy_for(api_url, os.environ)  # slack_sdk has a rule of its own, without networks
    return client


def _api(client: AsyncWebClient) -> SlackApi:
    """Slack's methods at Slack's pace."""
    return SlackApi(
        client=client,
        turns=posts_of(time.monotonic),
        updates=Updates(monotonic=time.monotonic),
        cooling=Cooldown(chat="Slack", monotonic=time.monotonic),
    )


def _check(*, signing_secret: str | None, app_token: str | None) -> None:
    if signing_secret is None and not app_token:
        fix = "Set it to the app's signing secret, or set SLACK_APP_TOKEN for Socket Mode"
        raise ConfigError("SLACK_SIGNING_SECRET", "is missing", fix)
    if signing_secret is not None and len(signing_secret) < SHORTEST_SECRET:
        fix = "Copy it from Basic Information on the app's page"
        raise ConfigError("SLACK_SIGNING_SECRET", "is too short to be a signing secret", fix)


def _quiet_logger() -> logging.Logger:
    """For bolt and slack_sdk: at DEBUG they write bodies and headers out."""
    logger = logging.getLogger("adapters.slack.library")
    logger.setLevel(max(logging.INFO, logging.getLogger().level))
    return logger
