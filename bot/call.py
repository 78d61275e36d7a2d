"""A tool call as lines to read: keys in the call's own order, nested keys dotted, sizes named. Pure.

The result can be shown to everyone who sees the card: secrets are redacted, and characters that are invisible
or change the direction of text are spelled out. It is one to one: no part of a call vanishes or merges with
another, and two calls that differ outside a redaction are never shown alike. So a text that could be taken for
a value (`"true"`, `""`, `"12"`) is in quotes, text that looks like a mark of Nod's is broken up (`bot.marks`),
and blanks that nobody would see are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from bot.canonical import DEEPEST
from bot.marks import IMITATED, armour, armoured, bared, blanks_warned, counted, imitates, written
from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction
from bot.visible import visible, warnings

#: The card shows a call of up to this many characters whole; a Slack message as a whole ends near 13,200.
FITS_THE_CARD = 6_000
#: And of up to this many lines: nobody reads further down before pressing a button.
FITS_IN_LINES = 80
#: A value up to this many characters is shown beside its key; a phone shows about 40 in a row.
BESIDE = 60
#: How a redaction begins; nothing in the original call may look like it.
REDACTED = "‹redacted "
#: Names longer than this are cut on a card (bot.wording.LONGEST_NAME).
LONGEST_NAME = 80
#: A few agents call a few tools again and again: so many of their names, up to this length, are masked once.
NAMES_KEPT, LONGEST_KEPT = 1024, 1_000
_BUILT_IN = Redaction()
#: How a redaction ends whose hidden part reads like text or code (bot.redaction).
_TEXT_HIDDEN = re.compile(r"‹redacted \d+ chars? of text›")
MERGED = "Some parts of this call look alike when shown, so it cannot be approved here."
TO_APPROVE = 'Open "View all" to approve.'
HIDES_TEXT = "A redacted part looks like ordinary text, so this call cannot be approved here."
#: Values are lined up for keys of up to this many characters.
WIDEST_KEY = 24
#: What the card shows of a long call: this many lines, and both ends of each value.
EXCERPT_LINES = 16
EXCERPT_VALUE = 240

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: A text that looks like another kind of value, such as `true` or `-1.5e3`.
_LIKE_A_VALUE = re.compile(
    r"true|false|null|NaN|-?Infinity|\{ ?\}|\[ ?\]|-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
)
#: How a line break and a tab are shown in a name, which takes one line.
_ON_ONE_LINE = str.maketrans({"\n": "\\n", "\t": "\\t"})
_LIKE_A_BREAK = re.compile(r"\\(?=[nt])")
_WIDE = re.compile(r"\A +| +\Z| {2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One argument: its dotted key and its value as text, which can have line breaks."""

    key: str
    value: str
    note: str | None = None  #: the size of a value that is shown cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A call as it is shown. Made once, because a long call takes a while."""

    lines: tuple[Line, ...]
    warnings: tuple[str, ...]  #: what an eye would miss in it, in words
    text: str  #: all of it, preformatted
    never: str | None  #: why the reader cannot approve it, whatever else is true; a whole sentence


def sight_of(request: HITLRequest, *, redaction: Redaction) -> Sight:
    """The call as it is shown, with all warnings about it."""
    covered = covered_of(request.arguments, redaction=redaction)
    lines = _lines(request, covered)
    return Sight(
        lines=lines,
        warnings=(*_warnings(request, covered), *redactions_in(lines)),
        text=text_of(lines),
        never=HIDES_TEXT if hides_text(lines) else None if _is_all(request.arguments, lines) else MERGED,
    )


def covered_of(arguments: Json, *, redaction: Redaction) -> Json:
    """The arguments without their secrets, in their original shape; only redactions look like redactions."""
    return _each_text(redaction.redact(armoured(arguments)), bared)


def lines_of(request: HITLRequest, *, redaction: Redaction) -> tuple[Line, ...]:
    """The whole call. A string or list at the top has an empty key; nothing is left out or reworded."""
    return _lines(request, covered_of(request.arguments, redaction=redaction))


