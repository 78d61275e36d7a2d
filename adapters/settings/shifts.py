"""`oncall:` in nod.yaml -> `bot.rotation.OnCall`, each mistake named by its line."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from adapters.settings.lines import Lines, Place
from adapters.settings.models import FileText, OnCallText, OverrideText
from adapters.settings.variables import web_address
from bot.errors import ConfigError
from bot.rotation import Cadence, OnCall, Override, Rotation, ScheduleRef

_SOURCES = ("people", "ical", "pagerduty", "opsgenie")
#: What a rotation cannot do without, and what no schedule of somebody else's takes.
_NEEDED, _TURNS = ("every", "at", "zone", "begins"), ("every", "on", "at", "zone", "begins", "overrides")


def check_oncall(file: FileText, lines: Lines) -> None:
    """Raises ConfigError for an entry that names nobody, the wrong people, or more than one source."""
    for name, entry in file.oncall.items():
        place: Place = ("oncall", name)
        for kind, taken in (("person", file.people), ("group", file.groups)):
            if name in taken:
                raise ConfigError(lines.where(place), f"{name!r} is a {kind} too", "Rename one of them.")
        sources = [source for source in _SOURCES if getattr(entry, source) is not None]
        if len(sources) != 1:
            what = f"{name} needs exactly one of people, ical, pagerduty and opsgenie"
            raise ConfigError(lines.where(place), what, "Say who takes turns, or which schedule tells.")
        _check_keys(entry, place, lines)
        _check_handles(file, entry, place, lines)
        _check_overrides(entry.overrides, place, lines)
        if entry.ical is not None and "://" in entry.ical:
            _check_calendar(entry.ical, file, (*place, "ical"), lines)


def oncall_of(file: FileText, folder: Path) -> dict[str, OnCall]:
    """Who is on call, by name; calendars that are files stand relative to `folder`."""
    return {
        name: OnCall(
            name=name,
            otherwise=entry.otherwise or next(iter(entry.people or ()), ""),
            rotation=_rotation(entry),
            schedule=_schedule(entry, folder),
        )
        for name, entry in file.oncall.items()
    }


def _rotation(entry: OnCallText) -> Rotation | None:
    if entry.people is None or entry.zone is None or entry.begins is None:
        return None  # a schedule: `check_oncall` saw to it that a rotation has them
    return Rotation(
        people=tuple(entry.people),
        zone=entry.zone,
        cadence=Cadence.DAILY if entry.every == "day" else Cadence.WEEKLY,
        at=entry.at or time(),
        day=entry.on or 0,
        begins=entry.begins,
        overrides=tuple(Override(who=one.who, start=one.start, end=one.end) for one in entry.overrides),
    )


def _schedule(entry: OnCallText, folder: Path) -> ScheduleRef | None:
    if entry.ical is not None:
        place = entry.ical if "://" in entry.ical else str(folder / entry.ical)
        return ScheduleRef(kind="ical", id=place)
    for kind, schedule in (("pagerduty", entry.pagerduty), ("opsgenie", entry.opsgenie)):
        if schedule is not None:
            return ScheduleRef(kind=kind, id=schedule)
    return None


def _check_keys(entry: OnCallText, place: Place, lines: Lines) -> None:
    named = ".".join(map(str, place))
    if entry.people is not None:
        for key in _NEEDED:
            if getattr(entry, key) is None:
                what = f"{named}.{key} is missing"
                raise ConfigError(lines.where(place), what, "Add it (docs/configuration.md, oncall).")
        if entry.every == "day" and entry.on is not None:
            what = f"{named}.on has no meaning with `every: day`"
            raise ConfigError(lines.where((*place, "on")), what, "Remove it, or write `every: week`.")
        return
    if entry.otherwise is None:
        what = f"{named}.otherwise is missing"
        raise ConfigError(lines.where(place), what, "Name who is asked when the schedule cannot tell.")
    for key in _TURNS:
        if key in entry.model_fields_set:
            what = f"{named}.{key} has no meaning for a schedule that is kept elsewhere"
            raise ConfigError(lines.where((*place, key)), what, "Remove it.")


def _check_handles(file: FileText, entry: OnCallText, place: Place, lines: Lines) -> None:
    named: list[tuple[Place, str]] = [
        ((*place, "people", number), handle) for number, handle in enumerate(entry.people or ())
    ]
    for number, one in enumerate(entry.overrides):
        named.append(((*place, "overrides", number, "who"), one.who))
    if entry.otherwise is not None:
        named.append(((*place, "otherwise"), entry.otherwise))
    for at, handle in named:
        if handle not in file.people:
            raise ConfigError(
                lines.where(at), f"{handle!r} is no person", "Add it under people, or correct it."
            )
    people = entry.people or []
    for number, handle in enumerate(people):
        if handle in people[:number]:
            where = lines.where((*place, "people", number))
            raise ConfigError(where, f"{handle!r} is in the rotation twice", "Keep one, or use an override.")


def _check_overrides(overrides: list[OverrideText], place: Place, lines: Lines) -> None:
    for number, one in enumerate(overrides):
        where = lines.where((*place, "overrides", number))
        if one.end <= one.start:
            raise ConfigError(where, "the override ends before it begins", "Correct `from` or `until`.")
        for other in overrides[:number]:
            if one.start < other.end and other.start < one.end:
                what = f"the overrides by {other.who} and {one.who} overlap"
                raise ConfigError(where, what, "Let one end where the other begins.")


def _check_calendar(address: str, file: FileText, place: Place, lines: Lines) -> None:
    where = lines.where(place)
    try:
        host = urlsplit(web_address(address)).hostname or ""
    except ValueError as error:
        named = ".".join(map(str, place))
        fix = "Correct it, or name a file beside nod.yaml, such as oncall/infra.ics."
        raise ConfigError(where, f"{named}: {error}", fix) from None
    if host.casefold() not in {known.casefold() for known in file.calendar_hosts}:
        raise ConfigError(where, f"{host} is not under calendar_hosts", "Add the host, if you trust it.")
