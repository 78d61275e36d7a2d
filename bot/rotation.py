"""Who is on call by a rotation of nod.yaml, and where another schedule is kept. Pure.

Hand-overs are at local wall time (see `bot.hours` for what that means when clocks change). Spans are half-open:
the moment of the hand-over belongs to the next person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.hours import moment


class Cadence(StrEnum):
    """How often a rotation hands over."""

    DAILY = "daily"
    WEEKLY = "weekly"

    @property
    def days(self) -> int:
        """The length of a shift."""
        return 1 if self is Cadence.DAILY else 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One person takes over, regardless of the rotation."""

    who: str
    start: datetime
    end: datetime  #: exclusive

    def covers(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """People who take turns. One is always on call, also before the first shift."""

    people: tuple[str, ...]  #: handles, in the order of their shifts; at least one
    zone: ZoneInfo
    cadence: Cadence
    at: time  #: of the hand-over, local
    day: int = 0  #: weekday of a weekly hand-over, 0 is Monday; a daily one ignores it
    #: The first person's shift begins on this day, or began on the last hand-over day before it.
    begins: date
    overrides: tuple[Override, ...] = ()  #: where two overlap, the later one in the file wins

    def on_call(self, now: datetime) -> str:
        """The handle of the person on call."""
        for override in reversed(self.overrides):
            if override.covers(now):
                return override.who
        return self.people[self._shift(now) % len(self.people)]

    def next_change(self, after: datetime) -> datetime:
        """The first hand-over, or edge of an override, later than `after`; nothing changes before it."""
        edges = [edge for override in self.overrides for edge in (override.start, override.end)]
        later = [edge.astimezone(UTC) for edge in edges if edge > after]
        shift = self._shift(after) + 1
        return min([self._hand_over(shift), *later])

    def _shift(self, now: datetime) -> int:
        """The number of the shift at `now`, counted from `begins`; negative before it."""
        local = now.astimezone(self.zone).date()
        number = (local - self._first).days // self.cadence.days + 1
        while self._hand_over(number) > now:
            number -= 1
        return number

    @property
    def _first(self) -> date:
        if self.cadence is Cadence.DAILY:
            return self.begins
        return self.begins - timedelta(days=(self.begins.weekday() - self.day) % 7)

    def _hand_over(self, number: int) -> datetime:
        return moment(self._first + timedelta(days=number * self.cadence.days), self.at, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRef:
    """A schedule in an external system."""

    kind: str  #: `ical`, `pagerduty` or `opsgenie`
    id: str  #: a file or an https address; a schedule's id; an id or a name

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCall:
    """A name for the person on call: by a rotation or by a schedule, exactly one of the two."""

    name: str
    otherwise: str  #: the handle of the person who is asked when the schedule cannot tell
    rotation: Rotation | None = None
    schedule: ScheduleRef | None = None
