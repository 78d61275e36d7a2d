"""JSON in which a key is given twice is nobody's: two readers would see two clicks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.canonical import Ambiguous, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_plain_is_read_as_it_is(value: Any) -> None:
    """Everything that JSON can hold comes back."""
    assert value == read_json(json.dumps(value))


@given(
    outer=VALUES,
    name=st.text(max_size=5),
    one=VALUES,
    two=VALUES,
    depth=st.integers(0, 6),
    escaped=st.booleans(),
)
def test_a_key_twice_is_refused_at_any_depth(
    outer: Any, name: str, one: Any, two: Any, depth: int, escaped: bool
) -> None:
    """Also with the same value twice, and when one of the two is spelled with escapes."""
    first = json.dumps(name)
    second = '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"' if escaped and name.isascii() else first
    text = f"{{{first}: {json.dumps(one)}, {second}: {json.dumps(two)}}}"
    for level in range(depth):
        text = f"[{json.dumps(outer)}, {text}]" if level % 2 else f'{{"k": {text}}}'
    with pytest.raises(Ambiguous):
        read_json(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", '{"a": -Infinity}'])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Python would take it; no other reader needs to."""
    with pytest.raises(Ambiguous):
        read_json(text)
