"""The escalation and who is on call, in words, for people who try a policy. Pure; nobody is looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from bot.hours import Keep
from bot.ladder import Rung
from bot.policy import Policy
from bot.rotation import OnCall, Rotation, ScheduleRef
from bot.routing import Route

#: Hand-overs that are searched for the next one that changes anything.
MOST_HAND_OVERS = 210


def staffed(policy: Policy, at: datetime) -> Policy:
    """The policy with the people on call at a moment, by its rotations. Schedules elsewhere are unknown."""
    now = {name: (one.rotation.on_call(at),) for name, one in policy.oncall.items() if one.rotation is not None}
    return replace(policy, groups={**policy.groups, **now})


def unstaffed(policy: Policy, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that mean the people of a schedule elsewhere."""
    return tuple(name for name in names if name in policy.oncall and policy.oncall[name].schedule is not None)


def people_of(policy: Policy, names: tuple[str, ...]) -> tuple[str, ...]:
    """The handles behind names in a `staffed` policy, and words for those that need a look-up."""
    away = unstaffed(policy, names)
    handles = policy.handles(tuple(name for name in names if name not in away))
    return (*handles, *(f"the person on call for {name}" for name in away))


def on_call_words(policy: Policy, route: Route, *, now: datetime) -> Iterator[str]:
    """Who is on call now, for each such name in a route: `payments: ann until …, then bob`."""
    named = dict.fromkeys((*route.approvers, *(name for rung in route.ladder for name in rung.who)))
    for name in named:
        if name in policy.oncall:
            yield f"{name}: {_duty(policy.oncall[name], now)}"


def rung_words(rung: Rung, policy: Policy, *, seen: datetime, deadline: datetime) -> str:
    """When a step is due, what it does, and what its hours change: `… (50%, after 90 s) pings ann`."""
    due = rung.due(first_seen=seen, deadline=deadline)
    after = (due - seen).total_seconds()
    text = f"{due.isoformat()} ({when_of(rung)}, after {after:g} s) {_deed(rung, policy)}"
    if rung.hours is None:
        return text
    hours = f"{rung.keep.value} {rung.hours.name}"
    written = replace(rung, hours=None, keep=Keep.DURING).due(first_seen=seen, deadline=deadline)
    if due != written:
        return f"{text}; moved from {written.isoformat()} by `{hours}`"
    if rung.hours.covers(due) == (rung.keep is Keep.DURING):
        return f"{text}; {hours}"
    return f"{text}; not moved by `{hours}`, because that would be too late"


def when_of(rung: Rung) -> str:
    """`65%`, or `60 s before the deadline`."""
    if rung.before is not None:
        return f"{rung.before.total_seconds():g} s before the deadline"
    return f"{(rung.share or 0.0) * 100:g}%"


def _deed(rung: Rung, policy: Policy) -> str:
    who, cards = ", ".join(people_of(policy, rung.who)), ", ".join(map(str, rung.cards))
    does = rung.action.kind.does
    also = f" and pings {who}" if who and "{who}" not in does else ""
    also += f" and puts the card in {cards}" if cards and "{cards}" not in does else ""
    return does.format(who=who, cards=cards) + also


def _duty(one: OnCall, now: datetime) -> str:
    if one.rotation is not None:
        return _turn(one.rotation, now)
    return f"by {_schedule(one.schedule)}, otherwise {one.otherwise}" if one.schedule else one.otherwise


def _turn(rotation: Rotation, now: datetime) -> str:
    """Who has the shift, and who follows; a hand-over to the same person is not mentioned."""
    who = rotation.on_call(now)
    change = now
    for _ in range(MOST_HAND_OVERS):
        change = rotation.next_change(change)
        if rotation.on_call(change) != who:
            return f"{who} until {change.isoformat()}, then {rotation.on_call(change)}"
    return who


def _schedule(ref: ScheduleRef) -> str:
    """A calendar's address can hold a token: only its host is shown."""
    if ref.kind == "ical" and "://" in ref.id:
        return f"the calendar at {urlsplit(ref.id).hostname}"
    return f"the calendar {ref.id}" if ref.kind == "ical" else f"the {ref.kind} schedule {ref.id}"
