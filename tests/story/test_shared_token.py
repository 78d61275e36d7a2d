"""Two bots, each with its database, on one Slack app token: each loses clicks to the other, and says so."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.cli.check import check
from adapters.slack.socket import Patience, open_socket
from adapters.slack_plugin import SharedToken
from adapters.store.open import SqlStore, open_store
from bot.alerts import SHARED
from sandbox.slack.people import App
from tests.contract.slack_rig import Rig, open_rig
from tests.servers.sqlite_template import lay_database
from tests.servers.system import environment, open_system, until

LOGGER = logging.getLogger("tests.shared_token")
LOGGER.setLevel(logging.CRITICAL)
OVERLAP = 0.5  #: seconds


class Bot:
    """The socket of a bot, and the database in which it records what Slack's hello says."""

    def __init__(self, rig: Rig, store: SqlStore) -> None:
        self.store, self.told, self._stack = store, list[tuple[int, int, bool]](), AsyncExitStack()
        self._rig, self._shared = rig, SharedToken(store=store, clock=lambda: datetime.now(UTC))

    async def counted(self, sockets: int, others: int, stay: bool) -> None:
        await self._shared.counted(sockets, others, stay)
        self.told.append((sockets, others, stay))

    async def alerts(self) -> list[str]:
        return [alert.text for alert in await self.store.alerts.open_of(cause=SHARED)]

    async def connect(self) -> None:
        """Open the socket."""
        client = AsyncWebClient(base_url=f"{self._rig.url}/api/", retry_handlers=[], logger=LOGGER)
        await self._stack.enter_async_context(
            open_socket(
                app=self._rig.slack._app, app_token=self._rig.workspace.app.app_token, client=client,
                logger=LOGGER, patience=Patience(ping=0.5, overlap=OVERLAP), counted=self.counted,
            )
        )  # fmt: skip
        await until(lambda: bool(self.told), what="Slack's hello")

    async def stop(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def open_bot(rig: Rig, folder: Path) -> AsyncIterator[Bot]:
    """A bot with its own database."""
    folder.mkdir()
    lay_database(folder)
    async with open_store(f"sqlite:///{folder / 'nod.db'}", ring=lambda _: None, pagers=()) as store:
        bot = Bot(rig, store)
        await bot.connect()
        try:
            yield bot
        finally:
            await bot.stop()


async def test_a_second_bot_on_the_token_is_alerted_once_it_stays(tmp_path: Path) -> None:
    """Not at once: it can be left over from a refresh. Nothing is alerted any more when it is gone."""
    async with (
        open_rig() as rig,
        open_bot(rig, tmp_path / "a") as first,
        open_bot(rig, tmp_path / "b") as second,
    ):
        assert {(1, 0, False)} == set(first.told)
        assert [(2, 1, False)] == second.told
        assert [] == await second.alerts()

        await until(lambda: len(second.told) > 1, what="the second count")
        assert (3, 1, True) == second.told[1], "its own two sockets overlap, so that no click is missed"
        (text,) = await second.alerts()
        assert "1 socket with SLACK_APP_TOKEN" in text

        await first.stop()
        await until(lambda: second.told[-1][1] == 0, what="the count without the first")
        assert [] == await second.alerts()


async def test_what_is_left_over_from_a_refresh_is_no_other_bot(tmp_path: Path) -> None:
    """Slack asks to reconnect, and may count the old socket still."""
    async with open_rig() as rig, open_bot(rig, tmp_path / "a") as bot:
        await rig.workspace.sockets.disconnect()
        await until(lambda: len(bot.told) > 1, what="the next hello")
        assert [] == await bot.alerts()
        assert [0] == list({others for _, others, stays in bot.told if stays} or {0})


async def test_check_reads_what_the_bot_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it runs no socket is opened beside it: that would be given clicks. Else one is, for a moment."""
    async with open_system(tmp_path, SLACK_APP_TOKEN=App().app_token) as system:
        sockets = system.sandbox.workspace.sockets
        await until(lambda: sockets.ready, what="the bot's socket")
        await until(lambda: any(row["kind"] == "sockets_counted" for row in system.audit()), what="the count")
        for name, value in environment(system.sandbox, tmp_path, SLACK_APP_TOKEN=App().app_token).items():
            monkeypatch.setenv(name, value)
        assert 0 == await check()
        assert 1 == sockets.opened
        monkeypatch.setenv("NOD_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
        assert 1 == await check()
        assert 2 == sockets.opened
    report = capsys.readouterr().out
    assert "✓ Slack: SLACK_APP_TOKEN opens a socket" in report
    assert "✗ Slack: another process has a socket open with SLACK_APP_TOKEN" in report
