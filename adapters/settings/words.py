"""How times, shares, channels, groups and the moments of steps are written in nod.yaml. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import regex
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from adapters.settings.microsoft import GUID
from adapters.settings.shapes import LONGEST_SHAPE, compiled
from bot.ladder import LONGEST_WINDOW
from bot.ports import GroupRef
from bot.surface import Destination, Surface

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: The kinds of groups that somebody else keeps, each with the form of its ids.
GROUP_KINDS = {
    # docs.slack.dev/reference/objects/usergroup-object: ids begin with S
    "slack-usergroup": re.compile(r"S[A-Z0-9]{2,20}"),
    # learn.microsoft.com/graph/api/resources/group: id is a GUID
    "entra-group": GUID,
}
#: Channels (`thread.tacv2`, older ones `thread.skype`) and group chats (`thread.v2`), never a thread of one
#: (msteams-docs, send-proactive-messages: `;messageid=`).
_CONVERSATION = re.compile(r"19:[A-Za-z0-9_.=-]{1,200}@thread\.(tacv2|v2|skype)")
#: What no name of a channel has may not stand in one here: it is a mistake, or part of an address.
_NAME = re.compile(r"[^\s:#%;]{1,100}")


def group_ref(member: str) -> GroupRef | None:
    """The group of somebody else's that a group's member names; None for the name of a person.

    Raises ValueError for a kind of group, or an id, that there is not.
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
    """A length of time as it is written. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration such as 500ms, 2s, 3m, 1h or 3d")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        raise ValueError("is too long") from None


def between(least: str, most: str | None = None) -> AfterValidator:
    """A length of time within limits, which are written as in the file."""

    def check(length: timedelta) -> timedelta:
        if length < duration(least):
            raise ValueError(f"must be at least {least}")
        if most is not None and length > duration(most):
            raise ValueError(f"must be at most {most}")
        return length

    return AfterValidator(check)


def share(value: Any) -> float:
    """A share as it is written, between 0 and 1. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if found is None or not 0 < float(found[1]) < 100:
        raise ValueError("must be a percentage between 0% and 100%, such as 20%")
    return float(found[1]) / 100


def destination(value: Any) -> Destination:
    """A channel of Slack by its id, or a conversation of Teams by id or name. Raises ValueError."""
    surface, _, channel = value.partition(":") if isinstance(value, str) else ("", "", "")
    if surface == Surface.TEAMS.value:
        return Destination(surface=Surface.TEAMS, channel=conversation(channel))
    if surface != Surface.SLACK.value or not re.fullmatch(r"[CDG][A-Z0-9]{2,}", channel):
        what = "must be a channel by its id, such as slack:C0123456789, or one of Teams, such as"
        raise ValueError(f"{what} teams:finance-approvals")
    return Destination(surface=Surface.SLACK, channel=channel)


def conversation(text: str) -> str:
    """A conversation of Teams by its id, or by its name as the Teams adapter has it: small, with hyphens for
    blanks. Raises ValueError."""
    if text.startswith("19:"):
        if not _CONVERSATION.fullmatch(text):
            raise ValueError("must be the id of a channel or group chat, such as teams:19:…@thread.tacv2")
        return text
    name = "-".join(text.casefold().split())
    if not _NAME.fullmatch(name) or not name.isprintable():
        what = "must be a name such as teams:finance-approvals, or an id such as teams:19:…@thread.tacv2"
        raise ValueError(f"{what} (in a link %3A and %40 stand for : and @)")
    return name


def _moment(value: Any) -> Any:
    """A date means the end of that day in UTC; a time of day must say in which zone."""
    what = "must be a date, or a moment with its offset, such as 2026-12-01T09:00:00+01:00"
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


def text(pattern: str | None = None, *examples: str, **more: Any) -> WithJsonSchema:
    """How the JSON Schema describes a text that a validator reads: at least as wide as what that takes."""
    schema = {"type": "string", **({"pattern": pattern} if pattern else {}), **more}
    return WithJsonSchema(schema | ({"examples": list(examples)} if examples else {}))


Duration = Annotated[
    timedelta, BeforeValidator(duration), text(r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$", "500ms", "2s", "3m", "1h", "3d")
]
Share = Annotated[float, BeforeValidator(share), text(r"^\d+(\.\d+)?\s*%$", "20%")]
Where = Annotated[
    Destination,
    BeforeValidator(destination),
    text(r"^(slack:[CDG][A-Z0-9]{2,}|teams:[\s\S]+)$", "slack:C0123456789", "teams:finance-approvals"),
]
Moment = Annotated[datetime, BeforeValidator(_moment), text(None, "2026-12-01", "2026-12-01T09:00:00+01:00")]
Shape = Annotated[
    regex.Pattern[str], BeforeValidator(compiled), text(minLength=1, maxLength=LONGEST_SHAPE, format="regex")
]


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
        raise ValueError("is too far in the past or future") from None


RungTime = Annotated[
    float | timedelta,
    BeforeValidator(rung_time),
    text(r"^\d+(\.\d+)?\s*(%|(ms|s|m|h|d)\s+before)$", "65%", "60s before"),
]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone), text(_ZONE.pattern, "Europe/Berlin")]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), text(r"^([01]\d|2[0-3]):[0-5]\d$", "09:00")]
Weekday = Annotated[int, BeforeValidator(_weekday), WithJsonSchema({"enum": list(WEEKDAYS)})]
Day = Annotated[date, BeforeValidator(_day), text(None, "2026-01-05")]
Instant = Annotated[datetime, BeforeValidator(_instant), text(None, "2026-12-24T09:00:00+01:00")]