def _lines(request: HITLRequest, covered: Json) -> tuple[Line, ...]:
    """A name that a card has to cut or mask comes first. (An argument's key in brackets would be quoted.)"""
    names = (("(tool)", masked_name(request.tool_name)), ("(agent)", masked_name(request.agent_id)))
    cut = tuple(
        Line(key=key, value=name) for key, name in names if len(name) > LONGEST_NAME or REDACTED in name
    )
    return cut + tuple(Line(key=key, value=value) for key, value in _flatten("", covered))


def on_one_line(name: str) -> str:
    """The whole name, made visible: a line break is `\\n`, and spaces that nobody would see are counted."""
    return _on_one_line(armour(name))


def covered_name(name: str) -> str:
    """The name of a tool or an agent without its secrets, otherwise as it is."""
    return bared(_BUILT_IN.text(armour(name)))


def masked_name(name: str) -> str:
    """The same for the name of a tool or an agent, without the secrets that Nod recognises by itself.

    nod.yaml's own shapes do not reach here: a name is shown where no policy is known.
    """
    return _masked(name) if len(name) <= LONGEST_KEPT else _on_one_line(_BUILT_IN.text(armour(name)))


@lru_cache(NAMES_KEPT)
def _masked(name: str) -> str:
    return _on_one_line(_BUILT_IN.text(armour(name)))


def _on_one_line(armoured_name: str) -> str:
    seen = _LIKE_A_BREAK.sub(r"\\u{5C}", visible(bared(armoured_name))).translate(_ON_ONE_LINE)
    return counted(_WIDE.sub(lambda spaces: f"‹{len(spaces[0])} space{'s' * (len(spaces[0]) > 1)}›", seen))


def hides_text(lines: tuple[Line, ...]) -> bool:
    """Whether a redaction hides what reads like text or code. Then nobody can approve, even with View all."""
    return any(_TEXT_HIDDEN.search(text) for line in lines for text in (line.key, line.value))


def warnings_of(request: HITLRequest, *, redaction: Redaction) -> tuple[str, ...]:
    """What an eye would miss in this call, in words: invisible characters, look-alike host names, wide gaps.

    The warnings quote what they found, so secrets are redacted first.
    """
    return _warnings(request, covered_of(request.arguments, redaction=redaction))


def _warnings(request: HITLRequest, covered: Json) -> tuple[str, ...]:
    names = (_BUILT_IN.text(armour(name)) for name in (request.tool_name, request.agent_id))
    armoured_texts = [*names, *_texts(covered)]
    texts = [written(text) for text in armoured_texts]
    found = dict.fromkeys(found for text in texts for found in warnings(text))
    found |= dict.fromkeys(blanks_warned(texts))
    return (*found, IMITATED) if any(map(imitates, armoured_texts)) else tuple(found)


def _is_all(arguments: Json, lines: tuple[Line, ...]) -> bool:
    """Whether every leaf of the call has a line, with a key that no other line has.

    The way lines are made ensures this; the check is there so that an Approve does not depend on that alone.
    """
    keys = {line.key for line in lines if not line.key.startswith("(")}
    return len(keys) == sum(not line.key.startswith("(") for line in lines) == _leaves(arguments)


def _leaves(value: Json, depth: int = 0) -> int:
    if depth > DEEPEST or not isinstance(value, dict | list) or not value:
        return 1
    return sum(_leaves(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value))


