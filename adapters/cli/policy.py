"""`nod policy test | lint | replay`: a policy tried before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from adapters.cli.policy_ladder import staffed
from adapters.cli.policy_lint import Fault, Reach, faults_of
from adapters.cli.policy_replay import changes_of, past_of
from adapters.cli.policy_verdict import read_requests, verdict_of
from adapters.directory_cache import DirectoryCache, GroupKeeper
from adapters.oncall import Schedules
from adapters.settings import PolicyFile, read_policy_file
from adapters.store.audit import open_audit_reader
from bot.ports import Directory
from bot.surface import Surface


async def test(request_file: Path, *, path: Path, auto_approve: bool, now: datetime) -> int:
    """Print what the policy at `path` makes of each request in a file; nobody is looked up. Returns 0.

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

    `groups` and `schedules` say who knows which kind of them. Without `directories` nobody is asked, and an
    e-mail or an id is taken for an account. Raises ConfigError for a file that is not valid.
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

    The policy at `path` is compared with the one at `new`; without `new`, what the audit says with `path`.
    Only reads, so the bot may run meanwhile. Raises ConfigError for a file or a database that cannot be read.
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
    """Who can be reached, as the directories tell; without any, as the file says."""
    alerts = bool(file.policy.alerts or file.pagers or file.hooks)
    if directories is None:
        return Reach(policy=staffed(file.policy, now), elsewhere=file.elsewhere, offline=True, alerts=alerts)
    directory_cache = DirectoryCache(count=lambda _: None, clock=lambda: now)
    await directory_cache.refresh(
        file.policy, file.elsewhere, directories=directories, groups=groups, schedules=schedules
    )
    policy = directory_cache.filled(file.policy, file.elsewhere).policy
    unread = directory_cache.unread(file.elsewhere)
    return Reach(policy=policy, elsewhere=file.elsewhere, unread=unread, offline=False, alerts=alerts)


def _line(fault: Fault) -> str:
    return f"{'error' if fault.error else 'warning'}: {fault.what}. {fault.fix}"


def _unchanged(count: int) -> str:
    return f"{count} requests, no change"
