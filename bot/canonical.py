"""One text for one JSON value, and JSON that two readers cannot read differently. Pure.

Follows RFC 8785 (keys in UTF-16 order, minimal escapes, no white space), but is stricter where that would make
two calls the same: `1` and `1.0` differ, `0.0` and `-0.0` differ, and what two parsers could read differently
has no canonical text at all.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

#: Levels of nested lists and objects, at most.
DEEPEST = 64
#: Digits of the longest integer. Every digit matters, in the digest and on the card: ids of messages and
#: accounts exceed 2^53-1, up to which all parsers agree (RFC 7493 §2.2), and 2^256 has 78 digits.
MOST_DIGITS = 128
#: The longest canonical text of one value, in characters; memory holds a few copies of a call.
LONGEST_TEXT = 4 * 1024 * 1024
#: The form of new digests. A change to what `canonical` returns, or to what a digest covers, changes this too,
#: and the previous form stays unchanged in `FORMS` for one release: it identifies calls whose card, votes or
#: decision are older than the upgrade.
FORM = "2"
#: Each form that is still understood, with its largest integer: form 1 had no digest of a call beyond 2^53-1.
FORMS = {"1": 2**53 - 1, FORM: 10**MOST_DIGITS - 1}


#: A text as `json.dumps` writes it with `ensure_ascii=False`.
_QUOTED = json.JSONEncoder(ensure_ascii=False).encode
#: A plain value as its canonical text.
_ENCODE = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


class NotCanonical(ValueError):
    """This value has no canonical text. The message gives the reason and none of the content."""


def canonical(value: object, *, form: str = FORM) -> str:
    """The one text of a JSON value. Different values, types included, never share a text.

    Accepts any object, because the types are checked here. Raises `NotCanonical` for NaN and the infinities,
    integers beyond the largest of the form, lone surrogates, keys that are not strings, anything that is not a
    JSON value, more than `DEEPEST` levels and more than `LONGEST_TEXT` characters.
    """
    if _is_plain(value, largest=FORMS[form]):
        quick = _ENCODE(value)
        if len(quick) <= LONGEST_TEXT and (quick.isascii() or _is_text(quick)):
            return quick
    return written_out(value, form=form)


def written_out(value: object, *, form: str = FORM) -> str:
    """The same text, value by value: for what is not plain, and to say what is wrong with it."""
    text = _Text(largest=FORMS[form])
    _write(value, text, depth=0)
    return "".join(text.pieces)


def _is_plain(value: object, *, largest: int) -> bool:
    """Whether json's own encoder, which is many times faster, writes the same text.

    It accepts subclasses and keys of other types, and it sorts keys by code points: in ASCII that is the order.
    """
    level = [value]
    for depth in range(DEEPEST + 1):
        inside: list[object] = []
        for inner in level:
            # The exact type matters, as in `_write`.
            kind = type(inner)
            if kind is str or inner is None or kind is bool:
                continue
            if depth == DEEPEST and (kind is dict or kind is list):
                return False
            if kind is dict and isinstance(inner, dict):
                for name in inner:
                    if type(name) is not str or not name.isascii():
                        return False
                inside += inner.values()
            elif kind is list and isinstance(inner, list):
                inside += inner
            elif kind is int and isinstance(inner, int):
                if abs(inner) > largest:
                    return False
            elif kind is not float or not isinstance(inner, float) or not math.isfinite(inner):
                return False
        if not inside:
            return True
        level = inside
    return True


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def digest_of(parts: Sequence[object], *, form: str = FORM) -> str:
    """SHA-256, as 64 hex digits, over the canonical text of the list of `parts`.

    Raises `NotCanonical` as `canonical` does; depth and size are measured separately for each part.
    """
    text = "[" + ",".join([canonical(part, form=form) for part in parts]) + "]"
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class _Text:
    largest: int
    pieces: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, piece: str) -> None:
        self.size += len(piece)
        if self.size > LONGEST_TEXT:
            raise NotCanonical(f"it is longer than {LONGEST_TEXT:,} characters")
        self.pieces.append(piece)


def _write(value: object, text: _Text, *, depth: int) -> None:
    # The exact type matters: a subclass can print anything.
    kind, opening = type(value), ""
    if (kind is dict or kind is list) and depth >= DEEPEST:
        raise NotCanonical(f"it is nested deeper than {DEEPEST} levels")
    if kind is dict and isinstance(value, dict):
        quoted = {str(name): _string(name) for name in value}
        for name in sorted(quoted, key=None if "".join(quoted).isascii() else _utf16):
            text.add(f"{opening or '{'}{quoted[name]}:")
            _write(value[name], text, depth=depth + 1)
            opening = ","
        text.add("}" if value else "{}")
    elif kind is list and isinstance(value, list):
        for inner in value:
            text.add(opening or "[")
            _write(inner, text, depth=depth + 1)
            opening = ","
        text.add("]" if value else "[]")
    else:
        text.add(_leaf(value, largest=text.largest))


def _leaf(value: object, *, largest: int) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        if abs(value) > largest:
            raise NotCanonical(f"it has an integer of more than {MOST_DIGITS} digits")
        return str(value)
    if type(value) is float:
        if not math.isfinite(value):
            raise NotCanonical("it has a number that is not finite")
        return repr(value)
    if type(value) is str:
        return _string(value)
    raise NotCanonical("it has a value that is not JSON")


def _string(value: object) -> str:
    if type(value) is not str:
        raise NotCanonical("it has a key that is not a string")
    if len(value) > LONGEST_TEXT:
        raise NotCanonical(f"it is longer than {LONGEST_TEXT:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotCanonical("it contains half of a surrogate pair") from None
    return _QUOTED(value)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


class Ambiguous(ValueError):
    """A key is given twice, or a number is not valid JSON. Says nothing of the content."""


def read_json(text: str) -> object:
    """The value of a JSON text.

    Raises ValueError for invalid JSON, `Ambiguous` where two readers would read different values, and
    RecursionError for text that is nested too deep.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(members: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(members)
    if len(made) != len(members):
        raise Ambiguous("a key is given twice")
    return made


def _no_number(_: str) -> object:
    raise Ambiguous("a number is not valid JSON")
