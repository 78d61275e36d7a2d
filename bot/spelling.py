"""Texts that look alike, or that a program may take for one another, reduced to one spelling. Pure.

Two texts with one spelling need not mean the same: the result is doubt, never an answer (`bot.matching`).
Treated as equal: case, full-width and other compatibility forms (NFKC), composed and decomposed letters,
characters that print as nothing, blanks around and runs of blanks within, and letters of other alphabets that
look Latin (after the "skeleton" of UTS #39, for the letters that occur in names).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from bot.visible import BLANK

#: Texts of up to this many characters are names; many of their results are kept. Of longer texts only the last
#: few are kept, which a policy asks for again and again: agents write them, and they would fill the memory.
LONGEST_NAME, NAMES_KEPT, TEXTS_KEPT = 100, 4096, 4

#: What looks like a Latin letter, a digit or a mark in common fonts, each above what it looks like (a selection
#: of confusables.txt, Unicode Technical Standard 39).
_ALIKE = (
    ("АВЕЅІЈКМНОРСТУХҮԌԚԜЗӀѴЬ", "ABESIJKMHOPCTYXYGQW3IVb"),  # Cyrillic
    ("асԁеԍһіјкӏорԛгѕѵԝхуүьпмнтв", "acdeghijklopqrsvwxyybnmhtb"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿϜ", "ABEZHIKMNOPTYXCJF"),  # Greek
    ("αγεηικνορστυωχϲϳ", "ayenikvopotuwxcj"),
    ("ՕՍՏԼԻհոսօցզքյ", "OUSLFhnuogqpj"),  # Armenian
    ("ᎠᎡᎢᎥᎪᎫᎬᎳᎷᎻᎽᏀᏃᏏᏒᏙᏚᏞᏟᏢᏦ", "DRTiAJEWMHYGZbRVSLCPK"),  # Cherokee
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPDTGKJCZFMNLSRVHWXYAEIOU"),  # Lisu
    ("ıɑɡɩʏᴀʙᴄᴅᴇɢʜᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡᴢ", "iagiyabcdeghjklmnoprstuvwz"),  # more of Latin
    ("‐‑‒–—―−⁃﹘", "---------"),
    ("∕⁄⧸‘’ʼʹ′꞉∶․·ˍ∗⁎", "///'''''::.._**"),
)
#: A letter, and the Latin one that it looks like.
LATIN = {ord(other): latin for others, latins in _ALIKE for other, latin in zip(others, latins, strict=True)}
_NO_WORD = re.compile(r"[\W_]+")


def spellings(text: str) -> tuple[str, str]:
    """How a text reads, ignoring case, width, blanks and invisible characters; and the same by its looks.

    Two, because a capital and a small letter of another alphabet can look like two different Latin letters.
    """
    return _of_name(text) if len(text) <= LONGEST_NAME else _of_text(text)


def keys_of(name: str) -> tuple[str, str]:
    """The spellings of an argument's name: `orderAmount`, `order.amount` and `Order_Amount ` have the same."""
    read, looks = spellings(name)
    return _NO_WORD.sub("", read) or read, _NO_WORD.sub("", looks) or looks


def _spellings(text: str) -> tuple[str, str]:
    shown = BLANK.sub("", text)
    if not shown.isprintable():
        shown = "".join(filter(_shows, shown))
    if shown.isascii():
        read = _unspaced(shown).casefold()
        return read, read
    shown = unicodedata.normalize("NFKC", shown)
    return _small(shown), _small(_small(shown.translate(LATIN)).translate(LATIN))


_of_name = lru_cache(maxsize=NAMES_KEPT)(_spellings)
_of_text = lru_cache(maxsize=TEXTS_KEPT)(_spellings)


def _small(text: str) -> str:
    """Without case; case folding can undo the compatibility form, and vice versa."""
    folded = unicodedata.normalize("NFKC", text.casefold()).casefold()
    return _unspaced(unicodedata.normalize("NFKC", folded))


def _shows(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) not in ("Cc", "Cf")


def _unspaced(text: str) -> str:
    return " ".join(text.split())


#: More letters that occur in names of secrets, beside those of `bot.spelling`.
_MORE = dict(zip(map(ord, "впьґоɪꜰʋøđłħŧƙɓɗπστωςբ"), "bnbroifvodlhtkbdnotwsp", strict=True))
#: Digits and signs that stand for letters, as in `passw0rd` and `p@ssword`.
_LEET = str.maketrans("013457@$!", "oieastasi")
_LEET_INSIDE = re.compile(r"(?<=[A-Za-z])[013457@$!]{1,3}(?=[A-Za-z])")


def without_hidden(word: str) -> str:
    """The word in compatibility form, without invisible characters."""
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
