"""A tool call as lines to read: keys in the call's own order, nested keys dotted, sizes named. Pure.

What leaves here may be shown to anybody who may see the card: secrets are redacted, and characters that
cannot be seen, or that turn text round, are spelled out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction
from bot.visible import visible, warnings

#: A call up to this many characters stands on the card whole; a Slack message as a whole ends near 13,200.
FITS_THE_CARD = 6_000
#: And up to this many lines: further down nobody reads before pressing a button.
FITS_IN_LINES = 80
#: A value up to this many characters stands beside its key; a phone shows about 40 in a row.
BESIDE = 60
#: How a redaction begins; nothing that was in the call before may look like it.
REDACTED = "‹redacted "
#: Names longer than this are cut on a card (bot.wording.LONGEST_NAME).
LONGEST_NAME = 80
#: How the mark of a redaction ends whose hidden part reads like text or code (bot.redaction).
_TEXT_HIDDEN = re.compile(r"‹redacted \d+ chars? of text›")
CURTAINED = "A redacted part reads like text, so this call cannot be approved here."
#: Keys up to this many characters line up their values.
WIDEST_KEY = 24
#: What is left of a long call on the card: this many lines, and of each value its two ends.
EXCERPT_LINES = 16
EXCERPT_VALUE = 240

#: Spaces in the middle of a line push what follows to the left edge of a narrow screen.
GAPPED = "A text has a wide gap inside a line; what follows it may look like a line of its own."
_GAP = re.compile(r"\S {12,}\S")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One argument: its dotted key and its value as text, which may have line breaks of its own."""

    key: str
    value: str
    note: str | None = None  #: the size of a value that is shown cut


def lines_of(request: HITLRequest, *, redaction: Redaction) -> tuple[Line, ...]:
    """The whole call. A string or list at the top has an empty key; nothing is left out or reworded.

    A name that a card has to cut comes first: an argument's key in brackets would be quoted.
    """
    names = (("(tool)", request.tool_name), ("(agent)", request.agent_id))
    cut = tuple(Line(key=key, value=name) for key, name in _seen(names) if len(name) > LONGEST_NAME)
    arguments = redaction.redact(_unforged(request.arguments))
    return cut + tuple(Line(key=key, value=visible(value)) for key, value in _flatten("", arguments))


def _seen(names: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    for key, name in names:
        yield key, visible(_broken(" ".join(name.split())))


def curtained(lines: tuple[Line, ...]) -> bool:
    """Whether a redaction hides what reads like text or code: then nobody may approve, not even seeing all."""
    return any(_TEXT_HIDDEN.search(text) for line in lines for text in (line.key, line.value))


def _unforged(value: Json) -> Json:
    """The value with each of our own marks broken that was in it before: only a redaction may look like one."""
    if isinstance(value, dict):
        return {_broken(name): _unforged(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unforged(inner) for inner in value]
    return _broken(value) if isinstance(value, str) else value


def _broken(text: str) -> str:
    # A zero-width space, which `visible` then spells out.
    return text.replace("‹redacted", "‹\u200bredacted")


def warnings_of(request: HITLRequest, *, redaction: Redaction) -> tuple[str, ...]:
    """What an eye would miss in this call, in words: invisible characters, look-alike host names.

    They quote what they found, so secrets are redacted before.
    """
    texts = [request.tool_name, request.agent_id, *_texts(redaction.redact(request.arguments))]
    found = dict.fromkeys(found for text in texts for found in warnings(text))
    if any(_GAP.search(text) for text in texts):
        found[GAPPED] = None
    return tuple(found)


def redactions_in(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """That something is hidden on purpose: a curtain can be drawn by an agent as well as by us."""
    count = sum(line.key.count(REDACTED) + line.value.count(REDACTED) for line in lines)
    if count == 0:
        return ()
    many = "One value looks like a secret and is" if count == 1 else f"{count} values look like secrets and are"
    return (f"{many} not shown. An answer covers the whole call all the same.",)


def _texts(value: Json) -> Iterator[str]:
    """Every piece of text in a value, the keys too."""
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
    """The lines as preformatted text: short values behind their keys, longer ones indented below them."""
    short = [len(line.key) for line in lines if not _goes_below(line)]
    width = min(max(short, default=0), WIDEST_KEY)
    return "\n".join(_below(line) if _goes_below(line) else _beside(line, width) for line in lines)


def size_of(lines: tuple[Line, ...]) -> str:
    """How much it is, in words: `12 lines, 1.4 KB`."""
    text = text_of(lines)
    size = len(text.encode())
    count = text.count("\n") + 1
    amount = f"{size} B" if size < 1024 else f"{size / 1024:.1f} KB"
    return f"{count} line{'s' if count != 1 else ''}, {amount}"


def excerpt(lines: tuple[Line, ...], *, request: HITLRequest) -> tuple[tuple[Line, ...], str | None]:
    """What the card shows, and in words how much it hides: None only when all of the call is there."""
    text = text_of(lines)
    fits = len(text) <= FITS_THE_CARD and text.count("\n") < FITS_IN_LINES
    shown = lines if fits else tuple(_cut(line) for line in lines[:EXCERPT_LINES])
    if not request.whole:
        return shown, "The platform cut this call before it reached Nod: nobody can see all of it here."
    curtain = CURTAINED if curtained(lines) else None
    if fits:
        return shown, curtain
    more = f", {len(lines) - len(shown)} arguments not listed" if len(lines) > len(shown) else ""
    part = f"Only a part is shown ({size_of(lines)} in all{more})."
    return shown, f"{part} {curtain}" if curtain else part


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
    return name if _PLAIN_KEY.fullmatch(name) else visible(json.dumps(name, ensure_ascii=False))


def _goes_below(line: Line) -> bool:
    return bool(line.key) and ("\n" in line.value or len(line.value) > BESIDE)


def _beside(line: Line, width: int) -> str:
    indent = "\n" + " " * (width + 2)
    return f"{line.key:<{width}}  {line.value.replace(chr(10), indent)}{_noted(line)}"


def _below(line: Line) -> str:
    # Indented to the last line: nothing inside a value can pass for an argument of its own.
    return f"{line.key}{_noted(line)}\n    " + line.value.replace("\n", "\n    ")


def _noted(line: Line) -> str:
    return f"  ({line.note})" if line.note else ""


def _cut(line: Line) -> Line:
    if len(line.value) <= EXCERPT_VALUE:
        return line
    head, tail = line.value[: EXCERPT_VALUE * 2 // 3], line.value[-EXCERPT_VALUE // 3 :]
    size = size_of((Line(key="", value=line.value),))
    return Line(key=line.key, value=f"{head} … {tail}", note=size)
