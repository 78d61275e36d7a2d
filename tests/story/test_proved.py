"""What the auditor must find, and must not take for found: each as a story under a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.matching import Match, Pattern
from bot.records import CHANNEL_DEAD
from bot.routing import Route
from bot.surface import Destination, Surface
from tests.servers.clockwork import Clockwork, open_clockwork
from tests.story.test_reviewed import auditor, looked, policy_of


async def open_causes(work: Clockwork) -> list[str]:
    """The causes of the alerts that are open, with what each is about."""
    return sorted(f"{alert.cause} {alert.approval_id}" for alert in await work.store.alerts.open_of())


async def test_many_dead_channels_are_looked_at_in_turn(tmp_path: Path) -> None:
    """A look takes a bounded time however many are dead, and each of them is found and mended all the same."""
    places = [Destination(surface=Surface.SLACK, channel=f"C{n}") for n in range(10)]
    routes = tuple(
        Route(name=f"r{n}", match=Match(tool=Pattern(text=f"t{n}")), cards=(place,), approvers=("ann",))
        for n, place in enumerate(places)
    )
    async with open_clockwork(tmp_path, replace(policy_of(), routes=(*routes, *policy_of().routes))) as work:
        prove = auditor(work, [])
        work.chat.troubled = {f"C{n}": "is archived" for n in range(8)}
        for _ in range(6):
            await looked(work, prove)
        assert [f"{CHANNEL_DEAD} slack:C{n}" for n in range(8)] == await open_causes(work)

        work.chat.troubled = {}
        for _ in range(8):
            await looked(work, prove)
        assert [] == await open_causes(work)
