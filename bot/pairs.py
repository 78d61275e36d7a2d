"""Names and values in the structure of a call: fields beside one another, pairs, command lines as lists. Pure.

`{"name": "DB_PASSWORD", "value": …}`, `["Authorization", …]`, `["mysql", "--password", …]`: the name of a
secret is a value here, and what it names stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from bot.flags import is_password_of, short_flag_of
from bot.protocol import Json
from bot.readable import Sort
from bot.secret_names import LONGEST_NAME, NOTHING, Named, Names, named, words_of

#: Keys whose value is the name of something.
_NAMING = frozenset((
    "attribute", "element", "env", "field", "header", "headername", "input", "k", "key", "label", "locator",
    "name", "option", "param", "parameter", "parameterkey", "parametername", "placeholder", "property", "ref",
    "selector", "setting", "target", "type", "var", "variable", "variablename",
))  # fmt: skip
#: Keys whose value is what was named.
_VALUES = frozenset((
    "content", "contents", "currentvalue", "data", "default", "defaultvalue", "newvalue", "oldvalue", "v",
    "val", "parametervalue", "plaintext", "current", "previous", "old", "new", "plain", "raw", "string",
    "stringvalue", "text", "value", "valuestring", "values",
))  # fmt: skip
#: Keys whose value is a command, beside its arguments in a list of their own.
_COMMANDS = frozenset(("bin", "binary", "cmd", "command", "entrypoint", "exe", "executable", "path", "program"))
_FLAG = re.compile(r"(-{1,2})([A-Za-z][\w.-]{0,60})")
#: Long flags with one dash, of Java's and OpenSSL's programs, are names; `-p` is none.
_SHORTEST_NAME = 4


def is_holder(key: str) -> bool:
    """Whether a key says no more than that it holds a value."""
    return "".join(words_of(key)) in _VALUES or key in ("#text", "$", "_", "$t")


def named_beside(fields: Mapping[str, Json], names: Names) -> Named:
    """What the fields of an object say about the one of them that holds the value."""
    found = NOTHING
    if not any(map(is_holder, fields)):
        return found
    for key, value in fields.items():
        if isinstance(value, str) and len(value) <= LONGEST_NAME and "".join(words_of(key)) in _NAMING:
            beside = named(value, names)
            if beside.sort is not None and (found.sort is None or found.sort is Sort.MAYBE):
                found = beside
    return found


def program_of(fields: Mapping[str, Json]) -> str | None:
    """The program that an object's list of arguments is for."""
    for key, value in fields.items():
        if isinstance(value, str) and key.lower() in _COMMANDS and value:
            return value.split()[0] if value.split() else None
    return None


def are_pairs(items: list[Json]) -> bool:
    """Whether it is a list of names, each with its value."""
    return bool(items) and all(
        isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in items
    )


def named_in_list(items: list[Json], names: Names, *, program: str | None) -> dict[int, Named]:
    """What the items of a list say about those that follow them, by the place of these."""
    found: dict[int, Named] = {}
    first = items[0] if items and isinstance(items[0], str) else ""
    flag = short_flag_of(first, items) or short_flag_of(program or "", items)
    for place, (item, after) in enumerate(pairwise(items), start=1):
        if not isinstance(item, str) or not isinstance(after, str | int | float) or len(item) > LONGEST_NAME:
            continue
        if flag is not None and item == flag:
            found[place] = Named(sort=Sort.CHOSEN)
        elif (match := _FLAG.fullmatch(item)) and not str(after).startswith("-"):
            long = match[1] == "--" or len(match[2]) >= _SHORTEST_NAME
            found[place] = named(match[2], names) if long else NOTHING
    for place, item in enumerate(items):
        before = items[place - 1] if place else None
        if any(is_password_of(name, before, item) for name in (first, program) if name):
            found[place] = Named(sort=Sort.CHOSEN)
    return {place: one for place, one in found.items() if one.sort not in (None, Sort.MAYBE)}
