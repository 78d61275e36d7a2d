"""`ladder:` and `hours:` in nod.yaml -> `bot.ladder.Rung`, each mistake named by its line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from adapters.settings.lines import Lines, Place
from adapters.settings.models import FileText, RouteText, RungText
from bot.errors import ConfigError
from bot.hours import Hours, Keep
from bot.ladder import Action, Rung

#: What `who` and `cards` mean is told by what the rung does: some need them, for some they mean nothing.
_NEEDS_WHO, _NO_WHO = (Action.PING, Action.WIDEN), (Action.REMIND, Action.FALLBACK)
_NEEDS_CARDS, _MAY_HAVE_CARDS = (Action.FALLBACK,), (Action.FALLBACK, Action.WIDEN)


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
        action=Action(rung.do),
        share=None if isinstance(rung.at, timedelta) else rung.at,
        before=rung.at if isinstance(rung.at, timedelta) else None,
        who=tuple(dict.fromkeys(rung.who)),
        cards=tuple(dict.fromkeys(rung.cards)),
        hours=hours[named] if named is not None else None,
        keep=Keep.OUTSIDE if rung.outside is not None else Keep.DURING,
    )


def _check_lists(rung: RungText, place: Place, lines: Lines) -> None:
    action, given = Action(rung.do), rung.model_fields_set
    where, named = lines.where(place), ".".join(map(str, place))
    if action in _NEEDS_WHO and not rung.who:
        raise ConfigError(where, f"{named}.who is missing", f"Name the people or groups to {action.value}.")
    if action in _NEEDS_CARDS and not rung.cards:
        what = f"{named}.cards is missing"
        raise ConfigError(where, what, "Name the channels where the card shall stand too.")
    if action in _NO_WHO and "who" in given:
        what = f"{action.value} is addressed to nobody, so it takes no `who`"
        raise ConfigError(lines.where((*place, "who")), what, "Remove it, or make it a ping.")
    if action not in _MAY_HAVE_CARDS and "cards" in given:
        what = f"{action.value} puts no card anywhere, so it takes no `cards`"
        raise ConfigError(lines.where((*place, "cards")), what, "Remove them, or make it widen or fallback.")


def _check_hours(rung: RungText, place: Place, lines: Lines, *, known: Mapping[str, object]) -> None:
    if rung.during is not None and rung.outside is not None:
        what = "a rung keeps to one kind of hours, and this one has `during` and `outside`"
        raise ConfigError(lines.where((*place, "outside")), what, "Remove one of them.")
    for key, name in (("during", rung.during), ("outside", rung.outside)):
        if name is not None and name not in known:
            where = lines.where((*place, key))
            raise ConfigError(where, f"{name!r} is not under hours", "Add the hours, or correct the name.")
