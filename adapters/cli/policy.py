"""`nod policy test | lint | replay`: a policy tried before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from adapters.cli.policy_lint import Fault, Reach, faults_of
from adapters.cli.policy_replay import changes_of, past_of, rule_in_words
from adapters.platform.wire import read_pending
from adapters.roster import GroupKeeper, Roster
from adapters.settings import PolicyFile, read_policy_file
from adapters.store.ledger import open_ledger
from bot.approval import Surface
from bot.call import lines_of, warnings_of
from bot.errors import ConfigError, Unavailable
from bot.ladder import deadline_of, parse_time
from bot.policy import requesters_of
from bot.ports import Directory
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import ReasonRule, Route
from bot.visible import visible
from bot.wording import name_of

#: Bytes of the largest request that is read from a file.
LARGEST_REQUEST = 5_000_000


async def test(request_file: Path, *, path: Path, auto_approve: bool, now: datetime) -> int:
    """Print what the policy at `path` makes of each request in a file; nobody is looked up. Returns 0.

    Raises ConfigError for a policy or a request that cannot be read.
    """
    file = await asyncio.to_thread(read_policy_file, path, auto_approve=auto_approve)
    for number, request in enumerate(await asyncio.to_thread(read_requests, request_file)):
        if number:
            print()
        for label, text in _verdict(request, file, now=now):
            print(f"{label:<11} {text}".rstrip())
    return 0


async def lint(
    *,
    path: Path,
    auto_approve: bool,
    now: datetime,
    directories: Mapping[Surface, Directory] | None = None,
    groups: Mapping[str, GroupKeeper] | None = None,
) -> int:
    """Print what is wrong with the policy at `path`; 1 when there are errors, 0 otherwise.

    Without `directories` nobody is asked, and an e-mail or an id is taken for an account. Raises ConfigError
    for a file that is not valid.
    """
    file = await asyncio.to_thread(read_policy_file, path, auto_approve=auto_approve)
    faults = list(faults_of(await reach_of(file, directories, groups or {}), now=now))
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
    async with open_ledger(database_url) as ledger:
        ids = await ledger.about(since=now - since, until=None)
        calls, told = await ledger.calls(ids), await ledger.told_of(ids)
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


def read_requests(path: Path) -> tuple[HITLRequest, ...]:
    """The requests in a file: one, a list, or an answer of `GET /agents/hitl/pending` (protocol.md).

    Raises ConfigError when there is none that can be read.
    """
    fix = "Save what GET /agents/hitl/pending answers, or one item of it."
    try:
        with path.open("rb") as opened:
            content = opened.read(LARGEST_REQUEST + 1).strip()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})", fix) from None
    if len(content) > LARGEST_REQUEST:
        raise ConfigError(str(path), f"is larger than {LARGEST_REQUEST} bytes", fix)
    for text in (content, b"[" + content + b"]"):
        try:
            pending = read_pending(text)
        except Unavailable:
            continue
        if pending.set_aside:
            raise ConfigError(str(path), pending.set_aside[0], fix)
        if pending.requests:
            return pending.requests
    raise ConfigError(str(path), "holds no request", fix)


def _verdict(request: HITLRequest, file: PolicyFile, *, now: datetime) -> Iterator[tuple[str, str]]:
    """What the policy says, as labels and texts; nothing in them can steer a terminal."""
    policy = file.policy
    route, denial = policy.route_of(request), policy.rules.denial_of(request)
    yield (
        "request",
        f"{name_of(request.tool_name)} by {name_of(request.agent_id)} ({visible(request.request_id)})",
    )
    yield "route", route.name
    yield "automatic", rule_in_words(policy.rules.rule_for(request))
    if denial is not None:
        yield (
            "denied",
            f"by {denial.name}: no vote can approve it" + (f" ({denial.note})" if denial.note else ""),
        )
    yield "cards", ", ".join(map(str, route.cards))
    yield from _deciders(request, route, file)
    yield from _times(request, route, file, now=now)
    if not request.approvable:
        yield "never", f"approved: {request.flaw or 'the platform cut the call'}"
    shown = lines_of(request, redaction=policy.redaction)
    secrets = [line.key or "the call" for line in shown if "‹redacted" in line.value]
    yield "redacted", ", ".join(secrets) or "nothing"
    for warning in warnings_of(request, redaction=file.policy.redaction):
        yield "warning", warning


def _deciders(request: HITLRequest, route: Route, file: PolicyFile) -> Iterator[tuple[str, str]]:
    policy = file.policy
    requesters = requesters_of(policy, route, request)
    able = [handle for handle in policy.handles(route.approvers) if handle not in requesters]
    able += [f"the members of {ref}" for name in route.approvers for ref in file.elsewhere.get(name, ())]
    yield "may decide", ", ".join(able) or "nobody"
    if requesters:
        yield "may not", f"{', '.join(sorted(requesters))}, who asked for it"
    needs = [f"{verdict.value} {route.needs(verdict)}" for verdict in HITLDecision]
    yield "people", f"it takes: {', '.join(needs)}"
    asked = [verdict for verdict in HITLDecision if route.reason_rule(verdict) is not ReasonRule.NONE]
    reasons = [f"{verdict.value} {route.reason_rule(verdict).value}" for verdict in asked]
    yield "reason", ", ".join(reasons) or "none"


def _times(request: HITLRequest, route: Route, file: PolicyFile, *, now: datetime) -> Iterator[tuple[str, str]]:
    """Counted from when it was created, as far as that is told: a saved request is seldom a fresh one."""
    seen = parse_time(request.created_at) or now
    deadline = deadline_of(request, first_seen=seen, default=file.policy.default_window)
    window = (deadline.at - seen).total_seconds()
    doubt = f"; {deadline.doubt}" if deadline.doubt else ""
    yield "deadline", f"{deadline.at.isoformat()} ({window:g} s, from {deadline.source.value}{doubt})"
    for rung in route.ladder:
        due = rung.due(first_seen=seen, deadline=deadline.at)
        who = ", ".join(file.policy.handles(rung.who)) or ", ".join(rung.who)
        yield "ladder", f"{due.isoformat()} ({rung.share:.0%}) pings {who}"


async def reach_of(
    file: PolicyFile, directories: Mapping[Surface, Directory] | None, groups: Mapping[str, GroupKeeper]
) -> Reach:
    """Who can be reached, as the directories tell; without any, as the file says."""
    if directories is None:
        return Reach(policy=file.policy, elsewhere=file.elsewhere, offline=True)
    roster = Roster(count=lambda _: None)
    await roster.refresh(file.policy, file.elsewhere, directories=directories, groups=groups)
    policy, _ = roster.filled(file.policy, file.elsewhere)
    unread = roster.unread(file.elsewhere)
    return Reach(policy=policy, elsewhere=file.elsewhere, unread=unread, offline=False)


def _line(fault: Fault) -> str:
    return f"{'error' if fault.error else 'warning'}: {fault.what}. {fault.fix}"


def _unchanged(count: int) -> str:
    return f"{count} requests, no change"
