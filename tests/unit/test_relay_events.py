"""What the relay reads out of a stream: enough to know when to look, whatever the stream does to it."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.relay.stream_observer import (
    LARGEST_EVENT,
    MOST_HELD,
    EventReader,
    StreamObserver,
    Unpacker,
    open_observer,
)

BOM = b"\xef\xbb\xbf"


def event(hitl: object, end: str = "\n", **more: object) -> bytes:
    return f"data: {json.dumps({'metadata': {'hitl': hitl}} | more, ensure_ascii=False)}{end}{end}".encode()


def hitl(decision: object = "pending", **more: object) -> dict[str, object]:
    return {"required": True, "decision": decision, "request_id": "r1", **more}


def worth(*pieces: bytes) -> int:
    """How many of these pieces say that a look is worth it."""
    reader = EventReader()
    return sum(reader.feed(piece) for piece in pieces)


@pytest.mark.parametrize("decision", ["pending", "approved", "rejected", "skipped", "timeout_skip"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_decision_is_worth_a_look(decision: str, end: str) -> None:
    """Every word that the platform has for it, with every end that a line can have."""
    assert 1 == worth(event(hitl(decision), end))


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 7])
def test_a_byte_order_mark_hides_nothing(cut: int) -> None:
    """One before the first line is no part of it (HTML standard, §9.2.5); another one is."""
    stream = BOM + event(hitl())
    assert 1 == worth(stream[:cut], stream[cut:])
    assert 0 == worth(BOM + stream)
    assert 0 == worth(b": hello\n\n", stream)


@pytest.mark.parametrize(
    "data",
    [
        event(hitl(required=False)),
        event(hitl(required="true")),
        event(hitl("thinking")),
        event(hitl(["pending"])),
        event(hitl(None)),
        event("pending"),
        event(None),
        b'data: ["hitl"]\n\n',
        b'data: "hitl"\n\n',
        b'data: {"hitl"\n\n',
        b'data: "\xff hitl" "hitl"\n\n',
        b'data: {"metadata": {"hitl": ' + b"[" * 50_000 + b"\n\n",
        b'data: {"metadata": {"hitl": ' + b"9" * 9_000 + b"}}\n\n",
        b": " + event(hitl())[6:],
        b"event: " + event(hitl())[6:],
        event(hitl()).rstrip(),
    ],
    ids=range(16),
)
def test_anything_else_is_not(data: bytes) -> None:
    """Other events, comments, an event that has not ended, and what is no JSON: nothing, and no error."""
    assert 0 == worth(data)
    assert 1 == worth(data + b"\n\n", event(hitl())) - worth(data + b"\n\n")


STREAM = b": \xc3\x9f\r\n\r\n" + event({}, note="ß\U0001f600") + event(hitl(), "\r\n", note="\U0001f600ß")


@given(at=st.sets(st.integers(0, len(STREAM))))
def test_a_chunk_may_be_cut_anywhere(at: set[int]) -> None:
    """In a character, in a line's end, in a name: the same is read."""
    cuts = sorted(at | {0, len(STREAM)})

    assert 1 == worth(*(STREAM[begin:end] for begin, end in pairwise(cuts)))


@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from([b"\r", b"\n", b"data:", b'"hitl"'])))
def test_nothing_makes_the_reader_fail(pieces: list[bytes]) -> None:
    """After any bytes at all the next event is read."""
    reader = EventReader()
    for piece in pieces:
        reader.feed(piece)
    reader.feed(b"\n\n")

    assert reader.feed(event(hitl()))


def test_an_event_of_several_lines_is_one() -> None:
    """Data lines are joined, with other fields between them, also where a chunk ends between CR and LF."""
    first, second = json.dumps({"metadata": {"hitl": hitl()}}).split(", ", 1)

    whole = f"id: 1\r\ndata: {first},\r\n: x\r\ndata:{second}\r\nretry: 1\r\n\r\n".encode()
    assert [1] * len(whole) == [worth(whole[:cut], whole[cut:]) for cut in range(len(whole))]


