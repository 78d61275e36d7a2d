"""What is wrong with the settings, in their own words: everything at once, and near misses by name. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.chat.words import CHATS
from bot.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from adapters.settings.lines import Lines

T = TypeVar("T")

#: How alike a setting of nod.yaml must be to be the one that was meant, from 0 to 1; 0.6 is difflib's own.
ALIKE = 0.6
#: The same for a variable: other programs have variables, too, so there it takes a slip or two.
SURELY, SLIPS = 0.85, 2
#: Characters of a value that is repeated to the person who wrote it.
LONGEST_REPEATED = 20
#: The same of a key.
LONGEST_KEY = 40
#: Settings whose values can hold a secret or an address of one.
_UNSHOWN = frozenset(("ical", "alerts", "workflows", "shapes", "names"))

#: What a value of the wrong kind should have been, by pydantic's own name of the mistake.
_KINDS: Mapping[str, str] = {
    "model_type": "must hold settings, as in `name: value`",
    "model_attributes_type": "must hold settings, as in `name: value`",
    "dict_type": "must hold settings, as in `name: value`",
    "list_type": "must be a list, as in [one, another]",
    "string_type": "must be text; put quotes around a number, true, false or null",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_too_short": "is empty",
    "too_short": "is empty; it needs at least one entry",
}
#: What a text of the wrong form should look like, by the setting's name.
_FORMS: Mapping[str, str] = {
    "email": "must be an e-mail address, such as ann@acme.example",
    **{str(surface): f"must be {chat.account_is}" for surface, chat in CHATS.items()},
    "requester": "must be run_id, or the path of an argument, such as arguments.requested_by",
    "callback": "must name a function, such as acme_nod.budget:decide",
    "on_unrecoverable_error": "must name functions, such as acme_nod.hooks:page_us",
    "calendar_hosts": "must be hosts without scheme and port, such as calendar.acme.example",
    "pagerduty": "must be a schedule id, such as P1234AB",
    "opsgenie": "must be a schedule id or name, without spaces around it",
    "docs_url": "must be an address that begins with https:// or http://",
    "run": "must be an address with {run_id} in its path, such as https://aip.acme.example/runs/{run_id}",
}
_SOURCE = "must be a name of small letters, digits and hyphens that begins with a letter, such as eu-west"
_NAME = "must be a name without colons and commas, and without spaces around it"


class Problems:
    """Collects what is wrong, so that a person learns all of it at once."""

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self._found: dict[str, ConfigError] = {}

    def attempt(self, read: Callable[[], T]) -> T | None:
        """What `read` returns; None where it raised ConfigError, which is kept."""
        try:
            return read()
        except ConfigError as error:
            self.add(error.each)
            return None

    def add(self, errors: Iterable[ConfigError]) -> None:
        """Keep these, each once."""
        for error in errors:
            self._found.setdefault(error.line, error)

    def __iter__(self) -> Iterator[ConfigError]:
        """What is wrong, in the order in which it was found."""
        return iter(tuple(self._found.values()))

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self._found)

    def together(self) -> ConfigError:
        """All that is wrong, which must be something."""
        first, *others = self._found.values()
        return ConfigError(first.where, first.what, first.fix, others=others)


def in_file(error: ValidationError, lines: Lines, *, schema: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Each thing that pydantic found in nod.yaml, by its line; `schema` describes the file."""
    all_found = [(_place(found), found) for found in error.errors(include_url=False)]
    for place, found in sorted(all_found, key=lambda one: lines.number(one[0])):
        name, where = ".".join(map(_shown, place)) or "the file", lines.where(place)
        match found["type"]:
            case "extra_forbidden":
                known = _settings_at(schema, place[:-1])
                yield ConfigError(
                    where, f"unknown setting `{_shown(place[-1])}`", _meant(str(place[-1]), known)
                )
            case "missing":
                yield ConfigError(where, f"{name} is missing", "Add it.")
            case _:
                yield ConfigError(where, f"{name} {_words(found)}{_repeated(found)}", "Correct it.")


def _shown(part: str | int) -> str:
    """A key as it can be printed: nothing in it steers a terminal or turns the line."""
    text = str(part)
    text = text if len(text) <= LONGEST_KEY else f"{text[:LONGEST_KEY]}…"
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _place(error: ErrorDetails) -> tuple[str | int, ...]:
    return tuple(part for part in error["loc"] if part != "[key]")


def in_variables(error: ValidationError, *, fixes: Mapping[str, str]) -> Iterator[ConfigError]:
    """Each variable that pydantic found missing or wrong. Values are never shown."""
    for found in error.errors(include_url=False, include_input=False):
        name = str(found["loc"][0])
        what = "is not set" if found["type"] == "missing" else _words(found)
        yield ConfigError(name, what, fixes.get(name, "Correct it."))


def misspelt(
    variables: Iterable[str], *, known: Sequence[str], unset: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Variables that mean nothing, each with the one of `unset` that it was surely meant to be."""
    for name in variables:
        if name.casefold() in {one.casefold() for one in known}:
            continue
        for meant in unset:
            mine, other = _letters(name), _letters(meant)
            alike = SequenceMatcher(None, mine, other).ratio()
            if abs(len(mine) - len(other)) <= SLIPS and alike >= SURELY:
                yield name, meant
                break


def _letters(name: str) -> str:
    return name.casefold().replace("_", "")


def _meant(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=ALIKE)
    return f"Did you mean `{near[0]}`?" if near else f"Remove it. Valid settings here: {', '.join(known)}."


def _settings_at(schema: Mapping[str, Any], place: Iterable[str | int]) -> Sequence[str]:
    """The settings that there are at a place of the file."""
    here = schema
    for part in place:
        named = here.get("items") if isinstance(part, int) else here.get("properties", {}).get(part)
        by_pattern = next(iter(here.get("patternProperties", {}).values()), None)
        here = named or by_pattern or here.get("additionalProperties") or {}
        here = next((one for one in here.get("anyOf", ()) if "$ref" in one), here)
        if "$ref" in here:
            here = schema["$defs"][here["$ref"].rpartition("/")[2]]
    return tuple(here.get("properties", ()))


def _repeated(error: ErrorDetails) -> str:
    """The value, if it is short, cannot be a secret, and follows a `must be`."""
    value = error["input"]
    if _UNSHOWN & set(error["loc"]) or not _words(error).startswith("must be"):
        return ""
    if not isinstance(value, str | int) or len(str(value)) > LONGEST_REPEATED:
        return ""
    return f", not {json.dumps(value, ensure_ascii=not str(value).isprintable())}"


def _words(error: ErrorDetails) -> str:
    """What the value must be, or what is wrong with it."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    match kind:
        case "string_pattern_mismatch":
            names = [part for part in reversed(error["loc"]) if isinstance(part, str)]
            if error["loc"][0] == "sources":
                return _SOURCE
            return _NAME if "[key]" in names else _FORMS.get(names[0], _NAME)
        case "string_too_long":
            return f"must have at most {limits['max_length']} characters"
        case "too_long":
            return f"must have at most {limits['max_length']} entries"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case "enum" | "literal_error":
            return f"must be {str(limits['expected']).replace(chr(39), '')}"
        case "value_error":
            return str(limits["error"])
    return "is not valid"
