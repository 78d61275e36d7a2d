"""A note to a decision, as it is typed on one line. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import reduce

from rich.cells import cell_len

from bot.approval import LONGEST_NOTE

#: Stands before what was pasted, where a single key would be; so a paste is never taken for a key.
PASTED = "\x1b[200~"
KEEP, DROP = frozenset(("\r", "\n")), "\x1b"
_ERASE, _ERASE_WORD, _ERASE_ALL = frozenset(("\x7f", "\x08")), "\x17", "\x15"

#: Escape sequences (ECMA-48, and what keys send), which a paste may bring along.
_SEQUENCE = re.compile("\x1b(\\[[0-?]*[ -/]*[@-~]|O.)?")
_GAP = re.compile("[\r\n\t\v\f\u0085\u2028\u2029]+")


def typed(note: str, key: str) -> str:
    """The note after a key or a paste; a key that writes nothing changes nothing."""
    if key.startswith(PASTED):
        # On one line. Keys that a slow line brought together come this way too, those that erase among them.
        return reduce(typed, _GAP.sub(" ", _SEQUENCE.sub("", key.removeprefix(PASTED))), note)
    if key in _ERASE:
        return note[:-1]
    if key == _ERASE_WORD:
        return note.rstrip().rpartition(" ")[0]
    if key == _ERASE_ALL:
        return ""
    return (note + key)[:LONGEST_NOTE] if len(key) == 1 and _is_seen(key) else note


def line(note: str, *, width: int, writing: bool) -> str:
    """The note on one row of so many cells, with how much of its room is taken; its end while it is written."""
    head = f"note {len(note)}/{LONGEST_NOTE}: "
    room = max(1, width - len(head) - 2)
    shown = _end(note, room) + "▏" if writing else _beginning(note, room)
    return head + shown


def _is_seen(char: str) -> bool:
    """No control, and nothing that turns or hides text."""
    return not unicodedata.category(char).startswith("C") and char not in "\u2028\u2029"


def _end(text: str, room: int) -> str:
    start = len(text)
    used = 0
    while start and (used := used + cell_len(text[start - 1])) <= room:
        start -= 1
    return ("…" if start else "") + text[start:]


def _beginning(text: str, room: int) -> str:
    used = 0
    for number, char in enumerate(text):
        used += cell_len(char)
        if used > room:
            return text[:number] + "…"
    return text
