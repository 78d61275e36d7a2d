"""Packed streams through a relay: every byte as it came, and its tap reads them all the same."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from itertools import pairwise

import pytest

from adapters.relay.stream_observer import BLIND_EVERY
from tests.contract.relay_rig import RUN, STREAM, Line, Rig, behind, hitl_event
from tests.servers.system import until

TEXT = b'data: {"content": "' + b"x" * 300 + b'"}\n\n'


def packed_as(name: str) -> bytes:
    """The head of a stream that is packed so."""
    return STREAM.replace(b"Transfer", f"Content-Encoding: {name}\r\nTransfer".encode())


async def received(rig: Rig) -> bytes:
    """A run's bytes as they came."""
    async with rig.client.stream("POST", RUN, headers={"Accept-Encoding": "gzip, deflate, br"}) as response:
        return b"".join([chunk async for chunk in response.aiter_raw()])


@pytest.mark.parametrize(("name", "wbits"), [("gzip", 31), ("X-Gzip", 31), ("deflate", 15), ("deflate", -15)])
async def test_a_question_in_a_packed_stream_wakes_at_once(name: str, wbits: int) -> None:
    """While the run waits for its answer; before that nothing wakes, and no byte is changed."""
    packer = zlib.compressobj(wbits=wbits)
    sent: list[bytes] = []
    woken: list[int] = []  #: how often it had, by the time that each piece before the question was read
    asked, answered = asyncio.Event(), asyncio.Event()

    async def act(line: Line) -> None:
        await line.send(packed_as(name))
        for event in (TEXT, TEXT, hitl_event("pending", note="häßlich")):
            sent.append(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH))
            await line.chunk(sent[-1][:5])
            await line.chunk(sent[-1][5:])
            await asyncio.sleep(0.05)
            if event is TEXT:
                woken.append(len(rig.woken))
        asked.set()
        await answered.wait()
        sent.append(packer.flush())
        await line.chunk(sent[-1])
        await line.end()

    async with behind(act) as rig:
        running = asyncio.create_task(received(rig))
        await asked.wait()
        await until(lambda: bool(rig.woken), what="a wake before the run is answered")
        answered.set()
        got = await running

    assert [0, 0] == woken
    assert b"".join(sent) == got


@pytest.mark.parametrize("kind", ["br", "gzip, br", "made-up", "broken", "cut", "bomb"])
async def test_what_cannot_be_read_is_worth_a_poll(kind: str) -> None:
    """Every byte passes, the relay stays quick, and the bot is asked to look."""
    match kind:
        case "bomb":
            whole = gzip.compress(bytes(100_000_000))
        case "cut":
            whole = gzip.compress(TEXT)[:-12]
        case _:
            whole = b"\x8b\x00 no gzip" + TEXT
    name = "gzip" if kind in ("broken", "cut", "bomb") else kind

    async def act(line: Line) -> None:
        await line.send(packed_as(name))
        await line.chunk(whole)
        await line.end()

    async with behind(act) as rig:
        begun = time.monotonic()
        got = await received(rig)
        took = time.monotonic() - begun

    assert whole == got
    assert took < 2
    assert rig.woken


async def test_a_stream_that_cannot_be_read_wakes_at_a_pace() -> None:
    """However much comes: at the beginning, then no more than once a second, and at the end."""

    async def act(line: Line) -> None:
        await line.send(packed_as("br"))
        for _ in range(75):
            await line.chunk(b"\x0b\x02 no text")
            await asyncio.sleep(BLIND_EVERY / 50)
        await line.end()

    async with behind(act) as rig:
        await received(rig)

    gaps = [later - earlier for earlier, later in pairwise(rig.woken)]
    a_second = [gap for gap in gaps if gap > 0.9 * BLIND_EVERY]
    assert a_second
    assert len(gaps) - len(a_second) <= 2  # the end, for what came last and for its own sake


async def test_other_packed_answers_are_left_alone() -> None:
    """What is no stream of events is not looked at."""

    async def act(line: Line) -> None:
        head = packed_as("gzip").replace(b"text/event-stream", b"application/json")
        await line.send(head)
        await line.chunk(gzip.compress(hitl_event("pending")))
        await line.end()

    async with behind(act) as rig:
        await received(rig)

    assert [] == rig.woken
