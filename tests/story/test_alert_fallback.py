"""With the database gone an alert reaches people, is kept, and turns `/healthz` red until it is stored."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.pagers.services import open_pagers
from adapters.store.open import open_store
from adapters.watch import NOD, Spool, open_alert_fallback
from bot.alerts import SCHEDULER_DEAD, STORE, STORE_DOWN
from bot.errors import Unavailable
from bot.flow import WorkerPool
from bot.flow.alert import PageOut
from bot.ports import NO_METRICS, Pager
from bot.records import Alert, PendingPage, Step
from tests.servers.fake_clock_bot import Clock, PaperPager
from tests.servers.pagers import WEBHOOK_SECRET
from tests.servers.sqlite_template import lay_database
from tests.servers.system import until
from tests.story.alert_fallback_rig import Rig, health, open_rig
from tests.story.spooling_child import GONE, Fickle, utc_now

DEAD = replace(GONE, approval_id=NOD, cause=SCHEDULER_DEAD)


async def test_with_the_database_gone_people_are_paged_within_a_second(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Webhook, spool and log have it once, however often it is raised, and `/healthz` says so."""
    async with open_rig(tmp_path) as rig:
        began = time.monotonic()
        assert await rig.alert_fallback.raise_(GONE)
        await until(lambda: len(rig.told()) == 1, within=1, what="the page")
        assert time.monotonic() - began < 1
        assert not await rig.alert_fallback.raise_(replace(GONE, text="again"))
        await asyncio.sleep(0.2)

        assert ["database-gone"] == rig.kept() == rig.told()
        status, body = await health(rig.alert_fallback)
        assert 503 == status
        assert "database-gone" in body
        assert [] == await rig.stored()
    said = "".join(capfd.readouterr())
    assert 1 == said.count("alert_spooled")
    assert GONE.text in said


async def test_what_is_kept_is_neither_tried_nor_told_again(tmp_path: Path) -> None:
    """A database that hangs is not waited for a second time; of two that come at once one is kept."""
    async with open_rig(tmp_path) as rig:
        rig.alerts.hangs = True
        both = await asyncio.gather(rig.alert_fallback.raise_(GONE), rig.alert_fallback.raise_(GONE))
        assert [False, True] == sorted(both)
        tries = rig.alerts.tries
        assert not await rig.alert_fallback.raise_(GONE)
        assert tries == rig.alerts.tries
        await until(lambda: bool(rig.told()), what="the page")
        await asyncio.sleep(0.2)
        assert ["database-gone"] == rig.kept() == rig.told()


async def test_that_the_store_is_down_is_kept_although_it_could_be_stored(tmp_path: Path) -> None:
    """A full disk may have room for a row and for nothing else: it is paged from here, and red until mended."""
    async with open_rig(tmp_path, down=False) as rig:
        down = replace(GONE, approval_id=STORE, cause=STORE_DOWN)
        assert await rig.alert_fallback.raise_(down)
        await until(lambda: [STORE_DOWN] == rig.told(), within=1, what="the page")
        assert not await rig.alert_fallback.drain()
        assert 503 == (await health(rig.alert_fallback))[0]
        assert [] == await rig.stored()

        await rig.alert_fallback.resolve(STORE, cause=STORE_DOWN, how="It is back.")
        assert [(STORE_DOWN, "It is back.")] == await rig.stored()
        assert [] == rig.kept()
        assert 200 == (await health(rig.alert_fallback))[0]


async def test_when_the_database_is_back_it_has_the_alert_once(tmp_path: Path) -> None:
    """Stored and then forgotten: the spool is empty, `/healthz` is green, the store owes it to its pagers."""
    async with open_rig(tmp_path) as rig:
        await rig.alert_fallback.raise_(GONE)
        assert not await rig.alert_fallback.drain()
        assert ["database-gone"] == rig.kept()

        rig.alerts.down = False
        assert await rig.alert_fallback.drain()
        assert await rig.alert_fallback.drain()

        assert [("database-gone", None)] == await rig.stored()
        assert [] == rig.kept()
        assert 200 == (await health(rig.alert_fallback))[0]


