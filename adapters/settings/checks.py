"""What must hold between the settings of nod.yaml: a name that is not there would silently mean nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from adapters.chat.words import CHATS
from adapters.settings.destinations import is_workflow
from adapters.settings.escalation import check_ladders, check_oncall
from adapters.settings.lines import Lines, Place
from adapters.settings.models import FileText, RouteText
from adapters.settings.problems import Problems
from adapters.settings.words import group_ref
from bot.errors import ConfigError
from bot.routing import AUTO_APPROVE, LOG_ONLY


def check(file: FileText, lines: Lines, *, auto_approve: bool) -> None:
    """Raises ConfigError with the first thing that does not hold of each kind."""
    problems = Problems()
    for one in (
        _check_people,
        _check_groups,
        _check_agents,
        check_oncall,
        _check_names,
        check_ladders,
        _check_routes,
        partial(_check_rules, auto_approve=auto_approve),
        _check_delegations,
    ):
        problems.attempt(partial(one, file, lines))
    if problems:
        raise problems.together()


def rule_names(file: FileText) -> tuple[list[str], list[str]]:
    """The names of `deny` and of `automatic`; those without one are numbered."""
    deny = [rule.name or f"deny-{number}" for number, rule in enumerate(file.deny, start=1)]
    automatic = [rule.name or f"automatic-{number}" for number, rule in enumerate(file.automatic, start=1)]
    return deny, automatic


def _check_people(file: FileText, lines: Lines) -> None:
    """One human under two names would have two votes."""
    for key in (*CHATS, "email"):
        owners: dict[str, str] = {}
        for handle, person in file.people.items():
            value = getattr(person, key) or ""
            owner = owners.setdefault(value.casefold(), handle) if value else handle
            if owner != handle:
                where = lines.where(("people", handle, key))
                raise ConfigError(where, f"{handle} and {owner} have the same {key}", "Keep one of them.")


def _check_groups(file: FileText, lines: Lines) -> None:
    for group, members in file.groups.items():
        if group in file.people:
            raise ConfigError(
                lines.where(("groups", group)), f"{group!r} is also the name of a person", "Rename one of them."
            )
        for index, member in enumerate(members):
            where = lines.where(("groups", group, index))
            try:
                outside = group_ref(member) is not None
            except ValueError as error:
                fix = "Write it like slack-usergroup:S0614TZR7, or name a person."
                raise ConfigError(where, str(error), fix) from None
            if not outside and member not in file.people:
                raise ConfigError(where, f"{member!r} is not under people", "Add the person.")


def _check_agents(file: FileText, lines: Lines) -> None:
    """Two agents with one name could not be told apart on a card."""
    owners: dict[str, str] = {}
    for agent, name in file.agents.items():
        owner = owners.setdefault(name.casefold(), agent)
        if owner != agent:
            where = lines.where(("agents", agent))
            raise ConfigError(where, f"{agent} and {owner} have the same name", "Rename one of them.")


def _named(file: FileText) -> Iterator[tuple[Place, list[str], bool]]:
    """Every list of names in a route, with its place, and whether it may name groups and who is on call."""
    for number, route in enumerate(file.routes):
        at: Place = ("routes", number)
        yield (*at, "approvers"), route.approvers, True
        yield (*at, "outsiders"), route.outsiders, False
        for rung_number, rung in enumerate(route.ladder):
            yield (*at, "ladder", rung_number, "who"), rung.who, True


def _check_names(file: FileText, lines: Lines) -> None:
    for place, names, groups_too in _named(file):
        for index, name in enumerate(names):
            where = lines.where((*place, index))
            if name in file.people or (groups_too and (name in file.groups or name in file.oncall)):
                continue
            if ":" in name:
                what = f"{name!r} can only be used under groups"
                raise ConfigError(where, what, "Add it to a group, and use that group here.")
            what = f"{name!r} is not under people or groups" if groups_too else f"{name!r} is not under people"
            raise ConfigError(where, what, "Add it under people or groups, or correct the name.")


def _check_routes(file: FileText, lines: Lines) -> None:
    names = [route.name for route in file.routes]
    for number, route in enumerate(file.routes):
        if route.name in names[:number]:
            where = lines.where(("routes", number))
            raise ConfigError(where, f"a second route named {route.name!r}", "Rename one.")
        if route.approvers and all(is_workflow(place, file.workflows) for place in route.cards):
            what = "this route posts its cards only to workflows, where nobody can decide"
            fix = "Add a channel where people can decide, or write approvers: []."
            raise ConfigError(lines.where(("routes", number, "cards")), what, fix)
        people = _countable(file, route)
        # Nobody at all is a choice (`approvers: []`); too few is a mistake.
        if people is not None and route.quorum > max(1, people):
            what = f"quorum is {route.quorum}, but there are {people} approvers"
            raise ConfigError(lines.where(("routes", number, "quorum")), what, "Lower it, or add approvers.")


def _countable(file: FileText, route: RouteText) -> int | None:
    """How many distinct people may decide, at most; None when that is known elsewhere.

    A rotation has one person at a time; a schedule can name several.
    """
    if any(name in file.oncall and file.oncall[name].people is None for name in route.approvers):
        return None
    members = [member for name in route.approvers for member in file.groups.get(name, [name])]
    return None if any(":" in member for member in members) else len(set(members))


def _check_rules(file: FileText, lines: Lines, *, auto_approve: bool) -> None:
    deny, automatic = rule_names(file)
    places: list[Place] = [("deny", number) for number in range(len(deny))]
    places += [("automatic", number) for number in range(len(automatic))]
    seen: Counter[str] = Counter((AUTO_APPROVE, LOG_ONLY))
    for name, place in zip([*deny, *automatic], places, strict=True):
        seen[name] += 1
        if seen[name] > 1:
            raise ConfigError(lines.where(place), f"a second rule named {name!r}", "Rename one.")
    if auto_approve and deny:
        raise ConfigError(
            lines.where(("deny",)),
            f"GLAIP_HITL_AUTO_APPROVE approves everything, but the rule {deny[0]!r} denies some requests",
            "Unset GLAIP_HITL_AUTO_APPROVE, or remove the deny rules.",
        )


def _check_delegations(file: FileText, lines: Lines) -> None:
    for number, delegation in enumerate(file.delegations):
        place = ("delegations", number)
        for key, handle in (("from", delegation.giver), ("to", delegation.taker)):
            if handle not in file.people:
                where = lines.where((*place, key))
                raise ConfigError(
                    where, f"{handle!r} is not under people", "Add them under people, or correct the name."
                )
        if delegation.giver == delegation.taker:
            where = lines.where(place)
            raise ConfigError(
                where, f"{delegation.giver} cannot delegate to themselves", "Name another person."
            )
