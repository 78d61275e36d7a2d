"""nod.yaml: one reviewed file that says where cards show, who may decide and who is pinged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adapters.settings.lines import Lines, read_yaml
from bot.approval import Surface
from bot.errors import ConfigError
from bot.ladder import Rung
from bot.policy import Person, Policy
from bot.protocol import HITLDecision
from bot.routing import Destination, Match, ReasonRule, Route

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: Any) -> Any:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a length of time such as 500ms, 2s, 3m, 1h or 3d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def _share(value: Any) -> Any:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if found is None or not 0 < float(found[1]) < 100:
        raise ValueError("must be a share of the window between 0% and 100%, such as 65%")
    return float(found[1]) / 100


def _destination(value: Any) -> Any:
    surface, _, channel = value.partition(":") if isinstance(value, str) else ("", "", "")
    if surface != Surface.SLACK.value or not re.fullmatch(r"[CDG][A-Z0-9]{2,}", channel):
        raise ValueError("must be a channel by its id, such as slack:C0123456789")
    return Destination(surface=Surface.SLACK, channel=channel)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Where = Annotated[Destination, BeforeValidator(_destination)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class _Person(_Strict):
    name: str | None = None
    email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    slack: str | None = Field(default=None, pattern=r"^[UW][A-Z0-9]{2,}$")


class _Match(_Strict):
    tool: str = "*"
    agent: str = "*"


class _Rung(_Strict):
    at: Annotated[float, BeforeValidator(_share)]
    do: Literal["ping"]
    who: list[str] = Field(min_length=1)


class _Route(_Strict):
    name: str = Field(min_length=1)
    match: _Match
    cards: list[Where] = Field(min_length=1)
    approvers: list[str]
    ladder: list[_Rung] = []
    reason: dict[HITLDecision, ReasonRule] = {}
    why: str | None = Field(default=None, max_length=300)


class _File(_Strict):
    poll_every: Duration = timedelta(seconds=1)
    default_window: Duration = timedelta(minutes=3)
    people: dict[str, _Person]
    groups: dict[str, list[str]] = {}
    routes: list[_Route] = Field(min_length=1)
    alerts: list[Where] = []
    on_unrecoverable_error: list[Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """The file's contents as the core's own values."""

    policy: Policy
    poll_every: timedelta
    hooks: tuple[str, ...]  #: `module:function`, called for what cannot be recovered


def read_policy_file(path: Path) -> PolicyFile:
    """Raises ConfigError with the line, what is wrong there and how to mend it."""
    value, lines = read_yaml(path)
    try:
        file = _File.model_validate(value)
    except ValidationError as error:
        raise _first(error, lines) from None
    _check_names(file, lines)
    _check_routes(file, lines)
    return PolicyFile(
        policy=_policy(file), poll_every=file.poll_every, hooks=tuple(file.on_unrecoverable_error)
    )


def _first(error: ValidationError, lines: Lines) -> ConfigError:
    first = error.errors(include_url=False)[0]
    place = tuple(part for part in first["loc"] if part != "[key]")
    name = ".".join(str(part) for part in place) or "the file"
    match first["type"]:
        case "extra_forbidden":
            return ConfigError(
                lines.where(place), f"{name} is no setting of Nod", "Remove it, or correct its name."
            )
        case "missing":
            return ConfigError(lines.where(place), f"{name} is missing", "Add it (docs/configuration.md).")
        case _:
            what = first["msg"].removeprefix("Value error, ")
            return ConfigError(lines.where(place), f"{name}: {what}", "Correct it (docs/configuration.md).")


def _check_names(file: _File, lines: Lines) -> None:
    """Every name in a list must be a person or a group: an unknown one would silently mean nobody."""
    known = {*file.people, *file.groups}
    for group, members in file.groups.items():
        if group in file.people:
            raise ConfigError(
                lines.where(("groups", group)), f"{group!r} is a person too", "Rename one of them."
            )
        for index, member in enumerate(members):
            if member not in file.people:
                raise ConfigError(
                    lines.where(("groups", group, index)), f"{member!r} is not under people", "Add the person."
                )
    for number, route in enumerate(file.routes):
        for key, names in (("approvers", route.approvers), *((("ladder"), rung.who) for rung in route.ladder)):
            for name in names:
                if name not in known:
                    raise ConfigError(
                        lines.where(("routes", number, key)),
                        f"{name!r} is neither a person nor a group",
                        "Add it under people or groups, or correct the name.",
                    )


def _check_routes(file: _File, lines: Lines) -> None:
    names = [route.name for route in file.routes]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(lines.where(("routes", number)), f"a second route named {name!r}", "Rename one.")
    last = len(names) - 1
    if names[last] != "default" or file.routes[last].match != _Match():
        raise ConfigError(
            lines.where(("routes", last)),
            "the last route must be named default and match everything",
            "Add `- name: default` with `match: {}` at the end.",
        )


def _policy(file: _File) -> Policy:
    people = {
        handle: Person(
            handle=handle,
            name=person.name or handle,
            email=person.email,
            accounts={Surface.SLACK: person.slack} if person.slack else {},
        )
        for handle, person in file.people.items()
    }
    return Policy(
        people=people,
        groups={group: tuple(members) for group, members in file.groups.items()},
        routes=tuple(_route(route) for route in file.routes),
        alerts=tuple(file.alerts),
        default_window=file.default_window,
    )


def _route(route: _Route) -> Route:
    return Route(
        name=route.name,
        match=Match(tool=route.match.tool, agent=route.match.agent),
        cards=tuple(dict.fromkeys(route.cards)),
        approvers=tuple(route.approvers),
        ladder=tuple(
            Rung(share=rung.at, who=tuple(rung.who)) for rung in sorted(route.ladder, key=lambda r: r.at)
        ),
        reason=route.reason,
        why=route.why,
    )
