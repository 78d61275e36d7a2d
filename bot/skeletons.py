"""What a word looks like in plain Latin letters, so that a look-alike counts as what it looks like. Pure.

After the "skeleton" of UTS #39, for the letters that occur in names.
"""

from __future__ import annotations

import re
import unicodedata

from bot.hosts import BLANK
from bot.spelling import LATIN

#: More letters that occur in names of secrets, beside those of `bot.spelling`.
_MORE = dict(zip(map(ord, "впьґоɪꜰʋøđłħŧƙɓɗπστωςբ"), "bnbroifvodlhtkbdnotwsp", strict=True))
#: Digits and signs that stand for letters, as in `passw0rd` and `p@ssword`.
_LEET = str.maketrans("013457@$!", "oieastasi")
_LEET_INSIDE = re.compile(r"(?<=[A-Za-z])[013457@$!]{1,3}(?=[A-Za-z])")


def without_hidden(word: str) -> str:
    """The word in compatibility form, without what cannot be seen."""
    plain = unicodedata.normalize("NFKC", word)
    if plain.isascii():
        return plain
    return "".join(c for c in plain if unicodedata.category(c) != "Cf" and not BLANK.match(c))


def skeleton(word: str) -> str:
    """The word with each letter replaced by the Latin one that it looks like, and without accents."""
    shown = without_hidden(word)
    if not shown.isascii():
        plain = unicodedata.normalize("NFKD", "".join(map(_look, shown)))
        shown = "".join(_look(c) for c in plain if unicodedata.category(c) != "Mn")
    return _LEET_INSIDE.sub(lambda found: found.group().translate(_LEET), shown)


def _look(char: str) -> str:
    if char.isascii():
        return char
    small = char.lower()
    if len(small) > 1:  # a dotted capital I becomes two characters
        small = char
    look = LATIN.get(ord(char)) or LATIN.get(ord(small)) or _MORE.get(ord(small), small)
    return look.upper() if char != small else look
