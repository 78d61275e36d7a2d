"""A part of a foreign payload is there as it should be, or it is Malformed by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.chat.payload import (
    DEPTH,
    LONGEST,
    NODES,
    Malformed,
    is_readable,
    maybe_part,
    maybe_text,
    number,
    part,
    text,
)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        *((part, value) for value in (None, "x", [], 0)),
        *((maybe_part, value) for value in ("x", [], 0)),
        *((text, value) for value in (None, "", 1, {}, "x" * (LONGEST + 1))),
        *((maybe_text, value) for value in ("", 1, {}, "x" * (LONGEST + 1))),
        *((number, value) for value in (None, "1", True, -1, 1.0)),
    ],
)
def test_what_is_wrong_is_named(read: Callable[[Any, str], object], value: object) -> None:
    """The name, and nothing of what it holds."""
    with pytest.raises(Malformed) as found:
        read({"name": value}, "name")
    assert "name" == str(found.value)


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (part, {"a": 1}, {"a": 1}),
        (part, {}, {}),
        (maybe_part, None, {}),
        (maybe_part, {"a": 1}, {"a": 1}),
        (text, "x", "x"),
        (text, "x" * LONGEST, "x" * LONGEST),
        (maybe_text, None, None),
        (maybe_text, "x", "x"),
        (number, 0, 0),
        (number, 2**60, 2**60),
    ],
)
def test_what_is_right_comes_back(read: Callable[[Any, str], object], value: object, expected: object) -> None:
    """As it is."""
    assert expected == read({"name": value}, "name")


def test_a_bound_and_an_empty_text_may_be_asked_for() -> None:
    """An empty text is None only where that was asked for."""
    assert "abc" == text({"name": "abc"}, "name", most=3)
    with pytest.raises(Malformed, match=r"^name$"):
        text({"name": "abcd"}, "name", most=3)
    assert maybe_text({"name": ""}, "name", or_empty=True) is None
    assert "x" == maybe_text({"name": "x"}, "name", or_empty=True)
    assert {} == maybe_part({}, "name")
    assert maybe_text({}, "name") is None


def test_what_is_too_deep_or_too_much_is_not_read() -> None:
    """To the very level, and the very value."""

    def nested(levels: int) -> object:
        inner: object = "x"
        for level in range(levels - 1):
            inner = [inner] if level % 2 else {"k": inner}
        return inner

    assert is_readable(nested(DEPTH))
    assert not is_readable(nested(DEPTH + 1))
    assert is_readable(["x"] * (NODES - 1))
    assert not is_readable(["x"] * NODES)
    assert not is_readable([{"a": ["\ud800"]}])
    assert not is_readable([{"\ud800": 1}])
