"""People who could not be looked up: asked about again soon, and told the truth until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bot.errors import Unavailable
from tests.contract.book_rig import SLACK, Rig


async def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most five seconds."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def _asked(rig: Rig, times: int) -> bool:
    return rig.directory.asked == times


async def test_a_failed_look_up_is_tried_again_within_seconds(tmp_path: Path) -> None:
    """After one, two and four seconds, not after thirty; then with the next round."""
    rig = Rig(tmp_path)
    rig.directory.trouble = Unavailable("away")
    async with rig.kept(refresh_every=30):
        assert frozenset({SLACK}) == rig.policy_in_force.policy().unasked
        assert 1 == rig.directory.asked
        for number, wait in enumerate((1, 2, 4), 2):
            rig.seconds += wait - 0.1
            await asyncio.sleep(0.05)
            assert number - 1 == rig.directory.asked
            rig.seconds += 0.2
            await until(partial(_asked, rig, number))
        rig.directory.trouble = None
        rig.seconds += 31
        await until(lambda: not rig.policy_in_force.policy().unasked)
        assert {"ann", "bob"} <= set(rig.approvers())


async def test_a_press_has_people_looked_up_at_once(tmp_path: Path) -> None:
    """And twenty presses within a second ask once."""
    rig = Rig(tmp_path)
    rig.directory.trouble = Unavailable("away")
    async with rig.kept(refresh_every=30):
        rig.directory.trouble = None
        rig.seconds += 1
        for _ in range(20):
            rig.policy_in_force.look_again()
        await until(lambda: not rig.policy_in_force.policy().unasked)
        assert 2 == rig.directory.asked


async def test_only_who_was_missed_is_asked_about_again(tmp_path: Path) -> None:
    """A directory that answered is left alone between two rounds."""
    rig = Rig(tmp_path)
    await rig.refresh()
    assert not rig.policy_in_force._directory_cache.missed
    await rig.policy_in_force.refresh(directories={SLACK: rig.directory}, groups={}, schedules={}, again=True)
    assert 1 == rig.directory.asked
