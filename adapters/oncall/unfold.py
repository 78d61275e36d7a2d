"""Who a calendar names at which times: a program of its own, which reads the calendar from its standard input.

    python -m adapters.oncall.unfold SINCE UNTIL < calendar.ics > unfolded.json

Recurring events (RFC 5545) are a program from outside: a rule that never ends, or that never gives a date,
keeps any library busy for as long as it likes (github.com/dateutil/dateutil/issues/1441). Only a process can be
ended, so the caller (`adapters.oncall.ical`) runs this one and ends it in time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

import icalendar
import recurring_ical_events
from icalendar.timezone import tzp

#: Bytes of memory; 4,500 recurring events, which make almost a megabyte of calendar, took a fifth of it.
MEMORY = 1_000_000_000
#: An event that is bound to no time zone is looked for this much earlier and later.
_FLOATING = timedelta(days=1)
#: The properties that say when an event is; one of them that cannot be read leaves the event without a time.
_WHEN = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
#: Kinds of attendees that are people (RFC 5545, 3.2.3); none given means a person, too.
_PEOPLE = ("", "INDIVIDUAL")
#: The longest name of an event in a report, in characters.
_LONGEST_NAME = 80

#: What the libraries raise for what they cannot make sense of; anything else is a defect, and ends the process.
_NOT_UNDERSTOOD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

Span = tuple[datetime, datetime, str]


class Skipped(ValueError):
    """An event cannot be read; the message says why, without the event's name."""


class Unfolded:
    """One calendar file: the shifts between two moments, and the events that could not be read."""

    def __init__(self, content: bytes, *, since: datetime, until: datetime) -> None:
        """Raises ValueError, or what the library raises, for what is no calendar."""
        calendars = icalendar.Calendar.from_ical(content, multiple=True)
        if not calendars:
            raise ValueError("no calendar")
        self._since, self._until = since, until
        self.spans: list[Span] = []
        self.skipped: list[str] = []
        cancelled = {key for one in calendars if _cancels(one) for key in map(_key, one.walk("VEVENT"))}
        for calendar in calendars:
            if not _cancels(calendar):
                self._read(calendar, cancelled)

    def _read(self, calendar: Any, cancelled: set[tuple[str, object]]) -> None:
        name = str(calendar.pop("X-WR-TIMEZONE", "") or "")
        zone = tzp.timezone(name) if name else UTC
        if name and zone is not None:
            calendar.add("X-WR-TIMEZONE", str(zone))  # the name that the library expands recurring events by
        series: dict[str, list[Any]] = {}
        for event in calendar.walk("VEVENT"):
            uid = str(event.get("UID", ""))
            if not {(uid, None), _key(event)} & cancelled:
                series.setdefault(uid, []).append(event)
        for uid, events in list(series.items()):
            try:
                for event in events:
                    _check(event, zone=zone, zone_name=name)
            except Skipped as why:
                # The whole series: an exception of it that cannot be read may have said who takes over.
                self.skipped.append(f"{_name(events[0])}: {why}")
                del series[uid]
        self._expand(calendar, list(series.values()), zone or UTC)

    def _expand(self, calendar: Any, series: list[list[Any]], zone: tzinfo) -> None:
        """All series at once, which is quick; one by one only where that fails, to find the one to skip."""
        some = icalendar.Calendar(calendar)
        some.subcomponents = [part for part in calendar.subcomponents if part.name != "VEVENT"]
        some.subcomponents += [event for events in series for event in events]
        try:
            found = list(_overlapping(some, zone, since=self._since, until=self._until))
        except _NOT_UNDERSTOOD as error:
            if len(series) == 1:
                self.skipped.append(f"{_name(series[0][0])}: it cannot be read ({type(error).__name__})")
                return
            half = len(series) // 2
            self._expand(calendar, series[:half], zone)
            self._expand(calendar, series[half:], zone)
        else:
            self.spans += found


def main() -> None:
    """Print `{"spans": [[start, end, who], …], "skipped": ["<event>: <why>", …]}`; nothing for no calendar."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    since, until = (datetime.fromisoformat(text) for text in sys.argv[1:3])
    found = Unfolded(sys.stdin.buffer.read(), since=since, until=until)
    spans = [[start.isoformat(), end.isoformat(), who] for start, end, who in sorted(found.spans)]
    json.dump({"spans": spans, "skipped": found.skipped}, sys.stdout)


def _overlapping(calendar: Any, zone: tzinfo, *, since: datetime, until: datetime) -> Iterator[Span]:
    """Each event that is not cancelled and overlaps `since`..`until`, in UTC, with who it is about."""
    query = recurring_ical_events.of(calendar)
    for event in query.between(since - _FLOATING, until + _FLOATING):
        start, end = _utc(event.start, zone), _utc(event.end, zone)
        who = _who(event)
        if str(event.get("STATUS", "")).upper() != "CANCELLED" and start < until and since < end and who:
            yield start, end, who


def _cancels(calendar: Any) -> bool:
    """Whether this is the message that its events do not take place (RFC 5546, 3.2.5)."""
    return str(calendar.get("METHOD", "")).upper() == "CANCEL"


def _key(event: Any) -> tuple[str, object]:
    occurrence = event.get("RECURRENCE-ID")
    return str(event.get("UID", "")), None if occurrence is None else occurrence.to_ical()


def _check(event: Any, *, zone: tzinfo | None, zone_name: str) -> None:
    """Raises Skipped unless it is certain when the event is."""
    if "DTSTART" not in event:
        raise Skipped("it has no DTSTART")
    for name in _WHEN:
        for value in _listed(event.get(name)):
            if isinstance(value, icalendar.prop.vBroken):
                raise Skipped(f"its {name} cannot be read")
            named = str(value.params.get("TZID", ""))
            for moment in _moments(value):
                if getattr(moment, "tzinfo", None) is not None:
                    continue
                if named and isinstance(moment, datetime):
                    raise Skipped(f"the time zone {named} is unknown")
                if zone is None:
                    raise Skipped(f"the time zone {zone_name} is unknown")


def _moments(value: Any) -> Iterator[date]:
    """The days and times of a property that was read; a period counts by its start."""
    for one in getattr(value, "dts", [value]):
        moment = getattr(one, "dt", None)
        if isinstance(moment, tuple):
            moment = moment[0]
        if isinstance(moment, date):
            yield moment


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _name(event: Any) -> str:
    name = str(event.get("SUMMARY", "") or "").strip() or str(event.get("UID", "") or "an event without a name")
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _who(event: Any) -> str | None:
    """The address of the first person who is invited and did not decline, or what the event is called.

    Rooms, groups and devices are no people. When every person declined, nobody is on call.
    """
    invited = _listed(event.get("ATTENDEE"))
    people = [one for one in invited if str(one.params.get("CUTYPE", "")).upper() in _PEOPLE]
    coming = [one for one in people if str(one.params.get("PARTSTAT", "")).upper() != "DECLINED"]
    if people and not coming:
        return None
    scheme, _, address = str(coming[0] if coming else "").partition(":")
    if scheme.casefold() == "mailto" and address.strip():
        return address.strip()
    return str(event.get("SUMMARY", "")).strip() or None


def _utc(moment: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), tzinfo=zone)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


if __name__ == "__main__":
    main()
