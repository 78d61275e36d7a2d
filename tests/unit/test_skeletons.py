"""The Latin look of a word, for every letter that there is."""

from __future__ import annotations

import sys

from bot.spelling import skeleton


def test_every_character_has_a_look() -> None:
    """One that becomes two in small letters (U+0130) is no exception."""
    odd = [
        char for char in map(chr, range(sys.maxunicode + 1)) if len(char.lower()) > 1 or len(char.upper()) > 1
    ]
    for char in [*odd, *map(chr, range(0, sys.maxunicode + 1, 97))]:
        skeleton(char)
    assert "APi_key" == skeleton("AP\u0130_key").replace("I", "i")
