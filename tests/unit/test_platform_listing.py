"""A list that is the last one again is not read, and any other says what it would say without a last one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platform.listing import Intake, LastBody, Pending, Reader, read_pending
from bot.errors import Unavailable


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {"request_id": f"r{number}", "tool": "pay", "agent_id": "a", "arguments": {"n": number}, **changes}


def body_of(*items: Any, spaced: bool = False) -> bytes:
    return json.dumps(items, indent=1 if spaced else None).encode()


async def taken_in(
    body: bytes, *, last: LastBody | None = None, known: Reader | None = None, cut: int = 50
) -> tuple[Intake, Reader, Pending]:
    """A body that comes in pieces, after another."""
    reader = Reader(known=known.kept if known else {})
    intake = Intake(lambda: reader, last=last)
    for at in range(0, len(body), cut):
        await intake.feed(body[at : at + cut])
    return intake, reader, await intake.end()


async def test_the_same_bytes_are_not_read_again() -> None:
    """The list is the very same object, however it is cut, as often as it comes."""
    body = body_of(*map(item, range(5)))
    first, _, pending = await taken_in(body)
    for cut in (1, 50, len(body)):
        again, reader, same = await taken_in(body, last=first.last, cut=cut)
        assert same is pending
        assert again.last is first.last
        assert (False, {}) == (again.reader is not None, reader.kept)


@pytest.mark.parametrize(
    "other",
    [
        body_of(*map(item, range(5))).replace(b'"n": 3', b'"n": 8'),
        body_of(*map(item, range(4))),
        body_of(*map(item, range(6))),
        body_of(*map(item, range(5))) + b" ",
        b"[]",
    ],
    ids=["one byte", "one less", "one more", "a space more", "none"],
)
async def test_any_other_bytes_are_read(other: bytes) -> None:
    """Of the same length, shorter or longer: they say what they say, and are what the next is compared with."""
    first, reader, _ = await taken_in(body_of(*map(item, range(5))))
    second, _, pending = await taken_in(other, last=first.last, known=reader)
    assert read_pending(other) == pending
    third, _, same = await taken_in(other, last=second.last)
    assert (False, True) == (third.reader is not None, same is pending)


async def test_what_breaks_off_is_no_list_and_the_last_one_stays() -> None:
    """The beginning of the same list is not the same list."""
    body = body_of(*map(item, range(5)))
    first, _, pending = await taken_in(body)
    with pytest.raises(Unavailable):
        await taken_in(body[:-1], last=first.last)
    assert (await taken_in(body, last=first.last))[2] is pending


_NUMBERS = st.lists(st.integers(0, 9), max_size=8)


@given(
    before=_NUMBERS,
    after=st.lists(st.integers(0, 9) | st.sampled_from(["x", 1.5, [], {}, {"request_id": "r1"}]), max_size=8),
    cuts=st.lists(st.integers(0, 900), max_size=4),
    spaced=st.booleans(),
)
def test_known_items_say_the_same_wherever_they_come(
    before: list[int], after: list[Any], cuts: list[int], spaced: bool
) -> None:
    """Removed, repeated, moved, beside others, in any pieces: as if nothing had been known."""
    first = Reader()
    first.feed(body_of(*map(item, before)))
    body = body_of(*(item(one) if isinstance(one, int) else one for one in after), spaced=spaced)
    second, start = Reader(known=first.kept), 0
    for cut in (*sorted(cuts), len(body)):
        second.feed(body[start:cut])
        start = max(start, min(cut, len(body)))
    assert read_pending(body) == second.end()
