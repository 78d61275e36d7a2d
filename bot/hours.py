"""Weekly spans of local time, and the escalation steps that wait for them. Pure; results are aware and in UTC.

A local time that does not exist, because clocks were put forward, means the first moment after the gap. A local
time that comes twice, because clocks were put back, means the first one (PEP 495, fold=0).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

#: A weekly pattern is complete in this many days, even if a change of clocks removes one span.
HORIZON = timedelta(days=15)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class Keep(StrEnum):
    """The purpose of the hours."""

    DURING = "during"  #: business hours: a step waits for them
    OUTSIDE = "outside"  #: quiet hours: a step waits for their end


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A weekly span of local time: business hours, or quiet hours at night."""

    name: str
    zone: ZoneInfo
    days: frozenset[int]  #: on which a span begins; 0 is Monday; at least one
    start: time
    end: time  #: exclusive; on the next day when it is not later than `start`

    def covers(self, at: datetime) -> bool:
        """Whether a span that began at or before `at` has not ended yet."""
        return any(begin <= at < end for begin, end in self._spans(at))

    def next_start(self, after: datetime) -> datetime:
        """The first moment at or after `after` at which a span begins."""
        return next(begin for begin, _ in self._spans(after) if begin >= after)

    def next_end(self, after: datetime) -> datetime:
        """The end of the span that covers `after`, or of the next one if none does.

        Adjacent spans without a gap are one. For hours that never end, this returns a moment about two weeks
        ahead; `covers` shows that they do not end there.
        """
        spans = (span for span in self._spans(after) if span[1] > after)
        _, last = next(spans)
        for begin, end in spans:
            if begin > last:
                break
            last = end
        return last

    def _spans(self, around: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The spans that can matter at `around` and for `HORIZON` after it, in order; none is empty."""
        over = timedelta(days=self.end <= self.start)
        day = around.astimezone(self.zone).date() - 2 * _DAY
        last = day + HORIZON + 2 * _DAY
        while day <= last:
            if day.weekday() in self.days:
                begin = moment(day, self.start, self.zone)
                end = moment(day + over, self.end, self.zone)
                if begin < end:
                    yield begin, end
            day += _DAY


def shifted(due: datetime, *, hours: Hours, keep: Keep, deadline: datetime) -> datetime:
    """The first moment at or after `due` that the hours allow, or `due` itself if none comes in time.

    A step is never shifted to or past the deadline: otherwise nobody would be asked.
    """
    covered = hours.covers(due)
    if covered == (keep is Keep.DURING):
        return due
    then = hours.next_start(due) if keep is Keep.DURING else hours.next_end(due)
    allowed = hours.covers(then) == (keep is Keep.DURING)
    return then if allowed and then < deadline else due


def moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When a clock on the wall of `zone` first shows `at` on `day`, or has passed it, in UTC."""
    late = datetime.combine(day, at.replace(fold=0), tzinfo=zone)
    wall = late.replace(tzinfo=None)
    upper = late.astimezone(UTC)
    if upper.astimezone(zone).replace(tzinfo=None) == wall:
        return upper
    # In a gap, fold=1 uses the offset after it, which gives a moment before the change.
    lower = late.replace(fold=1).astimezone(UTC)
    steps = (upper - lower) // _SECOND
    first, last = 0, steps  # the change comes after `first` seconds, and not after `last`
    while last - first > 1:
        middle = (first + last) // 2
        if (lower + middle * _SECOND).astimezone(zone).replace(tzinfo=None) < wall:
            first = middle
        else:
            last = middle
    return (lower + last * _SECOND).replace(microsecond=0)
