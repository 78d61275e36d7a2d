"""`nod policy lint`: whether each route has enough reachable approvers, and what is never used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from re import fullmatch

from adapters.cli.policy_ladder import unstaffed
from bot.hours import Hours
from bot.ladder import Rung, Takes
from bot.matching import NAMES, Match, Pattern
from bot.policy import Person, Policy
from bot.ports import GroupRef
from bot.rotation import OnCall
from bot.routing import Route
from bot.surface import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One finding: an error keeps requests from being decided, a warning can be intended."""

    error: bool
    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Who can be reached, as far as known. Offline, an e-mail or an id is taken for an account."""

    policy: Policy  #: with accounts and members, where they were looked up
    elsewhere: Mapping[str, tuple[GroupRef, ...]]
    unread: tuple[GroupRef, ...] = ()  #: groups that could not be read
    offline: bool
    alerts: bool  #: whether anyone gets alerts
    chats: tuple[Surface, ...] = ()  #: where people were looked for

    def reaches(self, person: Person, *, outsiders: tuple[str, ...] | None = None) -> bool:
        """Whether they can be asked; with `outsiders`, whether they could decide where those are listed."""
        if self.offline:
            return bool(person.accounts or person.email)
        surfaces = set(person.accounts)
        if outsiders is not None and person.handle not in outsiders:
            surfaces -= person.outside
        return bool(surfaces)

    def unknown(self, names: tuple[str, ...]) -> bool:
        """Whether a name can mean people who are unknown: offline, any group or schedule kept elsewhere."""
        oncall = self.policy.oncall
        away = (name in self.elsewhere or (name in oncall and oncall[name].schedule) for name in names)
        return self.offline and any(away)

    def ever(self, names: tuple[str, ...]) -> tuple[Person, ...]:
        """Everyone that these names can mean: today's members, and everyone in a rotation or standing in."""
        oncall = self.policy.oncall
        turns = [handle for name in names if name in oncall for handle in ever(oncall[name])]
        return self.policy.members((*names, *turns))


def ever(one: OnCall) -> tuple[str, ...]:
    """The people of the file that a name can mean at any time; a schedule can add others."""
    if one.rotation is None:
        return (one.otherwise,)
    return tuple(dict.fromkeys((*one.rotation.people, *(over.who for over in one.rotation.overrides))))


def rung_faults(reach: Reach, route: Route, *, now: datetime) -> Iterator[Fault]:
    """All findings about an escalation, step by step; none of them is an error."""
    seen: list[Rung] = []
    for rung in route.ladder:
        yield from _nobody(reach, route, rung)
        yield from _nothing_new(reach, route, rung, earlier=seen)
        if any(_moment(other) == _moment(rung) for other in seen):
            what = f"route {route.name} has two escalation steps {_when(rung)}"
            yield Fault(error=False, what=what, fix="Move one of them, unless you want one message for both.")
        if rung.hours is not None and _always(rung.hours, now):
            what = f"route {route.name}: hours {rung.hours.name} never end, so they move no step {_when(rung)}"
            yield Fault(
                error=False, what=what, fix="Correct their days and times, or remove them from the step."
            )
        seen.append(rung)


def _nobody(reach: Reach, route: Route, rung: Rung) -> Iterator[Fault]:
    if not rung.action.kind.calls:
        return
    if rung.action.kind.pages and not reach.alerts:
        what = f"route {route.name} pages {_when(rung)}, but `alerts` is empty"
        yield Fault(error=False, what=what, fix="Add a channel or service under alerts.")
    found = any(reach.reaches(person) for person in reach.ever(rung.who))
    if rung.who and not found and not reach.unknown(rung.who):
        what = f"route {route.name} {rung.action.kind.calls} nobody {_when(rung)}"
        yield Fault(error=False, what=what, fix="Add a reachable person to this step.")


