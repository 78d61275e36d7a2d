"""Checks that each route has enough people: if nobody can decide, its requests expire. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from bot.alerts import NOBODY, UNDECIDABLE, alert_of, alert_text
from bot.approval import Actor, Approval, Vote, distinct_people
from bot.policy import Person, Policy, kept_out, names_of, requesters_named
from bot.protocol import HITLDecision
from bot.records import Alert
from bot.routing import Route
from bot.wording import quoted_name


def quorum_shortages(policy: Policy, waiting: Mapping[str, int], *, now: datetime) -> dict[str, str]:
    """What keeps the requests of each route from being decided, in words, by the route's name.

    `waiting`: how many are open. A route without approvers is deliberate and is left out. Requests of a route
    that left the file are reported.
    """
    found = {route.name: lack for route in policy.routes if (lack := _lack(policy, route, now=now))}
    for name, requests in waiting.items():
        if policy.route_named(name) is None:
            found[name] = alert_text(NOBODY, "gone", route=name, requests=_pending(requests))
    return found


def sources_gone(waiting: Mapping[str, int]) -> dict[str, str]:
    """The same by the name of a source that nod.yaml no longer has; `waiting`: how many it asked."""
    return {
        name: alert_text(NOBODY, "source", source=name, requests=_pending(requests))
        for name, requests in waiting.items()
    }


def _pending(requests: int) -> str:
    return "1 request is" if requests == 1 else f"{requests} requests are"


def undecidable(policy: Policy, approval: Approval, *, now: datetime) -> Alert | None:
    """The alert that nobody can ever approve this request, because too many approvers may have asked for it.

    None if the route itself has too few people, which `quorum_shortages` reports.
    """
    route, out = policy.route_named(approval.route), kept_out(policy, approval)
    if (
        route is None
        or not out
        or approval.rule is not None
        or _lack(policy, route, now=now)
        or not route.approvers
    ):
        return None
    ever = distinct_people(_votes(policy, route, _ever(route), now=now, without=out))
    if ever >= route.quorum:
        return None
    tool, needs = (
        quoted_name(approval.request.tool_name),
        "1 person" if route.quorum == 1 else f"{route.quorum} people",
    )
    asked = names_of(policy, tuple(sorted(requesters_named(policy, route, approval.request))))
    why = f"{asked} may have asked for it" if asked else "Nod cannot read who asked for it"
    facts = {"tool": tool, "why": why, "needs": needs, "left": "nobody" if ever == 0 else f"only {ever}"}
    return alert_of(UNDECIDABLE, approval.id, facts, at=now)


def _ever(route: Route) -> tuple[str, ...]:
    """The names of all who can decide at some time: the route's, and those that a step adds."""
    return (
        *route.approvers,
        *(name for rung in route.ladder if rung.action.kind.adds_approvers for name in rung.who),
    )


def _lack(policy: Policy, route: Route, *, now: datetime) -> str | None:
    if not route.approvers:
        return None
    if not distinct_people(_votes(policy, route, route.approvers, now=now)):
        if any(person.accounts for person in policy.members(route.approvers)):
            return alert_text(NOBODY, "outsiders", route=route.name)
        return alert_text(NOBODY, "unfound", route=route.name)
    ever = distinct_people(_votes(policy, route, _ever(route), now=now))
    if ever < route.quorum:
        many = "1 person" if ever == 1 else f"{ever} people"
        return alert_text(NOBODY, "few", route=route.name, quorum=route.quorum, people=many)
    return None


def _votes(
    policy: Policy,
    route: Route,
    names: tuple[str, ...],
    *,
    now: datetime,
    without: frozenset[str] = frozenset(),
) -> Iterator[Vote]:
    """One vote of each person who can decide, or of their delegate, as the desk counts them."""
    approvers = [handle for handle in policy.handles(names) if handle not in without]
    seats: dict[str, str | None] = dict.fromkeys(approvers)
    for delegation in policy.delegations:
        if delegation.giver in approvers and delegation.taker not in without and now < delegation.until:
            seats.setdefault(delegation.taker, delegation.giver)
    for handle, giver in seats.items():
        person = policy.people.get(handle)
        actor = _actor(person, route) if person else None
        if actor is not None:
            yield Vote(
                person=handle,
                verdict=HITLDecision.APPROVED,
                actor=actor,
                at=now,
                card_id="",
                digest="",
                acting_for=giver,
            )


def _actor(person: Person, route: Route) -> Actor | None:
    for surface, account in person.accounts.items():
        if surface not in person.outside or person.handle in route.outsiders:
            return Actor(surface=surface, account=account, name=person.name, email=person.email)
    return None
