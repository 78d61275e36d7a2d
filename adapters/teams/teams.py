"""Teams, opened: one place that builds the parts, hands them out, and closes them again.

Nothing here imports the SDK before `open_teams` is called: without Teams it costs no time and no memory.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from adapters.chat.background import open_background_tasks
from adapters.chat.channel_pager import ChannelPager
from adapters.clock import seconds_since_boot
from adapters.clouds import PUBLIC, Cloud
from adapters.http import REACHED, open_client
from adapters.teams.api import TeamsApi, Wire, cooldown_of, turns_of
from adapters.teams.chat import TeamsChat, problems_of
from adapters.teams.clicks import Clicks
from adapters.teams.conversations import Identity
from adapters.teams.credentials import BotToken
from adapters.teams.directory import TeamsDirectory
from adapters.teams.follow_ups import FollowUps
from adapters.teams.loopback import LoopbackOnly, Receives
from adapters.teams.places import Events, Places
from adapters.teams.posted import PostedMessages
from adapters.teams.receive import Gate, Receiver, Reply, operation, schemes
from adapters.teams.replies import Answered, Replies
from adapters.teams.rosters import Rosters
from bot.desk import Desk
from bot.errors import ConfigError, Unavailable
from bot.ports import Clock, Metrics
from bot.surface import Conversations, Destination

#: How a bot is registered, and the tenant at which it buys its token; new ones are single-tenant.
SINGLE, MULTI = "SingleTenant", "MultiTenant"
#: Connections to the Connector, kept open between calls.
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """What the rest of Nod gets of Teams."""

    chat: TeamsChat
    directory: TeamsDirectory
    identity: Identity
    places: Places
    _api: TeamsApi
    _receiver: Receives

    def pager(self, channel: str) -> ChannelPager:
        """A conversation as a place for alerts."""
        return ChannelPager(board=self.chat, channel=channel)

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request to `POST /api/messages`: (status, headers, body). Never raises, never 500."""
        return await self._receiver.receive(headers, body)

    @property
    def operation(self) -> Mapping[str, Any]:
        """What `receive` takes and answers, in the terms of OpenAPI."""
        return operation(signed=bool(self.identity.app_id))

    @property
    def schemes(self) -> Mapping[str, Any]:
        """The security schemes that `operation` names."""
        return schemes(signed=bool(self.identity.app_id))

    async def problems(self, destinations: Sequence[Destination]) -> tuple[ConfigError, ...]:
        """What is not right with the bot and with these conversations, each with what to do.

        Raises Unavailable when Teams cannot be asked.
        """
        return await problems_of(self._api, self.places, destinations)


@asynccontextmanager
async def open_teams(
    *,
    app_id: str,
    app_password: str,
    tenant_id: str,
    app_type: str = SINGLE,
    tenants: tuple[str, ...] = (),
    cloud: Cloud = PUBLIC,
    desk: Desk,
    clock: Clock,
    metrics: Metrics,
    conversations: Conversations,
    dangerously_allow_unauthenticated: bool = False,
    signs_in: bool = True,
) -> AsyncIterator[Teams]:
    """Teams for as long as the block runs. `tenants` besides `tenant_id` may use the bot, as people at home.

    Without `signs_in` the token is bought when it is needed.

    Raises:
        ConfigError: a registration that cannot work, or none without `dangerously_allow_unauthenticated`.
        Unavailable: the store cannot be read.
        AppRefused: Entra refuses the bot's credentials.
    """
    open_door = dangerously_allow_unauthenticated
    _check(app_id=app_id, password=app_password, tenant_id=tenant_id, app_type=app_type, open_door=open_door)
    home = frozenset(tenant.lower() for tenant in (tenant_id, *tenants) if tenant)
    identity = Identity(app_id=app_id, tenants=home)
    from adapters.teams.sdk import Connector  # the SDK and what it needs: only where Teams is set up

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(timeout=REACHED, limits=LIMITS))
        token = BotToken(
            client=client, cloud=cloud, tenant=tenant_id if app_type == SINGLE else None, app_id=app_id,
            password=app_password, seconds=seconds_since_boot,
        )  # fmt: skip
        stack.push_async_callback(token.close)
        if signs_in:
            await _sign_in(token)
        gate = await _gate(stack, client, cloud, identity)
        wire = Connector(client=client, token=token, hosts=cloud.service_hosts)
        places = Places(kept=conversations)
        await places.load()
        yield await _put_together(
            stack, wire=wire, gate=gate, places=places, identity=identity, desk=desk,
            posted=PostedMessages(clock=clock), metrics=metrics,
        )  # fmt: skip


