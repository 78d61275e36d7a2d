"""Who is on call by a calendar: attendees, cancellations, zones, and events that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from adapters.oncall.unfold import Unfolded
from tests.servers.schedules import calendar

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ANN = """
    DTSTART:20260302T110000Z
    DTEND:20260302T130000Z
    ATTENDEE;CN=Ann;PARTSTAT=ACCEPTED:MAILTO:ann@acme.example
    ATTENDEE:mailto:bob@acme.example
    SUMMARY:Pager duty of Ann
"""


@dataclass(frozen=True)
class Read:
    """Who is on call at NOW, and what was skipped."""

    now: tuple[str, ...]
    skipped: list[str]


def unfolded(content: bytes) -> Read:
    read = Unfolded(content, since=NOW, until=NOW + timedelta(days=1))
    return Read(tuple(who for start, end, who in sorted(read.spans) if start <= NOW < end), read.skipped)


EVENTS = [
    ("by its summary", ["DTSTART:20260302T110000Z\nDTEND:20260302T130000Z\nSUMMARY: ann "], ("ann",)),
    ("no mail address", [ANN.replace("MAILTO:ann@acme.example", "urn:ann")], ("Pager duty of Ann",)),
    ("a length", ["DTSTART:20260302T110000Z\nDURATION:PT2H\nSUMMARY:ann"], ("ann",)),
    ("cancelled", [ANN + "STATUS:CANCELLED"], ()),
    ("about nobody", ["DTSTART:20260302T110000Z\nDTEND:20260302T130000Z"], ()),
    ("over", [ANN.replace("20260302", "20260301")], ()),
    ("two at once", [ANN, ANN.replace("MAILTO:ann", "mailto:cat")], ("ann@acme.example", "cat@acme.example")),
    ("a whole day", ["DTSTART;VALUE=DATE:20260302\nSUMMARY:ann"], ("ann",)),
    (
        "every second week, in summer too",
        ["DTSTART;TZID=Europe/Berlin:20250602T090000\nDURATION:P7D\nRRULE:FREQ=WEEKLY;INTERVAL=2\nSUMMARY:ann",
         "DTSTART;TZID=Europe/Berlin:20250609T090000\nDURATION:P7D\nRRULE:FREQ=WEEKLY;INTERVAL=2\nSUMMARY:bob"],
        ("bob",),
    ),
    (
        "an exception",
        ["DTSTART:20260201T110000Z\nDURATION:PT2H\nRRULE:FREQ=DAILY\nEXDATE:20260302T110000Z\nSUMMARY:ann"],
        (),
    ),
]  # fmt: skip

INVITED = "DTSTART:20260302T110000Z\nDURATION:PT2H\nSUMMARY:Rota\n"
EVENTS += [
    (
        "the first who did not decline",
        [INVITED + "ATTENDEE;PARTSTAT=DECLINED:mailto:ann@acme.example\n"
         "ATTENDEE:mailto:bob@acme.example"],
        ("bob@acme.example",),
    ),
    ("everybody declined", [INVITED + "ATTENDEE;PARTSTAT=declined:mailto:ann@acme.example"], ()),
    (
        "a room is nobody",
        [INVITED + "ATTENDEE;CUTYPE=ROOM:mailto:room@acme.example\n"
         "ATTENDEE;CUTYPE=INDIVIDUAL:mailto:bob@acme.example"],
        ("bob@acme.example",),
    ),
    ("only a projector is invited",
     [INVITED + "ATTENDEE;CUTYPE=RESOURCE:mailto:beamer@acme.example"], ("Rota",)),
    (
        "a group is nobody",
        [INVITED + "ATTENDEE;CUTYPE=group:mailto:all@acme.example\n"
         "ATTENDEE;CUTYPE=X-ROBOT:mailto:r2@acme.example"],
        ("Rota",),
    ),
    ("Outlook's zones",
     ["DTSTART;TZID=W. Europe Standard Time:20260302T123000\nDURATION:PT1H\nSUMMARY:ann"], ("ann",)),
]  # fmt: skip


@pytest.mark.parametrize(("events", "who"), [row[1:] for row in EVENTS], ids=[row[0] for row in EVENTS])
def test_events_are_read_as_calendars_mean_them(events: list[str], who: tuple[str, ...]) -> None:
    """Attendee before summary, recurring ones, exceptions, lengths, days; what is cancelled is not."""
    assert who == unfolded(calendar(*events)).now


def test_what_is_cancelled_by_a_message_of_its_own_is_nobody() -> None:
    """METHOD:CANCEL (RFC 5546, 3.2.5): the file holds the event, to say that it does not take place."""
    gone = calendar(ANN, head="METHOD:CANCEL")

    assert () == unfolded(gone).now
    assert () == unfolded(calendar(ANN) + gone).now


SHIFT = "DTSTART:20260301T110000Z\nDURATION:PT2H\nRRULE:FREQ=DAILY\nSUMMARY:ann"
UNREADABLE = [
    ("a start that is none", "DTSTART:2026-03-02\nSUMMARY:bob", "bob: its DTSTART cannot be read"),
    ("no start", "SUMMARY:bob", "bob: it has no DTSTART"),
    ("a rule that is none", "DTSTART:20260302T110000Z\nRRULE:FREQ=SOMETIMES\nSUMMARY:bob", "bob: its RRULE"),
    ("a length that is none", "DTSTART:20260302T110000Z\nDURATION:2h\nSUMMARY:bob", "bob: its DURATION"),
    ("an exception that is none", SHIFT.replace("ann", "bob") + "\nEXDATE:never", "bob: its EXDATE"),
    (
        "a zone that nobody knows",
        "DTSTART;TZID=Nowhere/Land:20260302T113000\nDURATION:PT2H\nSUMMARY:bob",
        "bob: the time zone Nowhere/Land is unknown",
    ),
    (
        "an end in such a zone",
        "DTSTART:20260302T113000Z\nDTEND;TZID=Nowhere/Land:20260302T150000\nSUMMARY:bob",
        "bob: the time zone Nowhere/Land is unknown",
    ),
]


@pytest.mark.parametrize(
    ("event", "named"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_an_event_that_cannot_be_read_is_skipped_and_named(event: str, named: str) -> None:
    """The others go on: one broken shift takes nobody else's away."""
    read = unfolded(calendar(SHIFT, event))

    assert ("ann",) == read.now
    assert [True] == [line.startswith(named) for line in read.skipped]


def test_an_unknown_zone_of_the_calendar_concerns_only_times_without_one() -> None:
    """A shift in UTC is read; a day of the calendar's own zone is skipped, and the zone is named."""
    day = "DTSTART;VALUE=DATE:20260302\nSUMMARY:bob"

    read = unfolded(calendar(SHIFT, day, head="X-WR-TIMEZONE:Nowhere/Land"))

    assert ("ann",) == read.now
    assert ["bob: the time zone Nowhere/Land is unknown"] == read.skipped


def test_a_series_that_the_library_cannot_expand_takes_no_other_away() -> None:
    """Only the first is named, for what the library met in it; the three others count."""
    bad = "DTSTART:20260302T110000Z\nDTEND;VALUE=PERIOD:20260302T110000Z/PT1H\nSUMMARY:bob"
    good = [SHIFT.replace("ann", name) for name in ("ann", "cat", "dan")]
    read = unfolded(calendar(good[0], bad, *good[1:]))

    assert ("ann", "cat", "dan") == read.now
    assert [True] == [line.startswith("bob: it cannot be read") for line in read.skipped]
