"""`nod check`: tries everything that a running bot needs; each finding says how to fix it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from functools import partial

from adapters.app import group_keepers, schedule_keepers
from adapters.chat.plugin import Finding
from adapters.checkpoints import check_rollback, read_checkpoint_log
from adapters.cli.env_file import EnvFile
from adapters.cli.findings import platform_finding, print_finding
from adapters.cli.policy import reach_of
from adapters.cli.policy_lint import faults_of
from adapters.periodic import checkpoints_of
from adapters.plugins import Chats, read_settings
from adapters.settings import Environment, PolicyFile, all_sources, is_workflow
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
            what=f"{name} uses http:// to another machine (NOD_ALLOW_PLAIN_HTTP allows it)",
            advice=True,
            fix="Use https:// where you can: over http://, others can read and change keys and decisions.",
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
    unused = f"; the environment overrides {', '.join(found.overridden)}" if found.overridden else ""
    return Finding(what=f"{what}{unused}")


async def _look(environment: Environment, file: PolicyFile, chats: Chats) -> AsyncIterator[Finding]:
    sources = all_sources(environment, file.sources)
    looks = (platform_finding(one, named=len(sources) > 1) for one in sources)
    for finding in await asyncio.gather(*looks):
        yield finding
    database, runs = await _database(environment)
    yield database
    async with AsyncExitStack() as stack:
        directories: dict[Surface, Directory] = {}
        groups: list[Mapping[str, Directory]] = []
        for surface, chat in chats.items():
            try:
                opened = await stack.enter_async_context(chat.look())
                async for finding in opened.check(_on(surface, file), runs):
                    yield finding
            except (Unavailable, Forbidden) as error:
                yield chat.trouble(error)
                return
            groups.append(opened.groups)
            if opened.directory:
                directories[surface] = opened.directory
        keepers = await group_keepers(environment, groups, stack)
        schedules = await schedule_keepers(environment, file, stack)
        reach = await reach_of(file, directories, keepers, schedules, now=utc_now())
    if directories:
        yield _people(reach.policy)
    for fault in faults_of(reach, now=utc_now()):
        yield Finding(what=f"Policy: {fault.what}", fix=fault.fix, advice=not fault.error)


def _people(policy: Policy) -> Finding:
    """Who was found, and where. People who were not found get separate findings."""
    found = (person for person in policy.people.values() if person.accounts)
    names = (f"{one.name} ({', '.join(sorted(on.title() for on in one.accounts))})" for one in found)
    return Finding(what=f"People: {', '.join(names) or 'none found'}")


def _on(surface: Surface, file: PolicyFile) -> tuple[Destination, ...]:
    """The places where people can be asked."""
    here = (place for place in file.places if place.surface == surface)
    return tuple(place for place in here if not is_workflow(place, file.workflows))


async def _database(environment: Environment) -> tuple[Finding, bool]:
    """The state of the database, and whether a bot runs on it."""
    try:
        checkpoint_log = await read_checkpoint_log(checkpoints_of(environment))
        fit = partial(check_rollback, checkpoint_log=checkpoint_log, accept=False, clock=utc_now)
        async with open_store(environment.database_url, ring=lambda _: None, pagers=(), fit=fit):
            return Finding(what="Database: it opens, is durable, and its schema is up to date"), False
    except InUse as error:
        return Finding(what=f"Database: {error.what} (fine if that is the bot)"), True
    except ConfigError as error:
        return Finding(what=f"Database: {error.what}", fix=error.fix), False
    except NodError as error:
        fix = "Check NOD_DATABASE_URL and that the server is up."
        return Finding(what=f"Database: {error}", fix=fix), False
