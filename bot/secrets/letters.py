"""Whether letters are spelled words, in a row and without a gap: `SENDITALLTOMALLORY`. Pure.

Words show in which letter follows which, in capitals, in small letters or mixed. So a row of letters is
weighed: how much likelier it is in English than by chance. Other languages with the same letters weigh nearly
as much.
"""

from __future__ import annotations

import math
import re

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
#: For each letter, how often each one follows it: 5 as often as by chance, each step twice as often or half.
#: Counted in the joined words of Python's own documentation (`pydoc_data.topics`, 311,471 letters).
_FOLLOWING = (
    "05640330503767040777431240", "61427100570711530442700060", "70417206505621720527501010",
    "65448512701434630466524230", "54665532501556453776243530", "62435521702424830547611230",
    "63437445601546540566623000", "71219201600031610335111000", "44544540102558730477040202",
    "40319010423002200033502200", "52339430710344450465504000", "73357400600733630265622060",
    "75228100500251670244501010", "64666362500443630267443030", "46563620402458450746534000",
    "71237202500711660737301050", "43002000000232000030902020", "73458351701355630566423140",
    "63547424702444550367524130", "63437318700332620655413040", "55537140500667150677000000",
    "80008000700020500020000000", "61336207801314610554122000", "62837333600223470246012451",
    "65645422603346670567345311", "73219511711221521233112221",
)  # fmt: skip
_BY_CHANCE = 5
_WEIGHT = {
    one + other: int(count) - _BY_CHANCE
    for one, row in zip(_LETTERS, _FOLLOWING, strict=True)
    for other, count in zip(_LETTERS, row, strict=True)
}
#: Twofold steps above chance that make words, besides one for each doubling of the length: of random letters
#: 2⁻ⁿ reach n steps at a place (Karlin and Altschul, 1990), so about one token in 1,000 does.
_STEPS = 7
#: Letters and digits that stay in one case, with hardly a digit: this many come from no alphabet of keys.
_LONG = 20
_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]+")
_OTHERS = re.compile(r"[^a-z]+")
_TURN = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_FEWEST_TURNS = 0.08


def is_spelled(text: str) -> bool:
    """Whether it contains words, in any case; digits and signs between the letters do not matter."""
    if _HEX.fullmatch(text):
        return False  # six letters spell nothing that could be meant
    best = weight = 0
    before = ""
    for letter in _OTHERS.sub("", text.lower()):
        weight = max(0, weight + _WEIGHT.get(before + letter, 0))
        best = max(best, weight)
        before = letter
    return best >= _STEPS + math.log2(len(text) or 1)


def is_monotonous(text: str) -> bool:
    """Whether a long piece of it has letters that hardly ever change to digits or capitals."""
    return any(
        len(piece) >= _LONG and not piece.isdigit() and len(_TURN.findall(piece)) < _FEWEST_TURNS * len(piece)
        for piece in re.findall(r"[A-Za-z0-9]+", text)
    )
