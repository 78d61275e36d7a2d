"""A database writer who lacks NOD_SECRET cannot make Nod approve: every statement, and nothing is sent."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from datetime import datetime, timedelta

import psycopg
import pytest

from adapters.store.open import SqlStore
from adapters.store.tables import metadata
from bot.approval import Outcome, Stage
from bot.flow import Crew
from bot.flow.admit import Admit
from bot.flow.answer import Answer
from bot.flow.deliver import Deliver
from bot.matching import Match
from bot.policy import Policy
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.records import Counted, Newcomer, Step
from bot.routing import Route
from bot.rules import Rule, Rules
from tests.contract.conftest import Eyes
from tests.contract.tampering import ALL, DECIDED, FRESH, OVER, VOTED, Attack, attacks
from tests.contract.values import NOW, a_placement, a_request, a_vote, an_approval
from tests.fakes import FakePlatform
from tests.servers.clockwork import NoCallbacks


class Watched(FakePlatform):
    """A platform that remembers every POST that it gets, whatever it answers."""

    def __init__(self) -> None:
        self.now = NOW
        super().__init__(clock=lambda: self.now)
        self.tried: list[tuple[str, str | None]] = []

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        self.tried.append((request.request_id, response.operator_input))
        await super().decide(request, response)


#: A rule that would approve everything came after these requests were put to people.
RULES = Rules(automatic=(Rule(name="reads", match=Match(), verdict=HITLDecision.APPROVED),))
POLICY = Policy(
    people={},
    groups={},
    routes=(
        Route(name="payments", match=Match(), cards=(), approvers=(), quorum=2),
        Route(name="lax", match=Match(), cards=(), approvers=()),
    ),
    rules=RULES,
)


class World:
    """The store with every step that can lead to a POST, and time in the test's hands."""

    def __init__(self, store: SqlStore, eyes: Eyes) -> None:
        self.store, self.eyes, self.platform = store, eyes, Watched()
        self.broken = 0
        self.admit = Admit(
            platform=self.platform, store=store, policy=lambda: POLICY, clock=self.clock, count=lambda _: None
        )

    def clock(self) -> datetime:
        return self.platform.now

    async def lay(self, number: int) -> dict[str, str]:
        """Four requests in four states; their ids by state."""
        ids = {name: f"{name}-{number}" for name in ALL}
        self.platform.now += timedelta(seconds=1)
        deadline = self.platform.now + timedelta(hours=1)
        for one in ids.values():
            approval = an_approval(one, deadline=deadline)
            await self.store.approvals.admit(
                [Newcomer(approval=approval, placements=[a_placement(f"c-{one}", one)])]
            )
        await self.vote(ids[VOTED], "ann", needs=2)
        for name in (DECIDED, OVER):
            assert Counted.DECIDED is await self.vote(ids[name], "ann", needs=1)
        outcome = Outcome.APPROVED
        assert await self.store.approvals.settle(ids[OVER], was=Stage.DECIDED, outcome=outcome, at=self.clock())
        for name in (VOTED, DECIDED, FRESH):
            self.platform.waiting[ids[name]] = a_request(ids[name])
        return ids

    async def vote(self, approval_id: str, person: str, *, needs: int) -> Counted:
        vote = a_vote(person, digest=a_request(approval_id).digest, at=self.clock())
        return await self.store.approvals.vote(approval_id, vote=vote, needs=needs, counting=None)

    async def rounds(self) -> None:
        """What a running bot does next; a step that breaks on what it reads is tried again, as there."""
        for _ in range(2):
            self.platform.now += timedelta(milliseconds=10)
            for step in (self.admit.round, self.answer, self.deliver):
                try:
                    await step()
                except Exception:  # noqa: BLE001 - like `bot.flow.keep_up`
                    self.broken += 1

    async def answer(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Answer(
                store=self.store, callbacks=NoCallbacks(), policy=lambda: POLICY, clock=self.clock,
                count=lambda _: None, crew=_crew(Step.ANSWER, tasks),
            ).round()  # fmt: skip

    async def deliver(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Deliver(
                platform=self.platform, store=self.store, policy=lambda: POLICY, clock=self.clock,
                unread_since=lambda: None, count=lambda _: None, ring=lambda _: None,
                crew=_crew(Step.DELIVER, tasks),
            ).round()  # fmt: skip

    def attack(self, attack: Attack, ids: dict[str, str]) -> int:
        """How many of the statements the database took."""
        taken = 0
        for statement in attack:
            for name, one in ids.items():
                statement = statement.replace(f"'{name}'", f"'{one}'")
            try:
                self.eyes(statement)
            except (sqlite3.Error, psycopg.Error):
                continue
            taken += 1
        return taken

    def clear(self, ids: dict[str, str]) -> None:
        """So that what is unreadable keeps no other attack from being read."""
        self.platform.waiting.clear()
        for table in reversed(metadata.sorted_tables):
            column = "id" if table.name == "approvals" else "approval_id"
            if table.name != "audit" and column in table.columns:
                self.eyes(f"DELETE FROM {table.name}")


def _crew(step: Step, tasks: asyncio.TaskGroup) -> Crew:
    return Crew(step, size=4, tasks=tasks, ring=lambda _: None, count=lambda _: None)


async def attacked(world: World, chosen: list[tuple[str, Attack]]) -> None:
    """Each attack on requests of its own; nothing is sent but what Ann decided, in her words."""
    for number, (_, attack) in enumerate(chosen):
        ids = await world.lay(number)
        world.attack(attack, ids)
        assert Counted.DECIDED is not await world.vote(ids[FRESH], "cid", needs=2), attack
        await world.rounds()
        genuine = (ids[DECIDED], 'approved by Ann <ann@acme.example> in Slack. Note from the approver: "fine"')
        assert not [one for one in world.platform.tried if one != genuine], attack
        world.platform.tried.clear()
        world.clear(ids)


@pytest.fixture
def world(store: SqlStore, eyes: Eyes) -> World:
    """A fresh one on each database."""
    return World(store, eyes)


async def test_what_a_person_decided_is_sent(world: World) -> None:
    """Without an attack: the decision goes out once, so that the tests below would see one."""
    ids = await world.lay(0)
    await world.rounds()
    assert [ids[DECIDED]] == [one for one, _ in world.platform.tried]
    assert 0 == world.broken


async def test_some_statements_send_nothing(world: World) -> None:
    """A few of them, another few on each kind of database."""
    chosen = random.Random(12).sample(attacks(), 60)
    await attacked(world, chosen)


@pytest.mark.slow
async def test_every_statement_sends_nothing(world: World) -> None:
    """All of them."""
    await attacked(world, attacks())
