"""Deadlines, also for platforms whose clock or zone lies, and rungs as shares of the window."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ladder import DeadlineSource, Rung, deadline_of, parse_time
from bot.protocol import HITLRequest

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DEFAULT = timedelta(minutes=3)
AT, SECONDS, OURS = DeadlineSource.TIMEOUT_AT, DeadlineSource.TIMEOUT_SECONDS, DeadlineSource.DEFAULT


def after(**length: float) -> str:
    return (NOON + timedelta(**length)).isoformat()


@pytest.mark.parametrize(
    ("situation", "fields", "at", "source", "doubted"),
    [
        ("the platform's word", {"timeout_at": after(seconds=90)}, 90, AT, False),
        ("with Z", {"timeout_at": "2026-03-02T12:01:30Z"}, 90, AT, False),
        ("another offset", {"timeout_at": "2026-03-02T19:01:30+07:00"}, 90, AT, False),
        ("no offset is UTC", {"timeout_at": "2026-03-02T12:01:30"}, 90, AT, False),
        ("both agree", {"timeout_at": after(seconds=90), "timeout_seconds": 100}, 90, AT, False),
        (
            "never later than the length",
            {"timeout_at": after(seconds=90), "timeout_seconds": 60},
            60,
            SECONDS,
            False,
        ),
        ("only a length", {"timeout_seconds": 60}, 60, SECONDS, False),
        ("not a moment", {"timeout_at": "soon", "timeout_seconds": 60}, 60, SECONDS, True),
        ("not a moment, no length", {"timeout_at": "soon"}, 180, OURS, True),
        ("neither", {}, 180, OURS, False),
        ("length of nothing", {"timeout_seconds": 0}, 180, OURS, False),
        ("length below nothing", {"timeout_seconds": -5}, 180, OURS, False),
        ("length without end", {"timeout_seconds": 1e12}, 366 * 86_400, SECONDS, False),
        ("passed at first sight", {"timeout_at": after(seconds=-1), "timeout_seconds": 60}, 60, SECONDS, True),
        ("passed, no length", {"timeout_at": after(hours=-5)}, 180, OURS, True),
        (
            "UTC+7 named UTC: created in our future",
            {"created_at": after(hours=7), "timeout_at": after(hours=7, seconds=60), "timeout_seconds": 60},
            60,
            SECONDS,
            True,
        ),
        (
            "UTC-5 named UTC: passed at first sight",
            {"created_at": after(hours=-5), "timeout_at": after(hours=-5, seconds=60), "timeout_seconds": 60},
            60,
            SECONDS,
            True,
        ),
        (
            "the guide's own sample: an hour ahead with 180 seconds",
            {"created_at": after(), "timeout_at": after(hours=1), "timeout_seconds": 180},
            180,
            SECONDS,
            True,
        ),
        (
            "a small skew is believed",
            {"created_at": after(seconds=50), "timeout_at": after(seconds=90)},
            90,
            AT,
            False,
        ),
        ("year 9999", {"timeout_at": "9999-12-31T23:59:59Z"}, 366 * 86_400, AT, False),
        ("13 months", {"timeout_at": after(days=400)}, 366 * 86_400, AT, False),
        ("11 months", {"timeout_at": after(days=330)}, 330 * 86_400, AT, False),
        ("13 months, as a length", {"timeout_seconds": 400 * 86_400}, 366 * 86_400, SECONDS, False),
        ("beyond the calendar", {"timeout_at": "9999-12-31T23:59:59-14:00"}, 180, OURS, True),
        ("year 1", {"timeout_at": "0001-01-01T00:00:00+14:00"}, 180, OURS, True),
        ("a leap second", {"timeout_at": "2026-06-30T23:59:60Z"}, 180, OURS, True),
        ("hour 24", {"timeout_at": "2026-03-02T25:00:00Z"}, 180, OURS, True),
    ],
)
def test_deadline(
    make_request: Callable[..., HITLRequest],
    situation: str,
    fields: dict[str, Any],
    at: float,
    source: DeadlineSource,
    doubted: bool,
) -> None:
    """`timeout_at` first; then first seen plus `timeout_seconds`; then our default, each named as such."""
    deadline = deadline_of(make_request(**fields), first_seen=NOON, default=DEFAULT)

    assert (NOON + timedelta(seconds=at), source) == (deadline.at, deadline.source), situation
    assert doubted == (deadline.doubt is not None), situation


@given(
    created=st.none() | st.datetimes().map(str) | st.text(max_size=30),
    until=st.none()
    | st.datetimes(timezones=st.timezones()).map(lambda t: t.isoformat())
    | st.text(max_size=30),
    length=st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
def test_any_deadline_lies_ahead(created: str | None, until: str | None, length: float | None) -> None:
    """Whatever the platform says, a listed request gets a deadline after its first sight, never raising."""
    request = HITLRequest(
        request_id="r", tool_name="t", arguments={}, agent_id="a",
        created_at=created, timeout_at=until, timeout_seconds=length,
    )  # fmt: skip

    deadline = deadline_of(request, first_seen=NOON, default=DEFAULT)

    assert NOON < deadline.at <= NOON + timedelta(days=366)
    if length is not None and 0.001 <= length < 1e6:
        assert deadline.at <= NOON + timedelta(seconds=length)


def test_a_moment_is_read_in_any_offset() -> None:
    """All offsets name the same moment, in UTC."""
    forms = ["2026-03-02T12:00:00Z", "2026-03-02T14:00:00+02:00", " 2026-03-02 12:00:00 ", "20260302T120000Z"]

    assert [NOON] * 4 == [parse_time(form) for form in forms]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-30t00:57:21z", datetime(2026, 11, 30, 0, 57, 21, tzinfo=UTC)),
        ("2026-11-30t00:57:21.25-00:00", datetime(2026, 11, 30, 0, 57, 21, 250_000, tzinfo=UTC)),
        ("2026-11-30T00:57:21.123456789Z", datetime(2026, 11, 30, 0, 57, 21, 123_456, tzinfo=UTC)),
    ],
)
def test_every_form_of_rfc_3339_is_a_moment(written: str, moment: datetime) -> None:
    """Small letters, any number of decimals, the offset of nobody in particular."""
    assert moment == parse_time(written)


@pytest.mark.parametrize("window", [timedelta(seconds=10), timedelta(minutes=3), timedelta(days=3)])
def test_a_rung_is_due_at_its_share(window: timedelta) -> None:
    """A rung at 40 % fits a window of seconds as well as one of days."""
    rung = Rung(share=0.4, who=("ann",))

    assert NOON + window * 0.4 == rung.due(first_seen=NOON, deadline=NOON + window)
