"""Telling the platform: no wait eats up the time for another try, and nothing is sent too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from adapters.store.open import SqlStore
from bot.alerts import UNDELIVERABLE, UNDELIVERED
from bot.approval import Approval, Outcome, Stage
from bot.errors import Forbidden, Gone, NodError, Unanswered, Unavailable
from bot.flow import AT_ONCE, BATCH, Foreground, WorkerPool
from bot.flow.deliver import Deliver
from bot.flow.polls import Polls
from bot.flow.undelivered import Losses, Undelivered
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLRequest, HITLResponse
from bot.records import Alert, Step
from bot.retry import LEAST_WAIT, MARGIN
from bot.store import Store
from tests.contract.values import NOW, a_request, admit, after, decide
from tests.fakes import FakePlatform


class SlowPlatform(FakePlatform):
    """A platform that takes until a moment to answer its next decision."""

    def __init__(self) -> None:
        self.now = NOW
        self.answers_at: datetime | None = None
        super().__init__(clock=lambda: self.now)

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        self.now, self.answers_at = self.answers_at or self.now, None
        await super().decide(request, response)


class Rig:
    """`deliver` on a real store, with platform and time in the test's hands."""

    def __init__(self, store: Store) -> None:
        self.store, self.platform = store, SlowPlatform()
        self.rings: list[Step] = []

    async def decided(self, approval_id: str = "r1", *, deadline: datetime) -> None:
        """An approval that waits at the platform, decided, and confirmed since."""
        await admit(self.store, approval_id, deadline=deadline)
        await decide(self.store, approval_id)
        await self.store.approvals.confirm({approval_id: a_request(approval_id).digest}, began_at=after(0.001))
        self.platform.waiting[approval_id] = (await self.get(approval_id)).request

    async def get(self, approval_id: str = "r1") -> Approval:
        """An approval that is there."""
        found = await self.store.approvals.get(approval_id)
        assert found is not None
        return found

    @asynccontextmanager
    async def working(self, foreground: Foreground | None = None) -> AsyncIterator[Deliver]:
        """The step, one piece at a time; at the end all pieces are done."""
        async with asyncio.TaskGroup() as tasks:
            yield Deliver(
                source=self.platform,
                store=self.store,
                policy=lambda: Policy(people={}, groups={}, routes=()),
                polls=Polls(store=self.store, clock=lambda: self.platform.now),
                clock=lambda: self.platform.now,
                metrics=NO_METRICS,
                ring=self.rings.append,
                losses=Losses(store=self.store, clock=lambda: self.platform.now),
                pool=WorkerPool(Step.DELIVER, size=1, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS),
                foreground=foreground,
            )

    async def round(self, foreground: Foreground | None = None) -> None:
        """One round, worked off."""
        async with self.working(foreground) as deliver:
            await deliver.round()


@pytest.fixture
def rig(store: SqlStore) -> Rig:
    """A fresh one on each database."""
    return Rig(store)


def busy(wait: float | None) -> Unavailable:
    """What a platform says that is too busy, with its Retry-After in seconds."""
    return Unavailable("too busy", retry_after=wait)


@pytest.mark.parametrize(
    ("left", "trouble", "wait"),
    [
        (60.5, busy(None), 1.0),
        (60.5, busy(10.0), 10.0),
        (60.5, busy(30.0), 30.0),
        (60.5, busy(31.0), 31.0),
        (60.5, busy(59.9), 59.9),
        (60.5, busy(60.0), 59.0),
        (60.5, busy(86_400.0), 59.0),
        (1.5, busy(None), 0.5),
        (1.9, busy(60.0), 0.4),
        (0.9, busy(None), LEAST_WAIT),
        (1.4, busy(60.0), 0.9),
        (60.5, Forbidden("no"), 1.0),
        (2.5, Forbidden("no"), 1.0),
        (1.9, Forbidden("no"), 0.7),
    ],
    ids=str,
)
async def test_there_is_time_for_another_try(rig: Rig, left: float, trouble: NodError, wait: float) -> None:
    """Of our own waits half of what is left is kept. What the platform asks for is kept when it ends in time;
    beyond the deadline one last try is made a second before the last moment.
    """
    await rig.decided(deadline=after(left))
    rig.platform.decide_trouble.append(trouble)

    await rig.round()

    found = await rig.get()
    assert (Stage.DECIDED, 1, after(wait)) == (found.stage, found.attempts, found.next_try)
    rig.platform.now = after(wait)
    await rig.store.approvals.confirm({"r1": a_request().digest}, began_at=after(wait))
    await rig.round()
    expected = [] if rig.platform.now >= found.deadline.at - MARGIN else ["r1"]
    assert expected == [request_id for request_id, _ in rig.platform.decided]


