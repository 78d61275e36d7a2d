"""A note as it is typed at a terminal: what a key makes of it, and what is seen of it."""

from __future__ import annotations

import unicodedata
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from adapters.terminal.keys import PASTED, line, typed
from bot.approval import LONGEST_NOTE

ERASE, ERASE_WORD, ERASE_ALL = "\x7f", "\x17", "\x15"


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        (["o", "k"], "ok"),
        (["日", "é", "😀"], "日é😀"),
        (["o", "k", ERASE, ERASE, ERASE, "n"], "n"),
        (["o", "k", "\x08"], "o"),
        ([PASTED + "one two three", ERASE_WORD], "one two"),
        ([PASTED + "one two ", ERASE_WORD, ERASE_WORD], ""),
        (["o", "k", ERASE_ALL, "n", "o"], "no"),
        (["a", "\t", "\x01", "\x1b", "\x1b[3~", "up", "left", "", "b"], "ab"),
        ([PASTED + "up"], "up"),
        (["o", "k", PASTED + "x\x7f\x7fnly"], "only"),
        ([PASTED + "a\r\n\r\ny\nn\tb\u2028c"], "a y n b c"),
        ([PASTED + "\x1b[31mred\x1b[0m\x07\x00\u202e\u200bend"], "redend"),
        ([PASTED + "x" * 5_000, "y"], "x" * LONGEST_NOTE),
    ],
    ids=range(13),
)
def test_keys_make_a_note(keys: list[str], note: str) -> None:
    """Letters of any script are added and taken back; what is no text changes nothing."""
    assert note == reduce(typed, keys, "")


@given(keys=st.lists(st.text(max_size=20) | st.text(max_size=20).map(lambda text: PASTED + text), max_size=40))
def test_a_note_is_one_short_line_of_what_can_be_seen(keys: list[str]) -> None:
    """Whatever is typed or pasted."""
    note = reduce(typed, keys, "")

    assert len(note) <= LONGEST_NOTE
    assert len(note.splitlines()) <= 1
    assert not any(unicodedata.category(char).startswith("C") for char in note)


@given(note=st.text(alphabet="ab 日😀e\u0301", max_size=60), width=st.integers(25, 60))
@pytest.mark.parametrize("writing", [True, False])
def test_a_note_fits_on_its_row(writing: bool, note: str, width: int) -> None:
    """Its end while it is written, its beginning after that; wide characters take two cells."""
    shown = line(note, width=width, writing=writing)

    assert cell_len(shown) <= width
    assert shown.startswith(f"note {len(note)}/{LONGEST_NOTE}: ")
    if cell_len(note) <= width - 25:
        assert note in shown


def test_the_end_is_seen_while_it_is_written() -> None:
    """So that one sees what one types."""
    note = "a" * 100 + "日本"

    assert line(note, width=40, writing=True).endswith("aa日本▏")
    assert line(note, width=40, writing=False).endswith("aa…")
