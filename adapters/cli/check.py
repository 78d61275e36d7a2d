"""`nod check`: everything that a running bot will need, tried now; each finding says what to do."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from adapters.app import group_keepers, schedule_keepers, utc_now
from adapters.cli.policy import reach_of
from adapters.cli.policy_lint import faults_of
from adapters.platform.client import open_platform
from adapters.settings import (
    Environment,
    PolicyFile,
    check_schedule_keys,
    read_environment,
    read_policy_file,
    webhook_secret,
)
from adapters.settings.environment import read_chat
from adapters.slack import Slack, open_slack
from adapters.store.open import open_store
from bot.approval import Claim, Vote
from bot.desk import Asked, Click
from bot.errors import ConfigError, Forbidden, InUse, NodError, Refusal, Refused, Unavailable
from bot.policy import Policy
from bot.surface import Destination, Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. `fix` says what to do about it; it must be done unless it is only `advice`."""

    what: str
    fix: str | None = None
    advice: bool = False

    @property
    def mark(self) -> tuple[str, str]:
        """The sign in front and its colour; the sign alone tells."""
        if self.fix is None:
            return "✓ ", "green"
        return ("! ", "yellow") if self.advice else ("✗ ", "red")


async def check() -> int:
    """Print the report; 0 when nothing needs doing, 1 otherwise. Raises ConfigError for a bad setting."""
    environment = read_environment()
    read_chat(environment)
    environment.seal_secrets()
    file = read_policy_file(environment.config, auto_approve=environment.auto_approve)
    webhook_secret(environment, file.pagers)
    check_schedule_keys(environment, file.policy)
    findings = [Finding(what=f"{environment.config}: {len(file.policy.routes)} routes")]
    findings += [finding async for finding in _look(environment, file)]
    console = Console(highlight=False)
    for finding in findings:
        console.print(Text(*finding.mark), Text(finding.what), sep="")
        if finding.fix is not None:
            console.print(Text(f"  → {finding.fix}"))
    return 1 if any(finding.fix and not finding.advice for finding in findings) else 0


async def _look(environment: Environment, file: PolicyFile) -> AsyncIterator[Finding]:
    yield await _platform(environment)
    yield await _database(environment)
    try:
        async with AsyncExitStack() as stack:
            slack = await stack.enter_async_context(signed_in(environment))
            yield Finding(what=f"Slack: signed in to {environment.slack_api_url}")
            for problem in await slack.problems(_channels(file.policy)):
                yield Finding(what=f"Slack: {problem.where} {problem.what}", fix=problem.fix)
            groups = await group_keepers(environment, slack, stack)
            schedules = await schedule_keepers(environment, file, stack)
            reach = await reach_of(file, {Surface.SLACK: slack.directory}, groups, schedules, now=utc_now())
    except (Unavailable, Forbidden) as error:
        yield Finding(what=f"Slack: {error}", fix="Check SLACK_BOT_TOKEN, SLACK_API_URL and the network.")
        return
    for fault in faults_of(reach, now=utc_now()):
        yield Finding(what=f"Policy: {fault.what}", fix=fault.fix, advice=not fault.error)


async def _platform(environment: Environment) -> Finding:
    url = environment.aip_api_url
    try:
        async with open_platform(url, environment.aip_api_key.get_secret_value(), clock=utc_now) as platform:
            listing = await platform.pending()
    except Forbidden as error:
        return Finding(what=f"Platform {url}: {error}", fix="Check AIP_API_KEY and AIP_API_URL.")
    except Unavailable as error:
        return Finding(what=f"Platform {url}: {error}", fix="Check AIP_API_URL, and that it is running.")
    return Finding(what=f"Platform {url}: {len(listing.requests)} pending")


async def _database(environment: Environment) -> Finding:
    try:
        async with open_store(environment.database_url, ring=lambda _: None, pagers=()):
            return Finding(what="Database: opens, durable, schema up to date")
    except InUse as error:
        return Finding(what=f"Database: {error.what}, which is well if that is the bot")
    except ConfigError as error:
        return Finding(what=f"Database: {error.what}", fix=error.fix)
    except NodError as error:
        return Finding(what=f"Database: {error}", fix="Check NOD_DATABASE_URL and that the server is up.")


def _channels(policy: Policy) -> tuple[Destination, ...]:
    places = [place for route in policy.routes for place in route.cards]
    places += [place for route in policy.routes for rung in route.ladder for place in rung.cards]
    return tuple(dict.fromkeys((*places, *policy.alerts)))


@asynccontextmanager
async def signed_in(environment: Environment) -> AsyncIterator[Slack]:
    """Slack for looking at it: no click is taken. Raises Unavailable or Forbidden."""
    token = environment.slack_bot_token
    async with open_slack(
        token=token.get_secret_value() if token else "",
        # A check takes no clicks: no socket, which would draw them away from a running bot, and a secret
        # that nobody knows.
        signing_secret=secrets.token_hex(),
        app_token=None,
        api_url=environment.slack_api_url,
        desk=_ClosedDesk(),
        clock=utc_now,
        count=lambda _: None,
    ) as slack:
        yield slack


class _ClosedDesk:
    """A check takes no clicks."""

    async def decide(self, click: Click) -> Vote:
        raise Refused(Refusal.UNKNOWN_CARD, "This is only a check.")

    async def ask(self, click: Click) -> Asked:
        raise Refused(Refusal.UNKNOWN_CARD, "This is only a check.")

    async def claim(self, click: Click) -> Claim:
        raise Refused(Refusal.UNKNOWN_CARD, "This is only a check.")

    async def next(self, click: Click, *, after: str | None = None) -> Asked:
        raise Refused(Refusal.UNKNOWN_CARD, "This is only a check.")

    async def explain(self, click: Click) -> tuple[str, ...]:
        raise Refused(Refusal.UNKNOWN_CARD, "This is only a check.")
