"""Cells of an exported table: no spreadsheet runs one, and each approval is one line."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cli.audit_export import _cell, _csv

FORMULAS = (
    "=1+1", "＝1+1", " =1+1", "\t=1+1", "\r=1+1", "\n=1+1", "\u00a0=1+1", "\u3000＝1", "\u200b=1", "\ufeff=1",
    "+1", "-1", "@SUM(A1)", "＠SUM(A1)", "|cmd", "%0A", "﹦1", "−1", "a;=1+1", "a;\t=1", "a; ＝1", "a\n=1+1",
    "a\r\n=1+1,b", "a\u2028=1", "a\u0085=1", "\x00=1", "\u0301=1",
)  # fmt: skip
SIGNS = st.text(alphabet=" \t\r\n=＝+-@＠|%;,'\"a1\u200b\u00a0\u0301\u2212\\u{}", max_size=12)


def runs(cell: str) -> bool:
    """Whether some spreadsheet would take the cell for a formula, or for more than one line or cell."""
    for part in cell.split(";"):
        seen = "".join(
            c for c in unicodedata.normalize("NFKC", part) if unicodedata.category(c)[0] not in "CZM"
        )
        if seen[:1] in ("=", "+", "-", "@", "|", "%", "\u2212"):
            return True
    return len(cell.splitlines()) > 1 or any(char in cell for char in "\t\r\n\x00")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_is_left(text: str) -> None:
    """In full width, behind blanks, tabs and hidden signs, and behind the end of a line or a cell."""
    assert not runs(_cell(text))


@given(SIGNS | st.text(max_size=20))
def test_whatever_is_written_is_a_text_in_one_line(text: str) -> None:
    """Each row comes back as the cells that were written, and none of them runs."""
    cells = [_cell(text), _cell([text]), _cell({text: text}), _cell(None)]
    assert not [cell for cell in cells if runs(cell)]
    written = _csv([cells])
    assert 1 == len(written.splitlines())
    assert [cells] == list(csv.reader(io.StringIO(written, newline="")))


@pytest.mark.parametrize(
    "text", ["ann", "send_email", "Nod's own; text", "3 of 4", "2026-03-02T12:00:00+00:00"]
)
def test_ordinary_cells_stay(text: str) -> None:
    """Names, sentences and moments are as they were."""
    assert text == _cell(text)
