"""Reads single values of nod.yaml: durations, percentages, channels, external groups, times and dates. Pure.

Each reader raises ValueError with words that follow the key ("must be …"). The annotated types at the end are
what the models use.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import regex
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from adapters.chat.words import CHATS
from adapters.settings.shapes import LONGEST_SHAPE, compiled
from bot.ladder import LONGEST_WINDOW, WRITTEN, Action
from bot.ports import GroupRef
from bot.surface import Destination, Surface

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: External groups, whose members Slack or Microsoft keep, each with the form of its ids.
GROUP_KINDS = {kind: form for chat in CHATS.values() for kind, form in chat.groups.items()}
#: In the order of `datetime.weekday`: Monday is 0.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: A rotation that begins outside of these years is a typo.
FIRST_YEAR, LAST_YEAR = 2000, 2100

#: IANA names begin with a capital; a system's folder also has files that do not (`localtime`, `posix/…`).
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_BEFORE = re.compile(r"(.*\S)\s+before")


def group_ref(member: str) -> GroupRef | None:
    """The external group that a member of a group names, `kind:id`; None for a person's handle.

    Raises ValueError for an unknown kind or a malformed id.
    """
    kind, colon, group = member.partition(":")
    if not colon:
        return None
    if kind not in GROUP_KINDS:
        raise ValueError(f"{kind!r} is not a kind of group; use one of {', '.join(GROUP_KINDS)}")
    if not GROUP_KINDS[kind].fullmatch(group):
        raise ValueError(f"{group!r} is not the id of a {kind}")
    return GroupRef(kind=kind, id=group)


def duration(value: Any) -> timedelta:
    """A duration: a number and a unit. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration such as 500ms, 2s, 3m, 1h or 3d")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        raise ValueError("is too long") from None


def between(least: str, most: str | None = None) -> AfterValidator:
    """A validator for a duration's limits, both included, which are given as in nod.yaml: `1s`."""

    def check(length: timedelta) -> timedelta:
        if length < duration(least):
            raise ValueError(f"must be at least {least}")
        if most is not None and length > duration(most):
            raise ValueError(f"must be at most {most}")
        return length

    return AfterValidator(check)


def share(value: Any) -> float:
    """A percentage, as a fraction above 0 and below 1. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if found is None or not 0 < float(found[1]) < 100:
        raise ValueError("must be a percentage between 0% and 100%, such as 20%")
    return float(found[1]) / 100


def destination(value: Any) -> Destination:
    """A place in one of the chats. Raises ValueError."""
    name, _, written = value.partition(":") if isinstance(value, str) else ("", "", "")
    surface = Surface(name)
    channel = CHATS[surface].channel(written) if surface in CHATS else None
    if channel is None:
        raise ValueError(f"must be {', or '.join(chat.place for chat in CHATS.values())}")
    return Destination(surface=surface, channel=channel)


def _moment(value: Any) -> Any:
    """When a delegation ends: a date means the end of that day in UTC; a timestamp needs an offset."""
    what = "must be a date, or a timestamp with an offset, such as 2026-12-01T09:00:00+01:00"
    try:
        moment = _read_moment(value) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            if moment.tzinfo is None:
                raise ValueError(what)
            return moment.astimezone(UTC)
        if isinstance(moment, date):
            return datetime.combine(moment, time(), tzinfo=UTC) + timedelta(days=1)
    except OverflowError:
        raise ValueError("is too far in the past or future") from None
    raise ValueError(what)


def _read_moment(text: str) -> date | datetime | None:
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text.strip())
        except ValueError:
            continue
    return None


def rung_time(value: Any) -> float | timedelta:
    """When an escalation step is due: a share of the window, or a time before its end. Raises ValueError."""
    found = _BEFORE.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is None:
            return share(value)
        before = duration(found[1])
    except ValueError:
        before = timedelta()
    if not timedelta() < before <= LONGEST_WINDOW:
        raise ValueError(
            "must be a percentage of the window, such as 65%, or a time before the deadline, such as 60s before"
        )
    return before


def _zone(value: Any) -> ZoneInfo:
    what = "must be an IANA time zone, such as Europe/Berlin"
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
    """The first day of a rotation."""
    what = "must be a date, such as 2026-01-05"
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(what) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        if not FIRST_YEAR <= value.year <= LAST_YEAR:
            raise ValueError("is too far in the past or future")
        return value
    raise ValueError(what)


def _instant(value: Any) -> datetime:
    """When an override starts or ends: a timestamp with its offset, never a date alone."""
    what = "must be a timestamp with an offset, such as 2026-12-24T09:00:00+01:00"
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
        raise ValueError("is too far in the past or future") from None


def _action(value: Any) -> Action:
    """What an escalation step does, of what people can write."""
    found = next((action for action in WRITTEN if action == value), None)
    if found is None:
        *others, last = WRITTEN
        raise ValueError(f"must be {', '.join(others)} or {last}")
    return found


def text(pattern: str | None = None, *examples: str, **more: Any) -> WithJsonSchema:
    """The JSON Schema of a value that a validator reads; it accepts at least what that does."""
    schema = {"type": "string", **({"pattern": pattern} if pattern else {}), **more}
    return WithJsonSchema(schema | ({"examples": list(examples)} if examples else {}))


Duration = Annotated[
    timedelta, BeforeValidator(duration), text(r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$", "500ms", "2s", "3m", "1h", "3d")
]
Share = Annotated[float, BeforeValidator(share), text(r"^\d+(\.\d+)?\s*%$", "20%")]
Where = Annotated[
    Destination,
    BeforeValidator(destination),
    text(f"^({'|'.join(chat.form for chat in CHATS.values())})$", *(chat.example for chat in CHATS.values())),
]
Moment = Annotated[datetime, BeforeValidator(_moment), text(None, "2026-12-01", "2026-12-01T09:00:00+01:00")]
Shape = Annotated[
    regex.Pattern[str], BeforeValidator(compiled), text(minLength=1, maxLength=LONGEST_SHAPE, format="regex")
]
RungTime = Annotated[
    float | timedelta,
    BeforeValidator(rung_time),
    text(r"^\d+(\.\d+)?\s*(%|(ms|s|m|h|d)\s+before)$", "65%", "60s before"),
]
Do = Annotated[Action, BeforeValidator(_action), WithJsonSchema({"enum": [*WRITTEN], "type": "string"})]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone), text(_ZONE.pattern, "Europe/Berlin")]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), text(r"^([01]\d|2[0-3]):[0-5]\d$", "09:00")]
Weekday = Annotated[int, BeforeValidator(_weekday), WithJsonSchema({"enum": list(WEEKDAYS)})]
Day = Annotated[date, BeforeValidator(_day), text(None, "2026-01-05")]
Instant = Annotated[datetime, BeforeValidator(_instant), text(None, "2026-12-24T09:00:00+01:00")]
