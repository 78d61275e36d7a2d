"""The chats, opened read-only: no click is taken, nothing is stored, and a running bot is not disturbed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.settings import Chats, Environment, TeamsSettings
from adapters.slack import Slack, open_slack
from adapters.store.conversations import read_conversations
from adapters.teams import Teams, open_teams
from bot.desk import Click, NotCounted
from bot.errors import ConfigError, Refusal
from bot.ports import NO_METRICS, Directory, utc_now
from bot.surface import ConversationRef, Surface


@asynccontextmanager
async def signed_in(environment: Environment) -> AsyncIterator[Slack]:
    """Slack, to read from. Raises Unavailable or Forbidden."""
    token = environment.slack_bot_token
    async with open_slack(
        token=token.get_secret_value() if token else "",
        # A check takes no clicks: no socket, which would take clicks from a running bot, and a random signing
        # secret.
        signing_secret=secrets.token_hex(),
        app_token=None,
        api_url=environment.slack_api_url,
        desk=_ClosedDesk(),
        clock=utc_now,
        metrics=NO_METRICS,
    ) as slack:
        yield slack


@asynccontextmanager
async def teams_with(settings: TeamsSettings, refs: Sequence[ConversationRef]) -> AsyncIterator[Teams]:
    """Teams, to read from, with these conversations. Nothing is sent yet."""
    async with open_teams(
        app_id=settings.app_id,
        app_password=settings.app_password.get_secret_value(),
        tenant_id=settings.tenant_id,
        app_type=settings.app_type,
        desk=_ClosedDesk(),
        clock=utc_now,
        metrics=NO_METRICS,
        conversations=_Listed(refs),
        cloud=settings.cloud,
        tenants=settings.tenants,
        dangerously_allow_unauthenticated=settings.dangerously_allow_unauthenticated,
        signs_in=False,
    ) as teams:
        yield teams


async def known_conversations(database_url: str) -> Sequence[ConversationRef]:
    """The conversations that the bot knows; none if it never ran."""
    try:
        return await read_conversations(database_url)
    except ConfigError:
        return ()


async def directories_of(
    chats: Chats, environment: Environment, stack: AsyncExitStack
) -> tuple[Mapping[Surface, Directory], Slack | None]:
    """The directory of each chat, and Slack if it is set up. Raises Unavailable or Forbidden."""
    found: dict[Surface, Directory] = {}
    slack = None
    if chats.slack:
        slack = await stack.enter_async_context(signed_in(environment))
        found[Surface.SLACK] = slack.directory
    if chats.teams is not None:
        refs = await known_conversations(environment.database_url)
        teams = await stack.enter_async_context(teams_with(chats.teams, refs))
        found[Surface.TEAMS] = teams.directory
    return found, slack


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


_ONLY_A_CHECK = NotCounted(card_id=None, code=Refusal.UNKNOWN_CARD, text="This is only a check.")


class _ClosedDesk:
    """A check takes no clicks."""

    async def press(self, click: Click) -> NotCounted:
        return _ONLY_A_CHECK

    async def preview(self, click: Click) -> NotCounted:
        return _ONLY_A_CHECK
