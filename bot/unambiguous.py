"""JSON that two readers cannot read differently: no key twice in one object, at any depth. Pure."""

from __future__ import annotations

import json


class Ambiguous(ValueError):
    """A key is given twice, or a number is none of JSON's. Says nothing of the content."""


def read_json(text: str) -> object:
    """The value of a JSON text.

    Raises ValueError for what is no JSON, `Ambiguous` where the first reader would take one value and the next
    another, and RecursionError for what is nested too deep.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(members: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(members)
    if len(made) != len(members):
        raise Ambiguous("a key is given twice")
    return made


def _no_number(_: str) -> object:
    raise Ambiguous("a number is none of JSON's")
