"""What another policy would have done with past requests: route, approvers, automatic answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.cli.policy_ladder import staffed, unstaffed
from bot.audit import Row
from bot.policy import Policy
from bot.protocol import HITLRequest
from bot.routing import Route, Rule
from bot.wording import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One past request, and its outcome in the audit log."""

    request: HITLRequest
    seen: datetime
    route: str
    rule: str | None
    votes: tuple[tuple[str, str], ...] = ()  #: handle and verdict, each person's last


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One request that would have gone differently, and how."""

    past: Past
    ways: tuple[str, ...]

    def __str__(self) -> str:
        request = self.past.request
        what = f"{name_of(request.tool_name)} by {name_of(request.agent_id)} ({name_of(request.request_id)})"
        return f"{self.past.seen.isoformat(timespec='seconds')} {what}: {'; '.join(self.ways)}"


def past_of(request: HITLRequest, rows: Sequence[Row]) -> Past | None:
    """A request with its audit rows; None if the row of its admission was removed."""
    admitted = next((row for row in rows if row.kind == "admitted"), None)
    if admitted is None:
        return None
    body = json.loads(admitted.body)
    votes = [json.loads(row.body) for row in rows if row.kind == "voted"]
    return Past(
        request=request,
        seen=datetime.fromtimestamp(admitted.at_ms / 1000, UTC),
        route=body["route"],
        rule=body["rule"],
        votes=tuple({vote["person"]: vote["verdict"] for vote in votes}.items()),
    )


def changes_of(history: Iterable[Past], *, old: Policy | None, new: Policy) -> Iterator[Change]:
    """What would have changed, earliest request first; without `old`, compared with the audit log.

    The rotations say who was on call when a request was first seen.
    """
    for past in sorted(history, key=lambda one: (one.seen, one.request.request_id)):
        before, after = staffed(old, past.seen) if old else None, staffed(new, past.seen)
        was = _recorded(past) if before is None else _ways_of(before, past.request)
        becomes = _ways_of(after, past.request)
        ways = [*_differences(was, becomes), *_left_out(past, before, after)]
        if ways:
            yield Change(past=past, ways=tuple(ways))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """How a policy treats a request; None where that is unknown."""

    route: str
    rule: str
    approvers: tuple[str, ...] | None = None
    quorum: int | None = None


def _ways_of(policy: Policy, request: HITLRequest) -> _Ways:
    route = policy.route_of(request)
    return _Ways(
        route=route.name,
        rule=rule_in_words(policy.rules.rule_for(request)),
        approvers=policy.handles(route.approvers),
        quorum=route.quorum,
    )


def _recorded(past: Past) -> _Ways:
    return _Ways(route=past.route, rule=past.rule or "none")


def rule_in_words(rule: Rule | None) -> str:
    """`deny-1 (rejected)`; `none` when people are asked."""
    if rule is None:
        return "none"
    return f"{rule.name} ({rule.verdict.value if rule.verdict else f'callback {rule.callback}'})"


def _differences(was: _Ways, becomes: _Ways) -> Iterator[str]:
    if was.route != becomes.route:
        yield f"route {was.route} -> {becomes.route}"
    if was.approvers is not None and was.approvers != becomes.approvers:
        gone = [f"-{handle}" for handle in was.approvers if handle not in (becomes.approvers or ())]
        came = [f"+{handle}" for handle in becomes.approvers or () if handle not in was.approvers]
        if gone or came:
            yield f"approvers {' '.join([*gone, *came])}"
    if was.quorum is not None and was.quorum != becomes.quorum:
        yield f"quorum {was.quorum} -> {becomes.quorum}"
    # The audit log keeps a rule's name, not its answer.
    rule = becomes.rule if was.approvers is not None else becomes.rule.partition(" (")[0]
    if was.rule != rule:
        yield f"automatic {was.rule} -> {becomes.rule}"


def _left_out(past: Past, old: Policy | None, new: Policy) -> Iterator[str]:
    """People who voted and could not have voted; nobody if a schedule would have to say."""
    if old is None or unstaffed(new, new.route_of(past.request).approvers):
        return
    before = _may_vote(old, old.route_of(past.request))
    after = _may_vote(new, new.route_of(past.request))
    for person, verdict in past.votes:
        if person in before and person not in after:
            yield f"{person} {verdict} it, but can no longer decide"


def _may_vote(policy: Policy, route: Route) -> frozenset[str]:
    approvers = frozenset(policy.handles(route.approvers))
    takers = {one.taker for one in policy.delegations if one.giver in approvers}
    return approvers | takers
