"""People who could not be looked up: asked about again soon, and told the truth until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bot.errors import Unavailable
from tests.contract.book_rig import SLACK, World


async def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most five seconds."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def _asked(world: World, times: int) -> bool:
    return world.directory.asked == times


async def test_a_failed_look_up_is_tried_again_within_seconds(tmp_path: Path) -> None:
    """After one, two and four seconds, not after thirty; then with the next round."""
    world = World(tmp_path)
    world.directory.trouble = Unavailable("away")
    async with world.kept(refresh_every=30):
        assert frozenset({SLACK}) == world.policy_in_force.policy().unasked
        assert 1 == world.directory.asked
        for number, wait in enumerate((1, 2, 4), 2):
            world.seconds += wait - 0.1
            await asyncio.sleep(0.05)
            assert number - 1 == world.directory.asked
            world.seconds += 0.2
            await until(partial(_asked, world, number))
        world.directory.trouble = None
        world.seconds += 31
        await until(lambda: not world.policy_in_force.policy().unasked)
        assert {"ann", "bob"} <= set(world.approvers())


async def test_a_press_has_people_looked_up_at_once(tmp_path: Path) -> None:
    """And twenty presses within a second ask once."""
    world = World(tmp_path)
    world.directory.trouble = Unavailable("away")
    async with world.kept(refresh_every=30):
        world.directory.trouble = None
        world.seconds += 1
        for _ in range(20):
            world.policy_in_force.look_again()
        await until(lambda: not world.policy_in_force.policy().unasked)
        assert 2 == world.directory.asked


async def test_only_who_was_missed_is_asked_about_again(tmp_path: Path) -> None:
    """A directory that answered is left alone between two rounds."""
    world = World(tmp_path)
    await world.refresh()
    assert not world.policy_in_force._directory_cache.missed
    await world.policy_in_force.refresh(
        directories={SLACK: world.directory}, groups={}, schedules={}, again=True
    )
    assert 1 == world.directory.asked
