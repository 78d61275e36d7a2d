"""Business hours and quiet nights, when clocks change too, and rungs that wait for them without being lost."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.hours import Hours, Keep, moment, shifted

BERLIN, NEW_YORK, LORD_HOWE, SAO_PAULO, KATHMANDU, APIA = (
    ZoneInfo(name)
    for name in (
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Pacific/Apia",
    )
)
WEEK, WORKDAYS = frozenset(range(7)), frozenset(range(5))
MONDAY = date(2026, 3, 2)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(start: time, end: time, *, days: frozenset[int] = WEEK, zone: ZoneInfo = BERLIN) -> Hours:
    return Hours(name="hours", zone=zone, days=days, start=start, end=end)


#: Zone, day, local time, and the moment in UTC; the changes are those of the IANA data for these years.
MOMENTS = [
    ("Berlin before the gap", BERLIN, date(2026, 3, 29), time(1, 59), "2026-03-29T00:59"),
    ("Berlin in the gap", BERLIN, date(2026, 3, 29), time(2, 30), "2026-03-29T01:00"),
    ("Berlin where the gap begins", BERLIN, date(2026, 3, 29), time(2), "2026-03-29T01:00"),
    ("Berlin after the gap", BERLIN, date(2026, 3, 29), time(3), "2026-03-29T01:00"),
    ("Berlin twice: the first", BERLIN, date(2026, 10, 25), time(2, 30), "2026-10-25T00:30"),
    ("Berlin after it came twice", BERLIN, date(2026, 10, 25), time(3), "2026-10-25T02:00"),
    ("New York in the gap", NEW_YORK, date(2026, 3, 8), time(2, 59, 59), "2026-03-08T07:00"),
    ("New York twice: the first", NEW_YORK, date(2026, 11, 1), time(1, 15), "2026-11-01T05:15"),
    ("Lord Howe in the gap of 30 min", LORD_HOWE, date(2026, 10, 4), time(2, 15), "2026-10-03T15:30"),
    ("Lord Howe after it", LORD_HOWE, date(2026, 10, 4), time(2, 45), "2026-10-03T15:45"),
    ("Lord Howe twice: the first", LORD_HOWE, date(2026, 4, 5), time(1, 45), "2026-04-04T14:45"),
    ("Sao Paulo had no midnight", SAO_PAULO, date(2018, 11, 4), time(0), "2018-11-04T03:00"),
    ("Sao Paulo twice, in the evening", SAO_PAULO, date(2018, 2, 17), time(23, 30), "2018-02-18T01:30"),
    ("Kathmandu never changes", KATHMANDU, date(2026, 3, 29), time(2, 30), "2026-03-28T20:45"),
    ("Apia had no 30 December", APIA, date(2011, 12, 30), time(15), "2011-12-30T10:00"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"), [row[1:] for row in MOMENTS], ids=[row[0] for row in MOMENTS]
)
def test_a_local_time_is_one_moment(zone: ZoneInfo, day: date, at: time, expected: str) -> None:
    """One that does not exist is the first after the gap; of one that comes twice it is the first."""
    found = moment(day, at, zone)

    assert utc(expected) == found
    assert UTC is found.tzinfo


@pytest.mark.parametrize(
    ("at", "covered"),
    [
        ("2026-03-02T07:59:59", False),
        ("2026-03-02T08:00", True),
        ("2026-03-02T15:59:59", True),
        ("2026-03-02T16:00", False),
        ("2026-03-07T10:00", False),
    ],
)
def test_business_hours_are_half_open_and_on_their_days(at: str, covered: bool) -> None:
    """Nine to five in Berlin: eight to four in UTC, in winter; not on a Saturday."""
    assert covered == hours(time(9), time(17), days=WORKDAYS).covers(utc(at))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's goes on until Saturday morning, and none begins on Sunday evening."""
    night = hours(time(22), time(7), days=WORKDAYS)

    assert night.covers(utc("2026-03-07T05:59"))
    assert not night.covers(utc("2026-03-07T06:00"))
    assert not night.covers(utc("2026-03-01T22:00"))
    assert utc("2026-03-07T06:00") == night.next_end(utc("2026-03-06T23:00"))
    assert utc("2026-03-02T21:00") == night.next_start(utc("2026-02-28T12:00"))


def test_an_hour_is_lost_and_won_with_the_clocks() -> None:
    """The night of a change ends at seven by the wall: it is an hour shorter in spring, longer in autumn."""
    night = hours(time(22), time(7))
    spring, autumn = utc("2026-03-28T21:00"), utc("2026-10-24T20:00")

    assert timedelta(hours=8) == night.next_end(spring) - night.next_start(spring)
    assert timedelta(hours=10) == night.next_end(autumn) - night.next_start(autumn)


