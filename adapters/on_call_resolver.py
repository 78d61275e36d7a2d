"""Who is on call now, by rotations and schedules of the policy; who is asked instead when that cannot be told.

A rotation of nod.yaml is computed. An external schedule is looked up, and the answer is cached for a while.
Without an answer the person that the policy names as `otherwise` is asked, and `stand_ins` says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from adapters.oncall import Schedules
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person, Policy
from bot.ports import Metrics
from bot.rotation import OnCall, ScheduleRef

NOT_YET = "the schedule has not been read yet"
TOO_OLD = "the schedule was last read too long ago"
NOBODY = "the schedule names nobody"
NOBODY_KNOWN = "the schedule names nobody who is in nod.yaml"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """Who is on call, by the names of the policy."""

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: name -> handles
    stand_ins: Mapping[str, str] = field(default_factory=dict)  #: name -> why its schedule does not count
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: name -> what of it cannot be read
    changes: tuple[datetime, ...] = ()  #: when each rotation may name another person
    ages: tuple[float, ...] = ()  #: when each answer that counts was asked for, in seconds


class OnCallResolver:
    """What schedules said. `refresh` asks; `now` only reads."""

    def __init__(
        self, *, metrics: Metrics, seconds: Callable[[], float], longest_age: float, limit: float
    ) -> None:
        """`count` counts for the metrics; `seconds` is a clock that never goes back.

        An answer counts for `longest_age` seconds from when it was asked for; a question may take `limit`.
        """
        self._metrics, self._seconds = metrics, seconds
        self._longest_age, self._limit = longest_age, limit
        self._said: dict[ScheduleRef, tuple[float, tuple[str, ...]]] = {}
        self._trouble: dict[ScheduleRef, str] = {}
        self._skipped: dict[ScheduleRef, tuple[str, ...]] = {}
        self._told: Mapping[str, str] = {}
        self._told_skipped: Mapping[str, tuple[str, ...]] = {}

    async def refresh(self, policy: Policy, schedules: Mapping[str, Schedules], *, at: datetime) -> None:
        """Ask each schedule who is on call at a moment. A failure leaves the earlier answer, which ages.

        `schedules` says who knows which kind of schedules. Raises nothing.
        """
        refs = {one.schedule for one in policy.oncall.values() if one.schedule is not None}
        async with asyncio.TaskGroup() as tasks:
            for ref in refs:
                tasks.create_task(self._ask(ref, schedules.get(ref.kind), at))
        self._said = {ref: said for ref, said in self._said.items() if ref in refs}
        self._trouble = {ref: why for ref, why in self._trouble.items() if ref in refs}
        self._skipped = {ref: lines for ref, lines in self._skipped.items() if ref in refs}

    def now(self, policy: Policy, people: Mapping[str, Person], *, at: datetime) -> OnDuty:
        """Who is on call; `people` are those of the policy with what was looked up about them."""
        groups: dict[str, tuple[str, ...]] = {}
        stand_ins: dict[str, str] = {}
        names = _Names(policy.people, people)
        for name, one in policy.oncall.items():
            if one.rotation is not None:
                groups[name] = (one.rotation.on_call(at),)
                continue
            groups[name], why = self._by_schedule(one, names)
            if why is not None:
                stand_ins[name] = why
        rotations = [one.rotation for one in policy.oncall.values() if one.rotation is not None]
        return OnDuty(
            groups=groups,
            stand_ins=stand_ins,
            skipped={
                name: lines
                for name, one in policy.oncall.items()
                if one.schedule is not None and (lines := self._skipped.get(one.schedule))
            },
            changes=tuple(rotation.next_change(at) for rotation in rotations),
            ages=tuple(asked_at for asked_at, _ in self._said.values() if self._counts(asked_at)),
        )

    def tell(self, filled: Policy) -> None:
        """Log and count whose schedule cannot be read in whole or in part, or can be again; each once."""
        for name, why in filled.stand_ins.items():
            if self._told.get(name) != why:
                log.warning("on_call_not_read", name=name, reason=why)
                self._metrics.count("on_call_not_read")
        for name in (self._told.keys() - filled.stand_ins.keys()) & filled.oncall.keys():
            log.info("on_call_read_again", name=name)
        self._told = filled.stand_ins
        for name, lines in filled.skipped_shifts.items():
            if self._told_skipped.get(name) != lines:
                log.warning("shifts_skipped", name=name, count=len(lines), first=lines[0])
                self._metrics.count("shifts_skipped")
        self._told_skipped = filled.skipped_shifts

    async def _ask(self, ref: ScheduleRef, schedules: Schedules | None, at: datetime) -> None:
        asked_at = self._seconds()
        if schedules is None:
            self._trouble[ref] = f"Nod has no connection to {ref.kind}"
            return
        try:
            async with asyncio.timeout(self._limit):
                said = await schedules.on_call(ref, at)
        except TimeoutError:
            self._trouble[ref] = f"the schedule did not answer within {self._limit:g} s"
        except (Unavailable, Forbidden) as error:
            self._trouble[ref] = str(error)
        except Gone as error:
            self._trouble[ref] = str(error)
            self._said.pop(ref, None)  # it said so itself: what it said before is void
        else:
            self._said[ref] = (asked_at, said)
            self._skipped[ref] = schedules.skipped(ref)
            self._trouble.pop(ref, None)

    def _by_schedule(self, one: OnCall, names: _Names) -> tuple[tuple[str, ...], str | None]:
        """Who is on call by a schedule; or the stand-in, and why."""
        instead = (one.otherwise,)
        ref = one.schedule
        asked_at, said = self._said.get(ref, (None, ())) if ref is not None else (None, ())
        if asked_at is None or not self._counts(asked_at):
            silent = NOT_YET if asked_at is None else TOO_OLD
            return instead, self._trouble.get(ref, silent) if ref is not None else silent
        if not said:
            return instead, NOBODY
        found = tuple(dict.fromkeys(names.known(said)))
        return (found, None) if found else (instead, NOBODY_KNOWN)

    def _counts(self, asked_at: float) -> bool:
        return self._seconds() < asked_at + self._longest_age


class _Names:
    """People by what a schedule may call them. What two of them are called is nobody's name."""

    def __init__(self, named: Mapping[str, Person], found: Mapping[str, Person]) -> None:
        """`named` is what the file says of them, `found` what was looked up.

        A name that was looked up does not count, since people choose it themselves.
        """
        self._indices = (
            _index((handle, handle) for handle in named),
            _index((person.email, handle) for handle, person in named.items()),
            _index((person.name, handle) for handle, person in named.items()),
            _index((found[handle].email, handle) for handle in named if handle in found),
        )

    def known(self, names: Iterable[str]) -> Iterator[str]:
        """The handles of the people that the file knows by these names."""
        for name in names:
            for index in self._indices:
                handles = index.get(name.strip().casefold())
                if handles is not None:
                    if len(handles) == 1:
                        yield from handles
                    break


def _index(pairs: Iterable[tuple[str | None, str]]) -> dict[str, set[str]]:
    index: dict[str, set[str]] = {}
    for key, handle in pairs:
        if key:
            index.setdefault(key.strip().casefold(), set()).add(handle)
    return index
