"""The machine sleeps: the wall clock goes on, and the monotonic one stops (clock_gettime(2))."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.app import open_nod
from adapters.clock import seconds_since_boot
from adapters.runtime import WAKING, rest
from adapters.settings import Environment
from bot.alerts import MISSED
from bot.flow.self_check import SELF_CHECK_EVERY
from tests.servers.notifications import check_each_once, fired
from tests.servers.system import FINANCE, until
from tests.servers.watched import open_watched

#: Seconds.
SLEPT, WINDOW = 600.0, 1_500.0
LADDER = "    ladder: [{at: 10%, do: remind}, {at: 20%, do: ping, who: [olu]}]\n"


class Wall:
    """A wall clock that jumps when the machine has slept."""

    def __init__(self) -> None:
        self.slept = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.slept


@pytest.mark.parametrize(("slept", "rested"), [(0.0, 0.0), (SLEPT, WAKING)])
async def test_the_auditor_rests_longer_after_a_sleep(slept: float, rested: float) -> None:
    """What is overdue is attempted before the auditor checks whether it was."""
    wall = Wall()
    resting = asyncio.create_task(rest(0.2, clock=wall))
    begun = time.monotonic()
    await asyncio.sleep(0.1)
    wall.slept = timedelta(seconds=slept)
    await resting

    assert rested <= time.monotonic() - begun < rested + 1.5


@pytest.mark.slow
async def test_nothing_is_missed_and_nobody_is_alarmed_after_a_sleep(tmp_path: Path) -> None:
    """Asleep until just before the auditor's next look: the rungs fire at once, and nothing is paged."""
    wall = Wall()
    async with open_watched(tmp_path / "system", policy=with_ladder) as watched:
        system, switch = watched.system, watched.switch
        async with open_nod(
            Environment.model_validate(watched.settings),
            clock=wall,
            elapsed=lambda: seconds_since_boot() + wall.slept.total_seconds(),
        ) as nod:
            system.nod = nod
            await watched.alive()
            request_id = system.ask(tool="pay_invoice", timeout_seconds=WINDOW)
            await until(lambda: bool(system.cards(FINANCE)), what="the card")
            pings = switch.pings
            await until(lambda: switch.pings > pings, within=15, what="the next look")
            await asyncio.sleep(SELF_CHECK_EVERY.total_seconds() - 0.1)
            wall.slept = timedelta(seconds=SLEPT)
            await until(lambda: {(request_id, 0), (request_id, 1)} == set(fired(system)), what="the rungs")
            pings = switch.pings
            await until(lambda: switch.pings > pings, within=20, what="the heartbeat")
        assert [] == watched.told(MISSED)
        check_each_once(system)


def with_ladder(policy: str) -> str:
    """The usual policy, with two rungs for payments."""
    return policy.replace("    reason: {rejected: required}\n", LADDER)
