"""What an agent wrote, with everything that hides made visible; and warnings about names that pretend. Pure.

An approver decides on what is seen. So nothing is stripped: a character that cannot be seen, or that turns the
direction of the text, is shown as its code point, `\\u{202E}`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from unicodedata import is_normalized, normalize

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
#: Where NFC can change something, with the letter before it.
_BEYOND_ASCII = re.compile(r"[ -~]?[^ -~]+")
#: So many characters at most are one to NFC: a letter with its marks, or a syllable's parts.
_JOINED = MOST_MARKS + 2


def visible(text: str) -> str:
    """The text with each hidden character as `\\u{HEX}`; only a space, a line feed and a tab stay blank.

    Different texts stay different, also to the eye: the backslash of a `\\u{` that was there before becomes
    `\\u{5C}`, and what Unicode holds for the same as another text (é in two characters, the Ångström sign) is
    spelled out. So no chat can make one of two texts by bringing them to NFC. Combining marks stay while they
    sit on a letter, at most `MOST_MARKS` of them.
    """
    text = text.replace("\\u{", "\\u{5C}u{")
    if _PLAIN.fullmatch(text):
        return text
    kinds = {char: _kind(char) for char in set(text)}
    marks = _runs_of(char for char, kind in kinds.items() if kind == "mark")
    if marks:
        text = marks.sub(lambda run: run[0] if _is_seated(run) else _spelled(run[0]), text)
    hidden = {ord(char): _spelled(char) for char, kind in kinds.items() if kind == "hidden"}
    text = text.translate(hidden) if hidden else text
    return text if is_normalized("NFC", text) else _BEYOND_ASCII.sub(lambda part: _apart(part[0]), text)


def _runs_of(chars: Iterable[str]) -> re.Pattern[str] | None:
    one_of = "".join(map(re.escape, sorted(chars)))
    return re.compile(f"[{one_of}]+") if one_of else None


def _is_seated(marks: re.Match[str]) -> bool:
    """Whether they have something of the agent's own to sit on, and are not too many for it."""
    seat = marks.string[marks.start() - 1 : marks.start()]
    return len(marks[0]) <= MOST_MARKS and bool(seat) and not seat.isspace() and _kind(seat) == "plain"


def _spelled(chars: str) -> str:
    return "".join(f"\\u{{{ord(char):X}}}" for char in chars)


def _apart(part: str) -> str:
    """A part that NFC would change, with what it would change spelled out."""
    shown: list[str] = []
    before = ""  # what the next character may join: a letter and its marks, or a syllable begun
    for char in part:
        joined = before + char
        if normalize("NFC", joined) == joined:
            shown.append(char)
            before = joined[-_JOINED:]
        else:
            shown.append(_spelled(char))
            before = ""
    return "".join(shown)


def warnings(text: str) -> tuple[str, ...]:
    """What an approver must know before reading the text, a sentence each; empty when there is nothing.

    Invisible characters by number and kind; direction controls; host names that are not plain ASCII, each with
    the name that a computer looks up; words that mix the letters of alphabets that look alike.
    """
    if _PLAIN.fullmatch(text):
        return ()
    hosts = hosts_in(text, foreign=True)
    words = [word for word in mixed_words(text) if not any(word in host for host in hosts)]
    return (
        *_invisible(text),
        *_listed("host", (f"host {_short(host)} is written with {visible(described(host))}" for host in hosts)),
        *_listed("word", (f"word {_short(word)} mixes {listed(scripts_of(word))} letters" for word in words)),
    )


@lru_cache(maxsize=8_192)
def _kind(char: str) -> str:
    if " " <= char <= "~" or char in "\n\t":
        return "plain"
    category = unicodedata.category(char)
    if category[0] == "C" or category[0] == "Z" or BLANK.match(char):
        return "hidden"
    return "mark" if category[0] == "M" else "plain"


def _invisible(text: str) -> Iterator[str]:
    counts: Counter[str] = Counter()
    marks: list[str] = []
    for char, number in Counter(text).items():
        if _kind(char) == "hidden":
            counts[_word(char)] += number
        elif _kind(char) == "mark":
            marks.append(char)
    turns = counts.pop("direction control", 0)
    if turns:
        yield f"{_counted(turns, 'direction control')}: the text may read in another order than it is stored"
    if counts:
        kinds = ", ".join(_counted(number, word) for word, number in counts.most_common())
        yield f"{_counted(counts.total(), 'invisible character')} shown as code points: {kinds}"
    runs = _runs_of(marks)
    heaps = sum(1 for run in runs.finditer(text) if len(run[0]) > MOST_MARKS) if runs else 0
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