@pytest.mark.parametrize(("late", "sent"), [(-0.001, True), (0.0, False), (0.3, False), (0.6, False)])
async def test_a_piece_that_had_to_wait_is_not_sent_too_late(rig: Rig, late: float, sent: bool) -> None:
    """Time passes between the round and its piece: within the margin before the deadline no POST begins."""
    await rig.decided("first", deadline=after(60))
    await rig.decided("second", deadline=after(61))
    rig.platform.answers_at = after(61 + late) - MARGIN

    await rig.round()

    second = await rig.get("second")
    told = [request_id for request_id, _ in rig.platform.decided]
    assert (["first", "second"] if sent else ["first"], int(sent)) == (told, second.attempts)
    if not sent:
        await rig.round()
        over = await rig.get("second")
        assert (Outcome.UNDELIVERABLE, 0) == (over.outcome, over.attempts)
        assert ["first"] == [request_id for request_id, _ in rig.platform.decided]


@pytest.mark.parametrize(("later", "sent"), [(0.0, False), (0.0004, False), (0.001, True)])
async def test_a_poll_of_the_clicks_own_millisecond_confirms_nothing(
    rig: Rig, later: float, sent: bool
) -> None:
    """It may have begun before the click. Another poll is asked for, and that is all."""
    await admit(rig.store, deadline=after(60))
    await decide(rig.store)
    rig.platform.waiting["r1"] = a_request()
    await rig.store.approvals.confirm({"r1": a_request().digest}, began_at=after(later))

    await rig.round()

    assert sent is bool(rig.platform.decided)
    assert sent is (Step.INGEST not in rig.rings)


@pytest.mark.parametrize(("later", "sent"), [(0.0, False), (0.001, True)])
async def test_nor_does_one_of_the_millisecond_in_which_it_was_called_resolved(
    rig: Rig, later: float, sent: bool
) -> None:
    """It is sent again only where a list that was asked for afterwards has it."""
    await rig.decided(deadline=after(60))
    rig.platform.decide_trouble.append(Gone("nothing waits"))
    await rig.round()
    gone = await rig.get()
    assert (after(0), after(1)) == (gone.gone_at, gone.next_try)
    await rig.store.approvals.confirm({"r1": a_request().digest}, began_at=after(later))
    rig.platform.now, rig.rings = after(1), []

    await rig.round()

    assert sent is bool(rig.platform.decided)
    assert sent is (Step.INGEST not in rig.rings)


async def test_three_quick_tries_come_after_the_first(rig: Rig) -> None:
    """After one, two and three seconds, as the guide has it; then a tenth of what is left."""
    await rig.decided(deadline=after(100))
    waits = []
    for _ in range(4):
        rig.platform.decide_trouble.append(Unavailable("busy"))
        await rig.store.approvals.confirm({"r1": a_request().digest}, began_at=rig.platform.now)
        if not waits:
            await rig.store.approvals.confirm({"r1": a_request().digest}, began_at=after(0.001))
        await rig.round()
        next_try = (await rig.get()).next_try
        assert next_try is not None
        waits.append((next_try - rig.platform.now).total_seconds())
        rig.platform.now = next_try
    assert [1.0, 2.0, 3.0] == waits[:3]
    assert 9 < waits[3] < 10


