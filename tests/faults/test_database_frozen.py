"""A running bot whose PostgreSQL connections freeze while new ones work; and a stop in the middle of that."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapters.watch import EXIT_CODE
from bot.alerts import STORE_DOWN
from tests.faults.child import open_child
from tests.faults.test_stopping import NOTICED, PROMISED, ended
from tests.servers.disks import reason_against
from tests.servers.freezing import open_freezing
from tests.servers.small_postgres import open_small_postgres
from tests.servers.system import ANN, until
from tests.servers.watched import open_watched

#: Seconds until clicks are taken again, or the process ends.
RECOVERED = 35.0


@pytest.mark.slow
@pytest.mark.skipif(reason_against() is not None, reason=str(reason_against()))
async def test_frozen_connections_are_given_up_and_a_stop_waits_for_none(tmp_path: Path) -> None:
    """Clicks are taken again in time, on new connections; frozen once more, SIGTERM is obeyed in time."""
    async with (
        open_small_postgres(size="100m") as (url, _),
        open_freezing(url) as (proxy, through),
        open_watched(tmp_path / "system") as watched,
    ):
        system = watched.system
        policy = (watched.folder / "nod.yaml").read_text()
        settings = watched.outside() | {"NOD_DATABASE_URL": through}
        async with open_child(system, watched.folder, policy=policy, **settings) as child:
            ids = [system.ask(timeout_seconds=300) for _ in range(3)]
            await system.shown(count=3, within=20)
            assert proxy.freeze() > 1
            began = time.monotonic()
            while not (await system.press(ANN, system.cards()[0], "skip")).ok:
                assert time.monotonic() - began < RECOVERED
            print(f"frozen connections: clicks are taken after {time.monotonic() - began:.1f} s")
            await until(lambda: any(system.effects(one) == ["skipped"] for one in ids), within=20)
            print(f"frozen connections: a decision is delivered after {time.monotonic() - began:.1f} s")

            proxy.freeze()
            took = await ended(child)
            print(f"frozen connections: SIGTERM took {took:.2f} s")
            assert took < PROMISED + NOTICED
            assert "never retrieved" not in child.log.read_text()
        began = time.monotonic()
        async with open_child(system, watched.folder, policy=policy, **settings) as child:
            assert child.address is not None, child.log.read_text()
            print(f"frozen connections: the next start serves after {time.monotonic() - began:.1f} s")
            await child.stop()


@pytest.mark.slow
@pytest.mark.skipif(reason_against() is not None, reason=str(reason_against()))
async def test_a_server_that_stays_silent_ends_the_process(tmp_path: Path) -> None:
    """Neither open connections nor new ones are answered: people were paged, and a supervisor takes over."""
    async with (
        open_small_postgres(size="100m") as (url, _),
        open_freezing(url) as (proxy, through),
        open_watched(tmp_path / "system") as watched,
    ):
        policy = (watched.folder / "nod.yaml").read_text()
        settings = watched.outside() | {"NOD_DATABASE_URL": through}
        async with open_child(watched.system, watched.folder, policy=policy, **settings) as child:
            proxy.freeze(new=True)
            began = time.monotonic()
            await watched.paged(STORE_DOWN)
            assert EXIT_CODE == await child.ended(within=RECOVERED + NOTICED)
            print(f"silent server: the process ends after {time.monotonic() - began:.1f} s")
            assert "database_silent" in child.log.read_text()
