"""The ticker goes by time that passes, not by what the wall clock says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from adapters.periodic import open_timer

EVERY = 0.1


@pytest.mark.parametrize("step", [-3600, -12, 12, 3600])
async def test_a_wall_clock_that_is_set_stops_no_tick(step: int) -> None:
    """An hour back or ahead: the next ticks come when they would have come, and not all at once."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    async def reaches(number: int) -> None:
        async with asyncio.timeout(10):
            while ticks < number:
                await asyncio.sleep(EVERY / 10)

    async with open_timer({"pulse": (timedelta(seconds=EVERY), tick)}):
        await reaches(2)
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=step), tick=True):
            await reaches(5)
            assert ticks < 20
        await reaches(ticks + 3)
