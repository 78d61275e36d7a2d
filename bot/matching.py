"""Which requests a rule is about: globs on names, conditions on argument values, and negation. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase

from bot.protocol import HITLRequest, Json

_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One expectation: a glob, or a comparison with a number; `!` in front turns it round."""

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for a comparison with something that is no number."""
        if self._number() is not None:
            return
        if _COMPARISON.fullmatch(self._bare) or self._bare in _COMPARE:
            raise ValueError(f"{self.text!r} compares with something that is no number")

    @property
    def _bare(self) -> str:
        return self.text.removeprefix("!").strip()

    def _number(self) -> Decimal | None:
        found = _COMPARISON.fullmatch(self._bare)
        return _decimal(found[2]) if found else None

    def fits(self, value: Json) -> bool | None:
        """Whether a value is as expected; None when that cannot be told."""
        fits = self._fits(value)
        return fits if fits is None or not self.text.startswith("!") else not fits

    def _fits(self, value: Json) -> bool | None:
        if isinstance(value, list | dict):
            return None  # what is inside may well be what the rule is about
        limit = self._number()
        if limit is None:
            expected = _decimal(self._bare)
            same = expected is not None and expected == _decimal(_as_text(value))
            return same or fnmatchcase(_as_text(value), self._bare)
        found = _COMPARISON.fullmatch(self._bare)
        number = _decimal(_as_text(value))
        return None if number is None or found is None else _COMPARE[found[1]](number, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """All of these must fit, and `without` must not. Globs are about whole names; case counts."""

    tool: Pattern | None = None
    agent: Pattern | None = None
    platform: Pattern | None = None
    arguments: tuple[tuple[str, Pattern], ...] = ()  #: dotted path -> expectation
    without: Match | None = None

    def takes(self, request: HITLRequest, *, in_doubt: bool) -> bool:
        """Whether the rule is about this request; `in_doubt` is the answer where that cannot be told."""
        names = (
            (self.tool, request.tool_name),
            (self.agent, request.agent_id),
            (self.platform, request.platform),
        )
        told = [pattern.fits(name) for pattern, name in names if pattern is not None]
        told += [_fits_at(request, path, pattern) for path, pattern in self.arguments]
        if self.without is not None:
            # In doubt about the exception, doubt the other way: `not` turns its answer round.
            told.append(not self.without.takes(request, in_doubt=not in_doubt))
        if False in told:
            return False
        return in_doubt if None in told else True


EVERYTHING = Match()


def value_at(request: HITLRequest, path: str) -> tuple[bool, Json]:
    """Whether the call has an argument at this dotted path, and what it is."""
    value: Json = request.arguments
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False, None
    return True, value


def _fits_at(request: HITLRequest, path: str, pattern: Pattern) -> bool | None:
    there, value = value_at(request, path)
    if there:
        return pattern.fits(value)
    # Missing from a whole call is an answer; missing from a cut one may be in the part that nobody sees.
    return pattern.text.startswith("!") if request.whole else None


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
