"""Cards that do not get their turn in time join a digest that is up, whatever took the turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.store.open import open_store
from bot.card import QueueCard
from bot.flow import WorkerPool
from bot.flow.batch import FREE_WITHIN, JOINED_EVERY, LATEST, NOT_FREE_FOR, REDRAWN_EVERY, Batch
from bot.flow.chat_step import StepDeps
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.records import NewApproval, Step
from bot.seal import Seal
from bot.store import Store
from bot.surface import Surface
from tests.contract.values import NOW, a_placement, a_request, after, all_waiting, an_approval

WINDOW = 1000.0
POLICY = Policy(people={}, groups={}, routes=())


@dataclass
class QuietChat:
    """A chat that takes one new message in five minutes, and keeps what digests said."""

    interval: timedelta = timedelta(minutes=5)
    said: list[int] = field(default_factory=list)

    async def post(self, card: QueueCard, channel: str) -> str:
        self.said.append(card.count)
        return "1.5"

    async def update(self, card: QueueCard, channel: str, ref: str) -> None:
        self.said.append(card.count)


class Pieces(list[asyncio.Task[None]]):
    """What a round began."""

    def create_task(self, piece: Coroutine[Any, Any, None], *, name: str) -> None:
        self.append(asyncio.create_task(piece, name=name))


class Hands:
    """A clock that the test moves."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


class Gathering:
    """One life of the step."""

    def __init__(self, store: Store, clock: Hands) -> None:
        self.store, self.chat, self.clock, self._pieces = store, QuietChat(), clock, Pieces()
        pool = WorkerPool(Step.BATCH, size=4, tasks=self._pieces, ring=lambda _: None, metrics=NO_METRICS)
        deps = StepDeps(
            store=store, chats={Surface.SLACK: self.chat}, policy=lambda: POLICY, clock=clock,
            metrics=NO_METRICS, pool=pool,
        )  # fmt: skip
        self._step = Batch(deps, seal=Seal("s" * 32))

    async def round(self) -> datetime | None:
        """One round, until all that it began has ended."""
        due = await self._step.round()
        await asyncio.gather(*self._pieces)
        return due

    async def pass_to(self, seconds: float) -> datetime | None:
        """One round so many seconds after the beginning."""
        self.clock.now = after(seconds)
        return await self.round()


async def wait_in_line(store: Store, *ids: str) -> None:
    """Requests that are seen at the beginning, all for one channel."""
    await store.approvals.insert(
        [
            NewApproval(
                approval=an_approval(one, deadline=after(WINDOW)), placements=[a_placement(f"c-{one}", one)]
            )
            for one in ids
        ]
    )


@pytest.fixture
def clock() -> Hands:
    """The store's, too."""
    return Hands()


@pytest.fixture
async def store(url: str, clock: Hands) -> AsyncIterator[Store]:
    """An open store, of which nobody is rung."""
    async with open_store(url, ring=lambda _: None, pagers=(), clock=clock) as opened:
        yield opened


@pytest.fixture
async def gathering(store: Store, clock: Hands) -> Gathering:
    """Three requests of which two are on a digest that is up, and the third is the next card."""
    await wait_in_line(store, "r1", "r2", "r3")
    gathering = Gathering(store, clock)
    await gathering.round()
    assert [2] == gathering.chat.said
    return gathering


async def test_the_next_card_joins_once_its_time_is_over(gathering: Gathering) -> None:
    """Other messages had its turns; the step is back in that very moment, and the digest tells it."""
    assert after(LATEST * WINDOW) == await gathering.pass_to(LATEST * WINDOW - 1)
    assert [2] == gathering.chat.said

    await gathering.pass_to(LATEST * WINDOW + 1)

    assert [2, 3] == gathering.chat.said


async def test_a_card_that_came_late_by_nature_has_a_share_of_what_was_left(gathering: Gathering) -> None:
    """A rung put it there when most of the window was over: it is measured from when it was met, once."""
    await gathering.store.placements.shown("c-r1", ref="1.1", revision=1)
    await wait_in_line(gathering.store, "late")

    due = [await gathering.pass_to(seconds) for seconds in (500.0, 520.0, 539.0)]

    assert [after(500 + LATEST * 500)] * 3 == due
    assert [2] == gathering.chat.said
    await gathering.pass_to(541)
    assert [2, 3] == gathering.chat.said


