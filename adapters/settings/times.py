"""How times of day, weekdays, zones, days and the moments of rungs are written in nod.yaml. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator

from adapters.settings.words import duration, share
from bot.ladder import LONGEST_WINDOW

#: As nod.yaml names them; the first is 0, as in `datetime.weekday`.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: A rotation that begins before or after these years is a slip of the pen.
FIRST_YEAR, LAST_YEAR = 2000, 2100

#: Names of the IANA database begin so; what else a system keeps there (`localtime`, `posix/…`) is its own.
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_BEFORE = re.compile(r"(.*\S)\s+before")


def rung_time(value: Any) -> float | timedelta:
    """When a rung is due: a share of the window, or a length before the deadline. Raises ValueError."""
    found = _BEFORE.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is None:
            return share(value)
        before = duration(found[1])
    except ValueError:
        before = timedelta()
    if not timedelta() < before <= LONGEST_WINDOW:
        raise ValueError(
            "must be a share of the window between 0% and 100%, such as 65%, or a length before the deadline,"
            " such as 60s before"
        )
    return before


def _zone(value: Any) -> ZoneInfo:
    what = "must be a time zone of the IANA database, such as Europe/Berlin"
    if not isinstance(value, str) or not _ZONE.fullmatch(value):
        raise ValueError(what)
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, or too long a name
        raise ValueError(what) from None


def _time_of_day(value: Any) -> time:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError("must be a time of day, such as 09:00; midnight is 00:00")


def _weekday(value: Any) -> int:
    if value not in WEEKDAYS:
        raise ValueError(f"must be a day of the week: {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(value)


def _day(value: Any) -> date:
    what = "must be a date, such as 2026-01-05"
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(what) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        if not FIRST_YEAR <= value.year <= LAST_YEAR:
            raise ValueError("lies too far away")
        return value
    raise ValueError(what)


def _instant(value: Any) -> datetime:
    what = "must be a moment with its offset, such as 2026-12-24T09:00:00+01:00"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(what) from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(what)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies too far away") from None


RungTime = Annotated[float | timedelta, BeforeValidator(rung_time)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Weekday = Annotated[int, BeforeValidator(_weekday)]
Day = Annotated[date, BeforeValidator(_day)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
