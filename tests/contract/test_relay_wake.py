"""From a stream to the bot: who may ask for a poll, how often it is asked, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from structlog.testing import capture_logs

from adapters.relay import WAKE_PATH, WakeEndpoint, open_relay, open_waker, serve_relay
from adapters.relay.wake import AGAIN, MOST_KEPT, PAUSE
from adapters.web import front, serve_front
from tests.contract.relay_rig import RUN, STREAM, Line, hitl_event, upstream
from tests.fakes import Counting

TOKEN = "5f0c2d9ab81e4736" * 2
REST = {"troubles": list, "health": list, "metrics": lambda: (b"", "text/plain")}


class Bot:
    """What the bot's door saw: polls by the loop's clock, and counted events."""

    def __init__(self) -> None:
        self.polls: list[float] = []
        self.counted: list[str] = []

    def poll(self) -> None:
        self.polls.append(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        wake_endpoint = WakeEndpoint(TOKEN, poll=self.poll, metrics=Counting(self.counted.append))
        app = front(receivers={WAKE_PATH: wake_endpoint}, **REST)
        async with serve_front(app, host="127.0.0.1", port=0) as url:
            yield url


async def test_the_token_opens_the_door() -> None:
    """204, a poll at once and another one after a moment, whatever the body says."""
    bot = Bot()
    async with bot.served() as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post(
            WAKE_PATH,
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"request_id": "r1", "decision": "approved"},
        )
        assert (204, 1) == (answer.status_code, len(bot.polls))
        await asyncio.sleep(AGAIN + 0.1)

    assert 2 == len(bot.polls)
    assert ["relay_woke"] == bot.counted


@pytest.mark.parametrize(
    ("body", "run_id"),
    [
        (b'{"runs": {"r1": "run-7"}}', "run-7"),
        (b"", None),
        (b"{", None),
        (b"[" * 10_000, None),
        (b'{"runs": ["r1"]}', None),
        (b'{"runs": {"r1": 7}}', None),
        (b'{"runs": {"r1": "' + b"x" * 201 + b'"}}', None),
        (b'{"runs": {"r2": "run-7"}}', None),
    ],
)
async def test_a_wake_can_name_runs(body: bytes, run_id: str | None) -> None:
    """What it says beside that, or cannot be read, costs nothing: the poll is asked for all the same."""
    bot = Bot()
    wake_endpoint = WakeEndpoint(TOKEN, poll=bot.poll, metrics=Counting(bot.counted.append))
    assert 204 == (await wake_endpoint.receive({"authorization": f"Bearer {TOKEN}"}, body))[0]
    assert (1, run_id) == (len(bot.polls), wake_endpoint.run_of("r1"))


async def test_runs_that_nobody_lists_are_forgotten() -> None:
    """Only so many are kept, the latest; and a caller without a token adds nothing."""
    bot = Bot()
    wake_endpoint = WakeEndpoint(TOKEN, poll=bot.poll, metrics=Counting(bot.counted.append))
    for begin in range(0, MOST_KEPT + 100, 100):
        runs = {f"r{number}": "run" for number in range(begin, begin + 100)}
        await wake_endpoint.receive({"authorization": f"Bearer {TOKEN}"}, json.dumps({"runs": runs}).encode())
    await wake_endpoint.receive({"authorization": "Bearer no"}, b'{"runs": {"stranger": "run"}}')
    assert (None, "run", None) == (
        wake_endpoint.run_of("r99"),
        wake_endpoint.run_of("r100"),
        wake_endpoint.run_of("stranger"),
    )


@pytest.mark.parametrize(
    "given",
    [None, "", TOKEN, "Bearer", f"Bearer {TOKEN}0", f"bearer {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer \xe9"],
)
async def test_without_the_token_it_stays_shut(given: str | None) -> None:
    """401, no poll now or later, and an event that holds nothing of what was tried."""
    bot = Bot()
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    async with bot.served() as url, httpx.AsyncClient(base_url=url) as client:
        with capture_logs() as logs:
            answer = await client.post(WAKE_PATH, headers=headers)

    assert (401, []) == (answer.status_code, bot.polls)
    assert [{"event": "relay_refused", "log_level": "warning"}] == logs


async def test_rings_add_up() -> None:
    """However often it is rung, there is a pause after each request: no stream makes the bot poll on and on."""
    bot = Bot()
    async with bot.served() as url, open_waker(url, TOKEN) as waker:
        await asyncio.sleep(PAUSE / 2)  # the first one is its own: it shows that the token is right
        before, begun = len(bot.counted), time.monotonic()
        for _ in range(100):
            waker.ring()
            await asyncio.sleep(PAUSE / 50)
        told, took = len(bot.counted) - before, time.monotonic() - begun
        await asyncio.sleep(2 * PAUSE)
        rest = len(bot.counted) - before - told

    assert 1 == before
    assert 1 <= told <= took / PAUSE + 1
    assert 1 >= rest  # the last ring is not lost, and there is no other


@pytest.mark.parametrize("trouble", ["nobody", "silent", "refuses", "garbage"])
async def test_a_stream_goes_on_whatever_the_bot_does(trouble: str) -> None:
    """The bot is gone, hangs, says no or talks nonsense: every byte is there at once, and it is said once."""

    async def run(line: Line) -> None:
        await line.send(STREAM)
        for _ in range(5):
            await line.chunk(hitl_event("pending"))
        await line.end()

    async def bot(line: Line) -> None:
        if trouble == "silent":
            await line.closed()
        await line.send(
            b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n" if trouble == "refuses" else b"what?\r\n\r\n"
        )

    async with upstream(run) as platform, upstream(bot) as served:
        address = "http://127.0.0.1:1" if trouble == "nobody" else served
        with capture_logs() as logs:
            async with (
                open_waker(address, TOKEN) as waker,
                open_relay(platform, wake=waker.ring, told=waker.tell) as app,
                serve_relay(app, host="127.0.0.1", port=0) as url,
                httpx.AsyncClient(base_url=url) as client,
                asyncio.timeout(1),
            ):
                got = (await client.post(RUN)).content
                await asyncio.sleep(2 * PAUSE)

    assert hitl_event("pending") * 5 == got
    failed = [log for log in logs if log["event"] == "relay_wake_failed"]
    assert (0 if trouble == "silent" else 1) == len(failed)
    assert TOKEN not in repr(logs)


async def test_a_bot_that_comes_back_is_noticed() -> None:
    """After trouble the next wake that works is told once."""
    answers = [b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", *[b"HTTP/1.1 204 Ok\r\n\r\n"] * 2]

    async def bot(line: Line) -> None:
        await line.send(answers.pop(0))

    async with upstream(bot) as served:
        with capture_logs() as logs:
            async with open_waker(served, TOKEN) as waker:
                while answers:
                    waker.ring()
                    await asyncio.sleep(PAUSE / 4)
                await asyncio.sleep(PAUSE / 2)

    assert ["relay_wake_failed", "relay_wakes"] == [log["event"] for log in logs]
