"""Host names in what an agent wrote, and which alphabets they are written in. Pure.

`аpple.com` with a Cyrillic letter looks like the other one and is looked up as `xn--pple-43d.com`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import groupby

#: Letters, marks and symbols that print as nothing: the Default_Ignorable_Code_Point ranges of Unicode's
#: DerivedCoreProperties that are not format characters already, and the known blanks.
BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)

#: Anything that is not blank and not ASCII punctuation, `-`, `.` and `_` aside: one token, one look.
_RUN = re.compile(r"[^\s\x00-,/:-@\[-^`{-\x7f]+")
#: Browsers read a host behind each of these.
_URL_STARTS = ("//", "\\\\", "/\\", "\\/", "http:/", "https:/", "http:\\", "https:\\", "http:", "https:")
#: What a host lookup takes for a dot: a name without one is a host only where an address says so.
_DOT = re.compile("[.\u2024\u3002\ufe52\uff0e\uff61]")
#: Endings of bare names that are files far more often than hosts.
_FILES = re.compile(
    "avif|bmp|cfg|conf|csv|docx?|exe|gif|html?|ini|jpe?g|json|js|log|mp[34]|odt|pdf|png|pptx?|rtf|svg|tar|tex"
    "|toml|tsv?|txt|webp|xlsx?|xml|ya?ml"
)
#: Alphabets that are written together every day, and look like nothing else.
_EAST_ASIAN = {"Latin", "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}
#: A label of a host name is never longer (RFC 1035 §2.3.4).
_LONGEST_LABEL = 63


def hosts_in(text: str, *, foreign: bool = False) -> tuple[str, ...]:
    """Each host name in the text once, in order, as it is written: in URLs, in e-mail addresses, and bare.

    Takes time linear in the length of the text. Characters that a host lookup ignores are left out. A bare name
    counts when it looks like one (`acme.example`), and not when it looks like a file (`offer.pdf`). `foreign`:
    only those that are not plain ASCII, which is much quicker in a text that is.
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
    # A symbol that lookup turns into letters (a circled g) is part of the name that it pretends not to be.
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
    """The alphabets of a name, in the order they come."""
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
    """How a host name that is not plain ASCII is written, and what a computer looks up instead."""
    scripts = scripts_of(host)
    written = listed(scripts) if len(scripts) > 1 else f"{listed(scripts) or 'symbols'} beyond ASCII"
    return f"{written}: {'.'.join(_looked_up(label) for label in host.split('.'))}"


def _looked_up(label: str) -> str:
    """A label as DNS has it, `xn--…`, after compatibility mapping (UTS #46); code points where it has none."""
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
