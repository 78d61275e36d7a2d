"""The whole life on a real store under a clock that moves only when nothing is left to do at its moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from adapters.runtime import POOL_SIZE, Runtime
from adapters.store.open import SqlStore, store_in
from bot.card import Card, Notification, QueueCard
from bot.errors import NodError, Unavailable
from bot.flow import AT_ONCE, Round, WorkerPool
from bot.flow.ingest import Ingest
from bot.policy import Policy
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.records import Alert, Claimed, Counted, Step
from bot.seal import Seal, Signing
from bot.surface import Surface
from tests.contract.values import a_claim, a_vote, claim, found
from tests.fakes import Counting, FakePlatform
from tests.servers.memory import Memory

SEAL = Seal("0123456789abcdef0123456789abcdef")
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
#: Runs that last no longer are made one after the other: the next one begins where all steps look.
MOMENT = timedelta(seconds=2)

#: So that one process after another believes what the one before it wrote.
SIGNING = Signing("a secret of the fake clock bot, 32 characters long")


@dataclass
class Said:
    """Something that people could read, and when it came up."""

    at: datetime
    channel: str
    thread: str | None
    notice: Notification


@dataclass
class PaperChat:
    """A `bot.ports.Chat` that keeps what it was given; `trouble` is raised by every call while it is set."""

    clock: Clock
    surface: Surface = Surface.SLACK
    interval: timedelta = timedelta(seconds=1)
    trouble: NodError | None = None
    troubled: dict[str, str] = field(default_factory=dict)
    cards: dict[str, list[tuple[datetime, Card]]] = field(default_factory=dict)
    digests: dict[str, list[tuple[datetime, QueueCard]]] = field(default_factory=dict)
    notices: list[Said] = field(default_factory=list)
    amended: dict[str, Notification] = field(default_factory=dict)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        self._fail()
        key = card.card_id if isinstance(card, Card) else card.digest_id
        ref = f"m{next(self.numbers)}"
        self.marks[channel, key] = ref
        self._keep(card, ref)
        return ref

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        self._fail()
        self._keep(card, ref)

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        self._fail()
        return self.marks.get((channel, mark))

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        self._fail()
        ref = f"m{next(self.numbers)}"
        self.marks[channel, notice.mark] = ref
        self.notices.append(Said(self.clock(), channel, thread, notice))
        return ref

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        self._fail()
        self.amended[ref] = notice

    async def dm_channel(self, account: str) -> str:
        self._fail()
        return f"D{account}"

    def link(self, channel: str, ref: str) -> str | None:
        return f"https://chat.example/{channel}/{ref}"

    async def is_missing(self, channel: str, ref: str) -> bool:
        self._fail()
        return ref in self.deleted

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        if self.trouble:
            raise Unavailable(str(self.trouble))
        return {name: why for name, why in self.troubled.items() if name in ("", *channels)}

    def _fail(self) -> None:
        if self.trouble:
            raise self.trouble

    def _keep(self, card: Card | QueueCard, ref: str) -> None:
        if isinstance(card, Card):
            self.cards.setdefault(ref, []).append((self.clock(), card))
        else:
            self.digests.setdefault(ref, []).append((self.clock(), card))


class PaperPager:
    """A `bot.ports.Pager` that keeps what it took; while `trouble` is set it takes nothing."""

    def __init__(self, clock: Clock) -> None:
        self.trouble: NodError | None = None
        self.pages: list[tuple[datetime, Alert]] = []
        self._clock = clock

    @property
    def name(self) -> str:
        return "paper"

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        if self.trouble:
            raise self.trouble
        self.pages.append((self._clock(), alert))
        return alert.cause


class NoCallbacks:
    """A `bot.ports.Callbacks` without any."""

    async def call(self, name: str, request: HITLRequest, *, within: float) -> HITLResponse:
        raise Unavailable("there are no callbacks here")


class Clock:
    """A `bot.ports.Clock` that stays where it is until it is set."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Outside:
    """What lives on when a process ends: the time, the platform, the chats and the pagers."""

    clock: Clock
    platform: FakePlatform
    chat: PaperChat
    teams: PaperChat
    pager: PaperPager
    counts: Counter[str] = field(default_factory=Counter)  #: events, by name


def outside_at(begin: datetime = BEGIN) -> Outside:
    """A world in which nothing has happened yet."""
    clock = Clock(begin)
    teams = PaperChat(clock, surface=Surface.TEAMS, interval=timedelta(seconds=0.5))
    return Outside(clock, FakePlatform(clock=clock), PaperChat(clock), teams, PaperPager(clock))


