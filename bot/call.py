"""A tool call as lines to read: keys in the call's own order, nested keys dotted, sizes named. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.protocol import HITLRequest, Json

#: A call up to this many characters stands on the card whole; a Slack message as a whole ends near 13,200.
FITS_THE_CARD = 6_000
#: And up to this many lines: further down nobody reads before pressing a button.
FITS_IN_LINES = 80
#: What is left of a long call on the card: this many lines, and of each value its two ends.
EXCERPT_LINES = 16
EXCERPT_VALUE = 240

_PLAIN_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One argument: its dotted key and its value as text, which may have line breaks of its own."""

    key: str
    value: str
    note: str | None = None  #: the size of a value that is shown cut


def lines_of(request: HITLRequest) -> tuple[Line, ...]:
    """The whole call. A string or list at the top has an empty key; nothing is left out or reworded."""
    return tuple(Line(key=key, value=value) for key, value in _flatten("", request.arguments))


def text_of(lines: tuple[Line, ...]) -> str:
    """The lines as preformatted text, values aligned behind their keys and indented when they go on."""
    width = min(max((len(line.key) for line in lines), default=0), 24)
    return "\n".join(_aligned(line, width) for line in lines)


def size_of(lines: tuple[Line, ...]) -> str:
    """How much it is, in words: `12 lines, 1.4 KB`."""
    text = text_of(lines)
    size = len(text.encode())
    count = text.count("\n") + 1
    amount = f"{size} B" if size < 1024 else f"{size / 1024:.1f} KB"
    return f"{count} line{'s' if count != 1 else ''}, {amount}"


def excerpt(lines: tuple[Line, ...], *, whole: bool) -> tuple[tuple[Line, ...], str | None]:
    """What the card shows, and in words how much it hides: None only when all of the call is there."""
    text = text_of(lines)
    fits = len(text) <= FITS_THE_CARD and text.count("\n") < FITS_IN_LINES
    shown = lines if fits else tuple(_cut(line) for line in lines[:EXCERPT_LINES])
    if not whole:
        return shown, "The platform cut this call before it reached Nod: nobody can see all of it here."
    if fits:
        return shown, None
    more = f", {len(lines) - len(shown)} arguments not listed" if len(lines) > len(shown) else ""
    return shown, f"Only a part is shown ({size_of(lines)} in all{more})."


def _flatten(key: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flatten(f"{key}.{_key(name)}" if key else _key(name), inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _flatten(f"{key}[{index}]", inner)
    elif isinstance(value, str):
        yield key, value
    else:
        yield key, json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    """A key that could be mistaken for structure (dots, spaces, line breaks) is quoted."""
    return name if _PLAIN_KEY.fullmatch(name) else json.dumps(name)


def _aligned(line: Line, width: int) -> str:
    indent = "\n" + " " * (width + 2)
    value = line.value.replace("\n", indent)
    note = f"  ({line.note})" if line.note else ""
    return f"{line.key:<{width}}  {value}{note}"


def _cut(line: Line) -> Line:
    if len(line.value) <= EXCERPT_VALUE:
        return line
    head, tail = line.value[: EXCERPT_VALUE * 2 // 3], line.value[-EXCERPT_VALUE // 3 :]
    size = size_of((Line(key="", value=line.value),))
    return Line(key=line.key, value=f"{head} … {tail}", note=size)
