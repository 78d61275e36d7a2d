"""Whether a person can decide a request. The default is no. Pure: no look-up here, so a click never waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.approval import LONGEST_NOTE, Approval
from bot.errors import Refusal, Refused
from bot.matching import value_at
from bot.protocol import GLAIP, HITLDecision, HITLRequest
from bot.redaction import Redaction
from bot.requester import Named, named_in
from bot.rotation import OnCall
from bot.routing import ReasonRule, Route, Rules, route_for
from bot.surface import Destination, Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person in the policy, with the accounts that were found for them."""

    handle: str  #: the name in nod.yaml
    name: str
    email: str | None = None
    accounts: Mapping[Surface, str] = field(default_factory=dict)
    #: Chats where their account is a guest's or belongs to another workspace or tenant.
    outside: frozenset[Surface] = frozenset()

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """While a person is away, another takes their place, until a given time."""

    giver: str
    taker: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The reviewed file, with each person's accounts resolved."""

    people: Mapping[str, Person]
    groups: Mapping[str, tuple[str, ...]]  #: group -> handles
    routes: tuple[Route, ...]
    rules: Rules = field(default_factory=Rules)
    delegations: tuple[Delegation, ...] = ()
    alerts: tuple[Destination, ...] = ()
    redaction: Redaction = field(default_factory=Redaction)
    default_window: timedelta = timedelta(minutes=3)
    oncall: Mapping[str, OnCall] = field(
        default_factory=dict
    )  #: `groups` has who is on call now, by these names
    stand_ins: Mapping[str, str] = field(default_factory=dict)  #: whose schedule could not be read, and why
    #: Shifts of a schedule that could not be read, a line each, by the name of its `oncall`.
    skipped_shifts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Where people could not be looked up just now, so that some may be missing from `people` and `groups`.
    unasked: frozenset[Surface] = frozenset()
    flood: int = 30  #: this many open requests of one agent have cards of their own
    agents: Mapping[str, str] = field(default_factory=dict)  #: agent id -> the name that a person gave it
    sources: tuple[str, ...] = (GLAIP,)  #: the platforms that ask
    run_link: str | None = None  #: the address of a run's page, with `{run_id}` in it
    docs_url: str | None = None  #: where docs/ is served; without it refusals carry no link
    version: str = ""  #: a fingerprint of the file, for the audit

    def route_of(self, request: HITLRequest) -> Route:
        """The route of a request. In doubt the strictest route: the larger quorum, then the fewer approvers."""
        return route_for(request, self.routes, people=lambda route: len(self.handles(route.approvers)))

    def route_named(self, name: str) -> Route | None:
        """The route that an approval was admitted under; None if the file no longer has it."""
        return next((route for route in self.routes if route.name == name), None)

    def handles(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """People and groups, expanded to people, each once, in the order of the file."""
        spelled = [handle for name in names for handle in self.groups.get(name, (name,))]
        return tuple(dict.fromkeys(spelled))

    def members(self, names: tuple[str, ...]) -> tuple[Person, ...]:
        return tuple(self.people[handle] for handle in self.handles(names) if handle in self.people)

    def person_behind(self, surface: Surface, account: str) -> Person | None:
        """The owner of this account of a chat; None for anyone the policy does not name."""
        return next((p for p in self.people.values() if p.accounts.get(surface) == account), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """A person's seat in a route: their own, or that of a person who is away."""

    person: Person
    acting_for: str | None = None


def eligibility_of(
    policy: Policy, approval: Approval, *, surface: Surface, account: str, home: bool, now: datetime
) -> Eligibility:
    """The seat of the person behind an account, if the approval's route lets them decide.

    Raises:
        Refused: not among the approvers, external, or the requester. Missing facts (a route gone from the
            file, an account without an owner) mean nobody, never everybody.
    """
    route = policy.route_named(approval.route)
    person = policy.person_behind(surface, account)
    if route is None:
        raise Refused(Refusal.NOT_APPROVER, ROUTE_GONE)
    if approval.request.source not in policy.sources:
        raise Refused(Refusal.NOT_APPROVER, SOURCE_GONE)
    if person is None:
        raise _not_approver(policy, route, approval, now=now)
    if (not home or surface in person.outside) and person.handle not in route.outsiders:
        raise Refused(
            Refusal.OUTSIDER, "Guests and external users cannot decide this unless the route lists them."
        )
    seats = _eligibilities(policy, route, approval, now=now).get(person.handle, [])
    requesters = requesters_of(policy, route, approval.request)
    free = [giver for giver in seats if not {person.handle, giver} & requesters]
    if not free:
        raise (_own_request if seats else _not_approver)(policy, route, approval, now=now)
    return Eligibility(person=person, acting_for=None if free[0] == person.handle else free[0])


def _eligibilities(policy: Policy, route: Route, approval: Approval, *, now: datetime) -> dict[str, list[str]]:
    """The seats each handle can take: their own, if they are an approver, then those of absent people."""
    seats = {handle: [handle] for handle in policy.handles(approvers_of(route, approval))}
    approvers = frozenset(seats)
    for delegation in policy.delegations:
        if delegation.giver in approvers and now < delegation.until:
            seats.setdefault(delegation.taker, []).append(delegation.giver)
    return seats


def eligible(policy: Policy, route: Route, approval: Approval, *, now: datetime) -> frozenset[str]:
    """The people whose earlier votes are still valid: who can decide now, and those who stand in for one.

    A person who has since lost every account, or become a guest, is left out: at the last vote, every counted
    vote must come from a person who can decide.
    """
    able = _able(policy, route, approval, now=now)
    return frozenset(person.handle for person in able if _reachable(person, route))


def _able(policy: Policy, route: Route, approval: Approval, *, now: datetime) -> tuple[Person, ...]:
    """The people of `_eligibilities` who did not ask for it, and do not stand in only for those who did."""
    requesters = requesters_of(policy, route, approval.request)
    seats = _eligibilities(policy, route, approval, now=now)
    able = (handle for handle, givers in seats.items() if handle not in requesters and {*givers} - requesters)
    return tuple(policy.people[handle] for handle in able if handle in policy.people)


def _reachable(person: Person, route: Route) -> bool:
    return any(surface not in person.outside or person.handle in route.outsiders for surface in person.accounts)


def requesters_of(policy: Policy, route: Route, request: HITLRequest) -> frozenset[str]:
    """Who may have asked for this, if the route forbids them to decide it; in doubt that is everybody."""
    if route.self_approval:
        return frozenset()
    named = _requesters(policy, route, request)
    return frozenset(policy.people) if named.doubt else named.handles


def requesters_named(policy: Policy, route: Route, request: HITLRequest) -> frozenset[str]:
    """The people that the run names, or may name, as the requester, in the field that the route gives."""
    return _requesters(policy, route, request).handles


def _requesters(policy: Policy, route: Route, request: HITLRequest) -> Named:
    """A field that an object of the call lacks names nobody; one in doubt (`bot.matching`) may name anyone."""
    if route.requester is None:
        return Named()
    field_name, _, path = route.requester.partition(".")
    there, value = value_at(request, path) if field_name == "arguments" else (True, request.run_id)
    if there is None:
        return Named(doubt=True)
    people = policy.people.values()
    return named_in(value, {person.handle: _names_of(person) for person in people}) if there else Named()


def _names_of(person: Person) -> tuple[str, ...]:
    return (person.handle, person.name, person.email or person.handle, *person.accounts.values())


SOURCE_GONE = "This request's platform was removed from nod.yaml, so nobody can decide. Ask the Nod admin."
ROUTE_GONE = "This route was removed from nod.yaml, so nobody can decide. Ask the Nod admin."
NO_APPROVER = "Nobody can decide this in the chat. Ask the Nod admin."
DOUBTED = "Nod cannot tell who asked for this, so nobody can decide it here. Ask the Nod admin."
NO_OTHER = "You asked for this yourself, and nobody else can decide it. Ask the Nod admin."
#: People that a sentence names one by one; the rest become a number.
MOST_NAMED = 4


def deciders(policy: Policy, route: Route, approval: Approval, *, now: datetime) -> tuple[str, ...]:
    """The names of the people who can decide this now, in the file's order.

    If none of them can press a button just now, because no chat knows them, all who would be allowed to.
    """
    able = _able(policy, route, approval, now=now)
    reachable = [person for person in able if _reachable(person, route)]
    return tuple(person.name for person in reachable or able)


def either_of(names: Sequence[str]) -> str:
    """`Ann`, `Ann or Bob`, `Ann, Bob or Cy`; for more than MOST_NAMED the first ones and a number."""
    if len(names) > MOST_NAMED:
        kept = names[: MOST_NAMED - 1]
        return f"{', '.join(kept)} or {len(names) - len(kept)} others"
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else ""


def _not_approver(policy: Policy, route: Route, approval: Approval, *, now: datetime) -> Refused:
    who = deciders(policy, route, approval, now=now)
    said = f"Only {either_of(who)} can decide this." if who else NO_APPROVER
    return Refused(Refusal.NOT_APPROVER, said)


def _own_request(policy: Policy, route: Route, approval: Approval, *, now: datetime) -> Refused:
    if _requesters(policy, route, approval.request).doubt:
        return Refused(Refusal.SELF_APPROVAL, DOUBTED)
    who = deciders(policy, route, approval, now=now)
    said = f"You asked for this yourself; {either_of(who)} must decide." if who else NO_OTHER
    return Refused(Refusal.SELF_APPROVAL, said)


def approvers_of(route: Route, approval: Approval) -> tuple[str, ...]:
    """The names of those who can decide: the route's, and those that a step of it added.

    If a newer file has removed a step's people, they are out.
    """
    lets_in = {name for rung in route.ladder if rung.action.kind.adds_approvers for name in rung.who}
    return tuple(dict.fromkeys((*route.approvers, *(name for name in approval.widened if name in lets_in))))


def approvers_named(policy: Policy, route: Route | None, approval: Approval) -> str:
    """Who can decide, in words for a card or a refusal: groups by their name, people by theirs."""
    names = approvers_of(route, approval) if route else ()
    if route is None or not policy.members(names):
        return "nobody (Nod finds no approver of this route)"
    return named_for(policy, names, approval) or "nobody (the only approvers asked for it)"


def kept_out(policy: Policy, approval: Approval) -> frozenset[str]:
    """People who cannot decide this request although they are on its route: they may have asked for it."""
    route = policy.route_named(approval.route)
    return requesters_of(policy, route, approval.request) if route else frozenset()


def named_for(policy: Policy, names: tuple[str, ...], approval: Approval) -> str:
    """`names_of` without people who cannot decide this request."""
    return names_of(policy, names, without=kept_out(policy, approval))


def names_of(policy: Policy, names: tuple[str, ...], *, without: frozenset[str] = frozenset()) -> str:
    """People and groups by their names, on-call people with both; empty if all are left out."""
    return ", ".join(said for name in dict.fromkeys(names) if (said := _name_of(policy, name, without)))


def _name_of(policy: Policy, name: str, without: frozenset[str]) -> str:
    if name in policy.people:
        return "" if name in without else policy.people[name].name
    members = policy.members((name,))
    left = [person.name for person in members if person.handle not in without]
    if members and not left:
        return ""
    if name in policy.oncall and left:
        return f"{name} ({', '.join(left)})"
    out = [person.name for person in members if person.handle in without]
    return f"{name} without {' and '.join(out)}" if out else name


def check_note(route: Route, verdict: HITLDecision, note: str | None) -> None:
    """Raises Refused if the route requires a reason and there is none, or if it is too long to pass on."""
    if route.reason_rule(verdict) is ReasonRule.REQUIRED and not note:
        raise Refused(Refusal.REASON_REQUIRED, "This route needs a reason. Write one and send it again.")
    if note is not None and len(note) > LONGEST_NOTE:
        raise Refused(
            Refusal.NOTE_TOO_LONG,
            f"This reason has {len(note)} characters. Shorten it to {LONGEST_NOTE} or fewer.",
        )
