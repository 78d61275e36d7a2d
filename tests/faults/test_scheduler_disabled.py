"""The scheduler of a running bot is disabled behind its back: people know before the process ends itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.watch import EXIT_CODE
from bot.alerts import LATE_TICK, SCHEDULER_DEAD
from tests.faults.child import open_child
from tests.faults.launcher import PAUSE
from tests.servers.watched import ONE_INTERVAL, open_watched

#: Seconds after the auditor's look at which it is disabled: late enough to look well at the next one.
BETWEEN_TWO_LOOKS = 5.0


@pytest.mark.slow
async def test_a_disabled_scheduler_is_paged_before_the_process_ends(tmp_path: Path) -> None:
    """Paged within one interval, no heartbeat any more, code 70; the next process tells of the end."""
    async with open_watched(tmp_path / "system") as watched:
        policy = (watched.folder / "nod.yaml").read_text()
        async with open_child(watched.system, watched.folder, policy=policy, **watched.outside()) as child:
            await watched.alive()
            await asyncio.sleep(BETWEEN_TWO_LOOKS)
            child.signal(PAUSE)
            assert "has not run" in await watched.paged(LATE_TICK, within=ONE_INTERVAL)
            pings = watched.switch.tries
            assert EXIT_CODE == await child.ended(within=ONE_INTERVAL)
            assert pings == watched.switch.tries
        assert [SCHEDULER_DEAD] == watched.spooled()

        async with open_child(watched.system, watched.folder, policy=policy, **watched.outside()) as child:
            assert "code 70" in await watched.paged(SCHEDULER_DEAD)
            await watched.relieved(LATE_TICK)
            await child.stop()
