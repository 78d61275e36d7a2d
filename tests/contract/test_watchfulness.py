"""What must not stay silent: a platform that cannot be read, a card that nobody gets to see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.sources import Polled
from adapters.store.open import SqlStore, open_store
from bot.alerts import BLIND, NO_CARD
from bot.card import Card, Notification
from bot.errors import NotYet, Unavailable
from bot.flow import WorkerPool
from bot.flow.chat_step import StepDeps
from bot.flow.ingest import Ingest
from bot.flow.show import Show
from bot.matching import Match
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLRequest
from bot.records import Step
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Destination, Surface
from tests.fakes import FakePlatform
from tests.servers.sqlite_template import lay_database

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HERE = Destination(surface=Surface.SLACK, channel="C0APPROVALS")
POLICY = Policy(
    people={}, groups={}, routes=(Route(name="default", match=Match(), cards=(HERE,), approvers=()),)
)


@dataclass
class DeadChat:
    """A chat that is down, or busy."""

    surface: Surface = Surface.SLACK
    interval: timedelta = timedelta(seconds=1)
    posts: int = 0
    says: Unavailable = field(default_factory=lambda: Unavailable("Slack is down"))

    async def post(self, card: Card, channel: str) -> str:
        self.posts += 1
        raise self.says

    async def update(self, card: Card, channel: str, ref: str) -> None:
        raise Unavailable("Slack is down")

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        raise Unavailable("Slack is down")

    async def reply(self, notice: Notification, channel: str, thread: str) -> str:
        raise Unavailable("Slack is down")


@dataclass
class Rig:
    """A store, a platform and a clock that a test moves."""

    store: SqlStore
    now: datetime = NOON
    platform: FakePlatform = field(init=False)

    def __post_init__(self) -> None:
        self.platform = FakePlatform(clock=self.clock)

    def clock(self) -> datetime:
        return self.now

    def insert(self) -> Ingest:
        return Ingest(
            source=self.platform,
            store=self.store,
            policy=lambda: POLICY,
            clock=self.clock,
            metrics=NO_METRICS,
        )

    async def alerts(self) -> list[str]:
        return [page.alert.cause for page in await self.store.alerts.due(self.now, most=99)]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Rig]:
    lay_database(folder)
    async with open_store(f"sqlite:///{folder / 'nod.db'}", ring=lambda _: None, pagers=("ops",)) as store:
        yield Rig(store=store)


async def test_a_platform_that_cannot_be_read_pages_and_is_mended(tmp_path: Path) -> None:
    """One failed poll is weather; half a minute of them means that nobody is asked any more."""
    async with opened(tmp_path) as rig:
        admit = rig.insert()
        rig.platform.poll_trouble = [Unavailable("it is down")] * 3
        await admit.round()
        rig.now += timedelta(seconds=29)
        await admit.round()
        assert [] == await rig.alerts()

        rig.now += timedelta(seconds=1)
        await admit.round()
        assert [BLIND] == await rig.alerts()
        await admit.round()

        (page,) = await rig.store.alerts.due(rig.now, most=99)
        assert page.alert.resolved is not None


async def test_a_clock_that_is_set_back_hides_no_dead_platform(tmp_path: Path) -> None:
    """The half minute is counted again from there, not an hour later."""
    async with opened(tmp_path) as rig:
        admit = rig.insert()
        rig.platform.poll_trouble = [Unavailable("it is down")] * 3
        await admit.round()
        rig.now -= timedelta(hours=1)
        await admit.round()
        rig.now += timedelta(seconds=30)
        await admit.round()
        assert [BLIND] == await rig.alerts()


async def test_the_platform_is_unread_since_no_later_than_now(tmp_path: Path) -> None:
    """Else a decision would wait for its list as long as the clock was set back."""
    async with opened(tmp_path) as rig:
        polls = rig.insert().polls
        polls.begins()
        rig.now -= timedelta(hours=1)
        polls.begins()
        assert rig.now == polls.unread_since


async def test_a_last_good_poll_of_later_is_no_good_poll(tmp_path: Path) -> None:
    """After a clock that was set back /readyz and the heartbeat wait for the next one."""
    async with opened(tmp_path) as rig:
        polled = Polled(ingest=rig.insert(), every=timedelta(seconds=1))
        await polled.ingest.round()
        assert polled.silent_since(rig.now, least=timedelta(seconds=10)) is None
        assert polled.silent_since(rig.now - timedelta(hours=1), least=timedelta(seconds=10)) is not None


@pytest.mark.parametrize(
    ("says", "alerts"), [(Unavailable("Slack is down"), [NO_CARD]), (NotYet("others go first"), [])]
)
async def test_a_card_that_cannot_be_shown_pages(says: Unavailable, alerts: list[str], tmp_path: Path) -> None:
    """A chat that is down for good is no refusal, and yet nobody sees the request: operators are told.

    Not for one that only waits for its turn in a busy channel.
    """
    async with opened(tmp_path) as rig:
        rig.platform.waiting["r1"] = HITLRequest(
            request_id="r1", tool_name="pay", arguments={}, agent_id="agent", timeout_seconds=180
        )
        await rig.insert().round()
        chat = DeadChat(says=says)

        async def show() -> None:
            async with asyncio.TaskGroup() as tasks:
                pool = WorkerPool(Step.SHOW, size=4, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)
                deps = StepDeps(
                    store=rig.store, chats={Surface.SLACK: chat}, policy=lambda: POLICY, clock=rig.clock,
                    metrics=NO_METRICS, pool=pool,
                )  # fmt: skip
                await Show(deps, seal=Seal("s" * 32)).round()

        await show()
        assert [] == await rig.alerts()
        rig.now += timedelta(seconds=25)
        await show()

        assert 2 == chat.posts
        assert alerts == await rig.alerts()
