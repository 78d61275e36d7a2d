"""Masks in a text: `‹redacted 12 chars›` instead of each secret that is found in it. Pure.

Secrets are found by shape, by the names in assignments and JSON, in base64 and percent-encoding, and by the
operator's own shapes. If a mask hides something readable, it says text (`bot.secrets.readable`).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from bot.secrets.assignments import ASSIGNMENTS
from bot.secrets.command_lines import FLAGS
from bot.secrets.logins import LOGINS
from bot.secrets.names import Names, named
from bot.secrets.programs import PROGRAMS
from bot.secrets.readable import LONGEST_SECRET, Sort, is_no_secret, is_opaque, is_random, reads_like_text
from bot.secrets.schemes import SCHEME, SCHEMES
from bot.secrets.shapes import KINDS, Kind
from bot.secrets.tables import listed_in

#: Processor time for the operator's shapes in one call, in seconds. A form needs three redactions of a call,
#: and Slack waits 3 s (docs.slack.dev/interactivity/handling-user-interaction).
ENOUGH = 0.5

#: Characters of the longest list of arguments that is read as a line.
LONGEST_LINE = 20_000

#: Masks of a call that are judged, some 0.1 ms each; no person can judge a call with more.
MOST_MARKS = 1_000

Spans = Sequence[tuple[int, int]]


class Shape(Protocol):
    """The shape of one of the operator's own secrets."""

    @property
    def pattern(self) -> str:
        """The regular expression, as it is written."""
        ...

    def spans(self, text: str, *, seconds: float) -> tuple[Spans, float]:
        """What to replace in a text, and the seconds it took. Raises TimeoutError if that would take longer."""
        ...


@dataclass(slots=True)
class Left:
    seconds: float = ENOUGH  #: for the operator's shapes, left in this call
    marks: int = MOST_MARKS  #: that are still judged


#: Every kind of secret that is found in a text.
EVERY: tuple[Kind, ...] = (*KINDS, *SCHEMES, *ASSIGNMENTS, *FLAGS, *PROGRAMS, *LOGINS)
#: Kinds that several items of a list of arguments can be together.
_OF_LINES: tuple[Kind, ...] = (*FLAGS, *PROGRAMS, *LOGINS, *(kind for kind in ASSIGNMENTS if kind.of_lines))
MARK = re.compile(rf"(?:{SCHEME}[ \t]{{1,8}})?‹redacted \d+ chars?(?: of text)?›")
#: A member of an object in JSON text, whole or cut. Each repeat has a bound or keeps what it took.
_MEMBER = re.compile(
    r'(?<!\\)"(?P<name>(?:[^"\\\n]|\\.){1,100}+)"\s{0,64}:\s{0,64}'
    r'(?:"(?P<text>(?:[^"\\]|\\.)*+)|(?P<number>-?\d[\w.+-]*+))',
    re.DOTALL,
)


#: A word of base64, or one with percent signs: its decoded text may be a secret.
_CODED = re.compile(r"(?<![\w+/=-])[\w+/-]{16,}+={0,2}(?![\w+/=-])", re.ASCII)
_PERCENT = re.compile(r"[^\s\"'<>‹›]*%[0-9A-Fa-f]{2}[^\s\"'<>‹›]*")


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    stop: int
    sort: Sort
    prefix: int = 0  #: characters at the start that its maker gives to every such token


@dataclass(frozen=True, slots=True)
class Masking:
    """One redaction: of one call, or of one text."""

    shapes: tuple[Shape, ...]
    names: Names
    left: Left
    kinds: tuple[Kind, ...]

    def text(self, text: str) -> str:
        try:
            spans = self.spans(text)
        except TimeoutError:
            return _hidden(text)
        shown: list[str] = []
        end = 0
        for span in spans:
            shown += (
                text[end : span.start],
                self.mark(text[span.start : span.stop], span.sort, prefix=span.prefix),
            )
            end = span.stop
        return "".join((*shown, text[end:]))

    def mark(self, hidden: str, sort: Sort, *, prefix: int = 0) -> str:
        """What replaces a secret. Past the bound it is treated as text, so nobody can approve."""
        self.left.marks -= 1
        text = self.left.marks < 0 or reads_like_text(hidden, sort=sort, prefix=prefix)
        return f"‹redacted {_many(hidden)}{' of text' if text else ''}›"

    def line(self, items: Sequence[str]) -> dict[int, str]:
        """The arguments that hold a secret when the list is read as the one line that it is.

        By their position, each as it is shown. For a list that is longer than any line, nothing.
        """
        text = " ".join(items)
        if len(text) > LONGEST_LINE:
            return {}
        spans = list(_merged(_known(text, _OF_LINES)))
        shown: dict[int, str] = {}
        start = 0
        for place, item in enumerate(items):
            for span in reversed(spans):
                begin, end = max(span.start - start, 0), min(span.stop - start, len(item))
                if begin < end:
                    before = shown.get(place, item)
                    mark = self.mark(item[begin:end], span.sort)
                    shown[place] = before[:begin] + mark + before[end:]
            start += len(item) + 1
        return shown

    def spans(self, text: str) -> list[Span]:
        """What to hide, in order. Raises TimeoutError when the time for the operator's shapes has run out."""
        own = self._own(text)
        listed = (Span(*found) for found in listed_in(text))
        known = (*_known(text, self.kinds), *self._below_names(text), *listed, *_encoded(text))
        return list(_merged((*known, *own)))

    def _below_names(self, text: str) -> Iterator[Span]:
        if text.lstrip()[:1] in ("{", "["):
            yield from _below_names(text, self.names)

    def _own(self, text: str) -> list[Span]:
        """What the operator's shapes find. Raises TimeoutError when their time in this call has run out."""
        found: list[Span] = []
        for shape in self.shapes if text else ():
            if self.left.seconds <= 0:
                raise TimeoutError
            try:
                spans, took = shape.spans(text, seconds=self.left.seconds)
            except TimeoutError:
                self.left.seconds = 0
                raise
            self.left.seconds -= took
            found += (Span(start, stop, Sort.CHOSEN) for start, stop in spans)
        return found


