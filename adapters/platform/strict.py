"""JSON read strictly: nothing that two readers could understand differently gets through. Pure.

A person approves what a card shows and the platform runs what it holds; a repeated key, NaN or a nesting
without end would let the two differ. Such places become `Spoiled` markers, so that one bad item of a list
does not take the others with it; `flaw` finds them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

#: Objects and lists inside one another, counted from the value that is looked at. No tool call needs more.
DEEPEST = 64
#: Digits of the longest integer that is read: 2**256 has 78, and a longer one is an attack on the reader.
MOST_DIGITS = 128


@dataclass(frozen=True, slots=True)
class Spoiled:
    """Stands in the place of something that cannot be trusted to mean one thing."""

    reason: str  #: in words for an operator, never the content
    pairs: tuple[tuple[str, Any], ...] = ()  #: the members, where it was an object


def parse(text: bytes | str) -> Any:
    """The JSON value, with `Spoiled` in place of repeated keys, NaN, Infinity and endless numbers.

    Raises ValueError when it is no JSON in UTF-8, or nested beyond what can be read at all.
    """
    try:
        return json.loads(
            text.decode("utf-8-sig") if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def flaw(value: Any) -> str | None:
    """Why a parsed value must not be used, in words; None when it may."""
    waiting = [(value, 1)]
    while waiting:
        inner, depth = waiting.pop()
        if isinstance(inner, Spoiled):
            return inner.reason
        if isinstance(inner, str) and not _is_text(inner):
            return "holds half of a surrogate pair"
        if isinstance(inner, dict | list):
            if depth > DEEPEST:
                return f"is nested more than {DEEPEST} deep"
            parts = inner if isinstance(inner, list) else [*inner.keys(), *inner.values()]
            waiting.extend((part, depth + 1) for part in parts)
    return None


def spelled(value: Any) -> str:
    """A flawed value as text to look at: what was given twice stands there twice."""
    return json.dumps(value, default=_spelled, indent=1)


def _spelled(value: Any) -> Any:
    if isinstance(value, Spoiled):
        return [f"({value.reason})", *([key, inner] for key, inner in value.pairs)]
    raise TypeError(f"{type(value).__name__} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Spoiled:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Spoiled("has a key twice", tuple(pairs))


def _constant(_: str) -> Spoiled:
    return Spoiled("holds NaN or Infinity")


def _float(digits: str) -> float | Spoiled:
    number = float(digits)
    return number if math.isfinite(number) else Spoiled("holds a number beyond all bounds")


def _int(digits: str) -> int | Spoiled:
    return int(digits) if len(digits) <= MOST_DIGITS else Spoiled("holds a number beyond all bounds")


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
