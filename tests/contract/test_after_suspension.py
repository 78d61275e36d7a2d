"""After the machine slept, lookups are as old as the sleep was long, and are made again."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from adapters.clock import seconds_since_boot
from adapters.directory_cache import LONGEST_AGE
from tests.contract.test_book import Rig, until


async def test_who_was_found_before_the_machine_slept_may_not_decide_after_it(tmp_path: Path) -> None:
    """Until the lookups are made, which is at once: the loop's own clock stopped for the same time."""
    rig = Rig(tmp_path)
    async with rig.kept(refresh_every=60):
        await asyncio.sleep(0)  # the work in the background has begun
        assert "ann" in rig.approvers()
        del rig.directory.accounts["ann"]
        rig.seconds += LONGEST_AGE
        assert {} == rig.approvers()
        await until(lambda: "bob" in rig.approvers())
        assert "ann" not in rig.approvers()


def test_the_clock_counts_a_suspension() -> None:
    """Where the platform has such a clock; it never goes back."""
    before = seconds_since_boot()
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - before < 60
    assert before <= seconds_since_boot()
