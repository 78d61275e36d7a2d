"""`nod relay` as it is run: a process of its own, its settings, and how it stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.contract.relay_rig import RUN, STREAM, Line, hitl_event, upstream
from tests.sampling import sampled
from tests.servers.system import until

NOD = str(Path(sys.executable).with_name("nod"))
TOKEN = "5f0c2d9ab81e4736" * 2
KEY = "key-hunter2"


class Relay:
    """A running `nod relay` and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.logged: list[dict[str, object]] = []

    async def says(self, event: str) -> dict[str, object]:
        """The next line of this event."""
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            while line := await self.process.stderr.readline():
                self.logged.append(json.loads(line))
                if self.logged[-1]["event"] == event:
                    return self.logged[-1]
        raise AssertionError(f"it ended without {event}: {self.logged}")


@asynccontextmanager
async def running(platform: str, bot: str) -> AsyncIterator[Relay]:
    """`nod relay` in front of this platform, beside this bot."""
    env = {
        "PATH": os.environ["PATH"],
        "AIP_API_URL": platform,
        "NOD_RELAY_TOKEN": TOKEN,
        "NOD_LOG_FORMAT": "json",
        "HTTP_PROXY": "http://127.0.0.1:1",  # of no meaning to it
    }
    process = await asyncio.create_subprocess_exec(
        NOD, "relay", "--port", "0", "--bot", bot, env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield Relay(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def refused(address: httpx.URL) -> None:
    """Return when nobody listens at this address any more."""
    with suppress(ConnectionRefusedError):
        while True:
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.close()
            await asyncio.sleep(0.05)


async def test_a_stop_waits_for_the_runs_under_way() -> None:
    """After SIGTERM nothing new is taken; the run goes on to its end, and the process ends with 0."""
    heads: list[bytes] = []
    go_on = asyncio.Event()

    async def run(line: Line) -> None:
        await line.send(STREAM)
        await line.chunk(hitl_event("pending"))
        await go_on.wait()
        await line.chunk(hitl_event("approved"))
        await line.end()

    async def bot(line: Line) -> None:
        heads.append(line.head)
        await line.send(b"HTTP/1.1 204 Ok\r\n\r\n")

    async with upstream(run) as platform, upstream(bot) as told, running(platform, told) as relay:
        url = str((await relay.says("relay_started"))["address"])
        async with (
            httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY}, trust_env=False) as client,
            client.stream("POST", RUN) as response,
        ):
            chunks = response.aiter_raw()
            assert hitl_event("pending") == await anext(chunks)
            await until(lambda: len(heads) >= 2, what="the bot to be told")  # the first is the relay's own
            relay.process.send_signal(signal.SIGTERM)
            await relay.says("relay_stopping")
            await asyncio.wait_for(refused(httpx.URL(url)), 10)
            go_on.set()
            assert hitl_event("approved") == b"".join([chunk async for chunk in chunks])
        await relay.says("relay_stopped")
        assert 0 == await asyncio.wait_for(relay.process.wait(), 10)

    assert all(head.startswith(b"POST /relay/wake HTTP/1.1") for head in heads)
    assert all(f"authorization: bearer {TOKEN}".encode() in head.lower() for head in heads)
    assert {KEY, TOKEN}.isdisjoint(json.dumps(relay.logged).replace('"', " ").split())


@pytest.mark.parametrize(
    ("changed", "options", "named"),
    sampled(
        [
            ({"AIP_API_URL": ""}, (), "AIP_API_URL"),
            ({"AIP_API_URL": "http://user@host"}, (), "AIP_API_URL"),
            ({"NOD_RELAY_TOKEN": ""}, (), "NOD_RELAY_TOKEN"),
            ({"NOD_RELAY_TOKEN": "0123456789"}, (), "NOD_RELAY_TOKEN"),
            ({"NOD_RELAY_TOKEN": "x y" * 20}, (), "NOD_RELAY_TOKEN"),
            ({}, ("--bot", "http://elsewhere.example"), "--bot"),
            ({}, ("--port", "70000"), "--port"),
        ],
        quick=(0, 3, 5),
    ),
)
def test_settings_that_are_wrong(changed: dict[str, str], options: tuple[str, ...], named: str) -> None:
    """One line that names the setting and not its value, and exit code 2; the token goes to no open wire."""
    env = {"PATH": os.environ["PATH"], "AIP_API_URL": "http://127.0.0.1:1", "NOD_RELAY_TOKEN": TOKEN} | changed

    done = subprocess.run(
        [NOD, "relay", "--port", "0", *options],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert 2 == done.returncode
    assert named in done.stderr
    assert not changed.get("NOD_RELAY_TOKEN") or changed["NOD_RELAY_TOKEN"] not in done.stderr
