"""What is broken is paged within one interval and stops the heartbeat; what is mended is over, and it beats.

Each fault has a town of its own, and all of them happen at the same time: the interval is the real one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from bot.flow.admit import SKEWED
from bot.flow.expire import UNSEEN
from bot.flow.gather import FLOOD
from bot.flow.prove import NOBODY, STORE_DOWN
from bot.records import NO_CARD, SURFACE_DEAD
from tests.servers.town import Town
from tests.servers.watched import Watched, open_watched, open_watched_bot

POST = {"path": "/api/chat.postMessage"}


async def test_what_is_broken_is_paged_and_the_heartbeat_stops(tmp_path: Path) -> None:
    """Chat, database, clock, policy: each is paged within one interval, and over when it is mended."""
    async with asyncio.TaskGroup() as stories:
        for story in (revoked, unavailable, locked, skewed, nobody):
            stories.create_task(story(tmp_path / story.__name__), name=story.__name__)


async def revoked(folder: Path) -> None:
    """Slack refuses the token."""
    async with open_watched(folder) as watched, open_watched_bot(watched):
        watched.town.sandbox.workspace.revoke_token()
        assert "token_revoked" in await watched.paged(SURFACE_DEAD)
        await watched.silent()
        watched.town.sandbox.workspace.revoke_token(revoked=False)
        await watched.relieved(SURFACE_DEAD)


async def unavailable(folder: Path) -> None:
    """Slack is down."""
    async with open_watched(folder) as watched, open_watched_bot(watched):
        watched.town.sandbox.faults.add(path="/api/*", status=503)
        assert "Slack cannot be reached" in await watched.paged(SURFACE_DEAD)
        await watched.silent()
        watched.town.sandbox.faults.clear()
        await watched.relieved(SURFACE_DEAD)


async def locked(folder: Path) -> None:
    """Something holds the SQLite file, so that nothing can be written: the spool has the page, too."""
    async with open_watched(folder) as watched, open_watched_bot(watched):
        assert 200 == (await watched.health())[0]
        with closing(sqlite3.connect(folder / "nod.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await watched.paged(STORE_DOWN, within=30)
            assert [STORE_DOWN] == watched.spooled()
            status, text = await watched.health()
            assert 503 == status
            assert STORE_DOWN in text
            await watched.silent()
            other.execute("ROLLBACK")
        await watched.relieved(STORE_DOWN)
        assert (200, []) == ((await watched.health())[0], watched.spooled())


async def skewed(folder: Path) -> None:
    """The bot's clock goes more than a minute wrong."""
    async with open_watched(folder) as watched, open_watched_bot(watched):
        watched.ahead = timedelta(seconds=70)
        assert "ahead of the platform's" in await watched.paged(SKEWED)
        watched.ahead = timedelta(0)
        await watched.relieved(SKEWED)


async def nobody(folder: Path) -> None:
    """A policy comes into force that leaves nobody for a route."""
    async with open_watched(folder) as watched, open_watched_bot(watched):
        policy = folder / "nod.yaml"
        good = policy.read_text()
        policy.write_text(good.replace("ann@acme.example", "x@acme.example").replace("bob@acme.example", "y@acme.example"))
        assert "has no approver" in await watched.paged(NOBODY)
        await watched.silent()
        policy.write_text(good)
        await watched.relieved(NOBODY)
