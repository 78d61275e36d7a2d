"""How lengths of time, shares, channels, moments and groups are written in nod.yaml. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import regex
from pydantic import AfterValidator, BeforeValidator

from adapters.settings.microsoft import GUID
from adapters.settings.shapes import compiled
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
        raise ValueError(f"{kind!r} is no kind of group; there are {', '.join(GROUP_KINDS)}")
    if not GROUP_KINDS[kind].fullmatch(group):
        raise ValueError(f"{group!r} is no id of a {kind}")
    return GroupRef(kind=kind, id=group)


def duration(value: Any) -> timedelta:
    """A length of time as it is written. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a length of time such as 500ms, 2s, 3m, 1h or 3d")
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
        raise ValueError("must be a share between 0% and 100%, such as 20%")
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
        raise ValueError("lies too far away") from None
    raise ValueError(what)


def _read_moment(text: str) -> date | datetime | None:
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text.strip())
        except ValueError:
            continue
    return None


Duration = Annotated[timedelta, BeforeValidator(duration)]
Share = Annotated[float, BeforeValidator(share)]
Where = Annotated[Destination, BeforeValidator(destination)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Shape = Annotated[regex.Pattern[str], BeforeValidator(compiled)]
