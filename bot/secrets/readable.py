"""Whether the hidden part of a mask could say something: prose, code, a path, in the clear or encoded. Pure.

A mask hides a secret from people who look on. It must not hide what would run from the person who approves. So
this module errs on one side: what it cannot tell from text is treated as text, and then nobody can approve in
Nod. docs/secrets.md gives the reasons for the rule.
"""

from __future__ import annotations

import base64
import binascii
import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from enum import Enum
from urllib.parse import unquote_to_bytes

from bot.secrets.letters import is_monotonous, is_spelled


class Sort(Enum):
    """Who made a secret, which decides how much it can look like words."""

    SHAPE = "shape"  #: its maker's own form, such as `ghp_…`
    SEALED = "sealed"  #: its maker's own form with text inside, such as the claims of a JWT
    CHOSEN = "chosen"  #: by a person, such as a password: can be words, as long as they are one token
    MADE = "made"  #: by a machine, such as a session token: never words
    TEXT = "text"  #: found not to be a secret: treated as text
    MAYBE = "maybe"  #: a name that often means something else, such as `code`: a secret if it looks random


#: The longest secret; more than this is a document.
LONGEST_SECRET = 4_096
#: A diceware passphrase has up to six words (eff.org/dice).
MOST_WORDS = 6
#: Text inside of text inside of text: base64 of percent-encoded base64 is decoded, but no further.
DEEPEST = 3

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: What a shell, SQL, a template or a person reads as more than a token. Slashes are judged separately.
_CODE = re.compile(
    r"""[()\[\]{}<>"'`|\\;\s]|\$[A-Za-z_({]|&&|://|%[A-Za-z_]{2,}%|^[=~.&]"""
    r"""|^--?[A-Za-z][a-z-]*(?:=|$)|\.\.|[^@]@[\w-]+(?:\.[\w-]+)+$"""
)
#: Letters of alphabets that put spaces between words; anything else beyond ASCII may be a sentence without
#: spaces.
_PLAIN = re.compile(r"[!-~\u00c0-\u024f\u0370-\u052f]+")
_PIECE = re.compile(r"[^\W_]+")
#: Three words in a row, by their separators or capitals, or a long run of small letters.
_PHRASE = re.compile(
    r"(?<![A-Za-z])(?:[A-Z]?[a-z]{2,}|[A-Z]{3,})"
    r"(?:[._~:,+=&#%*!?@^-]{1,3}(?:[A-Z]?[a-z]+|[A-Z]+)){2,}(?![A-Za-z0-9])"
    r"|(?:(?=[A-Z][a-z]*[aeiouy]|[AEIOU])[A-Z][a-z]{3,}){3}|[a-z]{14,}"
)
#: A step of a path.
_STEP = re.compile(r"/[a-z]{3,}(?=[/_-]|$)")
_TURN = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_FRAME = re.compile(
    r"-----(?:BEGIN|END) (?:(?:RSA|DSA|EC|OPENSSH|ENCRYPTED|PGP|ANY) )?PRIVATE KEY(?: BLOCK)?-----"
    r"|Proc-Type: \d,[A-Z]{1,20}|DEK-Info: [A-Z0-9-]{1,20},[0-9A-F]{1,64}"
)
#: A line of base64, and its last; a path is not one, whatever its padding, nor is a word in small letters.
_BODY = re.compile(r"(?=\S*[A-Z])(?=\S*[a-z])(?=\S*\d)(?!\S*///)[\w+/=]{20,}", re.ASCII)
_TAIL = re.compile(r"(?=\S*[A-Z0-9=])(?!\S*///)[\w+/=]+\.{0,3}", re.ASCII)
_SPACE = re.compile(r"(?:\s|\\{1,4}[nrt])+")
_GROUPS = re.compile(r"[\d-]+(?:\s+[\d-]+)*")
_PAIRS = re.compile(r"[\w!#%&*+.^~-]+=[^\s;]*(?:;\s*[\w!#%&*+.^~-]+=[^\s;]*)*")
#: Plain words in a cookie's values: a theme, a language. More of them could be a sentence.
_MOST_PLAIN_VALUES = 2
#: How packed files and programs begin: nobody sees what is in them.
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x7fELF", b"MZ", b"#!")
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_CLEAR_RUN = re.compile(rb"[ -~\t\r\n]{12,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BASE58 = {c: n for n, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}


def is_random(text: str) -> bool:
    """Whether it is hex or base64 of 32 characters and more, mixed as no word or number is; not a UUID."""
    if not re.fullmatch(r"[\w+/-]{32,}={0,2}", text, re.ASCII) or _UUID.fullmatch(text):
        return False
    return len(set(text)) >= 8 and any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


def is_opaque(text: str, *, shortest: int = 16) -> bool:
    """Whether it looks as random as a machine's secret: one token, letters and digits mixed throughout."""
    if not shortest <= len(text) <= LONGEST_SECRET or not _OPAQUE.fullmatch(text) or _UUID.fullmatch(text):
        return False
    enough = any(c.isdigit() for c in text) or len(text) >= 20
    return enough and _turns(text) >= 0.22 and not reads_like_text(text)


_OPAQUE = re.compile(r"[A-Za-z0-9](?:[\w+/.~-]|%[0-9A-F]{2})*={0,2}", re.ASCII)


#: What takes the place of a secret and is none: a reference to where it is kept, stars, a placeholder.
_REFERENCE = re.compile(
    r"\$\{[A-Za-z_]\w{0,60}\}|\$[A-Z_][A-Z0-9_]{1,60}|\$(?i:\w{0,30}(?:token|passw?d?|password|secret|key))"
    r"|%[A-Z_]{2,60}%|\$?\{\{ ?[\w.-]{1,80} ?\}\}|\$\{\{? ?(?:secrets|env|var|vars)\.[\w.-]{1,80} ?\}?\}"
    r"|\*{2,64}|x{4,64}|X{4,64}|\.{3}|<[A-Za-z _-]{1,40}>"
)
_NO_SECRET = frozenset(("", "false", "nil", "none", "null", "true", "undefined"))
#: What a key such as `auth` or a type such as `token: string` says about a secret.
_ABOUT_ONE = frozenset((
    "any", "auto", "basic", "bearer", "bool", "boolean", "bytes", "default", "digest", "disabled", "enabled",
    "env", "include", "int", "lax", "negotiate", "no", "oauth", "oauth2", "off", "omit", "on", "optional",
    "required", "same-origin", "str", "strict", "string", "text", "yes",
))  # fmt: skip


def is_no_secret(text: str, *, sort: Sort) -> bool:
    """Whether it only takes the place of a secret: `${DB_PASSWORD}`, `***`, `none`; `basic` below `auth`."""
    word = text.strip().lower()
    return (
        word in _NO_SECRET
        or (sort is not Sort.CHOSEN and word in _ABOUT_ONE)
        or bool(_REFERENCE.fullmatch(text))
    )


def reads_like_text(hidden: str, *, sort: Sort = Sort.MADE, prefix: int = 0) -> bool:
    """Whether it may be prose or code rather than a token, in the clear or in a usual encoding.

    The base64 of a key, a number in groups and a cookie's pairs are not. The first `prefix` characters are the
    maker's own: what follows them must look random.
    """
    if len(hidden) > LONGEST_SECRET:
        return True
    if sort in (Sort.SHAPE, Sort.SEALED) and _is_drawn_by_nobody(hidden[prefix:]):
        return True
    return _reads(hidden, sort, DEEPEST)


def _is_drawn_by_nobody(text: str) -> bool:
    """Whether the part after a maker's prefix is too much like words to be random."""
    bare = _FRAME.sub(" ", text)
    return is_spelled(bare) or is_monotonous(bare)


def _reads(hidden: str, sort: Sort, depth: int) -> bool:
    text = unicodedata.normalize("NFKC", hidden).strip(" \t\r\n")
    if len(hidden) > LONGEST_SECRET or depth == 0 or sort is Sort.TEXT:
        return True
    if sort is Sort.SEALED:
        return bool(_SPACE.search(text))
    if not text or _UUID.fullmatch(text):
        return False
    if _GROUPS.fullmatch(text):
        return are_numbers_of_letters(text) or any(_says(raw, sort, depth) for raw in _counted(text))
    if sort is Sort.SHAPE:
        return _several(text, depth) if _SPACE.search(text) else _has_phrase(text) or _hides(text, sort, depth)
    if _PAIRS.fullmatch(text) and "=" in text.rstrip("="):
        return _pairs_read(text, depth)
    if _SPACE.search(text):
        return _several(text, depth)
    if _CODE.search(text) or not _PLAIN.fullmatch(text) or ("/" in text and not _is_base64(text)):
        return True
    if _hides(text, sort, depth):
        return True
    return _is_wordy(text) if sort is not Sort.CHOSEN else _is_sentence(text)


def _hides(text: str, sort: Sort, depth: int) -> bool:
    """Whether a part of a maker's form is text in base64 or hex, such as the part after the prefix."""
    parts = {text, *re.split(r"[.:$]", text), *re.split(r"[-_]", text)[-1:]}
    return any(_says(raw, sort, depth) for part in parts for raw in _decoded(part))


def _several(text: str, depth: int) -> bool:
    """Whether it has words with white space between, rather than the lines of a key."""
    words = [word for word in _SPACE.split(_FRAME.sub(" ", text)) if re.search(r"\w", word)]
    *body, last = words or [""]
    if not (all(map(_BODY.fullmatch, body)) and _TAIL.fullmatch(last)):
        return bool(body) or bool(_CODE.search(last)) or "/" in last or last != _FRAME.sub(" ", text).strip()
    joined = "".join(words).rstrip(".")
    return any(_says(raw, Sort.SHAPE, depth) for raw in _base64(joined))


def _pairs_read(text: str, depth: int) -> bool:
    """Whether the pairs of a cookie say something; a few plain words in them are a theme or a language."""
    values = [value for _, _, value in (pair.partition("=") for pair in re.split(r";\s*", text))]
    names = [pair.partition("=")[0] for pair in re.split(r";\s*", text)]
    if _hides(text, Sort.MADE, depth) or any(map(_is_long_name, names)):
        return True
    # A value can be pairs again, and each is read twice: without a bound, time doubles with each pair in it.
    plain = sum(bool(value) and _reads(value, Sort.MADE, depth - 1) for value in values)
    return plain > _MOST_PLAIN_VALUES or any(_reads(value, Sort.CHOSEN, depth - 1) for value in values if value)


def _is_long_name(name: str) -> bool:
    """Whether the name of a cookie says more than names do."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return len(words) > 3 and not re.search(r"(?i)auth|csrf|session|token|xsrf|^__|^_ga", name)


def _has_phrase(text: str) -> bool:
    """Whether it contains some words in a row, whatever is around them."""
    if _PHRASE.search(text):
        return True
    humps = (run.group() for run in re.finditer(r"[A-Za-z][a-z]+(?:[A-Z][a-z]+){3,}", text))
    return any(len(run) >= 4.5 * max(4, sum(map(str.isupper, run))) for run in humps)


def _turns(text: str) -> float:
    """How often it changes between letter and digit, or begins a capital, per letter and digit.

    Random base64, base36 and hex change at 0.4 of their places, base32 at 0.3, words in camelCase below 0.2.
    """
    length = sum(map(len, _PIECE.findall(text)))
    return len(_TURN.findall(text)) / length if length else 0.0


def _is_wordy(text: str) -> bool:
    """Whether it reads as words rather than as random: `prod-db-2`, `rebootNow`; `hunter2` does not."""
    pieces = _PIECE.findall(text)
    if not any(re.search(r"[^\W\d_]{2,}", piece) for piece in pieces):
        return False
    if _has_phrase(text) or is_spelled(text):
        return True
    if len(pieces) == 1 and len(text) <= 32 and re.search(r"\d", text) and re.search(r"[^\W\d_]", text):
        return False
    letters = [c for c in text if c.isalpha()]
    upper = sum(map(str.isupper, letters)) / len(letters)
    if len(text) >= 12 and 0.3 <= upper <= 0.7 and _turns(text) >= 0.12:
        return False
    return _turns(text) < 0.22


def _is_sentence(text: str) -> bool:
    """Whether it is more than a passphrase: too many words, or too long for a person to type."""
    words = re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+", text)
    return sum(len(word) > 1 for word in words) > MOST_WORDS and (_is_wordy(text) or _has_phrase(text))


def _is_base64(text: str) -> bool:
    """Whether its slashes come from base64, rather than from a path, which is made of words."""
    if not re.fullmatch(r"[\w+/-]{16,}={0,2}", text, re.ASCII) or "///" in text or _STEP.search(text):
        return False
    words = re.findall(r"[A-Z]?[a-z]{3,}", text)
    return _turns(text) >= 0.18 and sum(map(len, words)) < 0.5 * len(text)


def _says(raw: bytes, sort: Sort, depth: int) -> bool:
    """Whether decoded bytes are text, or packed, or contain a piece of text."""
    if raw.startswith(_PACKED) or (raw.startswith(_ZLIB) and len(raw) > 8) or _is_wide(raw):
        return True
    inner = Sort.CHOSEN if sort is Sort.SHAPE else sort
    if any(_reads(run.decode(), Sort.CHOSEN, depth - 1) for run in _clear_runs(raw)):
        return True
    text = _CONTROL.sub("", raw.decode("utf-8", "ignore"))
    kept = len(text.encode())
    if len(text) < 4 or (kept < len(raw) and (kept < 18 or 5 * (len(raw) - kept) > len(raw))):
        return False
    return _reads(text, inner, depth - 1)


def _clear_runs(raw: bytes) -> list[bytes]:
    """Pieces of ASCII too long to be chance: each random byte is ASCII with a probability of 0.37."""
    shortest = 12 if len(raw) <= 128 else 18
    return [run for run in _CLEAR_RUN.findall(raw) if len(run) >= shortest]


def _is_wide(raw: bytes) -> bool:
    """Whether it is UTF-16: one byte of each pair is none, or the same, or one of Han's or Hangul's."""
    if len(raw) < 8 or len(raw) % 2:
        return False
    for high in (raw[0::2], raw[1::2]):
        letters = [byte for byte in high if byte]
        if 2 * len(letters) <= len(high):
            return True
        kinds = set(letters)
        if len(letters) >= 5 and len(kinds) == 1 and 3 <= letters[0] <= 0x20:
            return True
        if len(letters) >= 5 and all(0xAC <= byte < 0xD8 for byte in letters):
            return True
        if len(kinds) >= 5 and all(byte == 0x30 or 0x4E <= byte < 0xA0 for byte in letters):
            return True
    return False


def _decoded(text: str) -> Iterator[bytes]:
    """The text decoded in each encoding that it fits: bytes, most often meaningless."""
    if "%" in text and (raw := unquote_to_bytes(text)) != text.encode():
        yield raw
    if len(re.findall(r"=[0-9A-F]{2}", text)) >= 4:
        yield binascii.a2b_qp(text)
    yield from _base64(text)
    bare = re.sub(r"^0[xX]|[:-]", "", text)
    if len(bare) >= 8 and len(bare) % 2 == 0 and all(c in string.hexdigits for c in bare):
        yield bytes.fromhex(bare)
    for decode in (_base32, base64.b85decode, base64.a85decode):
        yield from _tried(decode, text)
    if len(text) <= 256 and all(c in _BASE58 for c in text):
        number = 0
        for char in text:
            number = number * 58 + _BASE58[char]
        yield number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base32(text: str) -> bytes:
    return base64.b32decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 8), casefold=True)


def _base64(text: str) -> Iterator[bytes]:
    plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    if len(plain) % 4 == 1:
        plain = plain[:-1]  # cut
    if len(plain) >= 6:
        yield from _tried(_strict_base64, plain + "=" * (-len(plain) % 4))
    for start in (1, 2, 3) if len(plain) >= 24 else ():
        for raw in _tried(_strict_base64, plain[start : start + (len(plain) - start) // 4 * 4]):
            yield from _clear_runs(raw)  # after a piece that is not part of it


def _strict_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _tried(decode: Callable[[str], bytes], text: str) -> Iterator[bytes]:
    try:
        yield decode(text)
    except ValueError:
        return


def _counted(digits: str) -> Iterator[bytes]:
    """Digits as the number, and as the bits, that they may be."""
    bare = re.sub(r"[\s-]", "", digits)
    if len(bare) >= 12 and len(bare) <= 256:
        number = int(bare)
        yield number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(bare) >= 16 and set(bare) <= {"0", "1"}:
        yield bytes(int(bare[at : at + 8], 2) for at in range(0, len(bare) - 7, 8))
    if len(bare) >= 8 and len(bare) % 2 == 0:
        yield bytes.fromhex(bare)


def are_numbers_of_letters(groups: str) -> bool:
    """Whether groups of digits are the codes of letters, `114 109 32 45`, or their bits."""
    numbers = re.findall(r"\d+", groups)
    if len(numbers) < 4:
        return False
    if all(len(n) == 8 and set(n) <= {"0", "1"} for n in numbers):
        return True
    if not all(len(n) <= 3 and int(n) < 256 for n in numbers):
        return False
    text = bytes(map(int, numbers)).decode("utf-8", "replace")
    return "\ufffd" not in text and not _CONTROL.search(text)
