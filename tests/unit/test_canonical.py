"""Canonical text: one call, one text; two calls, two texts; what could be read in two ways, none."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.canonical import (
    DEEPEST,
    FORMS,
    LONGEST_TEXT,
    MOST_DIGITS,
    NotCanonical,
    canonical,
    digest_of,
    written_out,
)
from bot.protocol import Json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**MOST_DIGITS - 1), 10**MOST_DIGITS - 1)
    | st.sampled_from([0, 1, 1.0, 0.0, -0.0, "1", "", "null", True, False, None])
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def same(one: Json, other: Json) -> bool:
    """Equality that knows 1 from 1.0 and from True, and 0.0 from -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return repr(one) == repr(other)


def nested(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ([True, False], "[true,false]"),
        ({}, "{}"),
        ([], "[]"),
        (1, "1"),
        (1.0, "1.0"),
        ([2**53 - 1, 2**53, 2**53 + 1], "[9007199254740991,9007199254740992,9007199254740993]"),
        (-(10**127), "-1" + "0" * 127),
        (-0.0, "-0.0"),
        (1e21, "1e+21"),
        ({"b": 1, "a": [1, {"c": None}]}, '{"a":[1,{"c":null}],"b":1}'),
        ('"\\/\b\t\n\f\r\x00\x1f\x7f', r'"\"\\/\b\t\n\f\r\u0000\u001f' + '\x7f"'),
        ("é😀\u2028", '"é😀\u2028"'),
        ({"\ufb33": 1, "😀": 2, "a": 3}, '{"a":3,"😀":2,"\ufb33":1}'),
    ],
)
def test_text(value: Json, text: str) -> None:
    """Keys in UTF-16 order, the escapes of RFC 8785, numbers told apart by their type, no white space."""
    assert text == canonical(value)


@given(VALUES, VALUES)
def test_different_values_have_different_texts(one: Json, other: Json) -> None:
    """Two texts agree exactly when the two values are the same, types included."""
    assert same(one, other) is (canonical(one) == canonical(other))


@given(VALUES)
def test_the_text_says_the_value(value: Json) -> None:
    """Any JSON parser reads the value back from its text, so nothing of the value is outside the digest."""
    assert same(value, json.loads(canonical(value)))


@given(st.dictionaries(TEXT, VALUES, max_size=6), st.randoms())
def test_the_order_of_keys_is_no_difference(value: dict[str, Json], chance: random.Random) -> None:
    """An object is the same however its keys are ordered."""
    shuffled = list(value.items())
    chance.shuffle(shuffled)

    assert canonical(value) == canonical(dict(shuffled))


def test_composed_and_decomposed_letters_differ() -> None:
    """What looks alike and is stored differently is a different call."""
    assert canonical("caf\u00e9") != canonical("cafe\u0301")


class Sly(str):
    """A string that could print as something else."""


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [-float("inf")],
        10**MOST_DIGITS,
        -(10**5000),
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {None: 2},
        {"a": (1, 2)},
        b"bytes",
        {1, 2},
        Sly("x"),
        {Sly("x"): 1},
        object(),
        "x" * LONGEST_TEXT,
        {"x" * (LONGEST_TEXT + 1): 1},
        [["x" * 1024] * 1024] * 8,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_be_read_in_two_ways_has_no_text(value: Any) -> None:
    """No text, and a reason that gives nothing of the content away."""
    with pytest.raises(NotCanonical) as refusal:
        canonical(value)

    assert len(str(refusal.value)) < 80
    assert "xx" not in str(refusal.value)


def test_depth_has_an_end() -> None:
    """So many levels have a text, one more has none, and a hundred thousand cost no stack."""
    assert "[" * DEEPEST + "1" + "]" * DEEPEST == canonical(nested(DEEPEST))
    for levels in (DEEPEST + 1, 100_000):
        with pytest.raises(NotCanonical):
            canonical(nested(levels))


def test_a_circle_is_refused() -> None:
    """A list inside itself is no JSON value, and not the end of the process."""
    circle: list[Json] = []
    circle.append(circle)

    with pytest.raises(NotCanonical):
        canonical(circle)


def test_digest() -> None:
    """SHA-256 over the canonical list; the parts cannot run into one another."""
    assert "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" == digest_of([])
    assert digest_of([{"a": 1, "b": 2}]) == digest_of([{"b": 2, "a": 1}])
    assert 4 == len({digest_of(parts) for parts in (["ab", "c"], ["a", "bc"], [["a", "bc"]], ["abc"])})


@given(st.lists(VALUES, max_size=4))
def test_a_digest_is_that_of_the_list(parts: list[Json]) -> None:
    """Nothing but the canonical list of the parts goes into the digest."""
    assert digest_of(parts) == digest_of(json.loads(canonical(parts)))


class Word(str):
    """A text that could print anything."""


@given(VALUES, st.sampled_from(list(FORMS)))
def test_the_quick_way_writes_the_same_text(value: Json, form: str) -> None:
    """Plain values are encoded by json itself: as if each had been written out."""
    assert quick_and_slow(value, form=form)


@pytest.mark.parametrize(
    "value",
    [
        nested(DEEPEST - 1), nested(DEEPEST), nested(DEEPEST + 1), [[]] * 3, float("nan"), float("-inf"),
        10**MOST_DIGITS, 2**53, {1: 2}, {Word("a"): 1}, Word("a"), [Word("a")], (1, 2), b"a", "\ud83d",
        {"\ud83d": 1}, {"\U0001f600": 1, "\uffff": 2, "a": 3}, {"b": 1, "a": {"\u00e9": 1}}, "\u2028\x7f\x00",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", FORMS)
def test_the_quick_way_refuses_the_same_values(value: Any, form: str) -> None:
    """Whatever it cannot write safely is written out, or refused in the same words."""
    assert quick_and_slow(value, form=form)


@pytest.mark.parametrize("last", [[], {}, 1])
def test_the_deepest_level_is_the_same(last: Json) -> None:
    """An empty list is a level, too."""
    for levels in range(DEEPEST - 2, DEEPEST + 2):
        value = last
        for _ in range(levels):
            value = [value]
        assert quick_and_slow(value, form="2")


def quick_and_slow(value: Any, *, form: str) -> bool:
    """Whether both ways say the same."""

    def said(write: Callable[..., str]) -> str:
        try:
            return write(value, form=form)
        except NotCanonical as error:
            return f"refused: {error}"

    return said(canonical) == said(written_out)
