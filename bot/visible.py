"""Makes everything hidden in an agent's text visible, and finds host names that imitate others. Pure.

An approver decides on what they see. So nothing is stripped: a character that is invisible, or that turns the
direction of the text, is shown as its code point, `\\u{202E}`. A host name that mixes alphabets is named:
`аpple.com` with a Cyrillic letter looks like the other one and is looked up as `xn--pple-43d.com`.

Fallback texts, notifications and page summaries have no element that shows a text as it is: Slack reads mrkdwn
and makes links of bare host names there, other readers Markdown. So each sign that could act becomes one that
looks like it, `evil.com` becomes `evil[.]com` (as incident reports write it), and a character that already is
such a look-alike is spelled as its code point: two texts never become one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import groupby
from unicodedata import is_normalized, normalize

#: Letters, marks and symbols that print as nothing: the Default_Ignorable_Code_Point ranges of Unicode's
#: DerivedCoreProperties that are not format characters already, and the known blanks.
BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)

#: Anything except blanks and ASCII punctuation other than `-`, `.` and `_`: one token, one look.
_RUN = re.compile(r"[^\s\x00-,/:-@\[-^`{-\x7f]+")
#: Browsers read a host after each of these.
_URL_STARTS = ("//", "\\\\", "/\\", "\\/", "http:/", "https:/", "http:\\", "https:\\", "http:", "https:")
#: What a host lookup takes for a dot: a name without one is a host only if an address says so.
_DOT = re.compile("[.\u2024\u3002\ufe52\uff0e\uff61]")
#: Endings of bare names that are files far more often than hosts.
_FILES = re.compile(
    "avif|bmp|cfg|conf|csv|docx?|exe|gif|html?|ini|jpe?g|json|js|log|mp[34]|odt|pdf|png|pptx?|rtf|svg|tar|tex"
    "|toml|tsv?|txt|webp|xlsx?|xml|ya?ml"
)
#: Alphabets that are written together every day, and look like nothing else.
_EAST_ASIAN = {"Latin", "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}
#: The longest label of a host name (RFC 1035 §2.3.4).
_LONGEST_LABEL = 63


def hosts_in(text: str, *, foreign: bool = False) -> tuple[str, ...]:
    """Each host name in the text once, in order, as it is written: in URLs, in e-mail addresses, and bare.

    Takes time linear in the length of the text. Characters that a host lookup ignores are left out. A bare name
    is included if it looks like a host (`acme.example`), and not if it looks like a file (`offer.pdf`).
    `foreign`: only those that are not plain ASCII, which is much quicker in a text that is.
    """
    found: dict[str, None] = {}
    for match in _RUN.finditer(text):
        if foreign and match.group().isascii():
            continue
        before = text[max(0, match.start() - 8) : match.start()].lower()
        in_url = before.endswith(_URL_STARTS)
        mailbox = text[match.end() : match.end() + 1] == "@"
        if not in_url and (mailbox or before.endswith(("/", "\\")) or not _DOT.search(match.group())):
            continue
        in_mail = before.endswith("@")
        for place, name in enumerate(_names(match.group(), everywhere=in_url or in_mail)):
            named = place == 0 and (in_url or in_mail)
            if (place == 0 and in_url and not mailbox) or _is_host(name, named=named):
                found[name] = None
    return tuple(name for name in found if not (foreign and name.isascii()))


def _names(run: str, *, everywhere: bool) -> Iterator[str]:
    """The host-like names in a run of characters; an ideographic full stop is a dot only inside an address."""
    part = partial(_part, everywhere=everywhere)
    for belongs, group in groupby((part(char) for char in run), key=bool):
        if belongs:
            for name in re.split(r"\.{2,}", "".join(group).replace("\0", "")):
                if name.strip(".-"):
                    yield name.strip(".-")


@lru_cache(maxsize=8_192)
def _part(char: str, *, everywhere: bool) -> str:
    """What a character is inside a host name: itself, a dot, NUL for ignored, nothing when it ends the name."""
    if char.isascii():
        return char
    if char in "\u3002\uff61":
        return "." if everywhere else ""
    plain = unicodedata.normalize("NFKC", char)
    if plain == ".":
        return "."
    category = unicodedata.category(char)
    if category == "Cf" or BLANK.match(char):
        return "\0"
    # A symbol that lookup turns into letters (a circled g) is part of the name that it hides in.
    return char if category[0] in "LMN" or any(c.isascii() and c.isalnum() for c in plain) else ""


def _is_host(name: str, *, named: bool) -> bool:
    labels = name.split(".")
    ending = labels[-1].lower()
    if len(labels) < 2 or not (ending[:1].isalpha() and len(ending) > 1):
        return False
    if named:
        return True
    if ending.isascii():
        return not _FILES.fullmatch(ending) or _pretends(name)
    return all(label.isascii() for label in labels[:-1]) or any(_pretends(label) for label in labels)


def scripts_of(name: str) -> tuple[str, ...]:
    """The alphabets of a name, in order of appearance."""
    return tuple(dict.fromkeys(filter(None, map(_script, name))))


@lru_cache(maxsize=8_192)
def _script(char: str) -> str | None:
    if char.isascii():
        return "Latin" if char.isalpha() else None
    if unicodedata.category(char)[0] in "MN":
        return None
    # The standard library has no script property; a character's name begins with it.
    word = unicodedata.name(char, "unnamed").split()[0]
    return {"CJK": "Han"}.get(word, word.title())


def _pretends(name: str) -> bool:
    scripts = set(scripts_of(name))
    return len(scripts) > 1 and not scripts <= _EAST_ASIAN


def mixed_words(text: str) -> tuple[str, ...]:
    """Words with letters of Latin and of an alphabet that looks like it; short ones are formulas (`kΩ`)."""
    if text.isascii():
        return ()
    words = (match.group() for match in re.finditer(r"\w{4,}", text))
    return tuple(dict.fromkeys(word for word in words if not word.isascii() and _looks_latin(word)))


def _looks_latin(word: str) -> bool:
    scripts = set(scripts_of(word))
    return "Latin" in scripts and bool(
        scripts & {"Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu"}
    )


def described(host: str) -> str:
    """Which characters a host name has that is not plain ASCII, and what a computer looks up instead."""
    scripts = scripts_of(host)
    mixed, only = f"mixes {listed(scripts)}", " ".join(["contains non-ASCII", *scripts])
    written = mixed if len(scripts) > 1 else only
    return f"{written} characters; its real name is {'.'.join(_looked_up(label) for label in host.split('.'))}"


def _looked_up(label: str) -> str:
    """A label as DNS has it, `xn--…`, after compatibility mapping (UTS #46); code points if it has none."""
    plain = unicodedata.normalize("NFKC", label[: _LONGEST_LABEL + 1]).lower()
    if plain.isascii() and re.fullmatch(r"[\w-]+", plain):
        return plain
    try:
        encoded = "xn--" + plain.encode("punycode").decode("ascii")
    except UnicodeError:
        encoded = ""
    if encoded and len(encoded) <= _LONGEST_LABEL and re.fullmatch(r"[\w-]+", encoded, re.ASCII):
        return encoded
    start = "".join(char if char.isascii() else f"<U+{ord(char):04X}>" for char in label[:8])
    return start if len(label) <= 8 else f"{start}…"


def listed(words: tuple[str, ...]) -> str:
    """`A, B and C`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


#: More combining marks than this on one letter cover the text around it ("zalgo").
MOST_MARKS = 4
#: The warnings name this many hosts or words; the others are counted.
MOST_NAMED = 5

#: Bidi_Control: characters that change the direction of the text after them (UAX #9).
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

#: A text of only these hides nothing: most calls are such, and even a long one is recognised at once.
_PLAIN = re.compile(r"[ -~\n\t]*+")
#: Where NFC can change something, with the letter before it.
_BEYOND_ASCII = re.compile(r"[ -~]?[^ -~]+")
#: NFC can combine at most this many characters: a letter with its marks, or a syllable's parts.
_JOINED = MOST_MARKS + 2


#: Signs that say which of two things is which, as in `a > b` and `from/to`.
_SIGNS = r"[/\\<>=+*|&%$#@:;~^→←-]"
RIGHT_TO_LEFT = "Contains numbers or signs next to right-to-left letters; the displayed order may be misleading"


def visible(text: str) -> str:
    """The text with each hidden character as `\\u{HEX}`; only a space, a line feed and a tab stay blank.

    Different texts stay different, also to the eye: the backslash of a `\\u{` that was there before becomes
    `\\u{5C}`, and characters that Unicode treats as equal to another text (é in two characters, the Ångström
    sign) are spelled out. So no chat can merge two texts by converting them to NFC. Combining marks stay while
    they follow a letter, at most `MOST_MARKS` of them.
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
    """Whether they follow a character of the agent's text, and are not too many for it."""
    base = marks.string[marks.start() - 1 : marks.start()]
    return len(marks[0]) <= MOST_MARKS and bool(base) and not base.isspace() and _kind(base) == "plain"


def _spelled(chars: str) -> str:
    return "".join(f"\\u{{{ord(char):X}}}" for char in chars)


def _apart(part: str) -> str:
    """A part that NFC would change, with the changing characters spelled out."""
    shown: list[str] = []
    before = ""  # what the next character can join: a letter and its marks, or a syllable begun
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
    """What an approver must know before reading the text, a sentence each; empty if there is nothing.

    Invisible characters by number and kind; direction controls; host names that are not plain ASCII, each with
    the name that a computer looks up; words that mix the letters of alphabets that look alike.
    """
    if _PLAIN.fullmatch(text):
        return ()
    hosts = hosts_in(text, foreign=True)
    words = [word for word in mixed_words(text) if not any(word in host for host in hosts)]
    return (
        *_invisible(text),
        *((RIGHT_TO_LEFT,) if _is_reordered(text) else ()),
        *_listed("host", (f"The host {_short(host)} {visible(described(host))}" for host in hosts)),
        *_listed(
            "word", (f"The word {_short(word)} mixes {listed(scripts_of(word))} letters" for word in words)
        ),
    )


def _is_reordered(text: str) -> bool:
    """Whether numbers or signs follow letters that are read from right to left (UAX #9, N1 and W7)."""
    letters = {char for char in set(text) if unicodedata.bidirectional(char) in ("R", "AL", "AN")}
    if not letters:
        return False
    one_of = "[" + "".join(map(re.escape, sorted(letters))) + "]"
    between = r"[^\w\n]{0,60}"
    return re.search(rf"{one_of}{between}(?:\d|{_SIGNS}{between}{one_of})", text) is not None


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
    turns = counts.pop("hidden text-direction character", 0)
    if turns:
        signs = _counted(turns, "hidden text-direction character")
        yield f"Contains {signs}; the displayed order may be misleading"
    if counts:
        kinds = ", ".join(_counted(number, word) for word, number in counts.most_common())
        yield f"Contains {_counted(counts.total(), 'invisible character')}, shown as code points: {kinds}"
    runs = _runs_of(marks)
    stacks = sum(1 for run in runs.finditer(text) if len(run[0]) > MOST_MARKS) if runs else 0
    if stacks:
        yield f"Contains {_counted(stacks, 'stack')} of combining marks, shown as code points"


def _word(char: str) -> str:
    if _BIDI.match(char):
        return "hidden text-direction character"
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


_ALIKE = {
    "*": "∗",
    "_": "＿",
    "~": "∼",
    "`": "ˋ",
    "[": "［",
    "]": "］",
    "<": "‹",
    ">": "›",
    "&": "＆",
    "@": "＠",
    "#": "＃",
    "|": "｜",
    ":": "꞉",
}
#: Other characters that separate parts of host names (UTS #46).
_DOTS = "\u2024\u3002\uff0e\uff61"
_SPELLED = "".join(_ALIKE.values())

_ACTS = re.compile(
    r"[*~`\[\]<>&@#|]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between two letters it is part of a name, in every dialect
    r"|:(?=//)|(?i:(?<=mailto)|(?<=tel)|(?<=sms)):(?=\S)"
    r"|(?<!\d):(?=[^\s:]+:)|:(?=(?!\d)[^\s:]+:)"  # `:tada:`, but not a time of day
    # A host name, but not a decimal point; what replaces a backtick is a letter.
    r"|(?<=\S)\.(?=[^\W\d]|`)|(?:(?<=[^\W\d])|(?<=`))\.(?=[\w`])"
    rf"|(?<=[\w`])[{_DOTS}](?=[\w`])|[{_SPELLED}]"
)


def inert(text: str) -> str:
    """The text without anything that a reader could act on. Different texts stay different."""
    return _ACTS.sub(lambda found: _tamed(found[0]), text)


def _tamed(sign: str) -> str:
    if sign == ".":
        return "[.]"
    return _ALIKE.get(sign) or f"\\u{{{ord(sign):X}}}"
