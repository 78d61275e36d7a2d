"""A list is cut into its items wherever its pieces end, and nothing that is no list passes for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platform.splitter import NoList, Splitter

_TEXT = st.text(alphabet='ab"\\[]{},: \n\u00e9\ud83d', max_size=8)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)
_ITEMS = st.lists(
    _VALUE | st.fixed_dictionaries({"request_id": _TEXT, "agent_id": _TEXT, "a": _VALUE}), max_size=6
)


def split(body: bytes, *cuts: int) -> list[Any]:
    """The items, read one by one, of a body that comes in pieces."""
    splitter, raws, before = Splitter(), [], 0
    for cut in (*sorted(cuts), len(body)):
        raws += splitter.feed(body[before:cut])
        before = max(before, cut)
    splitter.end()
    for item in raws:
        assert item.raw is not None
        assert item.size == len(item.raw)
        value = json.loads(item.raw)
        if isinstance(value, dict) and isinstance(value.get("request_id"), str):
            assert value["request_id"] in item.names.ids
    return [json.loads(item.raw or b"") for item in raws]


@given(
    items=_ITEMS,
    cuts=st.lists(st.integers(0, 400), max_size=6),
    wrapped=st.sampled_from(
        ("{}", '{{"success": true, "data": {}}}', '{{"n": [{{}}], "data": {}, "success": true}}')
    ),
    spaced=st.booleans(),
)
def test_items_are_the_same_wherever_it_is_cut(
    items: list[Any], cuts: list[int], wrapped: str, spaced: bool
) -> None:
    """Bare or wrapped, with or without space, in any pieces: what json reads."""
    text = json.dumps(items, indent=1 if spaced else None, ensure_ascii=True)
    body = wrapped.format(text).encode()
    assert items == split(b"\xef\xbb\xbf" * spaced + body, *(min(cut, len(body)) for cut in cuts))
    assert items == split(body, *range(len(body)))


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (1, 3), (1, 2, 3)])
def test_a_byte_order_mark_may_come_in_pieces(cuts: tuple[int, ...]) -> None:
    """It is taken off once, wherever it is cut."""
    assert [None] == split(b"\xef\xbb\xbf[null]", *cuts)
    with pytest.raises(NoList):
        split(b"\xef\xbb\xbf\xef\xbb\xbf[null]", *cuts)


def test_an_item_is_the_same_however_deep_it_is() -> None:
    """Deeper than what is cut out at once, or with brackets in its texts: as it is written."""
    deep: list[Any] = []
    for _ in range(30):
        deep = [deep, "]}"]
    items = [deep, {"request_id": 'a"[', "a": {"request_id": "b", "c": "\\"}}, [], {}, "]", 1, deep]
    body = json.dumps(items).encode()
    assert items == split(body)
    for cut in range(len(body)):
        assert items == split(body, cut)


@given(items=_ITEMS, at=st.integers(0, 400), sign=st.sampled_from(list(',[]{}":x1\\')))
def test_a_damaged_list_is_never_another_list(items: list[Any], at: int, sign: str) -> None:
    """One sign more somewhere: it is refused, or reads as json reads it, or an item cannot be read."""
    text = json.dumps(items)
    at = min(at, len(text))
    damaged = text[:at] + sign + text[at:]
    try:
        expected = json.loads(damaged)
    except ValueError:
        expected = None
    splitter = Splitter()
    try:
        found = list(splitter.feed(damaged.encode()))
        splitter.end()
    except NoList:
        assert not isinstance(expected, list)
        return
    try:
        read = [json.loads(item.raw or b"") for item in found]
    except ValueError:
        assert expected is None
        return
    assert read == expected


def test_many_pieces_cost_no_more_than_few() -> None:
    """A long string that comes in small pieces is not read again for each of them."""
    splitter = Splitter()
    assert [] == list(splitter.feed(b'[{"request_id": "r", "a": "'))
    for _ in range(3_000):
        assert [] == list(splitter.feed(b"x" * 10_000))
    (item,) = splitter.feed(b'"}]')
    splitter.end()
    assert (None, frozenset({"r"})) == (item.raw, item.names.ids)