class Messages(PaperPager):
    """Keeps under which message each page went; None for a new one."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.refs: list[str | None] = []

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        taken = await super().page(alert, ref=ref, attempted_at=attempted_at)
        self.refs.append(ref)
        return taken


async def test_who_was_told_directly_is_told_once_and_hears_its_end(tmp_path: Path) -> None:
    """Whichever way the alert went: a lock of some seconds is one message that is then brought to its end."""
    pager, late = Messages(), Messages()
    late.trouble = Unavailable("this pager is down")
    pagers: dict[str, Pager] = {"paper": pager, "late": late}
    down = replace(GONE, approval_id=STORE, cause=STORE_DOWN)
    lay_database(tmp_path)
    async with (
        open_store(f"sqlite:///{tmp_path / 'nod.db'}", ring=lambda _: None, pagers=("paper", "late")) as store,
        open_alert_fallback(
            alerts=store.alerts, spool=Spool(tmp_path / "a"), pagers=pagers, clock=utc_now, metrics=NO_METRICS
        ) as alert_fallback,
    ):
        await alert_fallback.raise_(down)
        await until(lambda: bool(pager.pages), within=2, what="the direct page")
        late.trouble = None  # its next try is seconds away
        await alert_fallback.resolve(STORE, cause=STORE_DOWN, how="It is back.")
        async with asyncio.TaskGroup() as tasks:
            step = PageOut(
                store=store, pagers=pagers, chats={}, clock=utc_now, metrics=NO_METRICS,
                pool=lambda: WorkerPool(
                    Step.ALERT, size=4, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS
                ),
            )  # fmt: skip
            await step.round()
    assert [None, STORE_DOWN] == pager.refs, "a second message"
    assert [None, "It is back."] == [alert.resolved for _, alert in pager.pages]
    assert ["It is back."] == [alert.resolved for _, alert in late.pages]


async def test_with_the_database_there_nothing_is_spooled(tmp_path: Path) -> None:
    """The usual way: one row, for every pager; raised a second time, the store says that it is there."""
    async with open_rig(tmp_path, down=False) as rig:
        assert await rig.alert_fallback.raise_(GONE)
        assert not await rig.alert_fallback.raise_(GONE)
        assert (GONE,) == await rig.alert_fallback.open_of(approval_id="nod")
        assert 1 == await rig.alert_fallback.unacknowledged(utc_now() + timedelta(seconds=1))
        (page,) = await rig.alert_fallback.due(utc_now(), most=99)
        await rig.alert_fallback.attempt(page, at=utc_now())
        await rig.alert_fallback.postpone(page, next_try=utc_now() + timedelta(hours=1))
        assert () == await rig.alert_fallback.due(utc_now(), most=99)
        await rig.alert_fallback.taken(page, ref="r")
        await rig.alert_fallback.resolve("nod", cause="database-gone", how="It is back.")

        assert [("database-gone", "It is back.")] == await rig.stored()
        assert not rig.spool.exists()
        assert [] == rig.told() == rig.alert_fallback.problems()


async def test_a_database_that_hangs_is_as_good_as_gone(tmp_path: Path) -> None:
    """Nobody waits for it longer than its patience."""
    async with open_rig(tmp_path, down=False) as rig:
        rig.alerts.hangs = True
        assert await rig.alert_fallback.raise_(GONE)
        await until(lambda: ["database-gone"] == rig.told(), within=1)
        assert ["database-gone"] == rig.kept()


async def test_a_pager_is_asked_until_it_takes_the_alert(tmp_path: Path) -> None:
    """Without any database, and never again once it did."""
    async with open_rig(tmp_path) as rig:
        rig.receiver.down = True
        await rig.alert_fallback.raise_(GONE)
        await until(lambda: rig.receiver.tries >= 3, what="more tries")
        rig.receiver.down = False
        await until(lambda: ["database-gone"] == rig.told(), what="the page")
        tries = rig.receiver.tries
        await asyncio.sleep(0.5)
        assert tries == rig.receiver.tries


async def test_what_is_stored_is_no_longer_paged_from_here(tmp_path: Path) -> None:
    """From then on the store owes it to the pager, which is down still."""
    async with open_rig(tmp_path) as rig:
        rig.receiver.down = True
        await rig.alert_fallback.raise_(GONE)
        await until(lambda: rig.receiver.tries >= 1, what="a try")
        rig.alerts.down = False
        assert await rig.alert_fallback.drain()
        tries = rig.receiver.tries
        await asyncio.sleep(0.5)
        assert rig.receiver.tries <= tries + 1  # one may have been under way


async def test_what_comes_right_before_it_is_stored_is_mended_all_the_same(tmp_path: Path) -> None:
    """It is raised first: resolving something unknown would do nothing, and leave it open forever."""
    async with open_rig(tmp_path) as rig:
        await rig.alert_fallback.raise_(GONE)
        with pytest.raises(Unavailable):
            await rig.alert_fallback.resolve(GONE.approval_id, cause=GONE.cause, how="It is back.")
        rig.alerts.down = False
        await rig.alert_fallback.resolve(GONE.approval_id, cause=GONE.cause, how="It is back.")
        assert [("database-gone", "It is back.")] == await rig.stored()
        assert [] == rig.kept()


async def test_what_is_looked_for_before_it_is_stored_is_found(tmp_path: Path) -> None:
    """Resolving all that is open about a request must not miss what the database could not take."""
    async with open_rig(tmp_path) as rig:
        await rig.alert_fallback.raise_(GONE)
        with pytest.raises(Unavailable):
            await rig.alert_fallback.open_of(approval_id=GONE.approval_id)
        rig.alerts.down = False
        assert () == await rig.alert_fallback.open_of(approval_id="another")
        assert [GONE.cause] == rig.kept()
        assert (GONE,) == await rig.alert_fallback.open_of(approval_id=GONE.approval_id)
        assert [] == rig.kept()
        assert (GONE,) == await rig.alert_fallback.open_of(cause=GONE.cause)


async def test_a_disk_that_refuses_costs_no_page(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is paged, posted, shown as red, and stored later by the same process."""
    async with open_rig(tmp_path) as rig:
        rig.spool.mkdir()
        assert await rig.alert_fallback.raise_(GONE)
        await until(lambda: ["database-gone"] == rig.told(), within=1)
        assert 503 == (await health(rig.alert_fallback))[0]
        rig.alerts.down = False
        assert await rig.alert_fallback.drain()
        assert [("database-gone", None)] == await rig.stored()
    assert "alert_not_spooled" in "".join(capfd.readouterr())