async def test_without_a_digest_the_next_card_waits_for_its_turn(store: Store, clock: Hands) -> None:
    """A digest would need the same turn, and ask about it less well."""
    await wait_in_line(store, "r1")
    gathering = Gathering(store, clock)

    assert [None, None] == [await gathering.pass_to(seconds) for seconds in (0.0, LATEST * WINDOW + 1)]

    assert [] == gathering.chat.said


async def test_what_joined_is_told_sooner_than_what_left(gathering: Gathering) -> None:
    """A digest is brought up to date at sensible steps; what nobody can see yet does not wait for them."""
    await wait_in_line(gathering.store, "r4")
    soon, later = JOINED_EVERY.total_seconds(), REDRAWN_EVERY.total_seconds()

    assert after(soon) == await gathering.pass_to(soon / 2)
    await gathering.pass_to(soon)
    assert [2, 3] == gathering.chat.said

    await gathering.store.placements.attempt("c-r4", at=gathering.clock.now)
    assert after(soon + later) == await gathering.pass_to(2 * soon)
    await gathering.pass_to(soon + later)
    assert [2, 3, 2] == gathering.chat.said


async def test_a_card_leaves_the_digest_once_the_channel_is_quiet(gathering: Gathering) -> None:
    """One at a time: the next one leaves when the card of the first is up."""
    store = gathering.store
    await store.placements.shown("c-r1", ref="1.1", revision=1)
    await gathering.pass_to(2)
    assert ["c-r2"] == await in_line(store)
    await gathering.pass_to(3)
    assert ["c-r2"] == await in_line(store)
    await store.placements.shown("c-r2", ref="1.2", revision=1)
    await gathering.pass_to(4)
    assert ["c-r3"] == await in_line(store)


async def test_what_waits_longer_goes_behind_what_is_gathered(gathering: Gathering) -> None:
    """The channel's turn is for the earliest deadline; a later one in the line has to wait."""
    store = gathering.store
    await store.placements.shown("c-r1", ref="1.1", revision=1)
    later = an_approval("later", deadline=after(3 * WINDOW))
    await store.approvals.insert([NewApproval(approval=later, placements=[a_placement("c-later", "later")])])
    await gathering.pass_to(2)
    assert ["c-r2", "c-later"] == await in_line(store)


async def test_a_freed_card_that_gets_no_turn_goes_back(gathering: Gathering) -> None:
    """Something else takes the turns: people see it on the digest again, and it stays there for a while."""
    store = gathering.store
    await store.placements.shown("c-r1", ref="1.1", revision=1)
    await gathering.pass_to(2)
    seconds = 2 + FREE_WITHIN.total_seconds()
    await gathering.pass_to(seconds + 1)
    assert [] == await in_line(store)
    await gathering.pass_to(seconds + 2)
    assert [] == await in_line(store)
    await gathering.pass_to(seconds + 2 + NOT_FREE_FOR.total_seconds())
    assert ["c-r2"] == await in_line(store)


async def test_an_agent_that_asks_for_too_much_is_in_nobodys_way(store: Store, clock: Hands) -> None:
    """Its requests fill the digest's lines and stay there; the ones behind them still leave the queue."""
    many = [an_approval(f"m{n}", request=a_request(f"m{n}", agent_id="many")) for n in range(POLICY.flood + 1)]
    other = an_approval("other", deadline=after(2 * WINDOW), request=a_request("other", agent_id="other"))
    await store.approvals.insert(
        [NewApproval(approval=one, placements=[a_placement(f"c-{one.id}", one.id)]) for one in (*many, other)]
    )
    gathering = Gathering(store, clock)
    await store.queue_messages.batch([f"c-{one.id}" for one in (*many, other)])
    await gathering.round()
    await gathering.pass_to(4)

    assert ["c-other"] == await in_line(store)


async def in_line(store: Store) -> list[str]:
    """The cards that wait for a turn, the next one first."""
    return [card.card_id for queue in (await all_waiting(store)).values() for card in queue]
