"""Secrets in a call, replaced before anything is stored or shown: `‹redacted 12 chars›`. Pure.

What reads like text or code rather than like a token is called so, `‹redacted 86 chars of text›`: it may be
a curtain in front of what would run, and `bot.call` then lets nobody approve. A text that could not be searched
for the operator's own shapes in time is hidden as a whole, and called so too.

By name: what stands under a key such as `db_password`. By shape: what looks like a known kind of secret,
anywhere in a text. Approvers must still be able to judge the call, so amounts, addresses, e-mail addresses,
IBANs, UUIDs and commit hashes stay (reliability.md §5, Log / alert leak; card.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.protocol import Json
from bot.secret_names import Names, is_secret, names_of, words_of
from bot.shapes import KINDS, is_random, reads_like_text

#: Deeper than this nothing is shown; such a call has no canonical text either (reliability.md §6.2.8).
DEEPEST = 64
TOO_DEEP = f"‹hidden: nested deeper than {DEEPEST} levels›"

#: Processor time for the operator's shapes in one call, in seconds. For a form a call is redacted three times,
#: and Slack waits 3 s (docs.slack.dev/interactivity/handling-user-interaction).
ENOUGH = 0.5

Spans = Sequence[tuple[int, int]]


class Shape(Protocol):
    """What a secret of the operator's own looks like."""

    @property
    def pattern(self) -> str:
        """The regular expression, as it is written."""
        ...

    def spans(self, text: str, *, seconds: float) -> tuple[Spans, float]:
        """What to replace in a text, and the seconds it took. Raises TimeoutError when that would be more."""
        ...


@dataclass(slots=True)
class _Left:
    seconds: float = ENOUGH  #: for the operator's shapes, in the rest of a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What counts as secret here: the names and kinds of this page, and what the operator adds."""

    names: tuple[str, ...] = ()  #: more names for keys: `employee number`, in any spelling
    shapes: tuple[Shape, ...] = ()  #: more shapes

    def redact(self, value: Json) -> Json:
        """A copy with every secret replaced; keys in their order, and no key lost."""
        return _copy(value, _Work(self, names_of(self.names), _Left()), secret=False, depth=0)

    def text(self, text: str) -> str:
        """Free text (a note, an alert) with every secret replaced by the length of it."""
        return _Work(self, names_of(self.names), _Left()).text(text)


_MARKER = re.compile(r"‹redacted \d+ chars?(?: of text)?›")
#: A member of an object in JSON text, whole or cut. Each repeat has a bound or keeps what it took.
_MEMBER = re.compile(
    r'(?<!\\)"(?P<name>(?:[^"\\\n]|\\.){1,100}+)"\s{0,64}:\s{0,64}'
    r'(?:"(?P<text>(?:[^"\\]|\\.)*+)|(?P<number>-?\d[\w.+-]*+))',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Work:
    """One redaction: of one call, or of one text."""

    redaction: Redaction
    names: Names
    left: _Left

    def text(self, text: str) -> str:
        try:
            own = self._own(text)
        except TimeoutError:
            return _hidden(text)
        shown: list[str] = []
        end = 0
        for start, stop in _merged((*self._known(text), *own)):
            shown += text[end:start], _marker(text[start:stop])
            end = stop
        return "".join((*shown, text[end:]))

    def _known(self, text: str) -> Iterator[tuple[int, int]]:
        for kind in KINDS:
            yield from map(_span, kind.found_in(text))
        if text.lstrip()[:1] in ("{", "["):
            yield from _below_names(text, self.names)

    def _own(self, text: str) -> list[tuple[int, int]]:
        """What the operator's shapes find. Raises TimeoutError when their time in this call is over."""
        found: list[tuple[int, int]] = []
        for shape in self.redaction.shapes if text else ():
            if self.left.seconds <= 0:
                raise TimeoutError
            try:
                spans, took = shape.spans(text, seconds=self.left.seconds)
            except TimeoutError:
                self.left.seconds = 0
                raise
            self.left.seconds -= took
            found += spans
        return found


def _copy(value: Json, work: _Work, *, secret: bool, depth: int) -> Json:
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return TOO_DEEP
    if isinstance(value, list):
        return [_copy(v, work, secret=secret, depth=depth + 1) for v in value]
    if isinstance(value, dict):
        copy: dict[str, Json] = {}
        for key, inner in value.items():
            words = words_of(key)
            below = secret or is_secret(words, work.names)
            shown = _free(work.text(key), copy)
            if isinstance(inner, str) and _is_random_key(words, inner):
                below = True
            copy[shown] = _copy(inner, work, secret=below, depth=depth + 1)
        return copy
    if value is None or isinstance(value, bool):
        return value
    written = value if isinstance(value, str) else repr(value)
    if secret:
        return value if not written or _MARKER.fullmatch(written) else _marker(written)
    text = work.text(written)
    return value if text == written else text


def _below_names(text: str, names: Names) -> Iterator[tuple[int, int]]:
    """In JSON that came as text, maybe cut: the values under the names of secrets."""
    for member in _MEMBER.finditer(text):
        group = "text" if member["number"] is None else "number"
        value, words = member[group], words_of(_unescaped(member["name"]))
        if not value or _MARKER.fullmatch(value):
            continue
        if is_secret(words, names) or _is_random_key(words, value):
            yield member.span(group)


def _unescaped(name: str) -> str:
    try:
        return str(json.loads(f'"{name}"', strict=False)) if "\\" in name else name
    except ValueError:
        return name


def _is_random_key(words: tuple[str, ...], value: str) -> bool:
    return bool(words) and words[-1] in ("key", "keys", "tokens") and is_random(value)


def _free(key: str, taken: dict[str, Json]) -> str:
    """The key, numbered when redaction has made it equal to one before: none may vanish."""
    number, free = len(taken), key
    while free in taken:
        number, free = number + 1, f"{key}‹{number + 1}›"
    return free


def _marker(hidden: str) -> str:
    return f"‹redacted {_many(hidden)}{' of text' if reads_like_text(hidden) else ''}›"


def _hidden(text: str) -> str:
    """All of a text of which nobody knows what is in it: as a curtain, however short it is."""
    return f"‹redacted {_many(text)} of text›"


def _many(text: str) -> str:
    return f"{len(text)} char{'s' if len(text) != 1 else ''}"


def _span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret") if match.groupdict().get("secret") is not None else match.span()


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in order, those that touch or overlap as one."""
    start = end = 0
    for first, last in sorted(spans):
        if first > end:
            if end > start:
                yield start, end
            start = first
        end = max(end, last) if first <= end else last
    if end > start:
        yield start, end
