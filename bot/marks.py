"""Nod's own marks in what is shown of a call, `‹redacted 12 chars›`, and how an agent's texts stay apart. Pure.

A mark is `‹` and then `redacted`, `hidden` or a digit. An agent may write that too. So before anything is
redacted each `‹` in the call gets a zero-width space behind it (`armoured`), and afterwards that one is taken
back wherever no mark could be read (`bared`); where one could be, `bot.visible` spells it out. Both are one to
one: a text that had such a space already keeps it, besides ours.
"""

from __future__ import annotations

import re

from bot.canonical import DEEPEST
from bot.protocol import Json

_ARMOUR = "‹\u200b"
_NEEDLESS = re.compile("‹\u200b(?!\u200b*(?:redacted|hidden|[0-9]))")
_NEEDED = re.compile("‹\u200b(?=\u200b*(?:redacted|hidden|[0-9]))")

#: Said of a text with something in it that reads like a mark.
IMITATED = "A text imitates a mark of Nod's, such as ‹redacted 12 chars›; there it reads ‹\\u{200B}."


def armoured(value: Json, *, depth: int = 0) -> Json:
    """A copy in which no text, key or value, holds anything that reads like a mark of ours.

    Below `DEEPEST` it is as it was: nothing is shown there (`bot.redaction`).
    """
    if isinstance(value, str):
        return armour(value)
    if depth >= DEEPEST:
        return value
    if isinstance(value, dict):
        # One to one, so no two keys become one.
        return {armour(name): armoured(inner, depth=depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [armoured(inner, depth=depth + 1) for inner in value]
    return value


def armour(text: str) -> str:
    """A text in which nothing reads like a mark of ours."""
    return text.replace("‹", _ARMOUR) if "‹" in text else text


def bared(text: str) -> str:
    """An armoured text, redacted or not, with the armour only where it is needed."""
    return _NEEDLESS.sub("‹", text) if _ARMOUR in text else text


def imitates(text: str) -> bool:
    """Whether an armoured text has something in it that would have read like a mark of ours."""
    return _ARMOUR in text and _NEEDED.search(text) is not None


def written(text: str) -> str:
    """An armoured text as it was written; marks of ours stay."""
    return text.replace(_ARMOUR, "‹")
