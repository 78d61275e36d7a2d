"""Which requests a rule is about: globs on names, conditions on argument values, and negation. Pure.

Each condition fits, does not fit, or is in doubt. A value is in doubt if an agent could write it in another way
that is read in the same way: a value of another kind, a look-alike spelling, JSON inside a text, a second place
for the same argument. So by rewriting a call, an agent can only make an answer doubtful, never reverse it; and
doubt leads to the stricter answer (`bot.routing`).
"""

from __future__ import annotations

import json
import operator
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import unquote

from bot.canonical import MOST_DIGITS
from bot.protocol import HITLRequest, Json
from bot.spelling import keys_of, spellings

#: Values inside JSON text that are checked; a text with more is in doubt.
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
#: What a path or an address can contain that a program removes: `/tmp/../etc`, `//`, `%2e`.
_DETOUR = re.compile(r"(?:\A|[/\\])\.{1,2}(?:[/\\]|\Z)|(?<!:)[/\\]{2}|%[0-9A-Fa-f]{2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+://")
#: The number that a text begins with, if a program reads no further (`parseFloat`), or in another base.
_BEGINS = re.compile(r"[+-]?[0-9][0-9,'_]*+(?:\.[0-9]*+)?(?:e[+-]?[0-9]++)?")
_BASED = re.compile(r"([+-]?)0(?:x([0-9a-f_]{1,40})|o([0-7_]{1,60})|b([01_]{1,150}))")
#: A glob that a number can fit.
_OF_DIGITS = re.compile(r"[-+0-9.eE*?\[\]!]*")
#: Signs around the values of text that is nearly JSON (Python, YAML, JSON5), and quoted text there.
_AROUND = re.compile(r"""[\[\]{}()"',:\n]+""")
_QUOTED = re.compile(r""""([^"\n]*+)"|'([^'\n]*+)'""")
_SPACE = re.compile(r"\s*+")
_TRUTH = {"true": True, "yes": True, "on": True, "y": True, "t": True, "1": True}
_TRUTH |= {"false": False, "no": False, "off": False, "n": False, "f": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One expectation: a glob, a plain value, or a comparison with a number; `!` in front negates it."""

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for a comparison with something that is not a number."""
        if self._limit() is not None:
            return
        if _COMPARISON.fullmatch(self.bare) or self.bare in _COMPARE:
            raise ValueError(f"{self.text!r} does not compare with a number")

    @property
    def negated(self) -> bool:
        """Whether `!` negates it."""
        return self.text.startswith("!")

    @property
    def bare(self) -> str:
        """The expectation without the `!`."""
        return self.text.removeprefix("!").strip()

    def _limit(self) -> Decimal | None:
        found = _COMPARISON.fullmatch(self.bare)
        return _decimal(found[2]) if found else None

    def fits(self, value: Json) -> bool | None:
        """Whether a value is as expected; None if that is in doubt."""
        fits = self._fits(value)
        return fits if fits is None else fits is not self.negated

    def _fits(self, value: Json) -> bool | None:
        if isinstance(value, list | dict):
            return None  # the inner value may be what the rule is about
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


#: The names that a condition can be about.
NAMES = ("tool", "agent", "source", "platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """All of these must fit, and `without` must not. Globs match whole names and are case-sensitive."""

    tool: Pattern | None = None
    agent: Pattern | None = None
    source: Pattern | None = None
    platform: Pattern | None = None
    arguments: tuple[tuple[str, Pattern], ...] = ()  #: dotted path -> expectation
    without: Match | None = None

    def told(self, request: HITLRequest) -> bool | None:
        """Whether the rule is about this request; None if that is in doubt."""
        names = (
            (self.tool, request.tool_name),
            (self.agent, request.agent_id),
            (self.source, request.source),
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

    def __str__(self) -> str:
        """In words, as nod.yaml has it: `tool pay_*, amount >= 1000, but not agent test_*`."""
        parts = [
            *(f"{name} {one.text}" for name in NAMES if (one := getattr(self, name))),
            *(f"{path} {pattern.text}" for path, pattern in self.arguments),
            *([f"but not {self.without}"] if self.without else []),
        ]
        return ", ".join(parts) or "all other requests"

    def takes(self, request: HITLRequest, *, in_doubt: bool) -> bool:
        """The same, with an answer for doubt."""
        told = self.told(request)
        return in_doubt if told is None else told


EVERYTHING = Match()


def value_at(request: HITLRequest, path: str) -> tuple[bool | None, Json]:
    """The argument at this dotted path, and whether it is there.

    False only if an object of the call lacks the key. None if that is in doubt: something else is where an
    object is expected, another key may be read as this one, or the call is cut or can be read in two ways.
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
            return None if place else False, None  # the item of a list of one can be there without the list
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
    """The keys of an object by how they are spelled; cached, because a policy asks for them many times."""
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
    same = isinstance(value, str) and any(expected in _numbers(spelling) for spelling in spellings(value))
    return None if same else False


def _numbers(text: str) -> Iterator[Decimal | None]:
    """How programs read a text that they take for a number."""
    yield _decimal(_MARKS.sub("", text))
    if begins := _BEGINS.match(text):
        yield _decimal(_MARKS.sub("", begins[0]))
    if based := _BASED.match(text):
        digits, base = next(
            (part, base) for part, base in zip(based.groups()[1:], (16, 8, 2), strict=True) if part
        )
        digits = digits.replace("_", "")
        yield Decimal(f"{based[1]}{int(digits, base)}") if digits else None


def _is_truth(value: Json, expected: bool) -> bool | None:
    """A boolean, or the same word as text; other values that programs read as that boolean are in doubt.

    To them every number but 0 is true, null and an empty text are false, and other texts are unclear.
    """
    if isinstance(value, bool):
        return value is expected
    text = _as_text(value)
    if text in ("true", "false"):
        return (text == "true") is expected
    number = _decimal(text)
    if value is None or number is not None or not isinstance(value, str):
        return None if (value is not None and number != 0) is expected else False
    read = {_TRUTH.get(word, expected if word else False) for word in spellings(text)}
    return None if expected in read else False


def _fits_glob(text: str, glob: str, number: Decimal | None) -> bool | None:
    """The text and its spellings must agree. `number` is the number that the text may be read as."""
    fits = fnmatchcase(text, glob)
    if any(
        fnmatchcase(spelling, other) is not fits
        for spelling, other in zip(spellings(text), spellings(glob), strict=True)
    ):
        return None
    if not fits and number is not None and _OF_DIGITS.fullmatch(glob) and _may_fit(number, glob):
        return None
    plain = glob.replace("\\", "/")
    if text != glob and _DETOUR.search(text) and fnmatchcase(_direct(text), plain) is not fits:
        return None
    without_end = text.replace("\\", "/").rstrip("/")
    if not fits and text.endswith(("/", "\\")) and fnmatchcase(without_end, plain):
        return None  # a folder is the same with and without the slash at its end
    return fits


def _may_fit(number: Decimal, glob: str) -> bool:
    """Whether a number fits a glob in some spelling; one that is too long to try may fit."""
    if abs(number.adjusted()) > LONGEST_NUMBER:
        return True
    return any(fnmatchcase(form, glob) for form in _forms(number, padding=min(len(glob), LONGEST_NUMBER)))


def _direct(path: str) -> str:
    """A path or an address without its detours."""
    scheme = found[0] if (found := _SCHEME.match(path)) else ""
    plain = re.sub(r"/{2,}", "/", unquote(path[len(scheme) :]).replace("\\", "/"))
    direct = posixpath.normpath(plain)
    return f"{scheme}{direct}{'/' * (plain.endswith('/') and not direct.endswith('/'))}"


def _forms(number: Decimal, *, padding: int) -> Iterator[str]:
    """How a number of at most `LONGEST_NUMBER` digits can be written, with up to `padding` zeros at an end."""
    whole, _, rest = f"{abs(number):f}".partition(".")
    rest = rest.rstrip("0")
    wholes = [f"{'0' * zeros}{whole}" for zeros in range(padding + 1)]
    rests = [f".{rest}{'0' * zeros}" for zeros in range(padding + 1)]
    if not rest:
        rests.append("")
    for form in (f"{abs(number):e}", *(f"{one}{other}" for one in wholes for other in rests)):
        yield from (f"-{form}",) if number.is_signed() else (form, f"+{form}")


def values_in(value: Json) -> tuple[Json, ...] | None:
    """The plain values of a value, including keys and texts of JSON; None if there are too many."""
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
    """The values in a text of JSON, one or more, objects as pairs; the empty list for any other text.

    Text that only begins like JSON may be read by a less strict program: its pieces are values.
    """
    found: list[Json] = []
    at = _past_space(text, 0)
    while text[at : at + 1] in ('"', "[", "{") and len(found) <= MOST_INSIDE:
        try:
            value, at = _JSON.raw_decode(text, at)
        except ValueError:
            quoted = (one or other for one, other in _QUOTED.findall(text, at))
            pieces = (piece.strip() for piece in _AROUND.split(text[at:]))
            return [*found, *dict.fromkeys(filter(None, (*quoted, *pieces)))]
        except RecursionError:  # too deep for Python: treated as too many
            return [None] * (MOST_INSIDE + 1)
        found.append(value)
        at = _past_space(text, at)
    return found


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _whole(digits: str) -> Json:
    """A whole number; if it is too long for one, its digits."""
    return int(digits) if len(digits) <= MOST_DIGITS else digits


_JSON = json.JSONDecoder(
    object_pairs_hook=lambda members: [list(pair) for pair in members], parse_int=_whole, strict=False
)


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
