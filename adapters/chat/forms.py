"""How both chats ask for a reason, and what comes back. Pure.

A field requires only what the desk would refuse without.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.chat.payload import Malformed
from adapters.chat.text import cut, seen
from bot.approval import LONGEST_NOTE
from bot.call import BESIDE
from bot.card import Card

#: The fields of our forms: the words, and the preset reasons.
NOTE, PRESET = "nod_note", "nod_preset"
#: Characters of a preset reason, and how many are shown as radio buttons; more become a menu.
OPTION, RADIOS = 150, 5
#: Between the preset reason and the words.
_AND = ": "

#: Arguments that a form shows, and the separator between two of them.
NAMED_ARGUMENTS, BETWEEN = 3, "·"


def decided_call(card: Card) -> str:
    """What a form decides: the call's first arguments on one line, such as the amount and the payee.

    A value cannot pass for two: a separator in it is escaped.
    """
    named = [f"{line.key} {line.value}".replace(BETWEEN, "\\u{B7}") for line in card.call[:NAMED_ARGUMENTS]]
    shown = [cut(" ".join(one.split()), BESIDE) for one in named]
    more = ["…"] if len(card.call) > len(shown) or card.hidden else []
    return f" {BETWEEN} ".join([*shown, *more]) or "(no arguments)"


def choices_of(presets: Sequence[str]) -> list[str]:
    """The preset reasons, each once.

    Each is the text that the agent gets, so the form carries it whole: a policy can change behind an open form.
    """
    return [one for one in dict.fromkeys(cut(" ".join(seen(p).split()), OPTION) for p in presets) if one]


def longest_words(choices: Sequence[str]) -> int:
    """How many characters the words can have, so that with any of these reasons they still fit into a note."""
    return LONGEST_NOTE - max((len(choice) + len(_AND) for choice in choices), default=0)


def reason_of(preset: str | None, words: str | None) -> str | None:
    """What the agent gets: the preset reason, the words, or both."""
    return f"{preset}{_AND}{words}" if preset and words else preset or words


def filled(value: object, name: str, *, most: int | None = None) -> str | None:
    """What a person typed or picked in a field; None for nothing. Raises Malformed."""
    if value is None:
        return None
    if not isinstance(value, str) or (most is not None and len(value) > most):
        raise Malformed(name)
    # PostgreSQL stores no NUL, and nobody types one.
    return value.replace("\x00", "").strip() or None
