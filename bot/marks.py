"""Nod's own marks in the text of a call, and counted blanks, so that they push nothing out of sight. Pure.

A mark is `‹` and then `redacted`, `hidden` or a digit. An agent can write that too. So before redaction each
`‹` in the call gets a zero-width space behind it (`armoured`), and afterwards that space is removed wherever no
mark could be read (`bared`); elsewhere `bot.visible` spells it out. Both are one to one: a text that already
had such a space keeps it, besides ours.

A tab is `⇥`. Blanks at the ends of a line, wide gaps, long runs of blank lines and of one hidden character are
counted: `‹40 spaces›`, `‹12 blank lines›`, `‹300 times \\u{3000}›`. Line breaks at the ends of a text are `⏎`.
Ordinary indentation, the blank line of a paragraph and narrow columns stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bot.canonical import DEEPEST
from bot.protocol import Json

_ARMOUR = "‹\u200b"
#: What a mark begins with, with combining marks and nearly invisible signs between.
_READS_AS_MARK = "[^\\w\\s\x00-\x7f‹]*+(?:redacted|hidden|[0-9])"
_NEEDLESS = re.compile(f"‹\u200b(?!{_READS_AS_MARK})")
_NEEDED = re.compile(f"‹\u200b(?={_READS_AS_MARK})")

#: The warning about a text that contains something like a mark.
IMITATED = "A text imitates one of Nod's marks, such as ‹redacted 12 chars›. Imitations begin with ‹\\u{200B}."


def armoured(value: Json, *, depth: int = 0) -> Json:
    """A copy in which no text, key or value, contains anything that reads like a mark of Nod's.

    Values below `DEEPEST` stay unchanged: nothing is shown there (`bot.redaction`).
    """
    if isinstance(value, str):
        return armour(value)
    if depth >= DEEPEST:
        return value
    if isinstance(value, dict):
        # One to one, so no two keys become one.
        return {armour(name): armoured(inner, depth=depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [armoured(inner, depth=depth + 1) for inner in value]
    return value


def armour(text: str) -> str:
    """A text in which nothing reads like a mark of ours."""
    return text.replace("‹", _ARMOUR) if "‹" in text else text


def bared(text: str) -> str:
    """An armoured text, redacted or not, with the armour only where it is needed."""
    return _NEEDLESS.sub("‹", text) if _ARMOUR in text else text


def imitates(text: str) -> bool:
    """Whether an armoured text contains something that would have read like a mark of Nod's."""
    return _ARMOUR in text and _NEEDED.search(text) is not None


def written(text: str) -> str:
    """An armoured text as it was written; marks of Nod's stay."""
    return text.replace(_ARMOUR, "‹")


#: This many spaces inside a line are a gap: on a phone, with about 40 characters in a row, more of them move
#: what follows to the left edge, where arguments begin.
GAP = 12
#: This many spaces before a line stay: code is seldom indented further.
INDENT = 24
#: This many line breaks in a row are a long run: a paragraph ends with two, a section with three.
BREAKS = 4
#: A line of more characters takes 25 rows of a phone.
LONG_LINE = 1_000
#: The width of a tab in spaces, where gaps are measured.
TAB = 4
#: Line breaks at an end of a text that are shown one by one.
ENDS = 3

GAPPED = "A text has a wide gap, shown as tabs (⇥) or as ‹40 spaces›. Read what comes after it."
EMPTIED = "A text has many blank lines in a row, shown as ‹12 blank lines›. Read what comes after them."
STRETCHED = f"A line has more than {LONG_LINE:,} characters. Read it to its end."

_OWN = str.maketrans({"⇥": "\\u{21E5}", "⏎": "\\u{23CE}", "\t": "⇥"})
#: Blanks that are counted. Each starts where a run begins and keeps what it took: the time is linear.
_COUNTED = re.compile(
    r"(?=[ \n])(?:"
    r"\A\n++|(?<!\n)\n++\Z"
    rf"|(?<!\n)\n{{{BREAKS},}}+"
    rf"|\A ++|(?<=\n) {{{INDENT + 1},}}+|(?<![ \n]) {{{GAP},}}+"
    r"|(?<! ) ++(?=\n|\Z)"
    r")"
)
#: One hidden character repeated many times (`bot.visible` has spelled it out).
_REPEATED = re.compile(rf"(\\u\{{[0-9A-F]+\}})\1{{{GAP - 1},}}+")

_INNER = re.compile(r"(?<=[^ \t\n])[ \t]{3,}+")
_INDENTED = re.compile(r"(?:\A|(?<=\n))[ \t]{7,}+")
_BLANK_LINES = re.compile(rf"\n(?:[ \t]*+\n){{{BREAKS - 1}}}")


def counted(text: str) -> str:
    """A visible text (`bot.visible.visible`) with marks for blanks. Different texts stay different.

    Neither the text nor any of its lines begins or ends with a blank.
    """
    text = _REPEATED.sub(_times, text.translate(_OWN) if _has_own(text) else text)
    return _COUNTED.sub(_count, text)


def blanks_warned(texts: Iterable[str]) -> Iterator[str]:
    """What an eye would miss because blanks or a long line push it away, one sentence for each kind."""
    kept = list(texts)
    if any(_is_gapped(text) for text in kept):
        yield GAPPED
    if any(_BLANK_LINES.search(text) for text in kept):
        yield EMPTIED
    if any(len(text) > LONG_LINE and max(map(len, text.split("\n"))) > LONG_LINE for text in kept):
        yield STRETCHED


def _has_own(text: str) -> bool:
    return "\t" in text or "⇥" in text or "⏎" in text


def _count(blanks: re.Match[str]) -> str:
    number = len(blanks[0])
    if blanks[0][0] == " ":
        return _mark(number, "space")
    if blanks.start() > 0 and blanks.end() < len(blanks.string):
        return f"\n{_mark(number - 1, 'blank line')}\n"
    return "⏎" * number if number <= ENDS else _mark(number, "line break")


def _mark(number: int, of: str) -> str:
    return f"‹{number} {of}{'s' if number != 1 else ''}›"


def _times(run: re.Match[str]) -> str:
    return f"‹{len(run[0]) // len(run[1])} times {run[1]}›"


def _is_gapped(text: str) -> bool:
    inner = any(_width(run[0]) >= GAP for run in _INNER.finditer(text))
    return inner or any(_width(run[0]) > INDENT for run in _INDENTED.finditer(text))


def _width(blanks: str) -> int:
    return len(blanks) + (TAB - 1) * blanks.count("\t")
