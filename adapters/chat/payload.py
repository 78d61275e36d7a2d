"""Reads foreign JSON without guessing: a missing value or a wrong type is Malformed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Characters of an id or a name from a chat; the longest ids have about 200.
LONGEST = 3_000
#: Levels of nested JSON, and values in all levels; the chats' payloads have about ten levels.
DEPTH, NODES = 64, 20_000


class Malformed(Exception):
    """Not a payload that the chat sends to Nod. Says which part is wrong, never what it holds."""


def part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under this name. Raises Malformed."""
    found = payload.get(name)
    if not isinstance(found, dict):
        raise Malformed(name)
    return found


def maybe_part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under this name; an empty one if there is none. Raises Malformed for anything else."""
    return {} if payload.get(name) is None else part(payload, name)


def text(payload: Mapping[str, Any], name: str, *, most: int = LONGEST) -> str:
    """The text under this name, with 1 to `most` characters. Raises Malformed."""
    found = payload.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise Malformed(name)
    return found


def maybe_text(payload: Mapping[str, Any], name: str, *, or_empty: bool = False) -> str | None:
    """The text under this name; None if there is none. Raises Malformed for anything else.

    With `or_empty`, an empty text is None too.
    """
    found = payload.get(name)
    return None if found is None or (or_empty and found == "") else text(payload, name)


def number(payload: Mapping[str, Any], name: str) -> int:
    """The whole number, 0 or more, under this name. Raises Malformed."""
    found = payload.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise Malformed(name)
    return found


def is_readable(payload: Any) -> bool:
    """Whether it is within DEPTH and NODES, and every text in it can be stored. Does not recurse."""
    level, seen = [payload], 0
    for _ in range(DEPTH):
        seen += len(level)
        if seen > NODES or not all(_storable(text) for text in level if isinstance(text, str)):
            return False
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return True
    return False


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _storable(text: str) -> bool:
    """Half of a surrogate pair is valid in JSON and not in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
