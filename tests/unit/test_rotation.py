"""Whose turn it is: one person at each moment, by the wall clock, whatever clocks and overrides do."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rotation import Cadence, Override, Rotation

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
PEOPLE = ("ann", "bob", "cat")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def override(who: str, start: str, end: str) -> Override:
    return Override(who=who, start=utc(start), end=utc(end))


WEEKLY = Rotation(
    people=PEOPLE, zone=BERLIN, cadence=Cadence.WEEKLY, at=time(9), day=0, begins=date(2026, 3, 2)
)
DAILY = Rotation(people=PEOPLE, zone=BERLIN, cadence=Cadence.DAILY, at=time(9), begins=date(2026, 3, 2))


@pytest.mark.parametrize(
    ("rotation", "now", "who"),
    [
        (WEEKLY, "2026-03-02T08:00", "ann"),
        (WEEKLY, "2026-03-09T07:59:59", "ann"),
        (WEEKLY, "2026-03-09T08:00", "bob"),
        (WEEKLY, "2026-03-23T08:00", "ann"),
        (WEEKLY, "2026-03-02T07:59", "cat"),
        (WEEKLY, "2026-02-20T08:00", "bob"),
        (DAILY, "2026-03-02T08:00", "ann"),
        (DAILY, "2026-03-03T08:00", "bob"),
        (DAILY, "2026-03-02T07:59", "cat"),
    ],
)
def test_people_take_turns(rotation: Rotation, now: str, who: str) -> None:
    """From the first hand-over on, and before it counted backwards; who takes over has the very moment."""
    assert who == rotation.on_call(utc(now))


def test_a_rotation_may_begin_in_the_middle_of_a_week() -> None:
    """The first person's shift is the one that is under way then."""
    midweek = Rotation(
        people=PEOPLE, zone=BERLIN, cadence=Cadence.WEEKLY, at=time(9), day=0, begins=date(2026, 3, 5)
    )

    assert "ann" == midweek.on_call(utc("2026-03-05T12:00"))
    assert utc("2026-03-09T08:00") == midweek.next_change(utc("2026-03-05T12:00"))


#: Zone, hand-over, a moment before it, and the hand-over in UTC.
CHANGES = [
    ("Berlin, winter", BERLIN, time(9), "2026-03-28T00:00", "2026-03-28T08:00"),
    ("Berlin, summer", BERLIN, time(9), "2026-03-29T00:00", "2026-03-29T07:00"),
    ("Berlin in the gap", BERLIN, time(2, 30), "2026-03-29T00:00", "2026-03-29T01:00"),
    ("Berlin twice", BERLIN, time(2, 30), "2026-10-25T00:00", "2026-10-25T00:30"),
    ("Berlin not twice", BERLIN, time(2, 30), "2026-10-25T00:30", "2026-10-26T01:30"),
    ("New York in the gap", NEW_YORK, time(2, 30), "2026-03-08T06:00", "2026-03-08T07:00"),
    ("New York twice", NEW_YORK, time(1, 30), "2026-11-01T05:00", "2026-11-01T05:30"),
    ("New York not twice", NEW_YORK, time(1, 30), "2026-11-01T06:00", "2026-11-02T06:30"),
    ("Lord Howe in the gap", LORD_HOWE, time(2, 15), "2026-10-03T15:00", "2026-10-03T15:30"),
    ("Lord Howe twice", LORD_HOWE, time(1, 45), "2026-04-04T14:30", "2026-04-04T14:45"),
    ("Sao Paulo without midnight", SAO_PAULO, time(0), "2018-11-04T00:00", "2018-11-04T03:00"),
    ("Sao Paulo twice", SAO_PAULO, time(23, 30), "2018-02-18T01:00", "2018-02-18T01:30"),
    ("Kathmandu", KATHMANDU, time(9), "2026-03-29T00:00", "2026-03-29T03:15"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "at", "after", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_a_hand_over_is_at_wall_time(zone: ZoneInfo, at: time, after: str, expected: str) -> None:
    """Also on the days when clocks change, and once each day; the person before has the moment before."""
    rotation = Rotation(people=PEOPLE, zone=zone, cadence=Cadence.DAILY, at=at, begins=date(2018, 1, 1))
    instant = timedelta(microseconds=1)

    change = rotation.next_change(utc(after))

    before, then = rotation.on_call(change - instant), rotation.on_call(change)
    assert utc(expected) == change
    assert UTC is change.tzinfo
    assert PEOPLE[(PEOPLE.index(before) + 1) % 3] == then


def test_overrides_win_and_the_later_one_most() -> None:
    """Half-open; where two overlap, the later one in the file wins, and each edge is a change."""
    swapped = Rotation(
        people=PEOPLE, zone=BERLIN, cadence=Cadence.WEEKLY, at=time(9), begins=date(2026, 3, 2),
        overrides=(
            override("dan", "2026-03-04T00:00", "2026-03-06T00:00"),
            override("eve", "2026-03-05T00:00", "2026-03-05T12:00"),
        ),
    )  # fmt: skip
    edges = [utc("2026-03-03T00:00")]
    while edges[-1] < utc("2026-03-09T08:00"):
        edges.append(swapped.next_change(edges[-1]))

    assert ["ann", "dan", "eve", "dan", "ann", "bob"] == [swapped.on_call(edge) for edge in edges]
    assert utc("2026-03-05T12:00") == edges[3]


ZONES = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, SAO_PAULO, KATHMANDU])
MOMENT = st.timedeltas(timedelta(0), timedelta(days=10 * 365)).map(lambda passed: utc("2017-01-01") + passed)
OVERRIDES = st.lists(
    st.builds(
        lambda who, start, length: Override(who=who, start=start, end=start + length),
        st.sampled_from(["dan", "eve"]),
        MOMENT,
        st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
    ),
    max_size=4,
).map(tuple)
ROTATIONS = st.builds(
    Rotation,
    people=st.sampled_from([PEOPLE[:1], PEOPLE[:2], PEOPLE]),
    zone=ZONES,
    cadence=st.sampled_from(Cadence),
    at=st.times(),
    day=st.integers(0, 6),
    begins=st.dates(date(2017, 1, 1), date(2027, 1, 1)),
)


