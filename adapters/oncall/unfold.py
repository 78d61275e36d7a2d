"""Who a calendar names at which times: a program of its own, which reads the calendar from its standard input.

    python -m adapters.oncall.unfold SINCE UNTIL < calendar.ics > spans.json

Recurring events (RFC 5545) are somebody else's program: a rule that never ends, or that never gives a date,
keeps any library busy for as long as it likes (github.com/dateutil/dateutil/issues/1441). Only a process can be
ended, so the caller (`adapters.oncall.ical`) runs this one and ends it in time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

#: Bytes of memory; 4,500 recurring events, which make almost a megabyte of calendar, took a fifth of it.
MEMORY = 1_000_000_000
#: An event that is bound to no time zone is looked for this much earlier and later.
_FLOATING = timedelta(days=1)

Span = tuple[datetime, datetime, str]


def main() -> None:
    """Print the spans as JSON, `[[start, end, who], …]`, in order of their starts; nothing for no calendar."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    since, until = (datetime.fromisoformat(text) for text in sys.argv[1:3])
    found = sorted(spans(sys.stdin.buffer.read(), since=since, until=until))
    json.dump([[start.isoformat(), end.isoformat(), who] for start, end, who in found], sys.stdout)


def spans(content: bytes, *, since: datetime, until: datetime) -> Iterator[Span]:
    """Each event that is not cancelled and overlaps `since`..`until`, in UTC, with who it is about.

    Raises ValueError, or what the libraries raise, for what is no calendar.
    """
    calendars = icalendar.Calendar.from_ical(content, multiple=True)
    if not calendars:
        raise ValueError("no calendar")
    for calendar in calendars:
        zone = _zone(calendar)
        query = recurring_ical_events.of(calendar)
        for event in query.between(since - _FLOATING, until + _FLOATING):
            start, end = _utc(event.start, zone), _utc(event.end, zone)
            who = _who(event)
            if str(event.get("STATUS", "")).upper() != "CANCELLED" and start < until and since < end and who:
                yield start, end, who


def _who(event: Any) -> str | None:
    """The first attendee's address, or what the event is called."""
    attendees = event.get("ATTENDEE", [])
    first = attendees[0] if isinstance(attendees, list) and attendees else attendees
    scheme, _, address = str(first or "").partition(":")
    if scheme.casefold() == "mailto" and address.strip():
        return address.strip()
    return str(event.get("SUMMARY", "")).strip() or None


def _zone(calendar: Any) -> tzinfo:
    """Of days and times that name none themselves: what the calendar says, or UTC. Raises KeyError."""
    name = calendar.get("X-WR-TIMEZONE")
    return ZoneInfo(str(name)) if name else UTC


def _utc(moment: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), tzinfo=zone)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


if __name__ == "__main__":
    main()
