"""What ends without an answer of ours: by what was read, and only once it is believed."""

from __future__ import annotations

import asyncio

import pytest

from adapters.store.open import SqlStore
from bot.approval import Outcome, Stage
from bot.flow import WorkerPool
from bot.flow.missed_requests import MissedRequests
from bot.flow.polls import Polls
from bot.flow.reconcile import Expire, Reconcile
from bot.flow.undelivered import Losses
from bot.ports import NO_METRICS
from bot.records import Step
from tests.contract.values import a_request, a_vote, admit, after, found
from tests.fakes import FakePlatform


class Telling(FakePlatform):
    """A platform during whose answer about the audit something happens."""

    def __init__(self, store: SqlStore) -> None:
        self.now, self.store, self.asked = after(0), store, 0
        self.meanwhile = "nothing"
        super().__init__(clock=lambda: self.now)

    async def word_on(self, request_id: str) -> str | None:
        self.asked += 1
        approvals, digest = self.store.approvals, a_request().digest
        match self.meanwhile:
            case "decided":
                await approvals.vote("r1", vote=a_vote(digest=digest), needs=1, eligible=None)
            case "voted":
                await approvals.vote("r1", vote=a_vote(digest=digest), needs=2, eligible=None)
            case "listed":
                await approvals.confirm({"r1": digest}, began_at=after(9))
            case _:
                pass
        return await super().word_on(request_id)

    async def round_of(self, step: Step) -> None:
        """One round of the step, worked off."""
        async with asyncio.TaskGroup() as tasks:
            pool = WorkerPool(step, size=1, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)
            missed = MissedRequests(store=self.store, clock=lambda: self.now)
            if step is Step.EXPIRE:
                await Expire(
                    source=self, store=self.store, clock=lambda: self.now, metrics=NO_METRICS, pool=pool,
                    missed=missed,
                ).round()  # fmt: skip
                return
            await Reconcile(
                source=self,
                store=self.store,
                polls=Polls(store=self.store, clock=lambda: self.now),
                clock=lambda: self.now,
                metrics=NO_METRICS,
                pool=pool,
                losses=Losses(store=self.store, clock=lambda: self.now),
                missed=missed,
            ).round()


@pytest.fixture
async def platform(store: SqlStore) -> Telling:
    """With one open request, which it does not list any more."""
    await admit(store, deadline=after(60))
    return Telling(store)


async def misses(store: SqlStore, polls: int) -> None:
    for _ in range(polls):
        await store.approvals.miss(["r1"], began_at=after(1))


@pytest.mark.parametrize("meanwhile", ["nothing", "voted", "listed"])
async def test_what_vanished_is_settled_as_it_was_read(platform: Telling, meanwhile: str) -> None:
    """A vote or a listing that comes while the audit is read keeps it open: the next round reads again."""
    await misses(platform.store, 5)
    platform.meanwhile = meanwhile
    await platform.round_of(Step.RECONCILE)
    ended = meanwhile == "nothing"
    assert ((Stage.SETTLED, Outcome.ELSEWHERE) if ended else (Stage.OPEN, None)) == await end(platform)


@pytest.mark.parametrize("meanwhile", ["nothing", "voted", "decided"])
async def test_what_ran_out_is_settled_as_it_was_read(platform: Telling, meanwhile: str) -> None:
    """Nobody answered: that is so only where nobody did while it was looked up."""
    platform.meanwhile, platform.now = meanwhile, after(60)
    await platform.round_of(Step.EXPIRE)
    ends = {
        "nothing": (Stage.SETTLED, Outcome.TIMEOUT_SKIP), "voted": (Stage.OPEN, None),
        "decided": (Stage.DECIDED, None),
    }  # fmt: skip
    assert ends[meanwhile] == await end(platform)


@pytest.mark.parametrize(("polls", "asked", "word", "ended"), [
    (1, 0, "rejected", False), (2, 1, "rejected", True), (2, 1, None, False), (4, 1, None, False),
    (5, 1, None, True),
])  # fmt: skip
async def test_what_vanished_once_is_not_believed(
    platform: Telling, polls: int, asked: int, word: str | None, ended: bool
) -> None:
    """One poll that misses it is a slip; two have the audit asked; five are believed where that is silent."""
    await misses(platform.store, polls)
    if word is not None:
        platform.words["r1"] = word
    await platform.round_of(Step.RECONCILE)
    assert asked == platform.asked
    assert ended is ((await found(platform.store)).stage is Stage.SETTLED)


async def end(platform: Telling) -> tuple[Stage, Outcome | None]:
    approval = await found(platform.store)
    return approval.stage, approval.outcome
