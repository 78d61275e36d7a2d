"""Teams as a chat of Nod: set up by a `teams:` place and the bot's registration, or by workflows alone.

Places that are workflows are set up by their address. The Microsoft variables alone do not open Teams: they
serve Entra groups, too.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from adapters.chat.channel_pager import ChannelPager
from adapters.chat.plugin import ClosedDesk, Finding, OpenChat, Opening, ReadOnlyChat, not_set_up
from adapters.http import REACHED, exchange, open_client
from adapters.settings import Environment, PolicyFile, TeamsSettings, is_workflow, read_teams
from adapters.store.conversations import read_conversations
from adapters.teams import RoutedChat, Teams, WorkflowsChat, open_teams, open_workflows
from adapters.teams.conversations import is_service
from adapters.teams.credentials import BotToken
from adapters.teams.teams import MULTI
from bot.desk import Desk
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.ports import NO_METRICS, Chat, Clock, Metrics, Pager, utc_now
from bot.surface import ConversationRef, Conversations, Destination


def teams_set_up(environment: Environment, file: PolicyFile) -> TeamsSetUp | None:
    """Teams, if nod.yaml names a place there. Raises ConfigError when the bot is set up by half."""
    bot = read_teams(environment, file)
    if bot is None and not file.workflows:
        return None
    return TeamsSetUp(bot=bot, workflows=file.workflows, database_url=environment.database_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSetUp:
    """Implements `adapters.chat.plugin.ChatSetUp`."""

    bot: TeamsSettings | None
    workflows: Mapping[str, SecretStr]  #: the addresses of those places that need no bot
    database_url: str

    def check_place(self, place: Destination, where: str) -> None:
        """A webhook's name is no such place: only the bot has others."""
        if self.bot is None:
            raise not_set_up(place, where)

    @asynccontextmanager
    async def open(self, opening: Opening) -> AsyncIterator[OpenChat]:
        async with AsyncExitStack() as stack:
            teams, workflows = None, None
            if self.bot:
                bot = _bot(
                    self.bot, desk=opening.desk, clock=opening.clock, metrics=opening.metrics,
                    conversations=_Announced(opening.conversations, opening.met),
                )  # fmt: skip
                teams = await stack.enter_async_context(bot)
            addresses = {name: secret.get_secret_value() for name, secret in self.workflows.items()}
            if addresses:
                workflows = await stack.enter_async_context(open_workflows(addresses))
            yield _opened(teams, workflows)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[ReadOnlyChat]:
        if self.bot is None:
            yield ReadOnlyChat(check=lambda *_: self._workflows())
            return
        settings, refs = self.bot, await known_conversations(self.database_url)
        async with teams_with(settings, refs) as teams:

            async def check(places: Sequence[Destination], _: bool) -> AsyncIterator[Finding]:
                asked = [place for place in places if not is_workflow(place, self.workflows)]
                async for finding in _findings(teams, settings, refs, asked):
                    yield finding
                async for finding in self._workflows():
                    yield finding

            yield ReadOnlyChat(check=check, directory=teams.directory)

    async def _workflows(self) -> AsyncIterator[Finding]:
        if self.workflows:
            told = ", ".join(f"teams:{name}" for name in self.workflows)
            yield Finding(what=f"Workflows: {told} (not tested: a test would post a message)")

    def trouble(self, error: Exception) -> Finding:
        fix = "Check NOD_LOGIN_URL, NOD_TEAMS_TOKEN_URL and the network, and that Teams is up."
        return Finding(what=f"Teams: {error}", fix=REGISTRATION if isinstance(error, Forbidden) else fix)


def _opened(teams: Teams | None, workflows: WorkflowsChat | None) -> OpenChat:
    """The bot, webhooks, or both."""
    names = workflows.names if workflows else frozenset()

    def pager(channel: str) -> Pager:
        board = workflows if workflows and channel in names else teams.chat if teams else None
        if board is None:
            raise KeyError(channel)
        return ChannelPager(board=board, channel=channel)

    if teams and workflows:
        chat: Chat | None = RoutedChat(bot=teams.chat, webhooks=workflows)
    else:
        chat = teams.chat if teams else workflows
    assert chat is not None  # noqa: S101 - one of the two is there: else Teams is not set up
    return OpenChat(
        chat=chat,
        pager=pager,
        directory=teams.directory if teams else None,
        receivers={"/api/messages": teams} if teams else {},
        has_buttons=lambda channel: channel not in names,
    )


def _bot(
    settings: TeamsSettings,
    *,
    desk: Desk,
    clock: Clock,
    metrics: Metrics,
    conversations: Conversations,
    signs_in: bool = True,
) -> AbstractAsyncContextManager[Teams]:
    return open_teams(
        app_id=settings.app_id,
        app_password=settings.app_password.get_secret_value(),
        tenant_id=settings.tenant_id,
        app_type=settings.app_type,
        desk=desk,
        clock=clock,
        metrics=metrics,
        conversations=conversations,
        cloud=settings.cloud,
        tenants=settings.tenants,
        dangerously_allow_unauthenticated=settings.dangerously_allow_unauthenticated,
        signs_in=signs_in,
    )


