"""Each pager's trouble is its own: one that hangs takes no time of another's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

from adapters.store.open import SqlStore, open_store
from bot.errors import Unavailable
from bot.flow import WorkerPool
from bot.flow.alert import PageOut
from bot.ports import NO_METRICS, Pager, utc_now
from bot.records import Alert, Step
from tests.servers.system import until

SIZE = 2  #: pages of one pager at a time
MANY = 5 * SIZE


class Quick:
    """A `bot.ports.Pager` that takes everything at once."""

    def __init__(self, name: str = "quick") -> None:
        self.name = name
        self.told: list[str] = []

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: object) -> str | None:
        self.told.append(alert.approval_id)
        return None


class Hanging(Quick):
    """Takes the call, and does not answer until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers = asyncio.Event()

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: object) -> str | None:
        self.told.append(alert.approval_id)
        await self.answers.wait()
        return None


class Away(Quick):
    """Takes nothing."""

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: object) -> str | None:
        self.told.append(alert.approval_id)
        raise Unavailable("it is away")


def a_crew(tasks: asyncio.TaskGroup) -> WorkerPool:
    return WorkerPool(Step.ALERT, size=SIZE, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)


@asynccontextmanager
async def paging(folder: Path, *pagers: Pager, patience: float) -> AsyncIterator[tuple[SqlStore, PageOut]]:
    """Many alerts in a store, and the step that pages them."""
    by_name = {pager.name: pager for pager in pagers}
    url = f"sqlite:///{folder / 'nod.db'}"
    async with open_store(url, ring=lambda _: None, pagers=tuple(by_name)) as store:
        for number in range(MANY):
            alert = Alert(approval_id=f"r{number}", cause="rung-0", text="t", raised_at=utc_now())
            await store.alerts.raise_(alert)
        async with asyncio.TaskGroup() as tasks:
            step = PageOut(
                store=store, pagers=by_name, chats={}, clock=utc_now, metrics=NO_METRICS, patience=patience,
                pool=lambda: a_crew(tasks),
            )  # fmt: skip
            yield store, step
            for pager in pagers:
                if isinstance(pager, Hanging):
                    pager.answers.set()


async def test_a_pager_that_hangs_takes_no_places_of_another(tmp_path: Path) -> None:
    """All of its own are taken, and the other one has heard of everything."""
    quick, hanging = Quick(), Hanging("hanging")
    async with paging(tmp_path, hanging, quick, patience=60) as (_, step):
        await step.round()
        await until(lambda: MANY == len(quick.told), within=5, what="the pages of the pager that is well")
        assert SIZE == len(hanging.told)
        await step.round()
        assert SIZE == len(hanging.told)


async def test_a_page_that_hangs_is_put_off(tmp_path: Path) -> None:
    """After its patience it counts as failed, and waits for its next try like any that was refused."""
    hanging = Hanging("hanging")
    async with paging(tmp_path, hanging, patience=0.05) as (store, step):
        await step.round()
        await until(lambda: MANY == len(hanging.told), within=5, what="a try of each")
        async with asyncio.timeout(5):
            while await store.alerts.due(utc_now(), most=99):
                await asyncio.sleep(0.01)
        later = await store.alerts.due(utc_now() + timedelta(minutes=1), most=99)
        assert [1] * MANY == [page.tries for page in later if page.attempted_at]


async def test_a_pager_that_is_away_for_days_is_tried_at_its_pace(tmp_path: Path) -> None:
    """After thousands of tries a page is put off by a minute, like after the tenth."""
    away = Away("away")
    async with paging(tmp_path, away, patience=60) as (store, step):
        with closing(sqlite3.connect(tmp_path / "nod.db")) as connection, connection:
            connection.execute("UPDATE pages SET tries = 5000")
        await step.round()
        await until(lambda: MANY == len(away.told), within=5, what="a try of each")
        await asyncio.sleep(0.2)
        assert () == await store.alerts.due(utc_now() + timedelta(seconds=50), most=99)
        assert MANY == len(await store.alerts.due(utc_now() + timedelta(seconds=61), most=99))