def _each_text(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, dict):
        return {change(name): _each_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_each_text(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def redactions_in(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """A warning that something is hidden: an agent can write text that gets redacted, to hide it."""
    count = sum(line.key.count(REDACTED) + line.value.count(REDACTED) for line in lines)
    if count == 0:
        return ()
    many = "One value looks like a secret and is" if count == 1 else f"{count} values look like secrets and are"
    return (f"{many} not shown. Your decision still covers the whole call.",)


def _texts(value: Json) -> Iterator[str]:
    """Every text in a value, including keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def text_of(lines: tuple[Line, ...]) -> str:
    """The lines as preformatted text: short values after their keys, longer ones indented below them."""
    short = [len(line.key) for line in lines if not _goes_below(line)]
    width = min(max(short, default=0), WIDEST_KEY)
    return "\n".join(_below(line) if _goes_below(line) else _beside(line, width) for line in lines)


def size_of(lines: tuple[Line, ...]) -> str:
    """The size in words: `12 lines, 1.4 KB`."""
    text = text_of(lines)
    count = text.count("\n") + 1
    return f"{count} line{'s' if count != 1 else ''}, {_bytes_of(text)}"


def _bytes_of(text: str) -> str:
    size = len(text.encode())
    return f"{size} B" if size < 1024 else f"{size / 1024:.1f} KB"


def excerpt(
    lines: tuple[Line, ...], *, request: HITLRequest, never: str | None = None
) -> tuple[tuple[Line, ...], str | None]:
    """What the card shows, and in words how much it hides: None only when all of the call is shown.

    `never` is the sight's own reason against an Approve.
    """
    text = text_of(lines)
    fits = len(text) <= FITS_THE_CARD and text.count("\n") < FITS_IN_LINES
    shown = lines if fits else tuple(_cut(line) for line in lines[:EXCERPT_LINES])
    if not request.whole:
        return shown, "The platform truncated this call, so nobody can see all of it here."
    curtain = never or (HIDES_TEXT if hides_text(lines) else None)
    if fits:
        return shown, curtain
    part = _part_shown(text, text_of(shown))
    return shown, f"{part} {curtain or TO_APPROVE}"


def _part_shown(text: str, shown: str) -> str:
    """How much of the call the card shows, in lines if the card shows fewer lines."""
    count, of = shown.count("\n") + 1, text.count("\n") + 1
    return f"Showing {count} of {of} lines." if count < of else f"Showing part of {_bytes_of(text)}."


def _flatten(key: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flatten(f"{key}.{_key(name)}" if key else _key(name), inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _flatten(f"{key}[{index}]", inner)
    else:
        yield key, _value(value)


def _value(value: Json) -> str:
    """A leaf. A text that could be taken for another kind of value is in quotes, which no value is."""
    if not isinstance(value, str):
        return json.dumps(value)
    return json.dumps(value) if _is_like_a_value(value) else counted(visible(value))


def _is_like_a_value(text: str) -> bool:
    """Whether a text looks like a value, like nothing at all, or like such a text in quotes."""
    while text.startswith('"'):
        try:
            inner = json.loads(text)
        except ValueError:
            return False
        if json.dumps(inner) != text:
            return False
        text = inner
    return not text or _LIKE_A_VALUE.fullmatch(text) is not None


def _key(name: str) -> str:
    """A key that could be mistaken for structure (dots, spaces, line breaks) is quoted."""
    if _PLAIN_KEY.fullmatch(name):
        return name
    return counted(visible(json.dumps(name, ensure_ascii=False)))


def _goes_below(line: Line) -> bool:
    return bool(line.key) and ("\n" in line.value or len(line.value) > BESIDE)


def _beside(line: Line, width: int) -> str:
    indent = "\n" + " " * (width + 2)
    return f"{line.key:<{width}}  {line.value.replace(chr(10), indent)}{_noted(line)}"


def _below(line: Line) -> str:
    # Indented to the last line, so nothing inside a value can look like a separate argument.
    return f"{line.key}{_noted(line)}\n    " + line.value.replace("\n", "\n    ")


def _noted(line: Line) -> str:
    return f"  ({line.note})" if line.note else ""


def _cut(line: Line) -> Line:
    if len(line.value) <= EXCERPT_VALUE:
        return line
    head, tail = line.value[: EXCERPT_VALUE * 2 // 3], line.value[-EXCERPT_VALUE // 3 :]
    size = size_of((Line(key="", value=line.value),))
    return Line(key=line.key, value=f"{head} … {tail}", note=size)
