"""The checked file -> the core's own values, each condition of a `match` named by its line when it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from adapters.chat.words import CHATS
from adapters.settings.checks import rule_names
from adapters.settings.escalation import hours_of, ladder_of, oncall_of
from adapters.settings.lines import Lines, Place
from adapters.settings.models import FileText, PersonText, RouteText
from adapters.settings.shapes import TimedShape
from adapters.settings.sources import unknown_source
from adapters.settings.words import group_ref
from bot.errors import ConfigError
from bot.hours import Hours
from bot.matching import NAMES, Match, Pattern
from bot.policy import Delegation, Person, Policy
from bot.ports import GroupRef
from bot.protocol import GLAIP, HITLDecision
from bot.redaction import Redaction
from bot.routing import Route, Rule, Rules
from bot.surface import Destination, Surface

_ARGUMENTS = "arguments."
_FIX = 'Write for example {tool: "pay_*", arguments.amount: ">= 1000", not: {tool: "pay_refund"}}.'


def match_of(
    conditions: dict[str, Any], place: Place, lines: Lines, *, sources: tuple[str, ...] = (GLAIP,)
) -> Match:
    """The conditions that stand at this place of the file; `sources` are the names that there are.

    Raises:
        ConfigError: a key that is not a condition, a comparison with no number, an empty value, or a `not` with
            nothing in it, which would exclude everything. A source that there is none of.
    """
    names: dict[str, Pattern] = {}
    arguments: list[tuple[str, Pattern]] = []
    without: Match | None = None
    for key, value in conditions.items():
        here = (*place, key)
        if key == "not":
            if not isinstance(value, dict) or not value:
                raise ConfigError(lines.where(here), "`not` needs at least one condition", _FIX)
            without = match_of(value, here, lines, sources=sources)
        elif key in NAMES:
            names[key] = _pattern(value, here, lines)
            if key == "source" and not any(fnmatchcase(one, names[key].bare) for one in sources):
                raise ConfigError(lines.where(here), *unknown_source(names[key].bare, sources))
        elif _is_path(key):
            arguments.append((key.removeprefix(_ARGUMENTS), _pattern(value, here, lines)))
        else:
            what = f"{key!r} is not a condition; use tool, agent, source, platform, arguments.<name> or not"
            raise ConfigError(lines.where(here), what, _FIX)
    return Match(**names, arguments=tuple(arguments), without=without)


def takes_all(match: Match) -> bool:
    """Whether a match lets every request through, however it is written."""
    anything = (None, Pattern(text="*"))
    names = all(getattr(match, name) in anything for name in NAMES)
    return names and not match.arguments and match.without is None


def _is_path(key: str) -> bool:
    return key.startswith(_ARGUMENTS) and all(key.removeprefix(_ARGUMENTS).split("."))


def _pattern(value: Any, place: Place, lines: Lines) -> Pattern:
    if isinstance(value, list | dict):
        what = "a condition is a glob, a comparison or a plain value"
        raise ConfigError(lines.where(place), what, _FIX)
    written = lines.written(place).strip()
    if value is None and written not in ("", "null"):
        what = f"{written} means null in YAML"
        raise ConfigError(
            lines.where(place), what, f"Write null if you mean it; otherwise put quotes around {written}."
        )
    # A boolean may be written True; all else counts as it is written.
    text = str(value).lower() if isinstance(value, bool) else written
    if not text.removeprefix("!").strip():
        raise ConfigError(lines.where(place), "the condition is empty", _FIX)
    try:
        return Pattern(text=text)
    except ValueError as error:
        raise ConfigError(lines.where(place), str(error), _FIX) from None


def policy_of(
    file: FileText,
    lines: Lines,
    *,
    folder: Path,
    alerts: tuple[Destination, ...],
    version: str,
    auto_approve: bool,
) -> Policy:
    """The file as the core's own values; calendars that are files stand relative to `folder`.

    Raises ConfigError for a condition that is wrong, or a last route that does not take everything."""
    hours, sources = hours_of(file), (GLAIP, *file.sources)
    routes = tuple(_route(route, number, lines, hours, sources) for number, route in enumerate(file.routes))
    if routes[-1].name != "default" or not takes_all(routes[-1].match):
        raise ConfigError(
            lines.where(("routes", len(routes) - 1)),
            "the last route must be named default and match everything",
            "Add `- name: default` with `match: {}` at the end.",
        )
    return Policy(
        people=_people(file),
        groups={
            group: tuple(member for member in dict.fromkeys(members) if member in file.people)
            for group, members in file.groups.items()
        },
        routes=routes,
        rules=_rules(file, lines, auto_approve=auto_approve),
        delegations=tuple(
            Delegation(giver=one.giver, taker=one.taker, until=one.until) for one in file.delegations
        ),
        alerts=alerts,
        redaction=_redaction(file, lines),
        default_window=file.default_window,
        oncall=oncall_of(file, folder),
        flood=file.flood,
        agents=file.agents,
        run_link=file.links.run,
        sources=sources,
        docs_url=file.docs_url,
        version=version,
    )


def _redaction(file: FileText, lines: Lines) -> Redaction:
    shapes = (
        TimedShape(shape, where=lines.where(("redact", "shapes", number)))
        for number, shape in enumerate(file.redact.shapes)
    )
    return Redaction(names=tuple(file.redact.names), shapes=tuple(shapes))


def elsewhere_of(file: FileText) -> Mapping[str, tuple[GroupRef, ...]]:
    """For each group, the external groups whose members belong to it."""
    found = {
        group: tuple(ref for member in dict.fromkeys(members) if (ref := group_ref(member)) is not None)
        for group, members in file.groups.items()
    }
    return {group: refs for group, refs in found.items() if refs}


def _people(file: FileText) -> dict[str, Person]:
    return {
        handle: Person(
            handle=handle,
            name=person.name or handle,
            email=person.email,
            accounts=_accounts(person),
        )
        for handle, person in file.people.items()
    }


def _accounts(person: PersonText) -> dict[Surface, str]:
    """By the ids that the file names; of Teams without the tenant, which the directory finds out."""
    named = {surface: getattr(person, surface) for surface in CHATS}
    return {surface: id_.lower() if CHATS[surface].folded else id_ for surface, id_ in named.items() if id_}


def _route(
    route: RouteText, number: int, lines: Lines, hours: Mapping[str, Hours], sources: tuple[str, ...]
) -> Route:
    return Route(
        name=route.name,
        match=match_of(route.match, ("routes", number, "match"), lines, sources=sources),
        cards=tuple(dict.fromkeys(route.cards)),
        approvers=tuple(dict.fromkeys(route.approvers)),
        quorum=route.quorum,
        rejection=route.rejection,
        self_approval=route.self_approval,
        requester=route.requester,
        outsiders=tuple(route.outsiders),
        ladder=ladder_of(route, hours),
        claim=route.claim,
        reason=route.reason,
        presets=tuple(dict.fromkeys(route.presets)),
        why=route.why,
        mentions_approvers=route.mention == "approvers",
    )


def _rules(file: FileText, lines: Lines, *, auto_approve: bool) -> Rules:
    deny_names, automatic_names = rule_names(file)
    sources = (GLAIP, *file.sources)
    deny = [
        Rule(
            name=name,
            match=match_of(rule.match, ("deny", number, "match"), lines, sources=sources),
            verdict=HITLDecision.REJECTED,
            note=rule.note,
        )
        for number, (name, rule) in enumerate(zip(deny_names, file.deny, strict=True))
    ]
    automatic = [
        Rule(
            name=name,
            match=match_of(rule.match, ("automatic", number, "match"), lines, sources=sources),
            verdict=rule.decide,
            callback=rule.callback,
            note=rule.note,
        )
        for number, (name, rule) in enumerate(zip(automatic_names, file.automatic, strict=True))
    ]
    return Rules(
        deny=tuple(deny), auto_approve=auto_approve, log_only=file.log_only, automatic=tuple(automatic)
    )
