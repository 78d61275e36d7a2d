"""What is wrong with a policy that is well written: too few to decide, routes that nothing reaches. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from re import fullmatch

from adapters.cli.policy_reach import Fault, Reach, ever
from adapters.cli.policy_rungs import rung_faults
from bot.matching import Match, Pattern
from bot.routing import Route


def faults_of(reach: Reach, *, now: datetime) -> Iterator[Fault]:
    """Everything there is to say about a policy, errors and warnings, in the order of the file."""
    yield from _people(reach)
    yield from _groups(reach)
    yield from _oncall(reach)
    policy = reach.policy
    for number, route in enumerate(policy.routes):
        yield from _deciders(reach, route)
        yield from rung_faults(reach, route, now=now)
        if route.name == "default":
            continue  # required, so it cannot be left out even where nothing reaches it
        for earlier in policy.routes[:number]:
            if covers(earlier.match, route.match):
                what = f"route {route.name} is never reached: {earlier.name} takes everything that it takes"
                yield Fault(error=False, what=what, fix="Move it up, or remove it.")
                break
    for number, rule in enumerate(policy.rules.automatic):
        for before in policy.rules.automatic[:number]:
            if before.verdict == rule.verdict and covers(before.match, rule.match):
                what = f"rule {rule.name} is never reached: {before.name} takes everything that it takes"
                yield Fault(error=False, what=what, fix="Move it up, or remove it.")
                break
    for one in policy.delegations:
        if one.until <= now:
            what = f"the delegation from {one.giver} to {one.taker} ended at {one.until.isoformat()}"
            yield Fault(error=False, what=what, fix="Remove it.")


def _people(reach: Reach) -> Iterator[Fault]:
    for surface in sorted(reach.policy.unasked):
        what = (
            f"{surface.value.title()} could not be asked about everybody, so some people may be missing below"
        )
        yield Fault(error=True, what=what, fix="Check the network and the app's credentials, then try again.")
    for handle, person in reach.policy.people.items():
        if not reach.reaches(person) and not reach.policy.unasked:
            what = (
                f"{handle} has neither e-mail nor account" if reach.offline else f"{handle} was found nowhere"
            )
            yield Fault(error=False, what=what, fix="Correct the e-mail or the id; until then it is nobody.")


def _groups(reach: Reach) -> Iterator[Fault]:
    for ref in reach.unread:
        fix = "Check its id, the app's scopes, and that the bot can reach who keeps it."
        yield Fault(error=True, what=f"{ref} could not be read, so nobody is in it", fix=fix)
    for group, handles in reach.policy.groups.items():
        if not handles and not reach.unknown((group,)):
            yield Fault(error=False, what=f"group {group} is empty", fix="Add somebody, or remove it.")


def _oncall(reach: Reach) -> Iterator[Fault]:
    policy = reach.policy
    for name, why in policy.stand_ins.items():
        what = f"on call {name}: {why}, so {policy.oncall[name].otherwise} is asked"
        yield Fault(error=False, what=what, fix="Check the schedule, its key and that its host can be reached.")
    for name, lines in policy.skipped_shifts.items():
        for line in lines:
            what = f"on call {name}: an entry of its schedule cannot be read and is skipped: {line}"
            yield Fault(error=False, what=what, fix="Correct it where the schedule is kept.")
    for name, entry in policy.oncall.items():
        for handle in ever(entry):
            if not reach.reaches(policy.people[handle]):
                part = "is asked when the schedule cannot tell" if entry.schedule else "takes turns"
                what = f"on call {name}: {handle}, who {part}, cannot be reached"
                yield Fault(error=False, what=what, fix="Name somebody with an account.")


def _deciders(reach: Reach, route: Route) -> Iterator[Fault]:
    if not route.approvers:
        what = f"route {route.name} has no approvers: its requests can only expire"
        yield Fault(error=False, what=what, fix="Name somebody, unless that is meant.")
        return
    if reach.unknown(route.approvers):
        return
    able, when = min(_able(reach, route), key=lambda found: found[0])
    if able < route.quorum:
        what = f"route {route.name} needs {route.quorum} and can reach {able} of its approvers{when}"
        yield Fault(error=True, what=what, fix="Add approvers who can be reached, or lower its quorum.")
    elif able == route.quorum and route.requester is not None and not route.self_approval:
        what = f"route {route.name} has too few left when one of its {able} approvers asks herself"
        yield Fault(error=False, what=what, fix="Add an approver.")


def _able(reach: Reach, route: Route) -> Iterator[tuple[int, str]]:
    """How many can be reached now, and in each turn of each rotation, with when that is."""
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
    """Whether `earlier` provably takes every request that `later` takes. False where it cannot be proved."""
    if earlier == later:
        return True
    if earlier.without is not None and earlier.without != later.without:
        return False
    names = ((earlier.tool, later.tool), (earlier.agent, later.agent), (earlier.platform, later.platform))
    for wide, narrow in names:
        if wide is None or wide.text == "*":
            continue  # everybody has a name, so `*` asks for nothing
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
        return False  # they fit values that are written otherwise, too
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
    # As a text, the narrow glob's own wildcards can only be taken by a `*` of the wide one; a set of
    # characters could be taken apart, so it proves nothing.
    return not set("?[]") & set(wide.text) and "[" not in narrow.text and fnmatchcase(narrow.text, wide.text)
