"""Which requests a rule is about: globs on names, conditions on argument values, and negation. Pure.

Each condition fits, does not fit, or is in doubt. In doubt is whatever an agent could write in another way and
have read in the same way: a value of another kind, a look-alike spelling, JSON inside a text, a second place
for the same argument. So by writing a call in another way, an agent can only make an answer doubtful, never
turn it round; and doubt goes to the careful side (`bot.routing`, `bot.rules`).
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache

from bot.protocol import HITLRequest, Json
from bot.spelling import keys_of, spellings

#: Values inside a text of JSON that are looked at; a text of more is in doubt.
MOST_INSIDE = 1_000
#: Digits of a number that is tried in other spellings.
LONGEST_NUMBER = 50

_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(\S+)")
#: A place in a list, as a part of a path.
_PLACE = re.compile(r"0|[1-9][0-9]{0,8}")
#: A place in a list within a key: `to[0]`, `to[]`, `lines.0.sku`.
_INDEX = re.compile(r"\[[0-9]*\]|\.[0-9]+(?=\.|$)")
_MARKS = re.compile(r"[\s,_']+")
_TRUTH = {"true": True, "yes": True, "on": True, "y": True, "t": True, "1": True}
_TRUTH |= {"false": False, "no": False, "off": False, "n": False, "f": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One expectation: a glob, a plain value, or a comparison with a number; `!` in front turns it round."""

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for a comparison with something that is no number."""
        if self._limit() is not None:
            return
        if _COMPARISON.fullmatch(self.bare) or self.bare in _COMPARE:
            raise ValueError(f"{self.text!r} compares with something that is no number")

    @property
    def negated(self) -> bool:
        """Whether `!` turns it round."""
        return self.text.startswith("!")

    @property
    def bare(self) -> str:
        """What is expected, without the `!`."""
        return self.text.removeprefix("!").strip()

    def _limit(self) -> Decimal | None:
        found = _COMPARISON.fullmatch(self.bare)
        return _decimal(found[2]) if found else None

    def fits(self, value: Json) -> bool | None:
        """Whether a value is as expected; None when that is in doubt."""
        fits = self._fits(value)
        return fits if fits is None else fits is not self.negated

    def _fits(self, value: Json) -> bool | None:
        if isinstance(value, list | dict):
            return None  # what is inside may well be what the rule is about
        fits = self._fits_plain(value)
        if isinstance(value, str) and fits is not None:
            inside = values_in(value)
            if inside is None or any(self._fits_plain(inner) is not fits for inner in inside):
                return None
        return fits

    def _fits_plain(self, value: Json) -> bool | None:
        number = None if isinstance(value, bool | str) or value is None else _decimal(str(value))
        limit = self._limit()
        if limit is not None:
            found = _COMPARISON.fullmatch(self.bare)
            return None if number is None or found is None else _COMPARE[found[1]](number, limit)
        expected = _decimal(self.bare)
        if expected is not None:
            return _equals(value, number, expected, self.bare)
        if self.bare in ("true", "false"):
            return _is_truth(value, self.bare == "true")
        return _fits_glob(_as_text(value), self.bare, _decimal(value) if isinstance(value, str) else number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """All of these must fit, and `without` must not. Globs are about whole names; case counts."""

    tool: Pattern | None = None
    agent: Pattern | None = None
    platform: Pattern | None = None
    arguments: tuple[tuple[str, Pattern], ...] = ()  #: dotted path -> expectation
    without: Match | None = None

    def told(self, request: HITLRequest) -> bool | None:
        """Whether the rule is about this request; None when that is in doubt."""
        names = (
            (self.tool, request.tool_name),
            (self.agent, request.agent_id),
            (self.platform, request.platform),
        )
        told = [pattern.fits(name) for pattern, name in names if pattern is not None]
        told += [_fits_at(request, path, pattern) for path, pattern in self.arguments]
        if self.without is not None:
            without = self.without.told(request)
            told.append(None if without is None else not without)
        if False in told:
            return False
        return None if None in told else True

    def takes(self, request: HITLRequest, *, in_doubt: bool) -> bool:
        """The same, with an answer for doubt."""
        told = self.told(request)
        return in_doubt if told is None else told


EVERYTHING = Match()


def value_at(request: HITLRequest, path: str) -> tuple[bool | None, Json]:
    """The argument at this dotted path, and whether it is there.

    False only when an object of the call lacks the key. None when that is in doubt: something else stands where
    an object is expected, another key may be read as this one, the call is cut or can be read in two ways.
    """
    if not request.whole or request.flaw is not None:
        return None, None
    parts = path.split(".")
    value: Json = request.arguments
    if isinstance(value, dict) and _spelled_again(value, ["arguments", *parts], least=2):
        return None, None
    for number, part in enumerate(parts):
        place = _PLACE.fullmatch(part) is not None
        if isinstance(value, list) and place and int(part) < len(value):
            value = value[int(part)]
            continue
        if not isinstance(value, dict) or _spelled_again(value, parts[number:]):
            return None, None
        if part not in value:
            return None if place else False, None  # in place of a list of one, its item may stand alone
        value = value[part]
    return True, value


def _fits_at(request: HITLRequest, path: str, pattern: Pattern) -> bool | None:
    there, value = value_at(request, path)
    if there is None:
        return None
    return pattern.fits(value) if there else pattern.negated


def _spelled_again(value: dict[str, Json], parts: list[str], *, least: int = 1) -> bool:
    """Whether another key than the first part may be read as it, or as the path from there on."""
    by_spelling = _by_spelling(tuple(value))
    paths = (".".join(parts[:length]) for length in range(least, len(parts) + 1))
    spelled = {key for path in paths for spelling in keys_of(path) for key in by_spelling.get(spelling, ())}
    return bool(spelled - {parts[0]})


@lru_cache(maxsize=8)
def _by_spelling(keys: tuple[str, ...]) -> Mapping[str, list[str]]:
    """The keys of an object by how they are spelled; kept, since a policy asks about each object many times."""
    found: dict[str, list[str]] = {}
    for key in keys:
        for spelling in {*keys_of(key), *keys_of(_INDEX.sub("", key))}:
            found.setdefault(spelling, []).append(key)
    return found


def _equals(value: Json, number: Decimal | None, expected: Decimal, written: str) -> bool | None:
    """Numbers are compared as numbers and text as text; text of the same number in other digits is in doubt."""
    if number is not None:
        return number == expected
    if value == written:
        return True
    if isinstance(value, bool):
        return None if int(value) == expected else False
    same = isinstance(value, str) and any(
        _decimal(_MARKS.sub("", spelling)) == expected for spelling in spellings(value)
    )
    return None if same else False


def _is_truth(value: Json, expected: bool) -> bool | None:
    """A boolean, or the same word as text; what programs also read as that boolean is in doubt."""
    if isinstance(value, bool):
        return value is expected
    text = _as_text(value)
    if text in ("true", "false"):
        return (text == "true") is expected
    number = _decimal(text)
    words = {*spellings(text), str(int(number)) if number in (0, 1) else ""}
    return None if any(_TRUTH.get(word) is expected for word in words) else False


def _fits_glob(text: str, glob: str, number: Decimal | None) -> bool | None:
    """The text and its spellings must agree. `number` is what the text may be read as."""
    fits = fnmatchcase(text, glob)
    if any(
        fnmatchcase(spelling, other) is not fits
        for spelling, other in zip(spellings(text), spellings(glob), strict=True)
    ):
        return None
    if not fits and number is not None and any(fnmatchcase(form, glob) for form in _forms(number)):
        return None
    return fits


def _forms(number: Decimal) -> Iterator[str]:
    """In which digits a number may be written."""
    if abs(number.adjusted()) > LONGEST_NUMBER:
        return
    sign, digits = "-" * number.is_signed(), f"{abs(number):f}"
    whole, _, rest = digits.partition(".")
    rest = rest.rstrip("0")
    plain = f"{whole}.{rest}" if rest else whole
    for form in (plain, f"{whole}.{rest or 0}", f"{whole}.{rest}00", f"0{plain}", f"{abs(number):e}"):
        yield f"{sign}{form}"
        if not sign:
            yield f"+{form}"


def values_in(value: Json) -> tuple[Json, ...] | None:
    """The plain values of a value, keys too, also inside texts of JSON; None when there are too many."""
    found: list[Json] = []
    waiting: list[Json] = [value]
    while waiting:
        if len(found) + len(waiting) > MOST_INSIDE:
            return None
        inner = waiting.pop()
        if isinstance(inner, dict):
            waiting.extend((*inner, *inner.values()))
        elif isinstance(inner, list):
            waiting.extend(inner)
        else:
            found.append(inner)
            texts = dict.fromkeys((inner, *spellings(inner))) if isinstance(inner, str) else ()
            waiting.extend(value for text in texts for value in _parsed(text))
    return tuple(found)


def _parsed(text: str) -> list[Json]:
    """What a text of JSON holds, in a list, objects as pairs; the empty list for any other text."""
    if text.lstrip()[:1] not in ('"', "[", "{"):
        return []
    try:
        return [json.loads(text, object_pairs_hook=lambda members: [list(pair) for pair in members])]
    except ValueError:
        return []
    except RecursionError:  # too deep for Python: as good as too many
        return [None] * (MOST_INSIDE + 1)


def _as_text(value: Json) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case _:
            return str(value)


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
