"""A database file that becomes malformed under a running bot: garbage over some of its pages."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.store.open import open_store
from adapters.watch import Spool, open_alert_fallback
from bot.alerts import STORE_DOWN
from bot.approval import Stage
from bot.errors import Unavailable
from bot.flow import Liveness
from bot.flow.self_check import SELF_CHECK_EVERY, TOUCH_EVERY, SelfCheck
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.records import NewApproval
from tests.contract.values import NOW, an_approval
from tests.servers.fake_clock_bot import Clock, PaperPager
from tests.servers.sqlite_template import lay_database
from tests.servers.system import ANN
from tests.servers.watched import ONE_INTERVAL, open_watched, open_watched_bot


def smash(path: Path, *tables: str) -> int:
    """Garbage over every page of these tables, as a failing disk leaves it; how many pages that were."""
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = ", ".join("?" * len(tables))
        wanted = f"SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name IN ({names})"
        pages = [page for (page,) in connection.execute(wanted, tables)]
    chance = random.Random(7)
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(chance.randbytes(size))
    return len(pages)


async def test_damage_that_was_met_is_one_alert_and_takes_no_more_writes(tmp_path: Path) -> None:
    """Some pages are well, so that some writes would work: they go into a file that may lose them."""
    lay_database(tmp_path)
    pager = PaperPager(Clock(NOW))
    async with (
        open_store(f"sqlite:///{tmp_path / 'nod.db'}", ring=lambda _: None, pagers=("paper",)) as store,
        open_alert_fallback(
            alerts=store.alerts, spool=Spool(tmp_path / "spool"), pagers={"paper": pager}, clock=lambda: NOW,
            metrics=NO_METRICS,
        ) as alert_fallback,
    ):  # fmt: skip

        async def well() -> None:
            raise AssertionError("the heartbeat goes on")

        self_check = SelfCheck(
            store=store,
            alerts=alert_fallback,
            chats={},
            policy=lambda: Policy(people={}, groups={}, routes=()),
            liveness=Liveness(),
            late_tick=lambda: None,
            blind=lambda: None,
            all_well=well,
            clock=lambda: NOW,
            metrics=NO_METRICS,
        )
        await store.approvals.insert([NewApproval(approval=an_approval("r1"))])
        await self_check.round()
        assert 1 == smash(tmp_path / "nod.db", "approvals")
        await store.probe.write()  # its own page is well; what the readers remember is not any more
        with pytest.raises(Unavailable, match="the file is damaged"):
            await store.approvals.at(Stage.OPEN)

        with pytest.raises(Unavailable, match="the file is damaged"):
            await store.alerts.resolve("r1", cause="x", how="y")
        for _ in range(3):
            await self_check.check_db_writable()
            await self_check.round()
        assert [STORE_DOWN] == [alert.cause for _, alert in pager.pages]
        assert "the file is damaged" in pager.pages[0][1].text
        assert alert_fallback.problems()


@pytest.mark.slow
async def test_a_malformed_database_is_paged_once_and_stays_red(tmp_path: Path) -> None:
    """The whole bot, for three intervals of the auditor: no flapping, and no click is taken."""
    async with (
        open_watched(tmp_path / "system") as watched,
        open_watched_bot(watched, turn=asyncio.Lock()),
    ):
        system = watched.system
        system.ask(timeout_seconds=300)
        card = await system.shown()
        smash(watched.folder / "nod.db", "approvals", "votes")
        await watched.paged(STORE_DOWN, within=ONE_INTERVAL)
        for _ in range(round(3 * SELF_CHECK_EVERY / TOUCH_EVERY)):
            assert 503 == (await watched.health())[0]
            await asyncio.sleep(TOUCH_EVERY.total_seconds())
        assert not (await system.press(ANN, card, "approve")).ok
        assert 1 == len(watched.told(STORE_DOWN))
        assert [] == watched.told(STORE_DOWN, resolved=True)
        assert [STORE_DOWN] == watched.spooled()
