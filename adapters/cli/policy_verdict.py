"""What a policy does with a request, in words, for `nod policy test`. Nobody is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from adapters.cli.policy_ladder import on_call_words, people_of, rung_words, staffed
from adapters.cli.policy_replay import rule_in_words
from adapters.platform.listing import read_pending
from adapters.settings import PolicyFile
from bot.call import lines_of, warnings_of
from bot.errors import ConfigError, Unavailable
from bot.ladder import deadline_of, parse_time
from bot.policy import Policy, requesters_of
from bot.ports import GroupRef
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import ReasonRule, Route
from bot.visible import visible
from bot.wording import name_of

#: Bytes of the largest request file.
LARGEST_REQUEST = 5_000_000


def read_requests(path: Path) -> tuple[HITLRequest, ...]:
    """The requests in a file: one, a list, or a response of `GET /agents/hitl/pending`.

    Raises ConfigError if there is none or one cannot be read.
    """
    fix = "Save the response of GET /agents/hitl/pending, or one item of it."
    try:
        with path.open("rb") as opened:
            content = opened.read(LARGEST_REQUEST + 1).strip()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})", fix) from None
    if len(content) > LARGEST_REQUEST:
        raise ConfigError(str(path), f"is larger than {LARGEST_REQUEST} bytes", fix)
    for text in (content,) if content.startswith(b"[") else (content, b"[" + content + b"]"):
        try:
            pending = read_pending(text)
        except Unavailable:
            continue
        if pending.set_aside:
            raise ConfigError(str(path), pending.set_aside[0], fix)
        if pending.requests:
            return pending.requests
    raise ConfigError(str(path), "contains no request", fix)


def verdict_of(request: HITLRequest, file: PolicyFile, *, now: datetime) -> Iterator[tuple[str, str]]:
    """What the policy says, as labels and texts; control characters in them are escaped."""
    policy = staffed(file.policy, now)
    route, denial = policy.route_of(request), policy.rules.denial_of(request)
    yield (
        "request",
        f"{name_of(request.tool_name)} by {name_of(request.agent_id)} ({visible(request.request_id)})",
    )
    yield "route", route.name
    yield "automatic", rule_in_words(policy.rules.rule_for(request))
    if doubts := ", ".join(_in_doubt(request, policy)):
        yield "in doubt", f"{doubts}"
    if denial is not None:
        yield (
            "denied",
            f"by {denial.name}, so no vote can approve this call"
            + (f" ({denial.note})" if denial.note else ""),
        )
    yield "cards", ", ".join(map(str, route.cards))
    yield from _deciders(request, route, policy, file.elsewhere)
    yield from _times(request, route, policy, now=now)
    for words in on_call_words(policy, route, now=now):
        yield "on call", words
    if not request.approvable:
        yield "never", f"approved: {request.flaw or 'the platform truncated the call'}"
    shown = lines_of(request, redaction=policy.redaction)
    secrets = [line.key or "the call" for line in shown if "‹redacted" in line.value]
    yield "redacted", ", ".join(secrets) or "nothing"
    for warning in warnings_of(request, redaction=policy.redaction):
        yield "warning", warning


def _in_doubt(request: HITLRequest, policy: Policy) -> Iterator[str]:
    """The rules and routes for which it is unknown whether they match the request."""
    for rule in (*policy.rules.deny, *policy.rules.automatic):
        if rule.match.told(request) is None:
            yield f"rule {rule.name}"
    for route in policy.routes:
        told = route.match.told(request)
        if told is None:
            yield f"route {route.name}"
        if told:
            return


def _deciders(
    request: HITLRequest, route: Route, policy: Policy, elsewhere: Mapping[str, tuple[GroupRef, ...]]
) -> Iterator[tuple[str, str]]:
    requesters = requesters_of(policy, route, request)
    able = [one for one in people_of(policy, route.approvers) if one not in requesters]
    able += [f"the members of {ref}" for name in route.approvers for ref in elsewhere.get(name, ())]
    yield "can decide", ", ".join(able) or "nobody"
    if requesters == frozenset(policy.people):
        yield "cannot", "anyone: each of them could be the requester"
    elif requesters:
        yield "cannot", f"{', '.join(sorted(requesters))}, who asked for it"
    needs = [f"{verdict.value} {route.needs(verdict)}" for verdict in HITLDecision]
    yield "people", f"needed: {', '.join(needs)}"
    asked = [verdict for verdict in HITLDecision if route.reason_rule(verdict) is not ReasonRule.NONE]
    reasons = [f"{verdict.value} {route.reason_rule(verdict).value}" for verdict in asked]
    yield "reason", ", ".join(reasons) or "none"


def _times(request: HITLRequest, route: Route, policy: Policy, *, now: datetime) -> Iterator[tuple[str, str]]:
    """Times count from its creation, if that is known: a saved request is rarely fresh."""
    seen = parse_time(request.created_at) or now
    deadline = deadline_of(request, first_seen=seen, default=policy.default_window)
    window = (deadline.at - seen).total_seconds()
    doubt = f"; {deadline.doubt}" if deadline.doubt else ""
    yield "deadline", f"{deadline.at.isoformat()} ({window:g} s, from {deadline.source.value}{doubt})"
    for rung in route.ladder:
        yield "ladder", rung_words(rung, policy, seen=seen, deadline=deadline.at)
