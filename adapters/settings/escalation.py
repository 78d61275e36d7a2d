"""`ladder:`, `hours:` and `oncall:` in nod.yaml -> the core's values, each mistake named by its line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from adapters.settings.lines import Lines, Place
from adapters.settings.models import FileText, OnCallText, OverrideText, RouteText, RungText
from adapters.settings.variables import web_address
from bot.errors import ConfigError
from bot.hours import Hours, Keep
from bot.ladder import Rung, Takes
from bot.rotation import Cadence, OnCall, Override, Rotation, ScheduleRef


def check_ladders(file: FileText, lines: Lines) -> None:
    """Raises ConfigError for a rung that lacks something, has too much, or keeps to hours there are not."""
    for number, route in enumerate(file.routes):
        for rung_number, rung in enumerate(route.ladder):
            place: Place = ("routes", number, "ladder", rung_number)
            _check_lists(rung, place, lines)
            _check_hours(rung, place, lines, known=file.hours)


def hours_of(file: FileText) -> dict[str, Hours]:
    """The named hours of the file."""
    return {
        name: Hours(name=name, zone=text.zone, days=frozenset(text.days), start=text.start, end=text.end)
        for name, text in file.hours.items()
    }


def ladder_of(route: RouteText, hours: Mapping[str, Hours]) -> tuple[Rung, ...]:
    """A route's rungs, by their share; with lengths before the deadline among them, as the file has them.

    Which of a share and a length comes first depends on each request's window.
    """
    rungs = tuple(_rung(rung, hours) for rung in route.ladder)
    if any(rung.share is None for rung in rungs):
        return rungs
    return tuple(sorted(rungs, key=lambda rung: rung.share or 0.0))


def _rung(rung: RungText, hours: Mapping[str, Hours]) -> Rung:
    named = rung.during or rung.outside
    return Rung(
        action=rung.do,
        share=None if isinstance(rung.at, timedelta) else rung.at,
        before=rung.at if isinstance(rung.at, timedelta) else None,
        who=tuple(dict.fromkeys(rung.who)),
        cards=tuple(dict.fromkeys(rung.cards)),
        hours=hours[named] if named is not None else None,
        keep=Keep.OUTSIDE if rung.outside is not None else Keep.DURING,
    )


def _check_lists(rung: RungText, place: Place, lines: Lines) -> None:
    action, kind, given = rung.do, rung.do.kind, rung.model_fields_set
    where, named = lines.where(place), ".".join(map(str, place))
    if kind.who is Takes.NEEDS and not rung.who:
        raise ConfigError(where, f"{named}.who is missing", f"Name the people or groups to {action.value}.")
    if kind.cards is Takes.NEEDS and not rung.cards:
        what = f"{named}.cards is missing"
        raise ConfigError(where, what, "Name the channels that get the card.")
    if kind.who is Takes.NO and "who" in given:
        what = f"{action.value} takes no `who`"
        raise ConfigError(lines.where((*place, "who")), what, "Remove `who`, or make the step a ping.")
    if kind.cards is Takes.NO and "cards" in given:
        what = f"{action.value} takes no `cards`"
        raise ConfigError(
            lines.where((*place, "cards")), what, "Remove `cards`, or make the step a widen or fallback."
        )


def _check_hours(rung: RungText, place: Place, lines: Lines, *, known: Mapping[str, object]) -> None:
    if rung.during is not None and rung.outside is not None:
        what = "a step can have `during` or `outside`, not both"
        raise ConfigError(lines.where((*place, "outside")), what, "Remove one of the two.")
    for key, name in (("during", rung.during), ("outside", rung.outside)):
        if name is not None and name not in known:
            where = lines.where((*place, key))
            raise ConfigError(where, f"{name!r} is not under hours", "Add the hours, or correct the name.")


_SOURCES = ("people", "ical", "pagerduty", "opsgenie")
#: What a rotation needs, and what an external schedule does not take.
_NEEDED, _TURNS = ("every", "at", "zone", "begins"), ("every", "on", "at", "zone", "begins", "overrides")


def check_oncall(file: FileText, lines: Lines) -> None:
    """Raises ConfigError for an entry that names nobody, the wrong people, or more than one source."""
    for name, entry in file.oncall.items():
        place: Place = ("oncall", name)
        for kind, taken in (("person", file.people), ("group", file.groups)):
            if name in taken:
                raise ConfigError(
                    lines.where(place), f"{name!r} is also the name of a {kind}", "Rename one of them."
                )
        sources = [source for source in _SOURCES if getattr(entry, source) is not None]
        if len(sources) != 1:
            what = f"{name} needs exactly one of people, ical, pagerduty and opsgenie"
            raise ConfigError(lines.where(place), what, "Name people who take turns, or one schedule.")
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
                raise ConfigError(lines.where(place), what, "Add it.")
        if entry.every == "day" and entry.on is not None:
            what = f"{named}.on cannot be used with `every: day`"
            raise ConfigError(lines.where((*place, "on")), what, "Remove it, or write `every: week`.")
        return
    if entry.otherwise is None:
        what = f"{named}.otherwise is missing"
        raise ConfigError(lines.where(place), what, "Name who is on call when the schedule cannot be read.")
    for key in _TURNS:
        if key in entry.model_fields_set:
            what = f"{named}.{key} cannot be used with a schedule"
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
                lines.where(at),
                f"{handle!r} is not under people",
                "Add them under people, or correct the name.",
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
                raise ConfigError(where, what, "End one where the other begins.")


def _check_calendar(address: str, file: FileText, place: Place, lines: Lines) -> None:
    where = lines.where(place)
    try:
        host = urlsplit(web_address(address)).hostname or ""
    except ValueError as error:
        named = ".".join(map(str, place))
        fix = "Correct the path, or use a file beside nod.yaml, such as oncall/infra.ics."
        raise ConfigError(where, f"{named}: {error}", fix) from None
    if host.casefold() not in {known.casefold() for known in file.calendar_hosts}:
        raise ConfigError(where, f"{host} is not under calendar_hosts", "Add the host, if you trust it.")
