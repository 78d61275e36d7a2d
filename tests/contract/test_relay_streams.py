"""The relay over real HTTP: every byte, at once, and no end that was none."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.relay_rig import RUN, STREAM, Line, behind, hitl_event
from tests.servers.system import until

EVENTS = b": hi\r\n\r\n" + hitl_event("pending", note="häßlich \U0001f600") + b"event: x\ndata: [DONE]\n\n"
POST = b"POST /agents/one/run HTTP/1.1\r\nHost: relay\r\nContent-Length: 2\r\n\r\n{}"


@st.composite
def cut(draw: st.DrawFn) -> list[bytes]:
    """Bytes of a stream, hostile ones among them, cut anywhere: also in the middle of a character."""
    some = st.sampled_from([EVENTS, hitl_event("approved"), b"\xf0\x9f", b"data: {", b"\r", b"\n\n", b"\x00"])
    whole = b"".join(draw(st.lists(some | st.binary(max_size=40), max_size=8)))
    at = sorted(draw(st.sets(st.integers(0, len(whole)), max_size=12)) | {0, len(whole)})
    return [piece for begin, end in pairwise(at) if (piece := whole[begin:end])]


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(streams=st.lists(cut(), min_size=10, max_size=20))
async def test_every_byte_comes_through(streams: list[list[bytes]]) -> None:
    """Whatever the streams hold and however they are cut, the clients get exactly those bytes."""

    async def act(line: Line) -> None:
        number = int(line.head.split(b"?")[1].split()[0])
        await line.send(STREAM)
        for piece in streams[number]:
            await line.chunk(piece)
            await asyncio.sleep(0)
        await line.end()

    async with behind(act) as rig:

        async def run(number: int) -> bytes:
            async with rig.client.stream("POST", f"{RUN}?{number}", json={}) as response:
                return b"".join([chunk async for chunk in response.aiter_raw()])

        got = await asyncio.gather(*(run(number) for number in range(len(streams))))

    assert [b"".join(pieces) for pieces in streams] == got


async def test_nothing_is_held_back() -> None:
    """Each piece is with the client before the next one is written, also where a character is cut in two."""
    arrived = asyncio.Queue[bytes]()
    pieces = [b"data: {", "ß".encode()[:1], "ß".encode()[1:], b"}\n\n"]

    async def act(line: Line) -> None:
        await line.send(STREAM)
        for piece in pieces:
            await line.chunk(piece)
            assert piece == await arrived.get()
        await line.end()

    async with asyncio.timeout(5), behind(act) as rig, rig.client.stream("POST", RUN) as response:
        async for chunk in response.aiter_raw():
            arrived.put_nowait(chunk)


async def test_a_client_that_leaves_ends_the_run() -> None:
    """The platform's side is closed at once: by that the platform knows that nobody waits any more."""
    gone = asyncio.Event()

    async def act(line: Line) -> None:
        await line.send(STREAM)
        await line.chunk(b"data: {}\n\n")
        await line.closed()
        gone.set()

    async with behind(act) as rig:
        async with rig.client.stream("POST", RUN) as response:
            await anext(response.aiter_raw())
        assert await asyncio.wait_for(gone.wait(), 1)


