"""`deliver` round by round on a real store, with platform, policy and time in the test's hands."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from adapters.store.open import SqlStore, open_store
from bot.alerts import UNDELIVERABLE, UNDELIVERED
from bot.approval import Approval
from bot.flow import WorkerPool
from bot.flow.deliver import Deliver
from bot.flow.polls import Polls
from bot.flow.undelivered import Losses
from bot.flow.ways import Ways
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.records import Alert, Counted, Step
from tests.contract.values import NOW, a_request, a_vote, admit, after, found
from tests.fakes import FakePlatform
from tests.servers.sqlite_template import lay_database

#: What the audit of the platform is to say when it is to be silent about a decision that it took.
LIKE_NOBODY = "nothing"


class Platform(FakePlatform):
    """A platform whose audit says what the test wants, and that answers no decision while it is held up."""

    def __init__(self) -> None:
        self.now = NOW
        super().__init__(clock=lambda: self.now)
        self.free = asyncio.Event()
        self.free.set()
        self.asked: list[str] = []  #: every POST that was begun
        self.says: dict[str, str] = {}

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        self.asked.append(request.request_id)
        await self.free.wait()
        await super().decide(request, response)

    async def word_on(self, request_id: str) -> str | None:
        word = self.says.get(request_id) or await super().word_on(request_id)
        return None if word == LIKE_NOBODY else word


class HeardWays(Ways):
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[dict[str, Any]] = []

    def way(self, **of: Any) -> AbstractAsyncContextManager[None]:
        self.heard.append(of)
        return super().way(**of)


class HeardLosses(Losses):
    """Keeps what was settled as lost."""

    lost: list[tuple[str, str]]

    def settled(self, approval: Approval, why: str) -> None:
        self.lost.append((approval.id, why))
        super().settled(approval, why)


class Pieces(list[asyncio.Task[None]]):
    """What rounds began."""

    def create_task(self, piece: Coroutine[Any, Any, None], *, name: str) -> None:
        self.append(asyncio.create_task(piece, name=name))


@dataclass
class Life:
    """One life of the step."""

    store: SqlStore
    path: Path

    def __post_init__(self) -> None:
        self.platform, self.pieces, self.rings = Platform(), Pieces(), list[Step]()
        self.policy = Policy(people={}, groups={}, routes=())
        clock = lambda: self.platform.now  # noqa: E731 - the step's and its parts'
        self.polls = Polls(store=self.store, clock=clock)
        self.losses = HeardLosses(store=self.store, clock=clock)
        self.losses.lost = []
        tasks = cast(asyncio.TaskGroup, self.pieces)
        self.pool = WorkerPool(Step.DELIVER, size=None, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)
        self.step = Deliver(
            source=self.platform, store=self.store, policy=lambda: self.policy, polls=self.polls, clock=clock,
            metrics=NO_METRICS, ring=self.rings.append, losses=self.losses, pool=self.pool,
        )  # fmt: skip
        self.ways = self.step._ways = HeardWays()

    async def decided(
        self,
        key: str = "r1",
        *,
        deadline: float = 60.0,
        verdict: HITLDecision = HITLDecision.APPROVED,
        listed: bool = True,
    ) -> None:
        """An approval that people decided, and that a poll has listed since."""
        digest = await admit(self.store, key, deadline=after(deadline))
        vote = a_vote(digest=digest, verdict=verdict)
        counted = await self.store.approvals.vote(key, vote=vote, needs=1, eligible=None)
        assert counted is Counted.DECIDED
        self.platform.waiting[key] = (await self.get(key)).request
        if listed:
            await self.listed(key, at=0.001)

    async def listed(self, *keys: str, at: float) -> None:
        """A poll that began at this second lists these."""
        digests = {key: a_request(key).digest for key in keys}
        await self.store.approvals.confirm(digests, began_at=after(at))

    async def get(self, key: str = "r1") -> Approval:
        return await found(self.store, key)

    async def round(self, at: float | None = None, *, ends: bool = True) -> float | None:
        """One round at this second, worked off; when the next is due, in seconds."""
        if at is not None:
            self.platform.now = after(at)
        due: datetime | None = await self.step.round()
        if ends:
            await self.ended()
        return None if due is None else (due - NOW) / timedelta(seconds=1)

    async def ended(self) -> None:
        await asyncio.gather(*self.pieces)
        self.pieces.clear()

    async def turns(self, begun: int) -> None:
        """Until so many POSTs were begun."""
        async with asyncio.timeout(3):
            while len(self.platform.asked) < begun:
                await asyncio.sleep(0.001)

    async def alert(self, key: str = "r1", cause: str = UNDELIVERED) -> None:
        """An operator was alerted before."""
        await self.store.alerts.raise_(Alert(approval_id=key, cause=cause, text="It is late.", raised_at=NOW))

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """On the database itself, past the store."""
        with closing(sqlite3.connect(self.path / "nod.db", isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    def resolved(self, cause: str = UNDELIVERED) -> list[Any]:
        """How the alerts of this cause ended."""
        return [
            how
            for (how,) in self.run(f"SELECT mended FROM alerts WHERE cause = '{cause}' ORDER BY approval_id")
        ]

    async def open_alerts(self, cause: str = UNDELIVERABLE) -> list[str]:
        """The texts of those that are open."""
        return [alert.text for alert in await self.store.alerts.open_of(cause=cause)]


@asynccontextmanager
async def open_life(path: Path) -> AsyncIterator[Life]:
    """A store with nothing in it, and the step."""
    lay_database(path)
    async with open_store(f"sqlite:///{path / 'nod.db'}", ring=lambda _: None, pagers=()) as store:
        life = Life(store, path)
        yield life
        life.platform.free.set()
        await life.ended()
