"""What the relay adds to a run, for each chunk and for a fast stream; and how soon a card is up because of it.

Run: `.venv/bin/python -m benchmarks.relay` (about half a minute). The platform writes the time into each chunk,
so a chunk's age when it arrives is what it took. Platform, relay and client are three processes; what counts is
the difference between the two rows of a pair.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import structlog

from adapters.relay import open_relay, open_waker, serve_relay
from sandbox.serve import serve
from sandbox.servers import API_KEY
from tests.contract.relay_rig import hitl_event
from tests.servers.system import POLICY, open_system

#: About as fast as a model writes.
CHUNKS, EVERY = 200, 0.02
BULK, PIECE = 50_000_000, b"data: " + b"x" * 8_000 + b"\n\n"
#: One of each ten is about an approval, which is far more than there are in a run.
EVENTS = [b'data: {"content": "' + b"x" * 2_000 + b'"}\n\n'] * 9 + [hitl_event("pending", note="x" * 2_000)]
CARDS, LONGEST = 5, 90.0


async def platform(scope: Any, receive: Any, send: Any) -> None:
    """A run that ticks (each event with the time it left), or one that pours."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(body: bytes, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": more})

    if scope["path"].endswith("tick"):
        for number in range(CHUNKS):
            await write(b": %d\n" % time.perf_counter_ns() + EVENTS[number % len(EVENTS)])
            await asyncio.sleep(EVERY)
    else:
        for _ in range(BULK // len(PIECE)):
            await write(PIECE)
    await write(b"", more=False)


async def serve_platform(pipe: Connection) -> None:
    """Until the process is ended."""
    async with serve(platform) as url:
        pipe.send(url)
        await asyncio.Event().wait()


async def serve_relayed(pipe: Connection) -> None:
    """The same, for the relay; nobody is woken."""

    def wake() -> None:
        return

    async with open_relay(pipe.recv(), wake=wake) as app, serve_relay(app, host="127.0.0.1", port=0) as url:
        pipe.send(url)
        await asyncio.Event().wait()


async def ages(url: str, streams: int) -> list[float]:
    """Milliseconds that each event took, on so many streams at once."""
    found: list[float] = []

    async def one(client: httpx.AsyncClient) -> None:
        async with client.stream("POST", f"{url}/agents/one/run/tick") as response:
            async for chunk in response.aiter_raw():
                now = time.perf_counter_ns()
                found.extend(
                    (now - int(line[2:])) / 1e6 for line in chunk.split(b"\n") if line.startswith(b": ")
                )

    async with httpx.AsyncClient(timeout=LONGEST, limits=httpx.Limits(max_connections=None)) as client:
        await asyncio.gather(*(one(client) for _ in range(streams)))
    return found


async def pour(url: str) -> float:
    """Megabytes a second of a stream that is as fast as it can be."""
    begun, size = time.perf_counter(), 0
    async with httpx.AsyncClient(timeout=LONGEST) as client, client.stream("POST", f"{url}/pour") as response:
        async for chunk in response.aiter_raw():
            size += len(chunk)
    return size / 1e6 / (time.perf_counter() - begun)


async def measure(direct: str, relayed: str) -> None:
    """Print the table."""
    print(f"{'streams':>8} {'':>8} {'median ms':>10} {'p99 ms':>8}")
    for streams in (1, 20):
        medians = []
        for name, url in (("direct", direct), ("relayed", relayed)):
            taken = sorted(await ages(url, streams))
            medians.append(statistics.median(taken))
            print(f"{streams:>8} {name:>8} {medians[-1]:>10.2f} {taken[len(taken) * 99 // 100]:>8.2f}")
        print(f"{streams:>8} {'added':>8} {medians[1] - medians[0]:>10.2f}")
    rates = [await pour(url) for url in (direct, relayed)]
    print(f"a fast stream: {rates[0]:.0f} MB/s direct, {rates[1]:.0f} MB/s relayed, x{rates[1] / rates[0]:.2f}")


async def cards() -> list[float]:
    """Milliseconds from a run's question to its card, where the bot polls once a minute; all in one process."""
    token, found = "0123456789abcdef" * 2, []
    policy = POLICY.replace("poll_every: 200ms", "poll_every: 60s")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        system = await enter(open_system(folder, post_burst=None, policy=policy, NOD_RELAY_TOKEN=token))
        waker = await enter(open_waker(system.nod.address if system.nod else "", token))
        app = await enter(open_relay(system.sandbox.url, wake=waker.ring, told=waker.tell))
        url = await enter(serve_relay(app, host="127.0.0.1", port=0))
        client = await enter(httpx.AsyncClient(base_url=url, headers={"X-API-Key": API_KEY}, timeout=LONGEST))
        for number in range(1, CARDS + 1):
            await asyncio.sleep(2)  # the polls that the card before asked for are over
            run = await enter(client.stream("POST", "/agents/mail_agent/run", json={"input": "go"}))
            async for line in run.aiter_lines():
                if '"pending"' in line:
                    break
            asked = time.perf_counter()
            await system.shown(count=number, within=LONGEST)
            found.append((time.perf_counter() - asked) * 1e3)
    return found


def begin(work: Any, *given: str) -> tuple[multiprocessing.Process, str]:
    """A process that serves, and its address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=run, args=(work, there), daemon=True)
    process.start()
    for word in given:
        here.send(word)
    return process, here.recv()


def run(work: Any, pipe: Connection) -> None:
    """What such a process does."""
    serving: Coroutine[Any, Any, None] = work(pipe)
    asyncio.run(serving)


def main() -> None:
    """Measure and end what was begun."""
    behind, direct = begin(serve_platform)
    relay, relayed = begin(serve_relayed, direct)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        asyncio.run(measure(direct, relayed))
        taken = asyncio.run(cards())
        print(f"a card: {statistics.median(taken):.0f} ms after the question, {max(taken):.0f} ms at most")
    finally:
        behind.terminate()
        relay.terminate()


if __name__ == "__main__":
    main()
