"""Who may have requested a call, by its own field: none of them can decide it. Pure.

An agent writes the field. So a value that is not plainly another person matches every person that it may mean:
`@ann`, `mailto:`, `<@U0ANN>`, a name within a text or a list, in other letters, or shortened.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

from bot.matching import values_in
from bot.protocol import Json
from bot.spelling import spellings
from bot.visible import scripts_of

#: Characters of the longest plain text: the longest e-mail address (RFC 5321 §4.5.3.1.3).
LONGEST_PLAIN = 254

_WORD = re.compile(r"[^\W_]+")
#: Words of a name from which account names are made; more of them make thousands.
_MOST_WORDS = 3
#: The characters of a name, a handle, an account or an address, and those that chats put around them.
_PLAIN = re.compile(r"[\w .@+'’:/|,()<>&#-]*")
#: Before a name, and after it.
_BEFORE = re.compile(r"(?:[\s<@(\"'#]|(?:mailto|sip|slack|teams|users?)[:/])+")
_BEHIND = re.compile(r"[\s>)\"',;.]+$")
_TAGGED = re.compile(r"\+[^@\s]*@")
#: Alphabets that are written together every day, and look nothing like Latin.
_TOGETHER = {"Latin", "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}
#: The alphabets of today's names. Their letters that look like Latin are known (`bot.spelling`); letters of
#: other alphabets, and turned and phonetic ones, are used to imitate a name.
_OF_NAMES = _TOGETHER | {
    "Cyrillic", "Greek", "Armenian", "Georgian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi",
    "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Myanmar",
    "Khmer", "Ethiopic", "Tibetan",
}  # fmt: skip
#: Letters of living alphabets stay: ə ɛ ɔ ɓ ɗ ɣ ɩ ʋ, in names of Azerbaijan and West Africa.
_TURNED = re.compile(
    r"(?![əɛɔɓɗɣɩʋ])[\u018E\u01DD\u0250-\u02FF\u1D00-\u1DBF\u2C60-\u2C7F\uA720-\uA7FF\uAB30-\uAB6F]"
)
#: A word that may be another text in base64 (RFC 4648, both alphabets) or in hex.
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{8,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The people that a field names."""

    handles: frozenset[str] = frozenset()  #: of the people it names, or may name
    doubt: bool = False  #: it cannot be read, so it may be anyone


def named_in(value: Json, people: Mapping[str, Iterable[str]]) -> Named:
    """Which of these people a value may name; `people` is what each is called, with addresses and accounts.

    An empty value or text names nobody. Neither does a plain text that matches nobody: that is another person.
    """
    texts = values_in(value)
    if texts is None:
        return Named(doubt=True)
    found = [_named(text, people) for text in map(_text, texts) if spellings(text)[0]]
    handles = frozenset().union(*(one.handles for one in found))
    return Named(handles=handles, doubt=any(one.doubt for one in found))


def _text(value: Json) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)


def _named(text: str, people: Mapping[str, Iterable[str]]) -> Named:
    exact = {_bare(spelling) for spelling in _ways(text)}
    same = [
        handle for handle, names in people.items() if any(not exact.isdisjoint(_ways(name)) for name in names)
    ]
    if same:
        return Named(handles=frozenset(same))
    texts = [words for spelling in _ways(text) for words in _readings(spelling)]
    handles = frozenset(
        handle
        for handle, names in people.items()
        if any(_may_be(words, tuple(_words(part)), part) for words in texts for part in _parts(names))
    )
    return Named(handles=handles, doubt=not handles and not _is_plain(text))


def _ways(text: str) -> tuple[str, ...]:
    """The spellings of a name, with its accents and without: `Zoë` is written `Zoe` as well."""
    read = spellings(text)
    if text.isascii():
        return read[:1]
    return tuple(dict.fromkeys((*read, *map(_without_accents, read))))


def _without_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char) != "Mn")


def _bare(text: str) -> str:
    """The text without what chats and mail put around a name, and without a tag in an address."""
    before = _BEFORE.match(text)
    return _TAGGED.sub("@", _BEHIND.sub("", text[before.end() :] if before else text))


def _readings(text: str) -> Iterator[tuple[str, ...]]:
    yield tuple(_words(text))
    yield tuple(_words(_TAGGED.sub("@", text)))


def _parts(names: Iterable[str]) -> Iterator[str]:
    """The names, the part of an address before the @, and an account without its tenant."""
    for name in names:
        for spelling in _ways(name):
            yield spelling
            yield from (
                part for part in (spelling.partition("@")[0], spelling.rpartition("/")[2]) if part != spelling
            )


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _may_be(text: tuple[str, ...], name: tuple[str, ...], written: str) -> bool:
    """Whether the text contains the name, or is the name run together or shortened."""
    if not name or not text:
        return False
    size = len(name)
    if any(text[at : at + size] == name for at in range(len(text) - size + 1)) or "".join(text) == "".join(
        name
    ):
        return True
    if not _run_together(name, written).isdisjoint(word.rstrip("0123456789") for word in text):
        return True
    shortened = (
        len(text) <= size and not set("@0123456789") & set(written) and any(len(word) > 1 for word in text)
    )
    return shortened and all(any(whole == word or whole[0] == word for whole in name) for word in text)


@lru_cache(maxsize=1_024)
def _run_together(name: tuple[str, ...], written: str) -> frozenset[str]:
    """The account names from a name of two or three words: `asmith`, `smitha`, `smithann`."""
    if not 2 <= len(name) <= _MOST_WORDS or set("@0123456789") & set(written):
        return frozenset()
    choices = product(*((word, word[0]) for word in name))
    return frozenset(
        made
        for chosen in choices
        for order in permutations(chosen)
        if len(made := "".join(order)) > len(name) and any(len(part) > 1 for part in order)
    )


def _is_plain(text: str) -> bool:
    """Whether it can be read in only one way."""
    scripts = set(scripts_of(text))
    return (
        len(text) <= LONGEST_PLAIN
        and _PLAIN.fullmatch(text) is not None
        and unicodedata.normalize("NFKC", text) == unicodedata.normalize("NFC", text)
        and (scripts <= _TOGETHER or len(scripts) == 1)
        and scripts <= _OF_NAMES
        and _TURNED.search(text) is None
        and not any(map(_says_more, _ENCODED.findall(text)))
    )


def _says_more(word: str) -> bool:
    """Whether a word is another text, encoded. An ordinary word decodes to unprintable bytes."""
    sent = word.replace("-", "+").replace("_", "/")
    return any(_prints(decoded, sent) for decoded in (bytes.fromhex, _from_base64))


def _from_base64(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


def _prints(decoded: Callable[[str], bytes], text: str) -> bool:
    try:
        read = decoded(text).decode("ascii")
    except ValueError:
        return False
    return read.isprintable()
