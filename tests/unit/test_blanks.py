"""No blank pushes a text out of sight: it is counted in its place, and warned of."""

from __future__ import annotations

import time

import pytest

from bot.marks import EMPTIED, GAPPED, LONG_LINE, STRETCHED, blanks_warned, counted
from bot.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dear Jane,\n\nhello", "Dear Jane,\n\nhello"),
        ("def f():\n    return 1\n", "def f():\n    return 1⏎"),
        ("a  b    c", "a  b    c"),
        ("\tx\ty", "⇥x⇥y"),
        (" x ", "‹1 space›x‹1 space›"),
        ("x  \ny", "x‹2 spaces›\ny"),
        ("\n\nx\n\n\n", "⏎⏎x⏎⏎⏎"),
        ("\n" * 80 + "rm -rf /", "‹80 line breaks›rm -rf /"),
        ("ls\n\n\n\n\nrm -rf /", "ls\n‹4 blank lines›\nrm -rf /"),
        ("ls" + " " * 300 + "rm -rf /", "ls‹300 spaces›rm -rf /"),
        ("ls\n" + " " * 300 + "rm -rf /", "ls\n‹300 spaces›rm -rf /"),
        ("ls" + "\u3000" * 300 + "rm -rf /", "ls‹300 times \\u{3000}›rm -rf /"),
        ("⇥ and ⏎", "\\u{21E5} and \\u{23CE}"),
        ("   ", "‹3 spaces›"),
        ("\n \n", "⏎‹1 space›⏎"),
    ],
)
def test_blanks_are_counted(text: str, shown: str) -> None:
    """Ordinary writing stays; what would be overlooked is a mark, and what follows comes right behind it."""
    assert shown == counted(visible(text))


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("Dear Jane,\n\nhello\n\n\nBye", []),
        ("\t\t\treturn x;\n\t\t\t\t}", []),
        ("name      value", []),
        ("ls" + " " * 40 + "rm", [GAPPED]),
        ("ls\t\t\trm", [GAPPED]),
        (" " * 40 + "rm", [GAPPED]),
        ("ls\n" + "\t" * 30 + "rm", [GAPPED]),
        ("ls" + " " * 40, [GAPPED]),
        ("ls" + "\n" * 30 + "rm", [EMPTIED]),
        ("ls" + "\n \t" * 30 + "rm", [EMPTIED]),
        ("\n" * 30 + "rm", [EMPTIED]),
        ("x" * LONG_LINE, []),
        ("a\n" + "x" * LONG_LINE + "y", [STRETCHED]),
    ],
)
def test_what_pushes_away_is_warned_of(text: str, warned: list[str]) -> None:
    """A sentence for each kind, and none for ordinary writing."""
    assert warned == list(blanks_warned([text]))


@pytest.mark.parametrize(
    "piece", [" ", "\n", "\t", "\n ", "x ", " \n", "\u3000", "\\u{", "‹", "\n\n\n", "x" + " " * 13]
)
def test_time_is_linear(piece: str) -> None:
    """A quarter of a megabyte of the worst kind takes less than the time of a click."""
    text = piece * (250_000 // len(piece))
    begin = time.process_time()

    counted(visible(text))
    list(blanks_warned([text]))

    assert time.process_time() - begin < 1.5