async def _sign_in(token: BotToken) -> None:
    """Buy the first token, so that refused credentials end the start. Raises AppRefused."""
    try:
        await token.bearer()
    except Unavailable as error:  # it is bought again with the first message
        log.warning("teams_token_not_bought", reason=str(error))


async def _put_together(
    stack: AsyncExitStack,
    *,
    wire: Wire,
    gate: Gate,
    places: Places,
    identity: Identity,
    desk: Desk,
    posted: PostedMessages,
    metrics: Metrics,
) -> Teams:
    """Everything that knows nothing of the SDK; what has to be closed goes onto the stack."""
    monotonic = time.monotonic
    api = TeamsApi(wire=wire, turns=turns_of(monotonic), cooling=cooldown_of(monotonic))
    rosters = Rosters(api=api, seconds=seconds_since_boot)
    stack.push_async_callback(rosters.close)
    parts: dict[str, Any] = {"places": places, "rosters": rosters, "identity": identity}
    shown: dict[str, Any] = {"posted": posted, "open_door": not identity.app_id}
    replies = Replies(seconds=monotonic)
    chat = TeamsChat(api=api, replies=replies, **parts, **shown)
    background = await stack.enter_async_context(open_background_tasks())
    answered = Answered(metrics=metrics)
    stack.push_async_callback(answered.close)
    after = FollowUps(api=api, chat=chat, places=places, posted=posted, background=background)
    receiver = Receiver(
        gate=gate,
        clicks=Clicks(desk=desk, **parts, **shown),
        events=Events(api=api, **parts, welcome=after.welcome),
        after=after,
        answered=answered,
        replies=replies,
        background=background,
        metrics=metrics,
    )
    return Teams(
        chat=chat,
        directory=TeamsDirectory(**parts),
        identity=identity,
        places=places,
        _api=api,
        _receiver=receiver if identity.app_id else LoopbackOnly(receiver=receiver, metrics=metrics),
    )


async def _gate(stack: AsyncExitStack, client: httpx.AsyncClient, cloud: Cloud, identity: Identity) -> Gate:
    """The check of inbound tokens; where there is no app id, of the rest alone."""
    from adapters.teams.authentication import OpenDoor, TokenCheck
    from adapters.teams.keys import KeyRing  # PyJWT: only where Teams is set up

    app_id, tenants, hosts = identity.app_id, identity.tenants, cloud.service_hosts
    if not app_id:
        return OpenDoor(hosts=hosts, tenants=tenants)
    keys = KeyRing(client=client, openid_url=cloud.openid_url, seconds=seconds_since_boot)
    stack.push_async_callback(keys.close)
    keys.begin()
    return TokenCheck(app_id=app_id, issuer=cloud.issuer, keys=keys, hosts=hosts, tenants=tenants)


def _check(*, app_id: str, password: str, tenant_id: str, app_type: str, open_door: bool) -> None:
    if not app_id and not open_door:
        fix = "Set it to the Application (client) ID of the bot's app registration"
        raise ConfigError("MicrosoftAppId", "is missing; without it, Nod could not authenticate anyone", fix)
    if app_id and open_door:
        fix = "Unset one of the two. With an app id, Nod authenticates every request"
        raise ConfigError(
            "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS", "cannot be combined with MicrosoftAppId", fix
        )
    if app_id and not password:
        raise ConfigError(
            "MicrosoftAppPassword", "is missing", "Set it to a client secret of the bot's app registration"
        )
    if not tenant_id:
        fix = "Set it to the Directory (tenant) ID of the people who can use the bot"
        raise ConfigError("MicrosoftAppTenantId", "is missing", fix)
    if app_type not in (SINGLE, MULTI):
        fix = f"Set it to {SINGLE} (the type of new registrations) or {MULTI}"
        raise ConfigError("MicrosoftAppType", f"is {app_type[:40]}, which Nod cannot sign in as", fix)
