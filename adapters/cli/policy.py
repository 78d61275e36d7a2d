"""`nod policy …`: test, lint and replay nod.yaml before it is in force."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

from adapters.app import group_keepers, schedule_keepers
from adapters.cli.policy_ladder import staffed
from adapters.cli.policy_lint import Fault, Reach, faults_of
from adapters.cli.policy_replay import changes_of, past_of
from adapters.cli.policy_verdict import read_requests, verdict_of
from adapters.directory_cache import DirectoryCache, GroupKeeper
from adapters.oncall import Schedules
from adapters.plugins import read_chats
from adapters.settings import (
    Environment,
    PolicyFile,
    check_schedule_keys,
    read_policy_file,
)
from adapters.store.audit import open_audit_reader
from bot.ports import NO_METRICS, Directory, utc_now
from bot.surface import Surface


async def test(request_file: Path, *, path: Path, auto_approve: bool, now: datetime) -> int:
    """Print what the policy at `path` does with each request in a file; nobody is looked up. Returns 0.

    Raises ConfigError for a policy or a request that cannot be read.
    """
    file = await asyncio.to_thread(read_policy_file, path, auto_approve=auto_approve)
    for number, request in enumerate(await asyncio.to_thread(read_requests, request_file)):
        if number:
            print()
        for label, text in verdict_of(request, file, now=now):
            print(f"{label:<11} {text}".rstrip())
    return 0


async def lint(
    *,
    path: Path,
    auto_approve: bool,
    now: datetime,
    directories: Mapping[Surface, Directory] | None = None,
    groups: Mapping[str, GroupKeeper] | None = None,
    schedules: Mapping[str, Schedules] | None = None,
) -> int:
    """Print what is wrong with the policy at `path`; 1 when there are errors, 0 otherwise.

    `groups` and `schedules` answer for their kinds. Without `directories` nobody is looked up, and an e-mail or
    an id is taken for an account. Raises ConfigError for an invalid file.
    """
    file = await asyncio.to_thread(read_policy_file, path, auto_approve=auto_approve)
    reach = await reach_of(file, directories, groups or {}, schedules or {}, now=now)
    faults = list(faults_of(reach, now=now))
    for fault in faults:
        print(_line(fault))
    errors = sum(fault.error for fault in faults)
    print(f"{path.name}: {errors} errors, {len(faults) - errors} warnings")
    return 1 if errors else 0


async def replay(
    *,
    database_url: str,
    path: Path,
    new: Path | None,
    since: timedelta,
    auto_approve: bool,
    now: datetime,
) -> int:
    """Print what would have changed for every request since then. Returns 0.

    Compares the policy at `path` with the one at `new`; without `new`, the audit log with `path`. Only reads,
    so the bot can run meanwhile. Raises ConfigError for a file or a database that cannot be read.
    """
    policy = (await asyncio.to_thread(read_policy_file, path, auto_approve=auto_approve)).policy
    other = await asyncio.to_thread(read_policy_file, new, auto_approve=auto_approve) if new else None
    async with open_audit_reader(database_url) as audit_reader:
        ids = await audit_reader.about(since=now - since, until=None)
        calls, told = await audit_reader.calls(ids), await audit_reader.told_of(ids)
    found = (past_of(calls[one], told[one]) for one in ids if one in calls)
    history = [past for past in found if past is not None]
    old, becomes = (policy, other.policy) if other else (None, policy)
    changes = list(changes_of(history, old=old, new=becomes))
    for change in changes:
        print(change)
    print(
        f"{len(history)} requests, {len(changes)} would have changed" if changes else _unchanged(len(history))
    )
    return 0


async def reach_of(
    file: PolicyFile,
    directories: Mapping[Surface, Directory] | None,
    groups: Mapping[str, GroupKeeper],
    schedules: Mapping[str, Schedules],
    *,
    now: datetime,
) -> Reach:
    """Who can be reached, by the directories; without any, by the file."""
    alerts = bool(file.policy.alerts or file.pagers or file.hooks)
    if directories is None:
        return Reach(policy=staffed(file.policy, now), elsewhere=file.elsewhere, offline=True, alerts=alerts)
    directory_cache = DirectoryCache(metrics=NO_METRICS, clock=lambda: now)
    await directory_cache.refresh(
        file.policy, file.elsewhere, directories=directories, groups=groups, schedules=schedules
    )
    policy = directory_cache.filled(file.policy, file.elsewhere).policy
    unread = directory_cache.unread(file.elsewhere)
    return Reach(
        policy=policy,
        elsewhere=file.elsewhere,
        unread=unread,
        offline=False,
        alerts=alerts,
        chats=tuple(directories),
    )


def _line(fault: Fault) -> str:
    return f"{'error' if fault.error else 'warning'}: {fault.what}. {fault.fix}"


def _unchanged(count: int) -> str:
    return f"{count} requests, no change"


async def lint_online(environment: Environment) -> int:
    """The same with the chats that are set up. Raises ConfigError."""
    file = read_policy_file(environment.config, auto_approve=environment.auto_approve)
    check_schedule_keys(environment, file.policy)
    async with AsyncExitStack() as stack:
        chats = read_chats(environment, file)
        looks = {name: await stack.enter_async_context(chat.look()) for name, chat in chats.items()}
        return await lint(
            path=environment.config,
            auto_approve=environment.auto_approve,
            now=utc_now(),
            directories={name: look.directory for name, look in looks.items() if look.directory},
            groups=await group_keepers(environment, (look.groups for look in looks.values()), stack),
            schedules=await schedule_keepers(environment, file, stack),
        )