def test_a_span_that_a_change_swallows_is_none() -> None:
    """A quarter of an hour that the clocks jumped over; the next one is a week later."""
    short = hours(time(2, 15), time(2, 30), days=frozenset({6}))

    assert not short.covers(utc("2026-03-29T01:00"))
    assert utc("2026-04-05T00:15") == short.next_start(utc("2026-03-29T00:00"))


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU], ids=str)
def test_days_without_a_break_are_one_span(zone: ZoneInfo) -> None:
    """Monday to Friday from midnight to midnight ends on Saturday at midnight, also over a change."""
    whole = hours(time(0), time(0), days=WORKDAYS, zone=zone)

    for week in range(52):
        monday = MONDAY + timedelta(weeks=week)
        inside = moment(monday, time(12), zone)
        assert moment(monday + timedelta(days=5), time(0), zone) == whole.next_end(inside)


def test_quiet_for_ever_shifts_nothing() -> None:
    """Hours that never end have no first moment after them: the rung is due when it was."""
    always, due = hours(time(0), time(0)), utc("2026-03-02T12:00")

    assert always.covers(due)
    assert due == shifted(due, hours=always, keep=Keep.OUTSIDE, deadline=due + timedelta(days=365))


@pytest.mark.parametrize(
    ("keep", "due", "deadline", "expected"),
    [
        (Keep.DURING, "2026-03-02T10:00", "2026-03-04T00:00", "2026-03-02T10:00"),
        (Keep.DURING, "2026-03-02T20:00", "2026-03-04T00:00", "2026-03-03T08:00"),
        (Keep.DURING, "2026-03-02T16:00", "2026-03-04T00:00", "2026-03-03T08:00"),
        (Keep.DURING, "2026-03-06T20:00", "2026-03-10T00:00", "2026-03-09T08:00"),
        (Keep.DURING, "2026-03-02T20:00", "2026-03-03T08:00", "2026-03-02T20:00"),
        (Keep.DURING, "2026-03-02T20:00", "2026-03-02T20:03", "2026-03-02T20:00"),
        (Keep.OUTSIDE, "2026-03-02T07:00", "2026-03-04T00:00", "2026-03-02T07:00"),
        (Keep.OUTSIDE, "2026-03-02T08:00", "2026-03-04T00:00", "2026-03-02T16:00"),
        (Keep.OUTSIDE, "2026-03-02T08:00", "2026-03-02T16:00", "2026-03-02T08:00"),
    ],
)
def test_a_rung_waits_only_while_there_is_time(keep: Keep, due: str, deadline: str, expected: str) -> None:
    """To the first moment that the hours allow; where that is not before the deadline, it is not shifted."""
    office = hours(time(9), time(17), days=WORKDAYS)

    found = shifted(utc(due), hours=office, keep=keep, deadline=utc(deadline))

    assert utc(expected) == found


ANY_HOURS = st.builds(
    hours,
    st.times(),
    st.times(),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, SAO_PAULO, KATHMANDU, APIA]),
)
ANY_TIME = st.timedeltas(timedelta(0), timedelta(days=15 * 365)).map(lambda passed: utc("2011-12-01") + passed)
ANY_LENGTH = st.timedeltas(timedelta(0), timedelta(days=10))


@given(ANY_HOURS, st.sampled_from(Keep), ANY_TIME, ANY_LENGTH, ANY_LENGTH)
def test_shifting_is_sound(kept: Hours, keep: Keep, due: datetime, later: timedelta, left: timedelta) -> None:
    """The result is allowed or unshifted, never before, never at or past the deadline, and keeps the order."""
    deadline = due + later + left

    first = shifted(due, hours=kept, keep=keep, deadline=deadline)
    second = shifted(due + later, hours=kept, keep=keep, deadline=deadline)

    assert first == due or (due < first < deadline and kept.covers(first) == (keep is Keep.DURING))
    assert first <= second


@given(ANY_HOURS, ANY_TIME)
def test_edges_are_where_covering_changes(kept: Hours, at: datetime) -> None:
    """A start is covered, the moment of an end is not unless the next span has begun, and none is left out."""
    start, end, instant = kept.next_start(at), kept.next_end(at), timedelta(microseconds=1)

    assert start >= at
    assert kept.covers(start)
    assert end > at
    assert kept.covers(end - instant)
    if not kept.covers(at):
        assert not kept.covers(start - instant) or start == at
        assert end > start
    if end - at < timedelta(days=13):
        assert not kept.covers(end)
