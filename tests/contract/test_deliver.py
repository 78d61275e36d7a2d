"""Telling the platform: no wait eats up the time for another try, and nothing is sent too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from adapters.store.open import SqlStore
from bot.alerts import UNDELIVERABLE
from bot.approval import Approval, Outcome, Stage
from bot.errors import Forbidden, Gone, NodError, Unanswered, Unavailable
from bot.flow import WorkerPool
from bot.flow.deliver import Deliver
from bot.flow.polls import Polls
from bot.flow.undelivered import Losses
from bot.policy import Policy
from bot.protocol import HITLRequest, HITLResponse
from bot.records import Step
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


class World:
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
    async def working(self) -> AsyncIterator[Deliver]:
        """The step, one piece at a time; at the end all pieces are done."""
        async with asyncio.TaskGroup() as tasks:
            yield Deliver(
                platform=self.platform,
                store=self.store,
                policy=lambda: Policy(people={}, groups={}, routes=()),
                polls=Polls(store=self.store, clock=lambda: self.platform.now),
                clock=lambda: self.platform.now,
                count=lambda _: None,
                ring=self.rings.append,
                losses=Losses(store=self.store, clock=lambda: self.platform.now),
                pool=WorkerPool(Step.DELIVER, size=1, tasks=tasks, ring=lambda _: None, count=lambda _: None),
            )

    async def round(self) -> None:
        """One round, worked off."""
        async with self.working() as deliver:
            await deliver.round()


@pytest.fixture
def world(store: SqlStore) -> World:
    """A fresh one on each database."""
    return World(store)


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
async def test_there_is_time_for_another_try(world: World, left: float, trouble: NodError, wait: float) -> None:
    """Of our own waits half of what is left is kept. What the platform asks for is kept when it ends in time;
    beyond the deadline one last try is made a second before the last moment.
    """
    await world.decided(deadline=after(left))
    world.platform.decide_trouble.append(trouble)

    await world.round()

    found = await world.get()
    assert (Stage.DECIDED, 1, after(wait)) == (found.stage, found.attempts, found.next_try)
    world.platform.now = after(wait)
    await world.store.approvals.confirm({"r1": a_request().digest}, began_at=after(wait))
    await world.round()
    expected = [] if world.platform.now >= found.deadline.at - MARGIN else ["r1"]
    assert expected == [request_id for request_id, _ in world.platform.decided]


@pytest.mark.parametrize(("late", "sent"), [(-0.001, True), (0.0, False), (0.3, False), (0.6, False)])
async def test_a_piece_that_had_to_wait_is_not_sent_too_late(world: World, late: float, sent: bool) -> None:
    """Time passes between the round and its piece: within the margin before the deadline no POST begins."""
    await world.decided("first", deadline=after(60))
    await world.decided("second", deadline=after(61))
    world.platform.answers_at = after(61 + late) - MARGIN

    await world.round()

    second = await world.get("second")
    told = [request_id for request_id, _ in world.platform.decided]
    assert (["first", "second"] if sent else ["first"], int(sent)) == (told, second.attempts)
    if not sent:
        await world.round()
        over = await world.get("second")
        assert (Outcome.UNDELIVERABLE, 0) == (over.outcome, over.attempts)
        assert ["first"] == [request_id for request_id, _ in world.platform.decided]


@pytest.mark.parametrize(("later", "sent"), [(0.0, False), (0.0004, False), (0.001, True)])
async def test_a_poll_of_the_clicks_own_millisecond_confirms_nothing(
    world: World, later: float, sent: bool
) -> None:
    """It may have begun before the click. Another poll is asked for, and that is all."""
    await admit(world.store, deadline=after(60))
    await decide(world.store)
    world.platform.waiting["r1"] = a_request()
    await world.store.approvals.confirm({"r1": a_request().digest}, began_at=after(later))

    await world.round()

    assert sent is bool(world.platform.decided)
    assert sent is (Step.INGEST not in world.rings)


@pytest.mark.parametrize(("later", "sent"), [(0.0, False), (0.001, True)])
async def test_nor_does_one_of_the_millisecond_in_which_it_was_called_resolved(
    world: World, later: float, sent: bool
) -> None:
    """It is sent again only where a list that was asked for afterwards has it."""
    await world.decided(deadline=after(60))
    world.platform.decide_trouble.append(Gone("nothing waits"))
    await world.round()
    gone = await world.get()
    assert (after(0), after(1)) == (gone.gone_at, gone.next_try)
    await world.store.approvals.confirm({"r1": a_request().digest}, began_at=after(later))
    world.platform.now, world.rings = after(1), []

    await world.round()

    assert sent is bool(world.platform.decided)
    assert sent is (Step.INGEST not in world.rings)


async def test_three_quick_tries_come_after_the_first(world: World) -> None:
    """After one, two and three seconds, as the guide has it; then a tenth of what is left."""
    await world.decided(deadline=after(100))
    waits = []
    for _ in range(4):
        world.platform.decide_trouble.append(Unavailable("busy"))
        await world.store.approvals.confirm({"r1": a_request().digest}, began_at=world.platform.now)
        if not waits:
            await world.store.approvals.confirm({"r1": a_request().digest}, began_at=after(0.001))
        await world.round()
        next_try = (await world.get()).next_try
        assert next_try is not None
        waits.append((next_try - world.platform.now).total_seconds())
        world.platform.now = next_try
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
    world: World, word: str | None, told: bool, outcome: Outcome
) -> None:
    """The answer to a POST may have been lost, or somebody was first: the platform's audit knows."""
    await world.decided(deadline=after(10))
    if told:
        world.platform.decide_trouble.append(Unanswered("no answer"))
        await world.round()
    if word is not None:
        world.platform.words["r1"] = word
    world.platform.now = after(10)

    await world.round()

    over = await world.get()
    assert (outcome, int(told)) == (over.outcome, over.attempts)
    alerts = await world.store.alerts.open_of(cause=UNDELIVERABLE)
    assert (outcome is Outcome.UNDELIVERABLE) is bool(alerts)
