"""What the relay unpacks of a copy: what was packed, in steps of a bounded size, whatever comes."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.relay.stream_observer import (
    BLIND_EVERY,
    MOST,
    MOST_HELD,
    StreamObserver,
    Unpacker,
    Unreadable,
    open_observer,
)
from tests.servers.system import until

EVENT = b'data: {"metadata": {"hitl": {"required": true, "decision": "pending"}}}\n\n'


def bare(data: bytes) -> bytes:
    """Deflate without zlib's head, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
}


def bomb(size: int) -> bytes:
    """So many bytes of nothing as gzip, about a thousandth of that, packed once a million; it breaks off."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    first, again = (packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * (size // 1_000_000 - 1)


def drained(unpacker: Unpacker, *pieces: bytes) -> bytes:
    """All that these pieces were; no step gives more than it may."""
    found = []
    for piece in pieces:
        found.append(unpacker.feed(piece))
        while unpacker.behind:
            found.append(unpacker.feed(b""))
    assert all(len(part) <= MOST for part in found) or not unpacker.packed
    return b"".join(found)


@given(
    data=st.binary(max_size=300),
    layers=st.lists(st.sampled_from(sorted(PACKERS)), max_size=3),
    at=st.sets(st.integers(0, 400)),
)
def test_what_was_packed_is_what_is_read(data: bytes, layers: list[str], at: set[int]) -> None:
    """In every way and in several on top of one another, cut anywhere."""
    packed = data
    for layer in layers:
        packed = PACKERS[layer][1](packed)
    cuts = sorted({cut for cut in at if cut < len(packed)} | {0, len(packed)})
    unpacker = Unpacker([PACKERS[layer][0] for layer in layers])

    assert data == drained(unpacker, *(packed[begin:end] for begin, end in pairwise(cuts)))
    assert unpacker.whole


def test_what_is_flushed_is_read_at_once() -> None:
    """An event is there with the piece that ends it, and the stream is not whole before its end."""
    packer, unpacker = zlib.compressobj(wbits=16 + zlib.MAX_WBITS), Unpacker(["gzip"])
    for _ in range(3):
        piece = packer.compress(EVENT) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert EVENT == unpacker.feed(piece)
    assert not unpacker.whole
    unpacker.feed(packer.flush())
    assert unpacker.whole


def test_gzip_streams_may_follow_one_another() -> None:
    """Each event as one of its own; and thousands of empty ones cost no more than a bounded step each."""
    assert EVENT * 3 == drained(Unpacker(["gzip"]), gzip.compress(EVENT) * 3)
    unpacker = Unpacker(["gzip"])

    assert b"" == unpacker.feed(gzip.compress(b"") * 10_000)
    assert unpacker.behind
    assert b"" == drained(unpacker, b"")


@pytest.mark.parametrize("names", [["br"], ["zstd"], ["gzip", "br"], ["x" * 100], ["gzip"] * 4])
def test_what_is_not_known_is_said(names: list[str]) -> None:
    """And nothing is tried with it."""
    with pytest.raises(Unreadable):
        Unpacker(names)


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_what_is_broken_is_said(name: str) -> None:
    """No error of the library gets out."""
    with pytest.raises(Unreadable):
        drained(Unpacker([name]), b"data: this was never packed\n\n" * 20)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_is_given_up(layers: int) -> None:
    """300 MB of nothing cost less than a second and no memory; then the tap is blind, and asks for a poll."""
    packed = bomb(300_000_000)
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    woken: list[int] = []
    observer = StreamObserver(wake=lambda: woken.append(1), unpacker=Unpacker(["gzip"] * layers))
    observer.offer(packed[:MOST_HELD])
    begun, looks = time.process_time(), 0
    while observer._more.is_set() and looks < 1_000:
        observer._look()
        looks += 1

    assert time.process_time() - begun < 1
    assert observer._unpacker is None
    assert woken


async def test_a_blind_tap_asks_now_and_then() -> None:
    """When something comes, not more often than once a second, and at the end; of silence it says nothing."""
    woken: list[float] = []

    def wake() -> None:
        woken.append(time.monotonic())

    async with open_observer(wake=wake, packings=["br"]) as observer:
        await asyncio.sleep(0.05)
        assert [] == woken
        for _ in range(60):
            observer.offer(b"x" * 10_000)
            await asyncio.sleep(BLIND_EVERY / 40)
        before = tuple(woken)
        assert b"" == observer._held
    assert len(before) > 1
    assert BLIND_EVERY * 0.9 < min(later - earlier for earlier, later in pairwise(before))
    assert len(woken) > len(before)


async def test_a_tap_that_turns_blind_says_why() -> None:
    """Once, and the stream's end is worth a poll then."""
    woken: list[int] = []
    with capture_logs() as logs:
        async with open_observer(wake=lambda: woken.append(1), packings=["gzip"]) as observer:
            observer.offer(gzip.compress(b"data: 1\n\n") + b"no gzip")
            await until(lambda: bool(woken), what="a wake")
            assert [1] == woken
    assert [1, 1] == woken
    assert [("relay_stream_unreadable", "broken")] == [(log["event"], log["reason"]) for log in logs]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_stream_that_is_cut_may_have_told_something(whole: bool) -> None:
    """What a packing kept back cannot be read, so it counts; a stream that ended and told nothing does not."""
    woken: list[int] = []
    packed = gzip.compress(b"data: nothing\n\n")
    async with open_observer(wake=lambda: woken.append(1), packings=["gzip"]) as observer:
        observer.offer(packed if whole else packed[:-9])
        await asyncio.sleep(0.05)
    assert ([] if whole else [1]) == woken


async def test_more_than_a_look_can_take_is_read_in_several() -> None:
    """A long stretch that packs well is read to its end, and new bytes come after it."""
    woken: list[int] = []
    filler = b": " + b"x" * 998 + b"\n"
    async with open_observer(wake=lambda: woken.append(1), packings=["gzip"]) as observer:
        observer.offer(gzip.compress(filler * 2_000))
        observer.offer(gzip.compress(EVENT))
        await until(lambda: bool(woken), what="a wake")
        assert observer._unpacker is not None


async def test_a_packed_stream_that_is_too_fast_makes_the_tap_blind() -> None:
    """Without a part of it the rest cannot be unpacked."""
    woken: list[int] = []
    observer = StreamObserver(wake=lambda: woken.append(1), unpacker=Unpacker(["gzip"]))
    for _ in range(MOST_HELD // 1000 + 1):
        observer.offer(b"x" * 1000)
    observer.close()

    assert observer._unpacker is None
    assert woken
