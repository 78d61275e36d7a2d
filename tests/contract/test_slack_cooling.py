"""Slack says "not so fast": nobody is paged, and nothing more is tried until the wait is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from adapters.store.open import SqlStore
from bot.alerts import CHANNEL_LATE
from bot.card import Notification
from bot.errors import NotYet
from bot.flow import Liveness, WorkerPool
from bot.flow.chat_step import StepDeps
from bot.flow.self_check import SelfCheck
from bot.flow.show import Show
from bot.matching import Match
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.records import NewApproval, Step
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Destination, Surface
from tests.contract.slack_rig import CHANNEL, Rig, open_rig
from tests.contract.values import NOW, a_placement, after, an_approval

HERE = Destination(surface=Surface.SLACK, channel=CHANNEL)
POLICY = Policy(
    people={}, groups={}, routes=(Route(name="payments", match=Match(), cards=(HERE,), approvers=()),)
)
REQUESTS, WINDOW = 60, 900.0


class System:
    """The step that shows cards, on a real store and a real Slack, under a clock that the test sets."""

    def __init__(self, store: SqlStore, rig: Rig, tasks: asyncio.TaskGroup) -> None:
        self.store, self.rig, self.now = store, rig, NOW
        self._tasks = tasks
        self._rung = asyncio.Event()
        pool = WorkerPool(Step.SHOW, size=16, tasks=tasks, ring=lambda _: self._rung.set(), metrics=NO_METRICS)
        self._show = Show(
            StepDeps(
                store=store, chats={Surface.SLACK: rig.slack.chat}, policy=lambda: POLICY, clock=self.clock,
                metrics=NO_METRICS, pool=pool,
            ),
            seal=Seal("s" * 32),
        )  # fmt: skip

    def clock(self) -> datetime:
        return self.now

    async def rounds(self, number: int) -> None:
        """So many rounds of the step, each after what the one before began has ended."""
        for _ in range(number):
            self._rung.clear()
            await self._show.round()
            async with asyncio.timeout(5):
                if any(task.get_name().startswith("show:") for task in asyncio.all_tasks()):
                    await self._rung.wait()

    def posts(self) -> list[int]:
        """Slack's answers to what was posted."""
        return [200] * len(self.rig.workspace.called("chat.postMessage")) + [429] * self.hits

    @property
    def hits(self) -> int:
        return sum(rule.hits for rule in self.rig.faults.rules)

    async def causes(self) -> list[tuple[str, str]]:
        return [(one.approval_id, one.cause) for one in await self.store.alerts.open_of()]

    def auditor(self) -> SelfCheck:
        async def well() -> None:
            pass

        return SelfCheck(
            store=self.store, alerts=self.store.alerts, chats={}, policy=lambda: POLICY, liveness=Liveness(),
            late_tick=lambda: None, blind=lambda: None, all_well=well, clock=self.clock, metrics=NO_METRICS,
        )  # fmt: skip


@asynccontextmanager
async def system(store: SqlStore) -> AsyncIterator[System]:
    """Sixty requests of fifteen minutes, of one channel, that were seen 30 s ago."""
    await store.approvals.insert(
        [
            NewApproval(
                approval=an_approval(f"r{n:02}", deadline=after(WINDOW + n)),
                placements=[a_placement(f"c{n:02}", f"r{n:02}", at=HERE)],
            )
            for n in range(REQUESTS)
        ]
    )
    async with open_rig() as rig, asyncio.TaskGroup() as tasks:
        system = System(store, rig, tasks)
        system.now = after(30)
        yield system


async def test_one_429_pages_nobody_and_stops_the_channel(store: SqlStore) -> None:
    """A quarter of sixty windows is over, and Slack says "not so fast" still: one alert, resolved once."""
    async with system(store) as work:
        work.rig.faults.add(path="/api/chat.postMessage", times=1, status=429, headers={"Retry-After": "2"})
        await work.rounds(REQUESTS // 2)

        assert 1 == work.hits
        assert [] == work.rig.workspace.called("chat.postMessage"), "the wait was not kept"
        assert [] == await work.causes()
        placements = await store.placements.of(*(f"r{n:02}" for n in range(REQUESTS)))
        assert {(0, None)} == {(one.tries, one.attempted_at) for one in placements}


async def test_once_the_wait_is_over_the_earliest_deadline_goes_first(store: SqlStore) -> None:
    """What came up meanwhile and ends sooner is not held behind the card that met the 429."""
    async with system(store) as work:
        work.rig.faults.add(path="/api/chat.postMessage", times=1, status=429, headers={"Retry-After": "1"})
        await work.rounds(3)
        sooner = an_approval("sooner", deadline=after(60))
        await store.approvals.insert(
            [NewApproval(approval=sooner, placements=[a_placement("c-sooner", "sooner", at=HERE)])]
        )
        await asyncio.sleep(1.1)
        work.now += timedelta(seconds=1.1)
        await work.rounds(1)

        (up,) = [one for one in await store.placements.of("sooner", "r00") if one.ref]
        assert "sooner" == up.approval_id
        assert [] == await work.causes()


async def test_news_of_an_end_take_no_turn_from_a_card() -> None:
    """Said in a turn that nobody wants: not right after a card, and before none that waits."""
    async with open_rig() as rig:
        chat = rig.slack.chat
        end = Notification(mark="c1.outcome", text=("Approved",), spare=True)
        thread = await chat.post(rig.desk.card, CHANNEL)
        with pytest.raises(NotYet):
            await chat.say(end, CHANNEL, thread=thread)
        await chat.post(rig.desk.card, CHANNEL)
        await asyncio.sleep(1.1)
        await chat.say(end, CHANNEL, thread=thread)
        kinds = [(m.metadata or {})["event_type"] for m in rig.workspace.messages(CHANNEL)]
        assert ["nod_card", "nod_card", "nod_notice"] == kinds


@pytest.mark.parametrize("gathered", [False, True], ids=["in line", "gathered"])
async def test_a_channel_that_is_really_late_is_one_alert_with_a_count(store: SqlStore, gathered: bool) -> None:
    """A quarter of sixty windows is over, and Slack still says "not so fast": one alert, resolved once."""
    async with system(store) as work:
        work.rig.faults.add(path="/api/chat.postMessage", status=429, headers={"Retry-After": "300"})
        if gathered:
            await store.queue_messages.batch([f"c{n:02}" for n in range(1, REQUESTS)])
        await work.rounds(2)
        work.now = after(WINDOW / 2)
        for _ in range(3):
            await work.auditor().round()

        (alert,) = await store.alerts.open_of()
        assert (str(HERE), CHANNEL_LATE) == (alert.approval_id, alert.cause)
        assert "60 requests" in alert.text

        for n in range(REQUESTS):
            await store.placements.shown(f"c{n:02}", ref=f"{n}.1", revision=1)
        await work.auditor().round()
        assert [] == await work.causes()
