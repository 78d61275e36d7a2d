"""`nod check`: tries everything that a running bot needs; each finding says how to fix it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

from adapters.app import group_keepers, schedule_keepers
from adapters.checkpoints import check_rollback, read_checkpoint_log
from adapters.cli.env_file import EnvFile
from adapters.cli.findings import (
    REGISTRATION,
    Finding,
    platform_finding,
    print_finding,
    socket_finding,
    teams_findings,
)
from adapters.cli.policy import reach_of
from adapters.cli.policy_lint import faults_of
from adapters.cli.read_only_chats import known_conversations, signed_in, teams_with
from adapters.periodic import checkpoints_of
from adapters.settings import (
    Chats,
    Environment,
    PolicyFile,
    is_workflow,
    read_settings,
)
from adapters.store.open import open_store
from bot.errors import ConfigError, Forbidden, InUse, NodError, Unavailable
from bot.policy import Policy
from bot.ports import Directory, utc_now
from bot.surface import Destination, Surface


async def check(*, strict: bool = False, env_file: EnvFile | None = None) -> int:
    """Print the report; 1 when something needs fixing, else 0. With `strict`, advice needs fixing too.

    Raises ConfigError for an invalid setting.
    """
    settings = read_settings()
    environment, file = settings.environment, settings.file
    findings = [_settings(env_file)] if env_file else []
    count = len(file.policy.routes)
    findings += [Finding(what=f"{environment.config}: {count} route{'' if count == 1 else 's'}")]
    findings += [
        Finding(
            what=f"{name} is http:// to another machine, which NOD_ALLOW_PLAIN_HTTP allows",
            advice=True,
            fix="Use https:// where you can: keys and answers can be read and changed on the way.",
        )
        for name in environment.in_the_clear()
    ]
    findings += [finding async for finding in _look(environment, file, settings.chats)]
    for finding in findings:
        print_finding(finding)
    return 1 if any(finding.fix and (strict or not finding.advice) for finding in findings) else 0


def _settings(found: EnvFile) -> Finding:
    """Which file was read, and what in it has no effect."""
    what = f"{found.path}: {len(found.taken)} settings"
    unused = f"; set in the environment, which wins: {', '.join(found.overridden)}" if found.overridden else ""
    return Finding(what=f"{what}{unused}")


async def _look(environment: Environment, file: PolicyFile, chats: Chats) -> AsyncIterator[Finding]:
    yield await platform_finding(environment)
    database, runs = await _database(environment)
    yield database
    async with AsyncExitStack() as stack:
        directories: dict[Surface, Directory] = {}
        slack = None
        if chats.slack:
            try:
                slack = await stack.enter_async_context(signed_in(environment))
                found = await slack.check(_on(Surface.SLACK, file))
            except (Unavailable, Forbidden) as error:
                fix = "Check SLACK_BOT_TOKEN, SLACK_API_URL and the network."
                yield Finding(what=f"Slack: {error}", fix=fix)
                return
            where = slack.identity.team or environment.slack_api_url
            yield Finding(what=f"Slack: signed in to {where} as @{slack.identity.name}")
            if environment.slack_app_token is not None:
                token = environment.slack_app_token.get_secret_value()
                yield await socket_finding(slack, token, database_url=environment.database_url, runs=runs)
            for problem in found.problems:
                yield Finding(what=f"Slack: {problem.where} {problem.what}", fix=f"{problem.fix.rstrip('.')}.")
            if found.channels:
                yield Finding(what=f"Slack: Nod is in {', '.join(sorted(found.channels))}")
            directories[Surface.SLACK] = slack.directory
        if chats.teams is not None:
            refs = await known_conversations(environment.database_url)
            teams = await stack.enter_async_context(teams_with(chats.teams, refs))
            try:
                async for finding in teams_findings(teams, chats.teams, refs, _on(Surface.TEAMS, file)):
                    yield finding
            except Forbidden as error:
                yield Finding(what=f"Teams: {error}", fix=REGISTRATION)
                return
            except Unavailable as error:
                fix = "Check NOD_LOGIN_URL, NOD_TEAMS_TOKEN_URL and the network, and that Teams is up."
                yield Finding(what=f"Teams: {error}", fix=fix)
                return
            directories[Surface.TEAMS] = teams.directory
        if chats.workflows:
            told = ", ".join(f"teams:{name}" for name in chats.workflows)
            yield Finding(what=f"Workflows: {told} (not tested: no message is sent)")
        groups = await group_keepers(environment, slack, stack)
        schedules = await schedule_keepers(environment, file, stack)
        reach = await reach_of(file, directories, groups, schedules, now=utc_now())
    if directories:
        yield _people(reach.policy)
    for fault in faults_of(reach, now=utc_now()):
        yield Finding(what=f"Policy: {fault.what}", fix=fault.fix, advice=not fault.error)


def _people(policy: Policy) -> Finding:
    """Who was found, and where. People who were not found get separate findings."""
    found = (person for person in policy.people.values() if person.accounts)
    names = (f"{one.name} ({', '.join(sorted(on.value.title() for on in one.accounts))})" for one in found)
    return Finding(what=f"People: {', '.join(names) or 'none found'}")


def _on(surface: Surface, file: PolicyFile) -> tuple[Destination, ...]:
    """The places where people can be asked."""
    here = (place for place in file.places if place.surface is surface)
    return tuple(place for place in here if not is_workflow(place, file.workflows))


async def _database(environment: Environment) -> tuple[Finding, bool]:
    """The state of the database, and whether a bot runs on it."""
    try:
        checkpoint_log = await read_checkpoint_log(checkpoints_of(environment))
        fit = partial(check_rollback, checkpoint_log=checkpoint_log, accept=False, clock=utc_now)
        async with open_store(environment.database_url, ring=lambda _: None, pagers=(), fit=fit):
            return Finding(what="Database: opens, durable, schema up to date"), False
    except InUse as error:
        return Finding(what=f"Database: {error.what} (fine if that is the bot)"), True
    except ConfigError as error:
        return Finding(what=f"Database: {error.what}", fix=error.fix), False
    except NodError as error:
        fix = "Check NOD_DATABASE_URL and that the server is up."
        return Finding(what=f"Database: {error}", fix=fix), False