def _nothing_new(reach: Reach, route: Route, rung: Rung, *, earlier: list[Rung]) -> Iterator[Fault]:
    """A step whose approvers can already decide, or whose channel already has the card, by the steps before."""
    places = {*route.cards, *(place for other in earlier for place in other.cards)}
    new_places = set(rung.cards) - places
    if rung.action.kind.cards is Takes.NEEDS and not new_places:
        what = f"route {route.name} falls back to channels that already have the card {_when(rung)}"
        yield Fault(error=False, what=what, fix="Choose another channel, or remove the step.")
    if not rung.action.kind.adds_approvers or _open(reach, rung.who):
        return
    widened = (name for other in earlier if other.action.kind.adds_approvers for name in other.who)
    before = (*route.approvers, *widened)
    # None of those who take turns could decide at any time.
    always = tuple(name for name in before if name not in reach.policy.oncall)
    known = {*before, *(person.handle for person in reach.policy.members(always))}
    new = [name for name in rung.who if name not in known]
    if not {person.handle for person in reach.ever(tuple(new))} - known:
        what = f"route {route.name} adds no new approvers {_when(rung)}"
        yield Fault(error=False, what=what, fix="Choose other people, or turn the step into a ping.")


def _open(reach: Reach, names: tuple[str, ...]) -> bool:
    """Whether unknown people can be among them: by a schedule, or offline by a group."""
    return reach.unknown(names) or bool(unstaffed(reach.policy, names))


def _moment(rung: Rung) -> tuple[object, ...]:
    return rung.share, rung.before, rung.hours, rung.keep if rung.hours is not None else None


def _always(hours: Hours, now: datetime) -> bool:
    """Hours that never end have a nominal end and cover that moment too (`Hours.next_end`)."""
    return hours.covers(now) and hours.covers(hours.next_end(now))


def _when(rung: Rung) -> str:
    if rung.before is not None:
        return f"{rung.before.total_seconds():g} s before its deadline"
    return f"at {(rung.share or 0.0) * 100:g}% of the window"


def faults_of(reach: Reach, *, now: datetime) -> Iterator[Fault]:
    """All findings about a policy, errors and warnings, in the order of the file."""
    yield from _people(reach)
    yield from _groups(reach)
    yield from _oncall(reach)
    policy = reach.policy
    for number, route in enumerate(policy.routes):
        yield from _deciders(reach, route)
        yield from rung_faults(reach, route, now=now)
        if route.name == "default":
            continue  # required, so it cannot be left out even if nothing reaches it
        for earlier in policy.routes[:number]:
            if covers(earlier.match, route.match):
                what = (
                    f"route {route.name} is never used: route {earlier.name} above it takes all of its requests"
                )
                yield Fault(error=False, what=what, fix="Move it up, or remove it.")
                break
    for number, rule in enumerate(policy.rules.automatic):
        for before in policy.rules.automatic[:number]:
            if before.verdict == rule.verdict and covers(before.match, rule.match):
                what = (
                    f"rule {rule.name} is never used: rule {before.name} above it answers all of its requests"
                )
                yield Fault(error=False, what=what, fix="Move it up, or remove it.")
                break
    for one in policy.delegations:
        if one.until <= now:
            what = f"the delegation from {one.giver} to {one.taker} ended at {one.until.isoformat()}"
            yield Fault(error=False, what=what, fix="Remove it.")


def _people(reach: Reach) -> Iterator[Fault]:
    for surface in sorted(reach.policy.unasked):
        what = f"{surface.title()} did not answer for everyone, so some people may be missing below"
        yield Fault(error=True, what=what, fix="Check the network and the app's credentials, then try again.")
    chats = " or ".join(surface.title() for surface in sorted(reach.chats)) or "any chat"
    for handle, person in reach.policy.people.items():
        if not reach.reaches(person) and not reach.policy.unasked:
            what = (
                f"{handle}: no e-mail and no account" if reach.offline else f"{handle}: no such user in {chats}"
            )
            fix = f"Fix the e-mail or id; until then {handle} cannot approve."
            yield Fault(error=False, what=what, fix=fix)


def _groups(reach: Reach) -> Iterator[Fault]:
    for ref in reach.unread:
        fix = "Check the group's id, the app's scopes and the network."
        yield Fault(error=True, what=f"{ref} could not be read, so it has no members", fix=fix)
    for group, handles in reach.policy.groups.items():
        if not handles and not reach.unknown((group,)):
            yield Fault(
                error=False, what=f"group {group} is empty", fix="Add people to the group, or remove it."
            )


