"""A poll that compares only what changed leaves the same records as one that compares everything."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.store.open import SqlStore, store_in
from bot.approval import Outcome, Stage
from bot.flow.ingest import Ingest
from bot.flow.polls import LastList
from bot.matching import Match
from bot.policy import Policy
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import Route
from tests.contract.values import FINANCE, NOW, SIGNING, a_vote
from tests.fakes import Counting, FakePlatform
from tests.sampling import sampled
from tests.servers.memory import Memory

POLICY = Policy(
    people={}, groups={}, routes=(Route(name="payments", match=Match(), cards=(FINANCE,), approvers=("ann",)),),
    default_window=timedelta(seconds=40),
)  # fmt: skip
#: What a poll may change of a record.
FACTS = "id, stage, digest, deadline, renewed, missed, revision, attempts, outcome, due_at IS NULL"


@dataclass(kw_only=True)
class Rig:
    """A store, a platform and polls, with time in the test's hands."""

    store: SqlStore
    memory: Memory
    full: bool
    platform: FakePlatform = field(init=False)
    hidden: dict[str, HITLRequest] = field(default_factory=dict)
    now: Any = NOW
    counts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.platform = FakePlatform(clock=lambda: self.now)
        self.ingest = Ingest(
            source=self.platform, store=self.store, policy=lambda: POLICY, clock=lambda: self.now,
            metrics=Counting(self.counts.append), in_turn=0,
        )  # fmt: skip

    async def poll(self) -> list[Any]:
        """A poll, and what it says of the records and the platform."""
        if self.full:
            self.ingest._last = LastList()
        due = await self.ingest.round()
        self.now += timedelta(milliseconds=700)
        rows = self.memory.rows(f"SELECT {FACTS} FROM approvals ORDER BY id")
        steadiness = self.ingest.polls.steadiness
        told = sorted(count for count in self.counts if count != "deadline_doubted")  # once a process
        return [rows, due, steadiness.believed_after, told]

    async def act(self, name: str, one: str, number: int) -> None:
        """Something happens to one request, or to the time."""
        listed, now = self.platform.waiting.get(one), self.now
        if name == "ask":
            timed = {"timeout_at": (now + timedelta(seconds=60 + number)).isoformat()} if number % 3 else {}
            new = HITLRequest(request_id=one, tool_name="pay", agent_id="a", arguments={"n": number}, **timed)
            self.platform.waiting.setdefault(one, self.hidden.pop(one, new))
        elif name == "vanish" and listed:
            self.hidden[one] = self.platform.waiting.pop(one)
        elif name == "change" and listed:
            self.platform.waiting[one] = replace(listed, arguments={"n": number})
        elif name == "same again" and listed:  # other bytes around the same call
            self.platform.waiting[one] = replace(listed, created_at=(now - timedelta(days=1)).isoformat())
        elif name == "move" and listed and listed.timeout_at:
            until = (now + timedelta(seconds=30 + number)).isoformat()
            self.platform.waiting[one] = replace(listed, timeout_at=until)
        elif name == "clock":
            self.now += timedelta(seconds=number * 2)
        else:
            await self._decide(name, one)

    async def _decide(self, name: str, one: str) -> None:
        approvals, now = self.store.approvals, self.now
        approval = await approvals.get(one)
        if approval is None:
            return
        if name in ("approve", "reject"):
            verdict = HITLDecision.APPROVED if name == "approve" else HITLDecision.REJECTED
            vote = a_vote(digest=approval.request.digest, at=now, verdict=verdict)
            await approvals.vote(one, vote=vote, needs=1, eligible=None)
        elif name in ("send", "gone", "deliver") and approval.stage is Stage.DECIDED:
            lease = now + timedelta(seconds=1)
            for begun in await approvals.begin_delivery([approval], now=now, until=lease):
                if name == "gone":
                    await approvals.called_resolved(one, as_read=begun, at=now, next_try=lease)
                elif name == "deliver":
                    end = {"was": Stage.DECIDED, "outcome": Outcome.APPROVED, "at": now}
                    await approvals.settle(one, as_read=begun, **end)
        elif name == "void":
            await approvals.void(one, why="denied", at=now)
        elif name == "expire" and approval.stage is Stage.OPEN and approval.deadline.at <= now:
            await approvals.settle(one, was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP, at=now, as_read=approval)
        elif name == "elsewhere" and approval.stage is Stage.OPEN and approval.missed:
            await approvals.settle(one, was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=now, as_read=approval)


ACTIONS = [
    *["ask"] * 6, *["vanish"] * 3, "change", "same again", "move", "approve", "approve", "reject", "send",
    "gone", "deliver", "void", "expire", "elsewhere", "elsewhere", "clock", "clock",
]  # fmt: skip


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Rig, Rig]]:
    """One that compares everything at each poll, and one that does not."""
    async with AsyncExitStack() as stack:
        rigs = []
        for full in (True, False):
            memory = Memory()
            database = await stack.enter_async_context(memory.opened(ring=lambda _: None))
            store = await store_in(database, pagers=[], clock=lambda: NOW, signing=SIGNING)
            rigs.append(Rig(store=store, memory=memory, full=full))
        yield rigs[0], rigs[1]


@pytest.mark.parametrize(("seed", "polls"), sampled([(0, 12), *((seed, 40) for seed in range(60))], quick=(0,)))
async def test_records_are_the_same_whatever_happens(seed: int, polls: int) -> None:
    """Requests come, change, vanish, return, are decided, sent and end; the clock is set; the list flaps."""
    dice = random.Random(seed)
    names = [f"r{number}" for number in range(dice.choice([3, 8, 14]))]
    async with two() as rigs:
        for _ in range(polls):
            for _ in range(dice.choice([0, 0, 1, 2, 5])):
                act = dice.choice(ACTIONS), dice.choice(names), dice.randint(-9, 30)
                for rig in rigs:
                    await rig.act(*act)
            if dice.random() < 0.05:
                for rig in rigs:
                    rig.hidden |= rig.platform.waiting
                    rig.platform.waiting.clear()
            full, cheap = [await rig.poll() for rig in rigs]
            assert full == cheap
