"""The Latin look of a word, for every letter that there is."""

from __future__ import annotations

import sys

from bot.spelling import skeleton


def test_every_character_has_a_look() -> None:
    """One that becomes two in small letters (U+0130) is no exception."""
    for point in range(sys.maxunicode + 1):
        skeleton(chr(point))
    assert "APi_key" == skeleton("AP\u0130_key").replace("I", "i")
