"""The chats that are set up, opened: cards go up there, clicks come in, and people are found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from adapters.chat.channel_pager import ChannelPager
from adapters.settings import Chats, Environment, is_workflow, plain
from adapters.slack import Slack, open_slack
from adapters.teams import RoutedChat, Teams, WorkflowsChat, open_teams, open_workflows
from adapters.web import Receiver
from bot.alerts import SHARED, alert_of, over
from bot.audit import Fact
from bot.desk import Desk
from bot.errors import Unavailable
from bot.ports import Chat, Clock, Directory, Metrics, Pager
from bot.records import Alert
from bot.store import Store
from bot.surface import ConversationRef, Conversations, Destination, Surface

#: The rows of the audit that say how many sockets there are.
SOCKETS = "sockets_counted"
#: What the alert is about, and its cause.
ABOUT = "socket:slack"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatApps:
    """Slack, Teams, or both; and the channels of Teams that are only told."""

    slack: Slack | None
    teams: Teams | None
    workflows: WorkflowsChat | None
    receivers: Mapping[str, Receiver]  #: path -> who answers what is posted there

    @property
    def chats(self) -> Mapping[Surface, Chat]:
        """Where cards can stand."""
        found: dict[Surface, Chat] = {}
        if self.slack:
            found[Surface.SLACK] = self.slack.chat
        if self.teams and self.workflows:
            found[Surface.TEAMS] = RoutedChat(bot=self.teams.chat, webhooks=self.workflows)
        elif on_teams := self.teams.chat if self.teams else self.workflows:
            found[Surface.TEAMS] = on_teams
        return found

    @property
    def directories(self) -> Mapping[Surface, Directory]:
        """Who finds people's accounts."""
        found: dict[Surface, Directory] = {}
        if self.slack:
            found[Surface.SLACK] = self.slack.directory
        if self.teams:
            found[Surface.TEAMS] = self.teams.directory
        return found

    def has_buttons(self, place: Destination) -> bool:
        """Whether a card there can be pressed: a workflow only tells."""
        return not (self.workflows and is_workflow(place, self.workflows.names))

    async def name_of(self, place: Destination) -> str:
        """What people call a place, such as #approvals."""
        if place.surface is Surface.SLACK and self.slack:
            return await self.slack.name_of(place.channel)
        return str(place)

    def pager(self, place: Destination) -> Pager:
        """A channel as a place for alerts. Raises KeyError for a surface that is not set up."""
        if place.surface is Surface.SLACK and self.slack:
            return self.slack.pager(place.channel)
        if self.workflows and is_workflow(place, self.workflows.names):
            return ChannelPager(board=self.workflows, channel=place.channel)
        if place.surface is Surface.TEAMS and self.teams:
            return self.teams.pager(place.channel)
        raise KeyError(place)


@asynccontextmanager
async def open_chats(
    environment: Environment,
    settings: Chats,
    *,
    desk: Desk,
    store: Store,
    conversations: Conversations,
    met: Callable[[], None],
    clock: Clock,
    metrics: Metrics,
) -> AsyncIterator[ChatApps]:
    """Every chat that is set up, until closed. Raises ConfigError, Unavailable or Forbidden.

    `met` is called when a chat reports a new conversation: people may be in it that the bot has not seen yet.
    """
    receivers: dict[str, Receiver] = {}
    async with AsyncExitStack() as stack:
        slack, teams = None, None
        if settings.slack:
            slack = await stack.enter_async_context(
                open_slack(
                    token=plain(environment.slack_bot_token) or "",
                    signing_secret=plain(environment.slack_signing_secret),
                    app_token=plain(environment.slack_app_token),
                    api_url=environment.slack_api_url,
                    desk=desk,
                    clock=clock,
                    metrics=metrics,
                    counted=SharedToken(store=store, clock=clock).counted,
                )
            )
            if environment.slack_signing_secret:
                receivers["/slack/events"] = slack
        if settings.teams:
            teams = await stack.enter_async_context(
                open_teams(
                    app_id=settings.teams.app_id,
                    app_password=settings.teams.app_password.get_secret_value(),
                    tenant_id=settings.teams.tenant_id,
                    app_type=settings.teams.app_type,
                    desk=desk,
                    clock=clock,
                    metrics=metrics,
                    conversations=_Announced(conversations, met),
                    cloud=settings.teams.cloud,
                    tenants=settings.teams.tenants,
                    dangerously_allow_unauthenticated=settings.teams.dangerously_allow_unauthenticated,
                )
            )
            receivers["/api/messages"] = teams
        workflows = None
        if settings.workflows:
            addresses = {name: secret.get_secret_value() for name, secret in settings.workflows.items()}
            workflows = await stack.enter_async_context(open_workflows(addresses))
        yield ChatApps(slack=slack, teams=teams, workflows=workflows, receivers=receivers)


class SharedToken:
    """Whether another bot has sockets of our Slack app token: then Slack gives it some of our clicks.

    Records what Slack counts, and alerts while others have sockets of ours.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._noted: int | None = None

    async def counted(self, sockets: int, others: int, stay: bool) -> None:
        """So many are open, so many of them are not ours; `stay`: they were there a minute ago, too.

        A database has one process, and a process one socket, so other sockets belong to another bot.
        """
        log.info("sockets_counted", open=sockets, others=others)
        try:
            if others != self._noted:
                body = {"open": sockets, "others": others}
                await self._store.journal.note(Fact(kind="sockets_counted", at=self._clock(), body=body))
                self._noted = others
            if others and stay:
                await self._store.alerts.raise_(self._alert(others))
            elif not others:
                await self._store.alerts.resolve(ABOUT, cause=SHARED, how=over(SHARED))
        except Unavailable as error:
            log.warning("sockets_not_noted", reason=str(error))

    def _alert(self, others: int) -> Alert:
        """What an operator does about it."""
        sockets = "1 socket" if others == 1 else f"{others} sockets"
        return alert_of(SHARED, ABOUT, {"sockets": sockets}, at=self._clock())


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