class Broken:
    """A pager with a mistake in it."""

    name = "broken"

    async def page(self, alert: Alert, **_: object) -> str | None:
        raise ZeroDivisionError(alert.cause)


async def test_a_pager_that_breaks_harms_no_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the process nor another pager; it is logged."""
    told: list[str] = []

    class Works:
        name = "works"

        async def page(self, alert: Alert, **_: object) -> str | None:
            told.append(alert.cause)
            return None

    pagers: dict[str, Pager] = {"broken": Broken()}
    async with open_alert_fallback(
        alerts=Fickle(), spool=Spool(tmp_path / "a"), pagers=pagers, clock=utc_now, metrics=NO_METRICS
    ) as alert_fallback:
        pagers["works"] = Works()  # pagers that open later count as well
        await alert_fallback.raise_(GONE)
        await until(lambda: ["database-gone"] == told, within=1)
    assert "emergency_page_crashed" in "".join(capfd.readouterr())


async def page_what_is_owed(rig: Rig) -> None:
    """The flow's own paging, as in any life of the bot."""
    async with (
        open_pagers(
            [("webhook", f"{rig.url}/hooks/x")],
            webhook_secret=WEBHOOK_SECRET,
            urls={"pagerduty": rig.url, "opsgenie": rig.url},
            clock=utc_now,
        ) as pagers,
        asyncio.TaskGroup() as tasks,
    ):
        (pager,) = pagers.values()
        step = PageOut(
            store=rig.store, pagers={"p": pager}, chats={}, clock=utc_now, metrics=NO_METRICS,
            pool=lambda: WorkerPool(
                    Step.ALERT, size=4, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS
                ),
        )  # fmt: skip
        await step.round()