def found_at_all(texts: str) -> tuple[Kind, ...]:
    """The kinds that can be in one of the texts, so that a kind that fits nowhere is searched for only once."""
    lowered = texts.lower()
    return tuple(kind for kind in EVERY if kind.may_be_in(lowered) and kind.shape.search(texts))


def _known(text: str, kinds: tuple[Kind, ...]) -> Iterator[Span]:
    lowered = text.lower()
    for kind in kinds:
        if kind.may_be_in(lowered):
            for match in kind.found_in(text):
                yield Span(*_span(match), kind.sort(match), _prefix(match))


def _encoded(text: str) -> Iterator[Span]:
    """Words that hide a secret in base64 or percent-encoding."""
    for match in _CODED.finditer(text):
        word = match.group().translate(_STANDARD).rstrip("=")
        if len(word) % 4 == 1:
            continue
        try:
            plain = base64.b64decode(word + "=" * (-len(word) % 4), validate=True).decode("ascii")
        except ValueError:
            continue
        if plain.isprintable() or plain.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
            yield from _inside(plain, match)
    if "%" in text:
        for match in _PERCENT.finditer(text):
            yield from _inside(unquote(match.group()), match)


def _inside(plain: str, match: re.Match[str]) -> Iterator[Span]:
    """The word, if its decoded text contains a secret and the word itself is not one."""
    if next(_known(plain, EVERY), None) and not next(_known(match.group(), EVERY), None):
        yield Span(*match.span(), Sort.MADE)


def whole_kind(text: str) -> Span | None:
    """The known kind that this text is from its first to its last character."""
    if len(text) > LONGEST_SECRET:
        return None
    whole = (span for span in _known(text, KINDS) if (span.start, span.stop) == (0, len(text)))
    return next(whole, None)


def looks_secret(value: str, key: str) -> bool:
    """Whether the value under a name such as `code` or `signature` is a secret."""
    last = key.lower().rpartition("_")[2]
    if last.endswith(("key", "keys", "tokens")):
        return is_random(value)
    if "saml" in key.lower() and re.fullmatch(r"[\w+/%-]{40,}={0,2}", value):
        return True
    return is_opaque(re.sub(r"^(?:sha\d{1,3}|v\d)=", "", value))


def _below_names(text: str, names: Names) -> Iterator[Span]:
    """In JSON that came as text, possibly cut: the values under the names of secrets."""
    for member in _MEMBER.finditer(text):
        group = "text" if member["number"] is None else "number"
        value, name = member[group], _unescaped(member["name"])
        if not value or MARK.fullmatch(value):
            continue
        sort = named(name, names).sort
        if sort in (Sort.CHOSEN, Sort.MADE) and not is_no_secret(value, sort=sort):
            yield Span(*member.span(group), sort)
        elif sort is Sort.MAYBE and looks_secret(value, name):
            yield Span(*member.span(group), Sort.MADE)


def _unescaped(name: str) -> str:
    try:
        return str(json.loads(f'"{name}"', strict=False)) if "\\" in name else name
    except ValueError:
        return name


def _hidden(text: str) -> str:
    """All of a text whose content is unknown: marked as text, however short it is."""
    return f"‹redacted {_many(text)} of text›"


def _many(text: str) -> str:
    return f"{len(text)} char{'s' if len(text) != 1 else ''}"


def _span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret") if match.groupdict().get("secret") is not None else match.span()


def _prefix(match: re.Match[str]) -> int:
    return len(match.groupdict().get("prefix") or "")


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans in order, merged if they touch or overlap. A merged one is judged as the one that covers it."""
    whole: Span | None = None
    for span in sorted(spans, key=lambda one: (one.start, -one.stop, one.sort not in _OF_A_MAKER)):
        if span.stop <= span.start:
            continue
        if whole is None or span.start > whole.stop:
            if whole is not None:
                yield whole
            whole = span
        elif span.stop > whole.stop:
            whole = Span(whole.start, span.stop, Sort.MADE)
    if whole is not None:
        yield whole


_OF_A_MAKER = (Sort.SHAPE, Sort.SEALED)
_STANDARD = str.maketrans("-_", "+/")
