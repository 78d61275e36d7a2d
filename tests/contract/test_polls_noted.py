"""A start does not read the list that the process before had taken in, unless anything else has changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from adapters.platform.client import open_platform
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.flow.ingest import Ingest
from bot.flow.polls import UNREAD_FOR
from bot.ports import NO_METRICS, Listing
from bot.seal import Signing
from sandbox.serve import serve
from tests.contract.conftest import Eyes
from tests.contract.test_polls_alike import POLICY
from tests.contract.values import NOW, SIGNING, a_vote

IDS = ("r1", "r2", "r3")


def body_of(*ids: str, **arguments: Any) -> bytes:
    def item(request_id: str) -> dict[str, Any]:
        waits = {"decision": "pending", "timeout_at": (NOW + timedelta(hours=1)).isoformat()}
        call = {"tool": "pay", "agent_id": "a", "arguments": arguments}
        return {"request_id": request_id, **call, "hitl_metadata": waits}

    return json.dumps([item(one) for one in ids]).encode()


@dataclass(kw_only=True)
class Watched:
    """One process: its store and its polls, and what each poll got."""

    store: SqlStore
    ingest: Ingest
    listings: list[Listing] = field(default_factory=list)

    async def polls(self, number: int = 1) -> list[bool]:
        """Of each whether its list was left unread."""
        got, pending = self.listings, self.ingest.source.pending

        async def watched(*, known: str = "") -> Listing:
            got.append(await pending(known=known))
            return got[-1]

        self.ingest.source = _Watching(self.ingest.source, watched)  # type: ignore[assignment]
        for _ in range(number):
            await self.ingest.round()
        return [one.is_known for one in got[-number:]]


@dataclass(frozen=True)
class _Watching:
    source: Any
    pending: Callable[..., Awaitable[Listing]]

    @property
    def name(self) -> str:
        return str(self.source.name)


@dataclass(kw_only=True)
class Rig:
    """A platform and a database; processes come and go."""

    url: str
    address: str = ""
    body: bytes = body_of(*IDS)
    now: datetime = NOW

    async def answer(self, _: Request) -> Response:
        return Response(self.body)

    @asynccontextmanager
    async def process(self, signing: Signing = SIGNING) -> AsyncIterator[Watched]:
        """A start."""

        def clock() -> datetime:
            return self.now

        async with (
            open_store(self.url, ring=lambda _: None, pagers=[], clock=clock, signing=signing) as store,
            open_platform(self.address, "key", clock=clock) as platform,
        ):
            ingest = Ingest(
                source=platform, store=store, policy=lambda: POLICY, clock=clock, metrics=NO_METRICS
            )
            yield Watched(store=store, ingest=ingest)


@pytest.fixture
async def rig(url: str) -> AsyncIterator[Rig]:
    """After the first process, which had taken in three requests."""
    rig, app = Rig(url=url), Starlette()
    app.add_route("/agents/hitl/pending", rig.answer, methods=["GET"])
    async with serve(app) as rig.address:
        async with rig.process() as first:
            assert [False] * 3 == await first.polls(3)
        yield rig


async def test_the_same_bytes_cost_neither_reading_nor_writing(rig: Rig, eyes: Eyes) -> None:
    """Until records are compared with the list in turn again. A good poll it is, all the same."""
    rows = "SELECT a.*, p.number, p.began_at FROM approvals a CROSS JOIN polls p ORDER BY a.id"
    before = eyes(rows)
    async with rig.process() as second:
        assert [True, True] == await second.polls(2)
        assert rig.now == second.ingest.polls.last_good
        rig.now += UNREAD_FOR
        assert [False] == await second.polls()
        assert set(IDS) == set(second.ingest._last.listed)
    assert before == eyes(rows)


async def _other_bytes(rig: Rig, _: Eyes, __: SqlStore) -> None:
    rig.body = body_of(*IDS) + b" "


async def _decided(rig: Rig, _: Eyes, store: SqlStore) -> None:
    approval = await store.approvals.get("r1")
    assert approval is not None
    vote = a_vote(digest=approval.request.digest, at=rig.now)
    await store.approvals.vote("r1", vote=vote, needs=1, eligible=None)


async def _ended(rig: Rig, _: Eyes, store: SqlStore) -> None:
    approval = await store.approvals.get("r1")
    end = {"was": Stage.OPEN, "outcome": Outcome.ELSEWHERE, "at": rig.now}
    await store.approvals.settle("r1", as_read=approval, **end)


async def _edited(_: Rig, eyes: Eyes, __: SqlStore) -> None:
    eyes("UPDATE polls SET number = number + 1")


@pytest.mark.parametrize("changed", [_other_bytes, _decided, _ended, _edited])
async def test_whatever_else_changed_the_list_is_read(
    rig: Rig, eyes: Eyes, changed: Callable[[Rig, Eyes, SqlStore], Awaitable[None]]
) -> None:
    """Other bytes, a decision that waits for a list, a record that ended, a row that Nod did not write."""
    async with rig.process() as second:
        await changed(rig, eyes, second.store)
    async with rig.process() as third:
        assert [False] == await third.polls()


async def test_a_list_is_read_that_was_another_one_meanwhile(rig: Rig) -> None:
    """Records had changed with it, and what was noted was true before that."""
    async with rig.process() as second:
        rig.body = body_of(*IDS, amount=1)
        await second.polls()
    rig.body = body_of(*IDS)
    async with rig.process() as third:
        assert [False] == await third.polls()


async def test_a_row_with_another_secret_is_not_believed(rig: Rig) -> None:
    """Nobody but Nod says what a start need not read."""
    async with rig.process(Signing("another secret of thirty-two bytes")) as second:
        assert [False] == await second.polls()


async def test_a_clock_that_is_set_back_during_a_poll_confirms_nothing(rig: Rig) -> None:
    """The list is older than the click, whatever its moment says; the next one counts."""
    async with rig.process() as one:
        before = rig.now = rig.now + timedelta(hours=1, seconds=-1)
        rig.body = body_of(*IDS, "r4")  # so that it is read
        answers = one.ingest.source.pending

        async def slow(*, known: str = "") -> Listing:
            listing = await answers(known=known)
            if rig.now == before:
                rig.now -= timedelta(minutes=59)
                digest = next(request.digest for request in listing.requests if request.request_id == "r1")
                vote = a_vote(digest=digest, at=rig.now)
                await one.store.approvals.vote("r1", vote=vote, needs=1, eligible=None)
            return listing

        one.ingest.source = _Watching(one.ingest.source, slow)  # type: ignore[assignment]
        await one.ingest.round()
        assert await one.store.approvals.awaiting_poll(rig.now)
        rig.now += timedelta(seconds=1)
        await one.ingest.round()
        assert not await one.store.approvals.awaiting_poll(rig.now)