async def test_after_a_kill_the_next_start_pages(tmp_path: Path) -> None:
    """Killed between spool and store, with no pager there: the next process stores it, and pages it."""
    spool, root = tmp_path / "alerts.jsonl", Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.story.spooling_child", str(spool), "http://127.0.0.1:9"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            lines = iter(child.stdout.readline, "")
            assert any(line == "spooled\n" for line in lines)
        finally:
            child.kill()
    assert -9 == child.returncode
    assert (GONE,) == Spool(spool).entries()

    async with open_rig(tmp_path, down=False) as rig:
        assert [("database-gone", None)] == await rig.stored()
        assert [] == rig.kept() == rig.alert_fallback.problems()
        await page_what_is_owed(rig)
        assert ["database-gone"] == rig.told()
        assert [] == await rig.stored()


async def test_after_a_kill_and_with_the_database_still_gone_it_is_paged_too(tmp_path: Path) -> None:
    """It stays in the spool, is red, and goes straight to the pagers."""
    Spool(tmp_path / "alerts.jsonl").put(GONE)
    async with open_rig(tmp_path) as rig:
        await until(lambda: ["database-gone"] == rig.told(), within=2)
        assert ["database-gone"] == rig.kept()
        assert 503 == (await health(rig.alert_fallback))[0]


async def test_the_end_of_a_process_is_mended_by_the_life_of_the_next(tmp_path: Path) -> None:
    """Not at its start, for it may end as well; and the end after that pages again."""
    Spool(tmp_path / "alerts.jsonl").put(DEAD)
    async with open_rig(tmp_path, down=False, proven=0.5) as rig:
        assert [(SCHEDULER_DEAD, None)] == await rig.stored()
        await asyncio.sleep(0.6)
        await rig.alert_fallback.drain()
        ((_, resolved),) = await rig.stored()
        assert resolved == "Nod has restarted and works"

    Spool(tmp_path / "alerts.jsonl").put(replace(DEAD, raised_at=utc_now()))
    async with open_rig(tmp_path, down=False) as rig:
        assert [(SCHEDULER_DEAD, None)] == await rig.stored()


async def test_at_the_end_nothing_goes_on_in_the_background(tmp_path: Path) -> None:
    """Leaving stops the tries; what is spooled is there for the next start."""
    async with open_rig(tmp_path) as rig:
        rig.receiver.down = True
        await rig.alert_fallback.raise_(GONE)
        await until(lambda: rig.receiver.tries >= 1, what="a try")
    assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("emergency:")]
    assert ["database-gone"] == rig.kept()


def owed_page() -> PendingPage:
    return PendingPage(alert=GONE, pager="p")


async def test_only_raising_survives_the_loss_of_the_database(tmp_path: Path) -> None:
    """What needs the database says that it is gone, as the store itself would."""
    async with open_rig(tmp_path) as rig:
        alert_fallback = rig.alert_fallback
        for call in (
            alert_fallback.open_of(cause="undelivered"),
            alert_fallback.due(utc_now(), most=99),
            alert_fallback.unacknowledged(utc_now()),
            alert_fallback.attempt(owed_page(), at=utc_now()),
            alert_fallback.taken(owed_page(), ref=None),
            alert_fallback.postpone(owed_page(), next_try=utc_now()),
            alert_fallback.resolve("r1", cause="undelivered", how="It got through."),
        ):
            with pytest.raises(Unavailable):
                await call