@pytest.mark.parametrize("size", [1, 1000, LARGEST_EVENT])
def test_an_event_that_is_too_long_is_worth_a_look(size: int) -> None:
    """It is not kept, in how many pieces it may come; it could have told something, so it counts once."""
    long = b"data: " + b"x" * 2 * LARGEST_EVENT
    pieces = [long[at : at + size] for at in range(0, len(long), size)]
    reader = EventReader()

    assert 1 == sum(reader.feed(piece) for piece in pieces)
    assert LARGEST_EVENT >= len(reader._line)
    assert not reader.feed(b"\n\n")
    assert reader.feed(event(hitl()))


def test_many_short_lines_are_bounded_too() -> None:
    """An event that never ends is given up, and the next one read."""
    reader = EventReader()

    assert 1 == sum(reader.feed(b"data: xxxxxxxx\n") for _ in range(LARGEST_EVENT // 10))
    assert LARGEST_EVENT >= sum(map(len, reader._data))
    reader.feed(b"\n\n")
    assert reader.feed(event(hitl()))


def test_comments_do_not_add_up() -> None:
    """A stream that is kept alive for days by comments has not become one long event."""
    assert 0 == worth(*[b": still here, nothing has happened\n"] * 10_000)


def test_a_tap_that_is_full_lets_go() -> None:
    """It takes no more than it may hold, drops what it had, asks for a look, and reads on after that."""
    woken: list[int] = []
    observer = StreamObserver(wake=lambda: woken.append(1), unpacker=Unpacker(()))
    for _ in range(MOST_HELD // 1000 + 1):
        observer.offer(b"x" * 1000)
    assert MOST_HELD >= len(observer._held)

    observer.close()
    assert [1] == woken[:1]
    woken.clear()
    observer.offer(b"\n\n" + event(hitl()))
    observer.close()
    assert woken


async def test_a_tap_reads_beside_the_stream() -> None:
    """It wakes for an event, and once more when a stream ends that had one; not for a stream without any."""
    woken: list[int] = []
    async with open_observer(wake=lambda: woken.append(1)) as observer:
        observer.offer(event(hitl()))
        await asyncio.sleep(0.01)
        assert [1] == woken
    assert [1, 1] == woken
    async with open_observer(wake=lambda: woken.append(1)) as observer:
        observer.offer(event({}))
        await asyncio.sleep(0.01)
    assert [1, 1] == woken


async def test_a_tap_that_fails_keeps_it_to_itself() -> None:
    """Trouble in the bot's side of things is logged, and nothing else happens to the stream."""

    def fail() -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with open_observer(wake=fail) as observer:
            observer.offer(event(hitl()))
            await asyncio.sleep(0.01)
            observer.offer(event(hitl()))

    assert [{"event": "relay_tap_failed", "reason": "ZeroDivisionError", "log_level": "error"}] == logs


ASKED = {"required": True, "decision": "pending", "request_id": "r1"}


@pytest.mark.parametrize(
    ("event", "run_id"),
    [
        ({"run_id": "run-1", "metadata": {"hitl": ASKED}}, "run-1"),
        ({"metadata": {"run_id": "run-2", "hitl": ASKED}}, "run-2"),
        ({"metadata": {"hitl": ASKED}}, "of the answer"),
        ({"run_id": 7, "metadata": {"hitl": ASKED}}, "of the answer"),
        ({"run_id": "run-1", "metadata": {"hitl": ASKED | {"decision": "approved"}}}, None),
        ({"run_id": "run-1", "metadata": {"hitl": ASKED | {"request_id": ["r1"]}}}, None),
    ],
)
async def test_a_run_is_named_for_what_waits(event: dict[str, object], run_id: str | None) -> None:
    """By the event, or else by the answer's own field; before the poll that it is worth."""
    said: list[object] = []
    async with open_observer(
        wake=lambda: said.append("wake"), told=lambda *run: said.append(run), run_id="of the answer"
    ) as observer:
        observer.offer(b"data: " + json.dumps(event).encode() + b"\n\n")
        await asyncio.sleep(0.05)
    assert ([("r1", run_id)] if run_id else []) == [one for one in said if one != "wake"]
    assert "wake" in said
    assert not run_id or said.index("wake") == 1
