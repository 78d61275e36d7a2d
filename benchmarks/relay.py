"""What the relay adds to a run, for each event and for a fast stream.

The platform writes the time into each event, so an event's age when it arrives is what it took. Platform, relay
and client are three processes; what counts is the difference between the two of a pair.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from adapters.relay import open_relay, serve_relay
from benchmarks.bots import ROOT
from benchmarks.clicks import quantile
from benchmarks.sizes import FULL, SMOKE, Figures, Sizes
from sandbox.serve import serve
from tests.contract.relay_rig import hitl_event

#: Seconds between two events, about as fast as a model writes; and a piece of a fast stream.
EVERY, PIECE = 0.02, b"data: " + b"x" * 8_000 + b"\n\n"
#: One of each ten is about an approval, which is far more than there are in a run.
EVENTS = [b'data: {"content": "' + b"x" * 2_000 + b'"}\n\n'] * 9 + [hitl_event("pending", note="x" * 2_000)]
LONGEST = 90.0


async def platform(scope: Any, receive: Any, send: Any, *, sizes: Sizes) -> None:
    """A run that ticks (each event with the time it left), or one that pours."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(body: bytes, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": more})

    if scope["path"].endswith("tick"):
        for number in range(sizes.chunks):
            await write(b": %d\n" % time.perf_counter_ns() + EVENTS[number % len(EVENTS)])
            await asyncio.sleep(EVERY)
    else:
        for _ in range(sizes.stream // len(PIECE)):
            await write(PIECE)
    await write(b"", more=False)


async def serve_platform(_: str, sizes: Sizes) -> None:
    """Until the process is ended; its first line says where."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await platform(scope, receive, send, sizes=sizes)

    async with serve(app) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


async def serve_relayed(upstream: str, _: Sizes) -> None:
    """The same, for the relay; nobody is woken."""

    def wake() -> None:
        return

    async with open_relay(upstream, wake=wake) as app, serve_relay(app, host="127.0.0.1", port=0) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


SERVES = {"platform": serve_platform, "relay": serve_relayed}


@asynccontextmanager
async def served(what: str, sizes: Sizes, upstream: str = "-") -> AsyncIterator[str]:
    """One of them in a process of its own; yields its address."""
    size = "full" if sizes is FULL else "smoke"
    command = [sys.executable, "-m", "benchmarks.relay", what, upstream, size]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        if process.stdout is None or not (line := await process.stdout.readline()):
            raise RuntimeError(f"the {what} did not start")
        yield line.decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


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


async def measure(sizes: Sizes) -> Figures:
    """Milliseconds that the relay adds to an event, on one stream and on 20; the speed of a fast one."""
    found: Figures = {}
    async with served("platform", sizes) as direct, served("relay", sizes, direct) as relayed:
        for streams in (1, 20):
            straight, through = [await ages(url, streams) for url in (direct, relayed)]
            found[f"added_ms.{streams}"] = statistics.median(through) - statistics.median(straight)
            found[f"added_p99_ms.{streams}"] = quantile(through, 0.99) - quantile(straight, 0.99)
        rates = [await pour(url) for url in (direct, relayed)]
    return found | {"mb_per_s": rates[1], "of_direct": rates[1] / rates[0]}


if __name__ == "__main__":
    asyncio.run(SERVES[sys.argv[1]](sys.argv[2], FULL if sys.argv[3] == "full" else SMOKE))
