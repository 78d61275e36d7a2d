"""What is wrong with a ladder: rungs that reach nobody, add nothing, or come at the same moment. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from adapters.cli.policy_ladder import unstaffed
from adapters.cli.policy_reach import Fault, Reach
from bot.hours import Hours
from bot.ladder import Action, Rung
from bot.routing import Route

_VERBS = {Action.PING: "pings", Action.WIDEN: "widens to", Action.PAGE: "pages"}


def rung_faults(reach: Reach, route: Route, *, now: datetime) -> Iterator[Fault]:
    """Everything there is to say about a ladder, rung by rung; nothing of it is an error."""
    seen: list[Rung] = []
    for rung in route.ladder:
        yield from _nobody(reach, route, rung)
        yield from _nothing_new(reach, route, rung, earlier=seen)
        if any(_moment(other) == _moment(rung) for other in seen):
            what = f"route {route.name} has two rungs {_when(rung)}"
            yield Fault(error=False, what=what, fix="Move one, unless one message for both is meant.")
        if rung.hours is not None and _always(rung.hours, now):
            what = f"route {route.name}: {rung.hours.name} never ends, so it shifts no rung {_when(rung)}"
            yield Fault(error=False, what=what, fix="Correct its days and times, or leave it out.")
        seen.append(rung)


def _nobody(reach: Reach, route: Route, rung: Rung) -> Iterator[Fault]:
    if rung.action not in _VERBS:
        return
    if rung.action is Action.PAGE and not reach.alerts:
        what = f"route {route.name} pages {_when(rung)}, and `alerts` names nobody"
        yield Fault(error=False, what=what, fix="Add a channel or a service under alerts.")
    found = any(reach.reaches(person) for person in reach.ever(rung.who))
    if rung.who and not found and not reach.unknown(rung.who):
        what = f"route {route.name} {_VERBS[rung.action]} nobody {_when(rung)}"
        yield Fault(error=False, what=what, fix="Name somebody who can be reached.")


def _nothing_new(reach: Reach, route: Route, rung: Rung, *, earlier: list[Rung]) -> Iterator[Fault]:
    """Who may decide, and where the card stands, by the rungs before."""
    places = {*route.cards, *(place for other in earlier for place in other.cards)}
    new_places = set(rung.cards) - places
    if rung.action is Action.FALLBACK and not new_places:
        what = f"route {route.name} falls back to where the card stands already {_when(rung)}"
        yield Fault(error=False, what=what, fix="Name another channel, or remove the rung.")
    if rung.action is not Action.WIDEN or _open(reach, rung.who):
        return
    widened = (name for other in earlier if other.action is Action.WIDEN for name in other.who)
    before = (*route.approvers, *widened)
    # Of those who take turns nobody could decide at any time.
    always = tuple(name for name in before if name not in reach.policy.oncall)
    known = {*before, *(person.handle for person in reach.policy.members(always))}
    new = [name for name in rung.who if name not in known]
    if not {person.handle for person in reach.ever(tuple(new))} - known:
        what = f"route {route.name} widens to nobody who could not decide before {_when(rung)}"
        yield Fault(error=False, what=what, fix="Name somebody else, or make it a ping.")


def _open(reach: Reach, names: tuple[str, ...]) -> bool:
    """Whether somebody may be among them whom nobody can name: by a schedule, or offline by a group."""
    return reach.unknown(names) or bool(unstaffed(reach.policy, names))


def _moment(rung: Rung) -> tuple[object, ...]:
    return rung.share, rung.before, rung.hours, rung.keep if rung.hours is not None else None


def _always(hours: Hours, now: datetime) -> bool:
    """Hours that never end are said to end somewhere, and cover that moment too (`Hours.next_end`)."""
    return hours.covers(now) and hours.covers(hours.next_end(now))


def _when(rung: Rung) -> str:
    if rung.before is not None:
        return f"{rung.before.total_seconds():g} s before its deadline"
    return f"at {(rung.share or 0.0) * 100:g}% of its ladder"