async def test_a_client_that_leaves_before_the_answer_began() -> None:
    """The same while the platform has said nothing yet."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def act(line: Line) -> None:
        asked.set()
        await line.closed()
        gone.set()

    async with behind(act) as rig:
        _, writer = await rig.dial(POST)
        await asked.wait()
        writer.close()
        assert await asyncio.wait_for(gone.wait(), 1)


async def test_half_a_request_is_never_made_whole() -> None:
    """A client that leaves in the middle of its body: the platform sees a break, no shorter request."""
    seen = asyncio.Queue[bytes]()

    async def act(line: Line) -> None:
        seen.put_nowait(await line.reader.read())

    head = b"POST /agents/one/run HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with behind(act) as rig:
        _, writer = await rig.dial(head + b"5\r\nhello\r\n")
        await asyncio.sleep(0.1)
        writer.close()
        rest = await asyncio.wait_for(seen.get(), 1)

    assert b"5\r\nhello\r\n" == rest


@pytest.mark.parametrize("how", ["closed", "reset"])
async def test_a_stream_that_breaks_breaks_for_the_client(how: str) -> None:
    """What came before is there, and what is missing does not look like an end."""

    async def act(line: Line) -> None:
        await line.send(STREAM)
        await line.chunk(b"data: 1\n\n")
        await asyncio.sleep(0.05)
        if how == "reset":
            line.writer.transport.abort()

    async with behind(act) as rig, rig.client.stream("POST", RUN) as response:
        chunks = response.aiter_raw()
        assert b"data: 1\n\n" == await anext(chunks)
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)


async def test_a_body_that_is_too_short_breaks_for_the_client() -> None:
    """The same for an answer that said how long it is."""

    async def act(line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")

    async with behind(act) as rig:
        with pytest.raises(httpx.RemoteProtocolError):
            await rig.client.get("/x")


async def test_silence_stays_silence() -> None:
    """While the platform says nothing nothing is added, and the relay has no patience that could end."""
    go_on = asyncio.Event()

    async def act(line: Line) -> None:
        await line.send(STREAM)
        await line.chunk(b"data: 1\n\n")
        await go_on.wait()
        await line.chunk(b"data: 2\n\n")
        await line.end()

    async with behind(act) as rig, rig.client.stream("POST", RUN) as response:
        chunks = response.aiter_raw()
        assert b"data: 1\n\n" == await anext(chunks)
        more = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0.7)
        assert not more.done()
        go_on.set()
        assert b"data: 2\n\n" == await more


@pytest.mark.parametrize("leaves", [False, True])
async def test_the_end_of_a_run_that_asked_is_worth_a_poll(leaves: bool) -> None:
    """Also where the run ends by itself: its question may be over with it."""

    async def act(line: Line) -> None:
        await line.send(STREAM)
        await line.chunk(hitl_event("pending"))
        await (line.closed() if leaves else line.end())

    async with behind(act) as rig:
        async with rig.client.stream("POST", RUN) as response:
            async for _ in response.aiter_raw():
                while not rig.woken:
                    await asyncio.sleep(0.01)
                if leaves:
                    break
        await until(lambda: len(rig.woken) > 1, what="a wake at the end")
        await asyncio.sleep(0.1)  # and no third one

    assert 2 == len(rig.woken)


async def test_packed_bodies_stay_packed() -> None:
    """What the client accepts is asked for, and what comes is not unpacked."""
    packed = gzip.compress(b"data: 1\n\n")
    heads: list[bytes] = []

    async def act(line: Line) -> None:
        heads.append(line.head)
        head = STREAM.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
        await line.send(head)
        await line.chunk(packed)
        await line.end()

    accepted = {"Accept-Encoding": "gzip, br"}
    async with behind(act) as rig, rig.client.stream("POST", RUN, headers=accepted) as response:
        got = b"".join([chunk async for chunk in response.aiter_raw()])

    assert packed == got
    assert b"accept-encoding: gzip, br\r\n" in heads[0].lower()


async def test_a_stream_that_is_faster_than_the_tap() -> None:
    """Megabytes of events that all want to be read: the client gets each byte, whatever the tap has to drop."""
    pour = b"".join(hitl_event("skipped", number=number, note="x" * 500) for number in range(60))

    async def act(line: Line) -> None:
        await line.send(STREAM)
        for _ in range(400):
            await line.chunk(pour)
        await line.end()

    async with behind(act) as rig, rig.client.stream("POST", RUN) as response:
        got = hashlib.sha256()
        async for chunk in response.aiter_raw():
            got.update(chunk)

    assert hashlib.sha256(pour * 400).digest() == got.digest()
    assert rig.woken


async def test_a_slow_client_is_not_read_ahead_for() -> None:
    """What a client does not take stays with the platform, and is not piled up here."""
    sent = 0
    stuck = asyncio.Event()

    async def act(line: Line) -> None:
        nonlocal sent
        await line.send(STREAM)
        while sent < 200_000_000:
            try:
                async with asyncio.timeout(0.5):
                    await line.chunk(b"x" * 100_000)
            except TimeoutError:
                stuck.set()
                return
            sent += 100_000

    async with behind(act) as rig:
        _, writer = await rig.dial(POST)
        await asyncio.wait_for(stuck.wait(), 20)
        writer.close()

    assert 30_000_000 > sent