def _oncall(reach: Reach) -> Iterator[Fault]:
    policy = reach.policy
    for name, why in policy.stand_ins.items():
        what = f"on call {name}: {why}, so {policy.oncall[name].otherwise} is on call instead"
        yield Fault(error=False, what=what, fix="Check the schedule, its key and that its host can be reached.")
    for name, lines in policy.skipped_shifts.items():
        for line in lines:
            what = f"on call {name}: an entry of its schedule cannot be read and is skipped: {line}"
            yield Fault(error=False, what=what, fix="Correct the entry in the schedule.")
    for name, entry in policy.oncall.items():
        for handle in ever(entry):
            if not reach.reaches(policy.people[handle]):
                part = "is on call when the schedule cannot be read" if entry.schedule else "takes turns"
                what = f"on call {name}: {handle}, who {part}, cannot be reached"
                yield Fault(error=False, what=what, fix="Choose a person with an account.")


def _deciders(reach: Reach, route: Route) -> Iterator[Fault]:
    if not route.approvers:
        what = f"route {route.name} has no approvers, so its requests always expire"
        yield Fault(error=False, what=what, fix="Add approvers, unless you want this.")
        return
    if reach.unknown(route.approvers):
        return
    able, when = min(_able(reach, route), key=lambda found: found[0])
    if able < route.quorum:
        needed = f"{route.quorum} approval{'s' if route.quorum > 1 else ''}"
        what = f"route {route.name} needs {needed}, but {able} of its approvers can be reached{when}"
        yield Fault(error=True, what=what, fix="Add approvers who can be reached, or lower the quorum.")
    elif able == route.quorum and route.requester is not None and not route.self_approval:
        what = f"route {route.name} has too few approvers left if one of its {able} approvers is the requester"
        yield Fault(error=False, what=what, fix="Add an approver.")


def _able(reach: Reach, route: Route) -> Iterator[tuple[int, str]]:
    """How many can be reached now and in each turn of each rotation, with the time of that turn."""
    policy = reach.policy

    def count(groups: Mapping[str, tuple[str, ...]]) -> int:
        members = replace(policy, groups=groups).members(route.approvers)
        return sum(reach.reaches(person, outsiders=route.outsiders) for person in members)

    yield count(policy.groups), ""
    for name in route.approvers:
        entry = policy.oncall.get(name)
        for handle in ever(entry) if entry is not None and entry.rotation is not None else ():
            yield count({**policy.groups, name: (handle,)}), f" while {handle} is on call for {name}"


def covers(earlier: Match, later: Match) -> bool:
    """Whether `earlier` provably matches every request that `later` matches. False if it cannot be proved."""
    if earlier == later:
        return True
    if earlier.without is not None and earlier.without != later.without:
        return False
    for name in NAMES:
        wide, narrow = getattr(earlier, name), getattr(later, name)
        if wide is None or wide.text == "*":
            continue  # everyone has a name, so `*` matches all
        if narrow is None or not _contains(wide, narrow):
            return False
    narrows = dict(later.arguments)
    return all(path in narrows and _contains(wide, narrows[path]) for path, wide in earlier.arguments)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def _contains(wide: Pattern, narrow: Pattern) -> bool:
    if wide == narrow:
        return True
    if wide.negated or narrow.negated:
        return False
    if _is_number(narrow.text) or narrow.bare in ("true", "false"):
        return False  # they also match values that are written differently
    limits = [fullmatch(r"\s*(>=|<=|>|<)\s*(\S+)\s*", pattern.text) for pattern in (wide, narrow)]
    if limits[0] is not None and limits[1] is not None:
        (sign, text), (other, inner) = limits[0].groups(), limits[1].groups()
        if sign[0] != other[0]:
            return False
        a, b = Decimal(text), Decimal(inner)
        equal_ok = len(sign) == 2 or len(other) == 1
        return (a < b if sign[0] == ">" else a > b) or (a == b and equal_ok)
    if any(limit is not None for limit in limits):
        return False
    # Compared as texts: only a `*` of the wide glob can match the narrow glob's own wildcards. A set of
    # characters would have to be taken apart, so it proves nothing.
    return not set("?[]") & set(wide.text) and "[" not in narrow.text and fnmatchcase(narrow.text, wide.text)