@given(ROTATIONS, MOMENT)
def test_shifts_cover_time_and_nobody_has_two_in_a_row(rotation: Rotation, now: datetime) -> None:
    """One change follows another a shift later, give or take a change of clocks; then it is the next one's."""
    length = timedelta(days=rotation.cadence.days)
    instant = timedelta(microseconds=1)
    for _ in range(5):
        change = rotation.next_change(now)
        if len(rotation.people) > 1:
            assert rotation.on_call(now) != rotation.on_call(change)
        assert rotation.on_call(now) == rotation.on_call(change - instant)
        assert timedelta(0) < change - now <= length + timedelta(hours=1)
        after = rotation.next_change(change)
        assert abs(after - change - length) <= timedelta(hours=1)
        now = change


@given(ROTATIONS, st.lists(MOMENT, min_size=2, max_size=2), OVERRIDES)
def test_nothing_changes_between_two_changes(
    rotation: Rotation, moments: list[datetime], overrides: tuple[Override, ...]
) -> None:
    """The person on call stays so until the next change, overrides or not."""
    now, later = sorted(moments)
    whole = replace(rotation, overrides=overrides)
    change = whole.next_change(now)
    share = (later - now) / (later - now + timedelta(days=1))
    between = min(now + (change - now) * share, change - timedelta(microseconds=1))  # a product is rounded

    assert now <= between < change
    assert whole.on_call(now) == whole.on_call(between)


@given(ROTATIONS, MOMENT, OVERRIDES)
def test_overrides_touch_nothing_else(
    rotation: Rotation, now: datetime, overrides: tuple[Override, ...]
) -> None:
    """Inside an override its person is on call; outside, the one who would be without any."""
    whole = replace(rotation, overrides=overrides)
    in_force = [one.who for one in overrides if one.start <= now < one.end]

    expected = in_force[-1] if in_force else rotation.on_call(now)
    assert expected == whole.on_call(now)


@given(ROTATIONS, MOMENT)
def test_a_zone_does_not_matter_for_the_answer(rotation: Rotation, now: datetime) -> None:
    """The same moment in another zone has the same person and the same next change."""
    elsewhere = now.astimezone(KATHMANDU)

    assert rotation.on_call(now) == rotation.on_call(elsewhere)
    assert rotation.next_change(now) == rotation.next_change(elsewhere)
