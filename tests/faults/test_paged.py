"""What is broken is paged within one interval and stops the heartbeat; what is mended is over, and it beats.

Each fault has a system of its own, and all of them happen at the same time: the interval is the real one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from bot.alerts import FLOOD, NO_CARD, NOBODY, SKEWED, STORE_DOWN, SURFACE_DEAD, UNSEEN
from tests.servers.system import until
from tests.servers.watched import ONE_INTERVAL, SELF_CHECK_EVERY, Watched, open_watched, open_watched_bot

Policy = Callable[[str], str]


def slowly(policy: str) -> str:
    """Nine systems share a core: a poll a second is often enough for what takes ten."""
    return policy.replace("poll_every: 200ms", "poll_every: 1s")


class Systems:
    """Opens systems below one folder, whose bots start one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._turn = folder, asyncio.Lock()

    @asynccontextmanager
    async def open(self, name: str, *, policy: Policy = slowly) -> AsyncIterator[Watched]:
        async with (
            open_watched(self._folder / name, policy=policy) as watched,
            open_watched_bot(watched, turn=self._turn),
        ):
            yield watched


async def test_what_is_broken_is_paged_and_the_heartbeat_stops(tmp_path: Path) -> None:
    """Chat, database, clock, policy, cards, agents: each is paged in time, and over when it is mended."""
    systems = Systems(tmp_path)
    async with asyncio.TaskGroup() as stories:
        for check in (
            check_revoked, check_unavailable, check_hanging, check_locked, check_skewed, check_nobody,
            check_no_card, check_expired_unseen, check_flooded,
        ):  # fmt: skip
            stories.create_task(check(systems), name=check.__name__)


async def check_revoked(systems: Systems) -> None:
    """Slack refuses the token."""
    async with systems.open("revoked") as watched:
        watched.system.sandbox.workspace.revoke_token()
        assert "token_revoked" in await watched.paged(SURFACE_DEAD)
        await watched.silent()
        watched.system.sandbox.workspace.revoke_token(revoked=False)
        await watched.relieved(SURFACE_DEAD)


async def check_unavailable(systems: Systems) -> None:
    """Slack is down."""
    async with systems.open("unavailable") as watched:
        watched.system.sandbox.faults.add(path="/api/*", status=503)
        assert "Slack cannot be reached" in await watched.paged(SURFACE_DEAD)
        await watched.silent()
        watched.system.sandbox.faults.clear()
        await watched.relieved(SURFACE_DEAD)


async def check_hanging(systems: Systems) -> None:
    """Slack takes calls and answers none: as good as down, and no reason to be late with anything else."""
    async with systems.open("hanging") as watched:
        watched.system.sandbox.faults.add(path="/api/*", delay=120)
        watched.system.ask(timeout_seconds=24)
        assert "Slack cannot be reached" in await watched.paged(SURFACE_DEAD, within=ONE_INTERVAL)
        await watched.paged(NO_CARD, within=SELF_CHECK_EVERY.total_seconds())
        await watched.silent()
        watched.system.sandbox.faults.clear()
        await watched.relieved(SURFACE_DEAD)


async def check_locked(systems: Systems) -> None:
    """Something holds the SQLite file, so that nothing can be written: the spool has the page, too."""
    async with systems.open("locked") as watched:
        assert 200 == (await watched.health())[0]
        with closing(sqlite3.connect(watched.folder / "nod.db", isolation_level=None, timeout=0)) as other:
            await _lock(other)
            await watched.paged(STORE_DOWN, within=ONE_INTERVAL)
            # The pagers are told before the disk is.
            await until(lambda: [STORE_DOWN] == watched.spooled(), within=3, what="the spool")
            status, text = await watched.health()
            assert 503 == status
            assert STORE_DOWN in text
            await watched.silent()
            other.execute("ROLLBACK")
        await watched.relieved(STORE_DOWN)
        async with asyncio.timeout(ONE_INTERVAL):  # a try that was under way may be told once more
            while (200, []) != ((await watched.health())[0], watched.spooled()):
                await asyncio.sleep(0.2)
        assert 1 == len(watched.told(STORE_DOWN)) == len(watched.told(STORE_DOWN, resolved=True))


async def _lock(database: sqlite3.Connection) -> None:
    """Take the place to write between two writes of the bot, which lives on this loop: nothing may block it."""
    while True:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            await asyncio.sleep(0.005)
        else:
            return


async def check_skewed(systems: Systems) -> None:
    """The platform's clock goes more than a minute wrong."""
    async with systems.open("skewed") as watched:
        faults = watched.system.sandbox.faults

        def dated(behind: timedelta) -> None:
            date = format_datetime(datetime.now(UTC) - behind, usegmt=True)
            faults.add(path="/agents/hitl/pending", times=3, status=200, headers={"Date": date}, body=[])

        dated(timedelta(seconds=70))
        assert "ahead of the platform's" in await watched.paged(SKEWED)
        dated(timedelta(0))
        await until(lambda: bool(watched.told(SKEWED, resolved=True)), within=5, what="the clocks to agree")


async def check_nobody(systems: Systems) -> None:
    """A policy comes into force that leaves nobody for a route."""
    async with systems.open("nobody") as watched:
        policy = watched.folder / "nod.yaml"
        good = policy.read_text()
        policy.write_text(good.replace("@acme.example", "@nowhere.example"))
        assert "has no approver" in await watched.paged(NOBODY)
        await watched.silent()
        policy.write_text(good)
        await watched.relieved(NOBODY)


async def check_no_card(systems: Systems) -> None:
    """Slack takes no new messages: an operator is paged within a quarter of the window."""
    window = 24.0
    async with systems.open("no_card") as watched:
        watched.system.sandbox.faults.add(path="/api/chat.postMessage", status=503)
        request_id = watched.system.ask(timeout_seconds=window)
        assert "has no card yet" in await watched.paged(NO_CARD, within=window / 4 + ONE_INTERVAL)
        watched.system.sandbox.faults.clear()
        await watched.relieved(NO_CARD)
        assert request_id


async def check_expired_unseen(systems: Systems) -> None:
    """The whole window passes in which nobody could see it."""
    async with systems.open("expired_unseen") as watched:
        watched.system.sandbox.faults.add(path="/api/chat.postMessage", status=503)
        watched.system.ask(timeout_seconds=4)
        assert "expired without a card" in await watched.paged(
            UNSEEN, within=4 + SELF_CHECK_EVERY.total_seconds()
        )


async def check_flooded(systems: Systems) -> None:
    """One agent asks for more than its share, until its requests end."""
    async with systems.open("flooded", policy=lambda text: f"flood: 3\n{slowly(text)}") as watched:
        for _ in range(4):
            watched.system.ask(timeout_seconds=8, agent_id="eager-1")
        assert "eager-1 has 4 open requests" in await watched.paged(FLOOD)
        await until(lambda: bool(watched.told(FLOOD, resolved=True)), within=20, what="the flood to end")