def teams_with(settings: TeamsSettings, refs: Sequence[ConversationRef]) -> AbstractAsyncContextManager[Teams]:
    """Teams, to read from, with these conversations. Nothing is sent yet."""
    return _bot(
        settings,
        desk=ClosedDesk(),
        clock=utc_now,
        metrics=NO_METRICS,
        conversations=_Listed(refs),
        signs_in=False,
    )


async def known_conversations(database_url: str) -> Sequence[ConversationRef]:
    """The conversations that the bot knows; none if it never ran."""
    try:
        return await read_conversations(database_url)
    except ConfigError:
        return ()


class _Listed:
    """`Conversations` that were read once; changes are not stored."""

    def __init__(self, refs: Sequence[ConversationRef]) -> None:
        self._refs = {ref.id: ref for ref in refs}

    async def put(self, ref: ConversationRef) -> None:
        """Add it for this check only."""
        self._refs[ref.id] = ref

    async def get(self, conversation_id: str) -> ConversationRef | None:
        return self._refs.get(conversation_id)

    async def of_person(self, account: str) -> ConversationRef | None:
        tenant, _, person = account.rpartition("/")
        mine = (ref for ref in self._refs.values() if ref.person == person and tenant in ("", ref.tenant))
        return next(mine, None)

    async def drop(self, conversation_id: str) -> None:
        """Forget it for this check only."""
        self._refs.pop(conversation_id, None)

    async def all(self) -> Sequence[ConversationRef]:
        return tuple(self._refs.values())


class _Announced:
    """Conversations that are kept elsewhere, and told about."""

    def __init__(self, kept: Conversations, met: Callable[[], None]) -> None:
        self._kept, self._met = kept, met

    async def put(self, ref: ConversationRef) -> None:
        await self._kept.put(ref)
        self._met()

    async def get(self, conversation_id: str) -> ConversationRef | None:
        return await self._kept.get(conversation_id)

    async def of_person(self, account: str) -> ConversationRef | None:
        return await self._kept.of_person(account)

    async def drop(self, conversation_id: str) -> None:
        await self._kept.drop(conversation_id)

    async def all(self) -> Sequence[ConversationRef]:
        return await self._kept.all()


REGISTRATION = (
    "Copy MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId from the bot's app registration."
)


async def _findings(
    teams: Teams,
    settings: TeamsSettings,
    refs: Sequence[ConversationRef],
    places: Sequence[Destination],
) -> AsyncIterator[Finding]:
    """Everything about Teams that is wrong or works.

    Raises Forbidden when Entra refuses the bot, and Unavailable when Entra or Teams cannot be reached: then
    people cannot be looked up, and their e-mail addresses are not the reason.
    """
    if settings.dangerously_allow_unauthenticated:
        what = "Teams: no authentication; anyone who can reach Nod's port can approve anything"
        yield Finding(what=what, fix="Unset DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS.", advice=True)
    else:
        async with open_client(timeout=REACHED) as client:
            yield await keys_finding(client, settings)
            yield await token_finding(client, settings)
    for ref in refs:
        if not is_service(ref.service_url, settings.cloud.service_hosts):
            host = urlsplit(ref.service_url).hostname
            what = f"Teams: {ref.name or ref.id} is at {host}, which is not in NOD_TEAMS_SERVICE_HOSTS"
            yield Finding(what=what, fix="Add the host if it belongs to your cloud.")
    problems = await teams.problems(places)
    for problem in problems:
        yield Finding(what=f"Teams: {problem.where} {problem.what}", fix=f"{problem.fix}.")
    wrong = {problem.where for problem in problems}
    names = {ref.id: f"{ref.name} ({ref.id})" for ref in refs if ref.name}
    well = [names.get(place.channel, str(place)) for place in places if str(place) not in wrong]
    if well:
        yield Finding(what=f"Teams: Nod is in {', '.join(sorted(well))}")


async def token_finding(client: httpx.AsyncClient, settings: TeamsSettings) -> Finding:
    host = urlsplit(settings.cloud.token_url).hostname
    token = BotToken(
        client=client,
        cloud=settings.cloud,
        tenant=None if settings.app_type == MULTI else settings.tenant_id,
        app_id=settings.app_id,
        password=settings.app_password.get_secret_value(),
        seconds=time.monotonic,
    )
    try:
        await token.bearer()
    finally:
        await token.close()
    return Finding(what=f"Teams: signed in at {host}")


async def keys_finding(client: httpx.AsyncClient, settings: TeamsSettings) -> Finding:
    """Whether the keys can be read: without them Nod refuses every click."""
    host = urlsplit(settings.cloud.openid_url).hostname
    try:
        answer = await exchange(client, "GET", settings.cloud.openid_url)
    except Unavailable as error:
        what = f"Teams: cannot read the signing keys at {host}: {error}"
        return Finding(what=what, fix="Check NOD_TEAMS_OPENID_URL and the network.")
    document = answer.json()
    if answer.status != 200 or not isinstance(document, dict) or "jwks_uri" not in document:
        what = f"Teams: no OpenID document at {host} (HTTP {answer.status})"
        return Finding(what=what, fix="Check NOD_TEAMS_OPENID_URL.")
    return Finding(what=f"Teams: signing keys read from {host}")
