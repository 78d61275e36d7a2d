"""A side that vanished without a word is noticed, on both of a run's connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.serving.protocol import BETWEEN, IDLE, MOST
from tests.contract.relay_rig import RUN, STREAM, Line, behind

#: The kernel's timer that is running for a connection, in /proc/net/tcp (proc_pid_net_tcp): keepalive.
KEEPALIVE = "02"


async def test_both_connections_of_a_silent_run_are_asked_after() -> None:
    """By the system (SO_KEEPALIVE), so that nothing is added to the stream."""
    ports: list[int] = []
    begun = asyncio.Event()

    async def act(line: Line) -> None:
        ports.append(line.writer.get_extra_info("peername")[1])
        await line.send(STREAM)
        begun.set()
        await line.closed()

    async with behind(act) as rig:
        reader, writer = await rig.dial(f"POST {RUN} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await begun.wait()
        at_the_relay = (int(rig.url.rpartition(":")[2]), writer.get_extra_info("sockname")[1])
        async with asyncio.timeout(5):
            while (KEEPALIVE, KEEPALIVE) != (timers := (timer(*at_the_relay), timer(ports[0], None))):
                await asyncio.sleep(0.05)
        assert (KEEPALIVE, KEEPALIVE) == timers
        writer.close()


def test_it_is_noticed_within_minutes() -> None:
    """Not after the two hours that systems take by themselves."""
    assert IDLE + BETWEEN * MOST <= 180


def timer(local: int, remote: int | None) -> str | None:
    """Which timer runs for the connection between these ports of this machine."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, _, running, *_ = line.split()
        ports = [int(side.rpartition(":")[2], 16) for side in (here, there)]
        if state == "01" and local == ports[0] and remote in (None, ports[1]):
            return running.partition(":")[0]
    return None