@dataclass
class FakeClockBot:
    """What a test turns, and what it sees; `chat` is Slack."""

    clock: Clock
    store: SqlStore
    rows: Callable[[str], list[tuple[Any, ...]]]  #: runs a statement past the store
    platform: FakePlatform
    chat: PaperChat
    teams: PaperChat
    pager: PaperPager
    policy: Policy
    wake_ups: set[Step] = field(default_factory=set)
    rounds: dict[Step, Round] = field(default_factory=dict)
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    dues: dict[Step, datetime | None] = field(default_factory=dict)

    def ask(self, request_id: str, *, window: float, tool: str = "pay", **more: object) -> None:
        """An agent waits for an answer for so many seconds from now."""
        until, created = self.clock.now + timedelta(seconds=window), more.get("created")
        self.platform.waiting[request_id] = HITLRequest(
            request_id=request_id, tool_name=tool, agent_id=str(more.get("agent", "treasury")),
            arguments={"to": "ann"}, timeout_at=until.isoformat(),
            created_at=created.isoformat() if isinstance(created, datetime) else None,
        )  # fmt: skip
        self.wake_ups.add(Step.INGEST)

    async def is_on(self, person: str, request_id: str = "r1", *, seconds: float) -> None:
        """This person claims it, which the policy allows, for so long."""
        claimed = a_claim(person, at=self.clock(), until=self.clock() + timedelta(seconds=seconds))
        digest = (await found(self.store, request_id)).request.digest
        assert Claimed.YES is await claim(self.store, claimed, request_id, digest=digest)

    async def votes(
        self,
        person: str,
        request_id: str = "r1",
        *,
        verdict: HITLDecision = HITLDecision.APPROVED,
        needs: int = 1,
    ) -> None:
        """This person's vote is valid; so many are needed."""
        digest = (await found(self.store, request_id)).request.digest
        vote = a_vote(person, digest=digest, verdict=verdict, at=self.clock())
        counted = await self.store.approvals.vote(request_id, vote=vote, needs=needs, eligible=None)
        assert counted is (Counted.DECIDED if needs == 1 else Counted.WAITING)

    async def settle(self) -> None:
        """Do all that is to be done at this moment."""
        while self.wake_ups:
            step = min(self.wake_ups, key=list(Step).index)
            self.wake_ups.remove(step)
            self.dues[step] = await self.rounds[step]()
            if self.dues[step] == AT_ONCE:
                self.wake_ups.add(step)
            while self.under_way:
                await asyncio.wait(self.under_way)

    async def run(self, seconds: float, *, until: datetime | None = None) -> None:
        """Let so much time go by; at every moment at which something falls due, the step that has to do it.

        All steps look at the beginning, for what a test has changed, and at the end of more than a moment: the
        ticker of the real bot makes them look each second.
        """
        begin = self.clock.now
        end = until or begin + timedelta(seconds=seconds)
        self.wake_ups.update(Step)
        await self.settle()
        while self.clock.now < end:
            ahead = [due for due in self.dues.values() if due is not None and due > self.clock.now]
            self.clock.now = min([*ahead, end])
            self.wake_ups.update(step for step, due in self.dues.items() if due and due <= self.clock.now)
            await self.settle()
        if end - begin > MOMENT:
            self.wake_ups.update(step for step in Step if step is not Step.INGEST)
            await self.settle()

    async def jump(self, seconds: float) -> None:
        """The process is stopped for so long, and wakes: everything looks once."""
        self.clock.now += timedelta(seconds=seconds)
        self.wake_ups.update(step for step in Step if step is not Step.INGEST)
        await self.settle()

    def gone(self, request_id: str) -> None:
        """The platform waits no longer."""
        self.platform.waiting.pop(request_id, None)


@asynccontextmanager
async def kept(memory: Memory, file: Path) -> AsyncIterator[None]:
    """Leave in a file what is in memory when the block ends."""
    try:
        yield
    finally:
        file.write_bytes(memory.content)


@asynccontextmanager
async def open_fake_clock_bot(
    folder: Path,
    policy: Policy,
    *,
    begin: datetime = BEGIN,
    outside: Outside | None = None,
    without: Surface | None = None,
) -> AsyncIterator[FakeClockBot]:
    """A life on a database in memory; another one on the same `folder` goes on where the first stopped.

    The surface `without` which it lives is not set up. What is `outside` is the same for the next one where it
    is handed on, and new where it is not.
    """
    rig = outside or outside_at(begin)
    clock, platform, pager = rig.clock, rig.platform, rig.pager
    wake_ups: set[Step] = set()

    def tell(event: str) -> None:
        rig.counts[event] += 1

    metrics = Counting(tell)

    file = folder / "nod.db"
    memory = Memory(file.read_bytes() if file.exists() else None)
    async with kept(memory, file), memory.opened(ring=wake_ups.add) as database:
        store = await store_in(database, pagers=[pager.name], clock=clock, signing=SIGNING)
        await store.approvals.resume()
        work = FakeClockBot(
            clock=clock, store=store, rows=memory.rows,
            platform=platform, chat=rig.chat, teams=rig.teams, pager=pager,
            policy=policy, wake_ups=wake_ups,
        )  # fmt: skip
        ingest = Ingest(source=platform, store=store, policy=lambda: work.policy, clock=clock, metrics=metrics)
        chats = {Surface.SLACK: rig.chat, Surface.TEAMS: rig.teams}
        chats = {surface: chat for surface, chat in chats.items() if surface != without}
        runtime = Runtime(
            ingests=(ingest,), store=store, chats=chats, pagers={pager.name: pager},
            callbacks=NoCallbacks(), policy=lambda: work.policy, reach=lambda: work.policy, seal=SEAL,
            clock=clock, metrics=metrics, ring_of=lambda _: wake_ups.add,
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            watched = _Watched(tasks, work.under_way)

            def pool(step: Step) -> WorkerPool:
                return WorkerPool(
                    step, size=POOL_SIZE, tasks=watched, ring=wake_ups.add, metrics=metrics,
                    seconds=lambda: clock().timestamp(),
                )  # fmt: skip

            for rounds in runtime.steps(pool).values():
                work.rounds.update(rounds)
            yield work
            for task in work.under_way:
                task.cancel()


class _Watched(asyncio.TaskGroup):
    """Passes tasks on to a group, and remembers those under way."""

    def __init__(self, group: asyncio.TaskGroup, under_way: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self._group, self._under_way = group, under_way

    def create_task(self, coro, **more):  # type: ignore[no-untyped-def,override]  # as in asyncio
        task = self._group.create_task(coro, **more)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task
