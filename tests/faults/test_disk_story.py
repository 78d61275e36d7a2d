"""A disk that fills up under a running bot: paged past the database, red, no heartbeat; and well with room."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.alerts import STORE_DOWN
from tests.faults.child import Child, open_child
from tests.faults.launcher import SMALL_DISK
from tests.servers.disks import fill, reason_against
from tests.servers.small_postgres import open_small_postgres
from tests.servers.system import ANN, until
from tests.servers.watched import Watched, open_watched

#: Seconds until a full disk is told of: the auditor writes every 2 s.
SOON = 6.0


@pytest.fixture(autouse=True)
def namespaces() -> None:
    """Skipped where no disk of our own can be had."""
    if why := reason_against():
        pytest.skip(why)


async def health(address: str) -> int:
    """What `/healthz` answers."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{address}/healthz")).status_code


async def check_full_and_well_again(watched: Watched, disk: Path, child: Child) -> None:
    """The story: a request before, requests that come while there is no room, and the same ones afterwards."""
    system, address = watched.system, child.address
    assert address is not None
    before = system.ask(timeout_seconds=300)
    card = await system.shown()
    filler = fill(disk)
    began = time.monotonic()
    for _ in range(3):
        system.ask(timeout_seconds=300)

    assert "disk is full" in await watched.paged(STORE_DOWN, within=SOON)
    print(f"full disk: paged after {time.monotonic() - began:.1f} s")
    assert 503 == await health(address)
    assert not (await system.press(ANN, card, "approve")).ok
    await watched.silent()
    assert 1 == len(watched.told(STORE_DOWN))
    assert 503 == await health(address)
    assert [] == system.effects(before)

    filler.unlink()
    room = time.monotonic()
    await system.shown(count=4, within=20)
    print(f"full disk: asked again {time.monotonic() - room:.1f} s after there was room")
    await watched.relieved(STORE_DOWN)
    print(f"full disk: over {time.monotonic() - room:.1f} s after there was room")
    assert 200 == await health(address)
    assert (await system.press(ANN, card, "approve")).ok
    await until(lambda: ["approved"] == system.effects(before), what="the platform to be told")
    assert 4 == len(system.cards())


@pytest.mark.slow
async def test_a_full_disk_under_sqlite(tmp_path: Path) -> None:
    """The file, its companions and the spool are all on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    async with open_watched(tmp_path / "system") as watched:
        settings = {
            "NOD_DATABASE_URL": f"sqlite:///{disk}/nod.db",
            "NOD_ALERT_SPOOL": f"{disk}/nod-alerts.jsonl",
            SMALL_DISK: f"{disk}:8m",
        }
        async with open_bot_apart(watched, **settings) as child:
            await check_full_and_well_again(watched, Path(f"/proc/{child.process.pid}/root{disk}"), child)


@pytest.mark.slow
async def test_a_full_disk_under_postgresql(tmp_path: Path) -> None:
    """The server's data directory is on it; the server itself goes on, and so do reads."""
    async with (
        open_small_postgres(size="100m") as (url, disk),
        open_watched(tmp_path / "system") as watched,
        open_bot_apart(watched, NOD_DATABASE_URL=url) as child,
    ):
        await check_full_and_well_again(watched, disk, child)


@asynccontextmanager
async def open_bot_apart(watched: Watched, **settings: str) -> AsyncIterator[Child]:
    """The watched bot in a process of its own, after its first heartbeat, until it was told to end."""
    policy = (watched.folder / "nod.yaml").read_text()
    settings = watched.outside() | settings
    async with open_child(watched.system, watched.folder, policy=policy, **settings) as child:
        await watched.alive()
        yield child
        await child.stop()