@pytest.mark.parametrize(
    ("word", "told", "outcome"),
    [
        ("approved", True, Outcome.APPROVED),
        ("rejected", True, Outcome.ELSEWHERE),
        ("approved", False, Outcome.ELSEWHERE),
        (None, True, Outcome.UNDELIVERABLE),
        ("timeout_skip", True, Outcome.UNDELIVERABLE),
    ],
)
async def test_before_it_gives_up_it_asks_what_became_of_it(
    rig: Rig, word: str | None, told: bool, outcome: Outcome
) -> None:
    """The answer to a POST may have been lost, or another person was first: the platform's audit knows."""
    await rig.decided(deadline=after(10))
    if told:
        rig.platform.decide_trouble.append(Unanswered("no answer"))
        await rig.round()
    if word is not None:
        rig.platform.words["r1"] = word
    rig.platform.now = after(10)

    await rig.round()

    over = await rig.get()
    assert (outcome, int(told)) == (over.outcome, over.attempts)
    alerts = await rig.store.alerts.open_of(cause=UNDELIVERABLE)
    assert (outcome is Outcome.UNDELIVERABLE) is bool(alerts)


class HangingPlatform(SlowPlatform):
    """A platform that answers no decision before it is `free`."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.begun = asyncio.Event(), asyncio.Event()

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        self.begun.set()
        await self.free.wait()
        await super().decide(request, response)

    async def word_on(self, request_id: str) -> str | None:
        self.begun.set()
        await self.free.wait()
        return await super().word_on(request_id)


async def test_those_that_wait_for_their_turn_do_not_hide_one_that_is_too_late(rig: Rig) -> None:
    """A full batch of them is too late as well, and its turn ends that: no round follows at once in vain."""
    rig.platform = platform = HangingPlatform()
    await asyncio.gather(*(rig.decided(f"r{number:02}", deadline=after(10)) for number in range(BATCH + 1)))
    async with rig.working() as deliver:
        await deliver.round()
        await platform.begun.wait()
        await deliver.round()
        await rig.decided("one more", deadline=after(11))
        platform.now = after(11)
        again = [await deliver.round() for _ in range(2)]
        in_hand = set(deliver._overdue.ids)
        platform.free.set()
    assert ({"one more"}, False) == (in_hand, AT_ONCE in again)


async def test_each_that_hung_is_given_up_in_its_time(rig: Rig) -> None:
    """Only their POSTs go one at a time."""
    rig.platform = platform = HangingPlatform()
    for number in (1, 2):
        await rig.decided(f"r{number}", deadline=after(10 + number))
        await rig.store.approvals.postpone(f"r{number}", next_try=after(10 + number), trouble="no answer")
    async with rig.working() as deliver:
        deliver._hung |= {"r1", "r2"}
        platform.now = after(11)
        await deliver.round()
        await platform.begun.wait()
        platform.now = after(12)
        await deliver.round()
        in_hand = set(deliver._overdue.ids)
        platform.free.set()
    assert {"r1", "r2"} == in_hand


class SettledMeanwhile:
    """Alerts of a store in which `r1` is settled just before an alert is written."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.alerts, name)

    async def raise_(self, alert: Alert) -> bool:
        await self._store.approvals.settle("r1", was=Stage.DECIDED, outcome=Outcome.ELSEWHERE, at=after(2))
        return await self._store.alerts.raise_(alert)


async def test_an_alert_that_comes_too_late_is_resolved(rig: Rig, store: SqlStore) -> None:
    """Nobody else would look at a decision that is settled."""
    await rig.decided(deadline=after(60))
    await store.approvals.postpone("r1", next_try=after(30), trouble="503")
    late = Undelivered(store=replace(store, alerts=SettledMeanwhile(store)), clock=lambda: rig.platform.now)
    outlook = await store.approvals.outlook(NOW, late=NOW)
    assert after(1) == await late.report(outlook)
    rig.platform.now = after(1)
    await late.report(outlook)
    assert () == await store.alerts.open_of(cause=UNDELIVERED)
