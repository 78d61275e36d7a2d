"""Slack as a chat of Nod: set up by its token, opened for clicks or to read from, and checked."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from adapters.chat.plugin import ClosedDesk, Finding, OpenChat, Opening, ReadOnlyChat
from adapters.settings import Environment, PolicyFile, plain
from adapters.settings.problems import Problems
from adapters.settings.variables import FIXES
from adapters.slack import Slack, open_slack
from adapters.store.audit import open_audit_reader
from bot.alerts import SHARED, alert_of, over
from bot.audit import Fact
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.ports import NO_METRICS, Clock, utc_now
from bot.records import Alert
from bot.store import Store
from bot.surface import Destination

#: The rows of the audit that say how many sockets there are.
SOCKETS = "sockets_counted"
#: What the alert is about, and its cause.
ABOUT = "socket:slack"
ALONE = "Stop the other process, or give it its own Slack app. Until then, each loses clicks to the other."

log = structlog.get_logger()


def slack_set_up(environment: Environment, _: PolicyFile) -> SlackSetUp | None:
    """Slack, if it has a token. Raises ConfigError when no clicks can arrive."""
    if environment.slack_bot_token is None:
        return None
    problems = Problems()
    problems.add(slack_lacks(environment))
    if problems:
        raise problems.together()
    return SlackSetUp(environment)


def slack_lacks(environment: Environment) -> Iterator[ConfigError]:
    """What Slack needs and does not have."""
    if environment.slack_bot_token is None:
        what = "is not set, so Nod has no chat for cards"
        fix = f"{FIXES['SLACK_BOT_TOKEN']} To try Nod without an account, run nod demo."
        yield ConfigError("SLACK_BOT_TOKEN", what, fix)
    if environment.slack_app_token is None and environment.slack_signing_secret is None:
        fix = "Create an app-level token with connections:write, or set SLACK_SIGNING_SECRET to use HTTP."
        yield ConfigError("SLACK_APP_TOKEN", "is not set, so no clicks can arrive", fix)


@dataclass(frozen=True, slots=True)
class SlackSetUp:
    """Implements `adapters.chat.plugin.ChatSetUp`."""

    _environment: Environment

    def check_place(self, place: Destination, where: str) -> None:
        """Every channel of the workspace can be reached."""

    @asynccontextmanager
    async def open(self, opening: Opening) -> AsyncIterator[OpenChat]:
        environment = self._environment
        async with open_slack(
            token=plain(environment.slack_bot_token) or "",
            signing_secret=plain(environment.slack_signing_secret),
            app_token=plain(environment.slack_app_token),
            api_url=environment.slack_api_url,
            desk=opening.desk,
            clock=opening.clock,
            metrics=opening.metrics,
            counted=SharedToken(store=opening.store, clock=opening.clock).counted,
        ) as slack:

            async def name_of(place: Destination) -> str:
                return await slack.name_of(place.channel)

            yield OpenChat(
                chat=slack.chat,
                pager=slack.pager,
                directory=slack.directory,
                groups={"slack-usergroup": slack.directory},
                receivers={"/slack/events": slack} if environment.slack_signing_secret else {},
                name_of=name_of,
            )

    @asynccontextmanager
    async def look(self) -> AsyncIterator[ReadOnlyChat]:
        async with signed_in(self._environment) as slack:

            def check(places: Sequence[Destination], runs: bool) -> AsyncIterator[Finding]:
                return _findings(slack, self._environment, places, runs=runs)

            yield ReadOnlyChat(
                check=check, directory=slack.directory, groups={"slack-usergroup": slack.directory}
            )

    def trouble(self, error: Exception) -> Finding:
        return Finding(what=f"Slack: {error}", fix="Check SLACK_BOT_TOKEN, SLACK_API_URL and the network.")


@asynccontextmanager
async def signed_in(environment: Environment) -> AsyncIterator[Slack]:
    """Slack, to read from. Raises Unavailable or Forbidden."""
    async with open_slack(
        token=plain(environment.slack_bot_token) or "",
        # A check takes no clicks: no socket, which would take clicks from a running bot, and a random signing
        # secret.
        signing_secret=secrets.token_hex(),
        app_token=None,
        api_url=environment.slack_api_url,
        desk=ClosedDesk(),
        clock=utc_now,
        metrics=NO_METRICS,
    ) as slack:
        yield slack


async def _findings(
    slack: Slack, environment: Environment, places: Sequence[Destination], *, runs: bool
) -> AsyncIterator[Finding]:
    found = await slack.check(places)
    where = slack.identity.team or environment.slack_api_url
    yield Finding(what=f"Slack: signed in to {where} as @{slack.identity.name}")
    if token := plain(environment.slack_app_token):
        yield await _socket_finding(slack, token, database_url=environment.database_url, runs=runs)
    for problem in found.problems:
        yield Finding(what=f"Slack: {problem.where} {problem.what}", fix=f"{problem.fix.rstrip('.')}.")
    if found.channels:
        yield Finding(what=f"Slack: Nod is in {', '.join(sorted(found.channels))}")


async def _socket_finding(slack: Slack, app_token: str, *, database_url: str, runs: bool) -> Finding:
    """While the bot `runs`, the number that it recorded: a second socket would take some of its clicks."""
    try:
        if runs:
            await slack.check_app_token(app_token)
            others = await _recorded(database_url)
        else:
            others = await slack.sockets(app_token)
    except (Unavailable, Forbidden) as error:
        return Finding(what=f"Slack: {error}", fix="Check SLACK_APP_TOKEN.")
    if others:
        what = (
            "another process has a socket open"
            if others == 1
            else f"other processes have {others} sockets open"
        )
        return Finding(what=f"Slack: {what} with SLACK_APP_TOKEN", fix=ALONE)
    return Finding(what="Slack: SLACK_APP_TOKEN opens a socket")


async def _recorded(database_url: str) -> int | None:
    """How many sockets were not the running bot's when it last counted them; None if it never did."""
    try:
        async with open_audit_reader(database_url) as audit_reader:
            row = await audit_reader.last(SOCKETS)
    except ConfigError:  # the report has a separate line for the database
        return None
    return None if row is None else int(json.loads(row.body).get("others", 0))


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
