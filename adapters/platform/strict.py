"""JSON read strictly: nothing that two readers could understand differently gets through. Pure.

A person approves what a card shows and the platform runs what it holds; a repeated key, NaN or a nesting
without end would let the two differ. Such places become `Spoiled` markers, so that one bad item of a list
does not take the others with it; `flaw` finds them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.protocol import Json

#: Objects and lists inside one another, counted from the value that is looked at. No tool call needs more.
DEEPEST = 64
#: Digits of the longest integer that is read: 2**256 has 78, and a longer one is an attack on the reader.
MOST_DIGITS = 128
#: A number that a reader rounds: what is shown would not be what runs.
INEXACT = "contains a number that Nod cannot keep exactly"
_TWICE = "contains the same key twice"


class TooDeep(ValueError):
    """It is nested beyond what can be read at all."""


@dataclass(frozen=True, slots=True)
class Spoiled:
    """Stands in the place of something that cannot be trusted to mean one thing."""

    reason: str  #: in words for an operator, never the content
    pairs: tuple[tuple[str, Any], ...] = ()  #: the members, where it was an object
    digits: str = ""  #: the number as it came, where it was a finite one


def parse(text: bytes | str) -> Any:
    """The JSON value, with `Spoiled` in place of repeated keys, NaN, Infinity and numbers that would change.

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
        raise TooDeep(f"is nested more than {DEEPEST} levels deep") from None


def flaw(value: Any, *, rounded: bool = False) -> str | None:
    """Why a parsed value must not be used, in words; None when it may. `rounded`: numbers may be inexact."""
    waiting, depth = [value], 0  # all that is so deep
    while waiting:
        depth += 1
        inside: list[Any] = []
        for inner in waiting:
            kind = type(inner)
            if kind is str:
                if not inner.isascii() and not _is_text(inner):
                    return "contains half of a surrogate pair"
            elif kind is dict or kind is list:
                if depth > DEEPEST:
                    return f"is nested more than {DEEPEST} levels deep"
                if kind is dict:
                    inside += inner
                    inside += inner.values()
                else:
                    inside += inner
            elif kind is Spoiled and not (rounded and inner.digits):
                return str(inner.reason)
        waiting = inside
    return None


def spelled(value: Any) -> Json:
    """A flawed value as JSON to look at: what was given twice is there twice, each under its name.

    Names stay names, so that a value under the name of a secret can be redacted.
    """
    return _spelled(value, 1)


def written(value: Any) -> str:
    """A parsed value as JSON text, flawed or not."""
    try:
        return json.dumps(value, default=_listed, ensure_ascii=False)
    except RecursionError:
        return json.dumps(spelled(value), ensure_ascii=False)


def _spelled(value: Any, depth: int) -> Json:
    if isinstance(value, Spoiled) and not value.pairs:
        return f"({value.reason}{': ' if value.digits else ''}{value.digits})"
    if isinstance(value, str):
        return _halved(value)
    if not isinstance(value, dict | list | Spoiled):
        return value if value is None or isinstance(value, bool | int | float) else str(value)
    # A spelled object takes two levels: the list and its members.
    if depth > DEEPEST - isinstance(value, Spoiled):
        return f"(is nested more than {DEEPEST} levels deep)"
    if isinstance(value, list):
        return [_spelled(inner, depth + 1) for inner in value]
    given = value.items() if isinstance(value, dict) else value.pairs
    pairs = [(_halved(name), inner) for name, inner in given]
    members = dict(pairs)
    if isinstance(value, dict) and (len(members) == len(pairs) or depth == DEEPEST):
        return {name: _spelled(inner, depth + 1) for name, inner in members.items()}
    reason = value.reason if isinstance(value, Spoiled) else _TWICE
    return [f"({reason})", *({name: _spelled(inner, depth + 2)} for name, inner in pairs)]


def _listed(value: Any) -> Any:
    if isinstance(value, Spoiled):
        return [f"({value.reason})", value.digits, *({name: inner} for name, inner in value.pairs)]
    raise TypeError(f"{type(value).__name__} is not JSON")


def _halved(text: str) -> str:
    """The text, with half of a surrogate pair as its escape."""
    return text if _is_text(text) else text.encode("utf-8", "backslashreplace").decode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Spoiled:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Spoiled(_TWICE, tuple(pairs))


def _constant(_: str) -> Spoiled:
    return Spoiled("contains NaN or Infinity")


def _float(digits: str) -> float | Spoiled:
    number = float(digits)
    if not math.isfinite(number):
        return Spoiled("contains a number that is too large")
    return number if _is_exact(number, digits) else Spoiled(INEXACT, digits=digits[:MOST_DIGITS])


def _is_exact(number: float, digits: str) -> bool:
    try:
        return Decimal(repr(number)) == Decimal(digits)
    except ArithmeticError:  # an exponent beyond what even Decimal reads
        return False


def _int(digits: str) -> int | Spoiled:
    return int(digits) if len(digits) <= MOST_DIGITS else Spoiled("contains a number that is too large")


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
