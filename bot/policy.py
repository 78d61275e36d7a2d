"""May this person decide this? Default is no. Pure: no lookup happens here, so a click never waits for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.approval import LONGEST_NOTE, Surface
from bot.errors import Refusal, Refused
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import Destination, ReasonRule, Route, route_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody the policy names, with the accounts that were found for her."""

    handle: str  #: the name in nod.yaml
    name: str
    email: str | None = None
    accounts: Mapping[Surface, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The reviewed file, with each person's accounts resolved."""

    people: Mapping[str, Person]
    groups: Mapping[str, tuple[str, ...]]  #: group -> handles
    routes: tuple[Route, ...]
    alerts: tuple[Destination, ...] = ()
    default_window: timedelta = timedelta(minutes=3)

    def route_of(self, request: HITLRequest) -> Route:
        return route_for(request, self.routes)

    def route_named(self, name: str) -> Route | None:
        """The route that an approval was admitted under; None when the file no longer has it."""
        return next((route for route in self.routes if route.name == name), None)

    def handles(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """People and groups, spelled out as people, each once, in the order of the file."""
        spelled = [handle for name in names for handle in self.groups.get(name, (name,))]
        return tuple(dict.fromkeys(spelled))

    def members(self, names: tuple[str, ...]) -> tuple[Person, ...]:
        return tuple(self.people[handle] for handle in self.handles(names) if handle in self.people)

    def person_behind(self, surface: Surface, account: str) -> Person | None:
        """Who owns this account of a surface; None for anybody whom the policy does not name."""
        return next((p for p in self.people.values() if p.accounts.get(surface) == account), None)


def approver(policy: Policy, route_name: str, surface: Surface, account: str) -> Person:
    """The person behind a click, if the route lets her decide.

    Raises:
        Refused: she is not among the approvers, or the route is gone from the file (nobody, never everybody).
    """
    route = policy.route_named(route_name)
    person = policy.person_behind(surface, account)
    if route is not None and person is not None and person.handle in policy.handles(route.approvers):
        return person
    raise Refused(Refusal.NOT_APPROVER, f"Only {approvers_named(policy, route)} may decide this.")


def approvers_named(policy: Policy, route: Route | None) -> str:
    """The approvers in words for a card or a refusal: groups by their name, people by theirs."""
    if route is None or not policy.members(route.approvers):
        return "nobody (the policy names no approver)"
    return ", ".join(name if name in policy.groups else policy.people[name].name for name in route.approvers)


def check_note(route: Route, verdict: HITLDecision, note: str | None) -> None:
    """Raises Refused when the route wants a reason and there is none, or when it is too long to pass on."""
    if route.reason_rule(verdict) is ReasonRule.REQUIRED and not note:
        raise Refused(Refusal.REASON_REQUIRED, "Say why: this route needs a reason.")
    if note is not None and len(note) > LONGEST_NOTE:
        raise Refused(Refusal.NOTE_TOO_LONG, f"Keep it under {LONGEST_NOTE} characters; it is {len(note)}.")
