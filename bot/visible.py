"""What an agent wrote, with everything that hides made visible; and warnings about names that pretend. Pure.

An approver decides on what is seen. So nothing is stripped: a character that cannot be seen, or that turns the
direction of the text, is shown as its code point, `\\u{202E}` (reliability.md §5, Unicode).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from bot.hosts import BLANK, described, hosts_in, listed, mixed_words, scripts_of

#: More combining marks than this on one letter cover what stands around it ("zalgo").
MOST_MARKS = 4
#: So many hosts or words are named in the warnings; the others are counted.
MOST_NAMED = 5

#: Bidi_Control: what turns the direction of the text after it (UAX #9).
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_WORDS = {
    "Cc": "control character",
    "Cf": "zero-width or format character",
    "Zl": "line separator",
    "Zp": "paragraph separator",
    "Co": "private-use character",
    "Cs": "half a character",
    "Cn": "unassigned character",
    "Zs": "unusual space",
}
_PLURALS = {"half a character": "halves of characters"}

#: A text of these alone hides nothing: most calls are such, and a long one is known by it in no time.
_PLAIN = re.compile(r"[ -~\n\t]*+")


def visible(text: str) -> str:
    """The text with each hidden character as `\\u{HEX}`; only a space, a line feed and a tab stay blank.

    Different texts stay different: the backslash of a `\\u{` that was there before becomes `\\u{5C}`. Combining
    marks stay while they sit on a letter, at most `MOST_MARKS` of them.
    """
    text = text.replace("\\u{", "\\u{5C}u{")
    if _PLAIN.fullmatch(text):
        return text
    shown: list[str] = []
    seat = False  # whether a combining mark would have something of the agent's own to sit on
    for kind, group in groupby(text, key=_kind):
        run = "".join(group)
        if kind == "plain" or (kind == "mark" and seat and len(run) <= MOST_MARKS):
            shown.append(run)
        else:
            shown.extend(f"\\u{{{ord(char):X}}}" for char in run)
        seat = kind == "plain" and not run[-1].isspace()
    return "".join(shown)


def warnings(text: str) -> tuple[str, ...]:
    """What an approver must know before reading the text, a sentence each; empty when there is nothing.

    Invisible characters by number and kind; direction controls; host names that are not plain ASCII, each with
    the name that a computer looks up; words that mix the letters of alphabets that look alike.
    """
    if _PLAIN.fullmatch(text):
        return ()
    hosts = [host for host in hosts_in(text) if not host.isascii()]
    words = [word for word in mixed_words(text) if not any(word in host for host in hosts)]
    return (
        *_invisible(text),
        *_listed("host", (f"host {_short(host)} is written with {visible(described(host))}" for host in hosts)),
        *_listed("word", (f"word {_short(word)} mixes {listed(scripts_of(word))} letters" for word in words)),
    )


def _kind(char: str) -> str:
    if " " <= char <= "~" or char in "\n\t":
        return "plain"
    category = unicodedata.category(char)
    if category[0] == "C" or category[0] == "Z" or BLANK.match(char):
        return "hidden"
    return "mark" if category[0] == "M" else "plain"


def _invisible(text: str) -> Iterator[str]:
    counts = Counter(_word(char) for char in text if _kind(char) == "hidden")
    turns = counts.pop("direction control", 0)
    if turns:
        yield f"{_counted(turns, 'direction control')}: the text may read in another order than it is stored"
    if counts:
        kinds = ", ".join(_counted(number, word) for word, number in counts.most_common())
        yield f"{_counted(counts.total(), 'invisible character')} shown as code points: {kinds}"
    runs = (sum(1 for _ in run) for kind, run in groupby(text, key=_kind) if kind == "mark")
    heaps = sum(1 for length in runs if length > MOST_MARKS)
    if heaps:
        yield f"{_counted(heaps, 'heap')} of combining marks shown as code points"


def _word(char: str) -> str:
    if _BIDI.match(char):
        return "direction control"
    if "\U000e0000" <= char <= "\U000e007f":
        return "tag character"
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return "variation selector"
    if BLANK.match(char):
        return "blank letter"
    return _WORDS[unicodedata.category(char)]


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {_PLURALS.get(word, word + 's')}"


def _listed(thing: str, sentences: Iterable[str]) -> Iterator[str]:
    every = tuple(sentences)
    yield from every[:MOST_NAMED]
    if len(every) > MOST_NAMED:
        yield f"{_counted(len(every) - MOST_NAMED, f'more {thing}')} like that"


def _short(name: str) -> str:
    return visible(name if len(name) <= 80 else name[:79] + "…")
