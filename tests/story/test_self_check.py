"""What the auditor must find, and must not take for found: each as a story under a clock of the test's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.alerts import CHANNEL_DEAD, NOBODY
from bot.flow.chat_probe import ChatProbe
from bot.matching import Match, Pattern
from bot.notifications import dead_place
from bot.routing import Route
from bot.surface import Destination, Surface
from tests.servers.fake_clock_bot import FakeClockBot, PaperChat, open_fake_clock_bot
from tests.story.test_reviewed import auditor, looked, policy_of, without_account

ROOM = Destination(surface=Surface.TEAMS, channel="finance-room")


async def open_causes(work: FakeClockBot) -> list[str]:
    """The causes of the alerts that are open, with what each is about."""
    return sorted(f"{alert.cause} {alert.approval_id}" for alert in await work.store.alerts.open_of())


async def test_many_dead_channels_are_looked_at_in_turn(tmp_path: Path) -> None:
    """A look takes a bounded time however many are dead, and each of them is found and mended all the same."""
    places = [Destination(surface=Surface.SLACK, channel=f"C{n}") for n in range(10)]
    routes = tuple(
        Route(name=f"r{n}", match=Match(tool=Pattern(text=f"t{n}")), cards=(place,), approvers=("ann",))
        for n, place in enumerate(places)
    )
    async with open_fake_clock_bot(
        tmp_path, replace(policy_of(), routes=(*routes, *policy_of().routes))
    ) as work:
        self_check = auditor(work, [])
        work.chat.troubled = {f"C{n}": "is archived" for n in range(8)}
        for _ in range(6):
            await looked(work, self_check)
        assert [f"{CHANNEL_DEAD} slack:C{n}" for n in range(8)] == await open_causes(work)

        work.chat.troubled = {}
        for _ in range(8):
            await looked(work, self_check)
        assert [] == await open_causes(work)


async def test_requests_whose_route_left_the_file_are_paged_until_they_are_over(tmp_path: Path) -> None:
    """Everybody is refused on their cards, so they run out unless an operator hears of it."""
    liveness: list[float] = []
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        self_check = auditor(work, liveness)
        work.ask("r1", window=60)
        await looked(work, self_check)
        assert 1 == len(liveness)
        whole = work.policy
        work.policy = replace(whole, routes=(replace(whole.routes[0], name="renamed"),))
        await looked(work, self_check)
        assert [f"{NOBODY} route:default"] == await open_causes(work)
        assert "while 1 request is pending" in work.pager.pages[-1][1].text
        await work.run(60)
        await looked(work, self_check)
        assert [] == await open_causes(work)
        assert 2 == len(liveness)


async def test_a_quorum_that_nobody_can_reach_stops_the_heartbeat(tmp_path: Path) -> None:
    """Two are needed and one of them lost their account: resolved when that person is found again."""
    liveness: list[float] = []
    async with open_fake_clock_bot(tmp_path, policy_of(quorum=2)) as work:
        self_check, whole = auditor(work, liveness), work.policy
        work.policy = without_account(whole, "ann")
        await looked(work, self_check)
        assert ([f"{NOBODY} route:default"], []) == (await open_causes(work), liveness)
        work.policy = whole
        await looked(work, self_check)
        assert ([], 1) == (await open_causes(work), len(liveness))


async def test_a_surface_that_left_the_settings_is_dead_no_more(tmp_path: Path) -> None:
    """Teams was down, and the operator takes it out: nothing is left that a look could find well again."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        gone = dead_place(ROOM, {"": "it cannot be reached"}, at=work.clock())
        assert gone is not None
        await work.store.alerts.raise_(gone)
        self_check = auditor(work, [])
        await looked(work, self_check)
        assert [] == await open_causes(work)


@pytest.mark.parametrize(("stops", "dead"), [(1, False), (2, True)])
async def test_a_look_in_which_the_process_stood_still_tells_nothing(
    tmp_path: Path, stops: int, dead: bool
) -> None:
    """Stopped in the middle of it: the chat is asked once more before anybody is woken."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        chat = Stopping(work.clock)
        chat.stops = stops
        around = ChatProbe(
            store=work.store, chats={Surface.SLACK: chat}, policy=lambda: work.policy, clock=work.clock,
            within=0.2,
        )  # fmt: skip
        assert dead == bool(await around.look())


class Stopping(PaperChat):
    """The process hangs the first times that it is asked, for longer than anybody waits for it."""

    stops = 0

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        if self.stops:
            self.stops -= 1
            time.sleep(0.5)
            await asyncio.sleep(0.1)
        return {}
