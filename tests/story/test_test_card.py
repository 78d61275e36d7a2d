"""`nod test-card`: a card goes the whole way but to the platform, and leaves no trace beside the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import test_card
from adapters.control import LONGEST_PATH, ask_bot, control_path, open_control
from adapters.settings import Environment
from adapters.test_card import OVER, WHY
from bot.errors import ConfigError
from sandbox.servers import open_sandbox
from sandbox.teams.people import APPROVALS as IN_TEAMS
from tests.servers.system import (
    ANN,
    APPROVALS,
    BOB,
    EVE,
    FINANCE,
    POLICY,
    System,
    buttons,
    environment,
    open_bot,
    open_system,
    said,
    until,
)
from tests.story.test_teams import until_known

TEST = timedelta(seconds=30)


@dataclass(kw_only=True)
class Terminal:
    """A person who ran `nod test-card`, and what they read."""

    lines: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    asking: asyncio.Task[int | None] | None = None

    def read(self, text: str) -> bool:
        return any(text in line for line in self.lines)


@asynccontextmanager
async def asked(system: System, channel: str | None = None, seconds: float = 30) -> AsyncIterator[Terminal]:
    """A test card that the running bot is asked for."""
    terminal = Terminal()
    question = {"ask": "test_card", "channel": channel, "seconds": seconds}
    path = control_path(f"sqlite:///{system.folder / 'nod.db'}")
    terminal.asking = asyncio.create_task(
        ask_bot(path, question, tell=terminal.lines.append, stop=terminal.stop)
    )
    try:
        yield terminal
    finally:
        terminal.stop.set()
        await asyncio.gather(terminal.asking, return_exceptions=True)


async def code(terminal: Terminal, within: float = 8) -> int | None:
    assert terminal.asking is not None
    async with asyncio.timeout(within):
        return await asyncio.shield(terminal.asking)


async def test_it_goes_the_whole_way_and_nowhere_else(tmp_path: Path) -> None:
    """Eve is refused, Ann decides, the final card is up; platform, audit and database know nothing of it."""
    async with open_system(tmp_path) as system:
        before = system.audit()
        async with asked(system) as terminal:
            card = await system.shown()
            await until(lambda: terminal.read("is posted"))
            assert WHY in said(card)
            assert "test_card" in said(card)
            await system.press(EVE, card, "approve")
            await until(lambda: terminal.read("Approve and got the reply: Only"), what="Eve to be refused")
            await system.press(ANN, card, "approve")
            assert 0 == await code(terminal)
        done = system.now(card)
        assert "Ann Albers" in said(done)
        assert "nod_approve" not in buttons(done)
        assert terminal.lines[0].startswith("The test card is posted in #approvals: http")
        assert terminal.read("Ann Albers approved it in Slack.")
        assert terminal.read("Ann or Bob can decide within ")
        assert terminal.lines[-1].startswith("Decided: approved by Ann Albers")
        assert before == system.audit()
        assert [] == system.sandbox.platform.decisions
        assert [] == system.alerts()

        late = await system.press(BOB, card, "reject", version=0)
        assert late.ok
        await system.whispered(BOB, OVER)
        assert before == system.audit()


async def test_a_real_request_beside_it_is_not_touched(tmp_path: Path) -> None:
    """Each press is valid for the card that it is on, whichever bot's button that is."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(tool="pay_invoice", timeout_seconds=60)
        real = await system.shown(FINANCE)
        async with asked(system, "#approvals") as terminal:
            card = await system.shown()
            await system.press(ANN, card, "skip")
            assert 0 == await code(terminal)
            assert [] == system.effects(request_id)
            await system.press(BOB, real, "approve")
            await until(lambda: ["approved"] == system.effects(request_id))
        assert ["voted"] == [row["kind"] for row in system.audit() if row["kind"] == "voted"]


async def test_it_goes_the_whole_way_in_teams(tmp_path: Path) -> None:
    """The same, with the card in a channel of Teams."""
    (tmp_path / "nod.yaml").write_text(POLICY.replace("cards: [slack:C0FINANCE]", "cards: [teams:approvals]"))
    async with open_system(tmp_path, with_teams=True) as system:
        teams = system.sandbox.teams
        assert teams is not None
        await until_known(system)
        async with asked(system, "teams:approvals") as terminal:
            await until(lambda: terminal.read("is posted in teams:approvals"), what=str(terminal.lines))
            (card,) = teams.cards_in(IN_TEAMS)
            await teams.press("ann", card, "nod_approve")
            assert 0 == await code(terminal)
        assert terminal.read("Ann Albers approved it in Teams.")
        assert "Approved" in json.dumps(teams.now(card).card)


async def test_nobody_decides(tmp_path: Path) -> None:
    """Ctrl-C takes the card back, and it says so: no button is left that means nothing."""
    async with open_system(tmp_path) as system, asked(system, "C0FINANCE") as terminal:
        card = await system.shown(FINANCE)
        terminal.stop.set()
        assert 1 == await code(terminal, within=12)
        assert "nod_approve" not in buttons(system.now(card))
        assert terminal.lines[-1].startswith("Nobody decided in time.")


@pytest.mark.parametrize(
    ("channel", "seconds", "says"),
    [
        ("#nowhere", 30, "Choose one of: #finance, #approvals"),
        (None, 1, "10s to 1h"),
        (None, 9999, "10s to 1h"),
    ],
)
async def test_what_cannot_be_is_told(tmp_path: Path, channel: str | None, seconds: float, says: str) -> None:
    """With what can be, and nothing is posted."""
    async with open_system(tmp_path) as system, asked(system, channel, seconds) as terminal:
        assert 2 == await code(terminal)
        assert terminal.read(says)
        assert [] == system.cards()


async def test_a_channel_that_takes_no_card_is_told(tmp_path: Path) -> None:
    """With what to do about it, in place of a wait for nothing; and a second one waits for the first."""
    async with open_system(tmp_path) as system:
        async with asked(system) as first:
            await system.shown()
            async with asked(system) as second:
                assert 2 == await code(second)
                assert second.read("another test card is still open")
            first.stop.set()
            await code(first, within=12)
        system.sandbox.workspace.kick(FINANCE)
        async with asked(system, "finance") as third:
            assert 2 == await code(third)
            assert third.read("/invite @Nod")


async def test_only_the_same_user_gets_to_the_socket(tmp_path: Path) -> None:
    """By the file's mode, and it is gone with the bot."""
    async with open_system(tmp_path):
        found = (tmp_path / "nod.db.sock").stat()
        assert (0o600, os.geteuid()) == (stat.S_IMODE(found.st_mode), found.st_uid)
        assert stat.S_ISSOCK(found.st_mode)
    assert not (tmp_path / "nod.db.sock").exists()


async def never(*_: Any) -> int:
    raise AssertionError("nothing was asked")


async def test_what_another_process_left_is_replaced_and_what_it_uses_is_not(tmp_path: Path) -> None:
    """A bot that was killed leaves its socket; one that runs keeps it."""
    path = tmp_path / "nod.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with open_control(path, never):
        inode = path.stat().st_ino
        async with open_control(path, never):
            assert inode == path.stat().st_ino
        assert path.exists()
    assert not path.exists()


@pytest.mark.parametrize(
    "question", [b"", b"\n", b"nonsense\n", b"[" * 9_000 + b"\n", b"x" * 20_000, b'"x"\n', b"[]\n"]
)
async def test_what_is_no_question_is_not_answered(tmp_path: Path, question: bytes) -> None:
    """And the next one is."""

    async def answer(asked: Any, tell: Any, gone: asyncio.Event) -> int:
        await tell("yes")
        return 0

    path = tmp_path / "nod.sock"
    async with open_control(path, answer):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(question)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            assert b"" == await reader.read()
        writer.close()
        lines: list[str] = []
        assert 0 == await ask_bot(path, {}, tell=lines.append, stop=asyncio.Event())
        assert ["yes"] == lines


async def test_an_answer_that_breaks_is_told_and_the_bot_runs_on(tmp_path: Path) -> None:
    """With where to look."""

    async def answer(*_: Any) -> int:
        raise ZeroDivisionError

    lines: list[str] = []
    async with open_control(tmp_path / "nod.sock", answer):
        assert 1 == await ask_bot(tmp_path / "nod.sock", {}, tell=lines.append, stop=asyncio.Event())
    assert ["nod: the command failed; the bot's log says why"] == lines


async def test_a_path_that_is_too_long_does_not_keep_a_bot_from_running(tmp_path: Path) -> None:
    """Then no test can be asked for, and that is all."""
    path = tmp_path / ("x" * LONGEST_PATH) / "nod.sock"
    path.parent.mkdir()
    async with open_control(path, never):
        assert not path.exists()


async def alone(town_environment: dict[str, str], channel: str | None = None) -> int:
    settings = Environment.model_validate(town_environment)
    return await test_card.put_up(settings, channel=channel, within=TEST, starts_within=0.3)


async def test_without_a_bot_one_runs_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By Socket Mode; the real database is not made, and the platform not asked."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        app_token = sandbox.workspace.app.app_token
        settings = environment(sandbox, tmp_path, SLACK_APP_TOKEN=app_token, AIP_API_URL="http://127.0.0.1:9")
        running = asyncio.create_task(alone(settings))
        card = await system.shown(within=10)
        await until(lambda: sandbox.workspace.sockets.ready, what="the socket")
        await system.press(BOB, card, "skip")
        async with asyncio.timeout(10):
            assert 0 == await running
        said_ = capsys.readouterr().out
        assert "No bot is running here" in said_
        assert "Decided: skipped by Bob Brandt" in said_
        assert ["nod.yaml"] == [path.name for path in tmp_path.iterdir()]


async def test_without_a_bot_teams_is_reached_where_one_was_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a bot learned is read from its database, which does not change."""
    (tmp_path / "nod.yaml").write_text(POLICY.replace("cards: [slack:C0FINANCE]", "cards: [teams:approvals]"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with open_sandbox(with_teams=True) as sandbox:
        teams, system = sandbox.teams, System(sandbox=sandbox, folder=tmp_path)
        assert teams is not None
        async with open_bot(system, tmp_path):
            await until_known(system)
        before = system.audit()
        teams.request_url = f"http://127.0.0.1:{port}/api/messages"
        running = asyncio.create_task(
            alone(environment(sandbox, tmp_path, NOD_PORT=str(port)), channel="teams:approvals")
        )
        await until(lambda: bool(teams.cards_in(IN_TEAMS)) or running.done(), within=10, what="the card")
        assert not running.done(), running.result()
        await teams.press("bob", teams.cards_in(IN_TEAMS)[0], "nod_approve")
        async with asyncio.timeout(10):
            assert 0 == await running
        assert "Decided: approved by Bob Brandt" in capsys.readouterr().out
        assert before == system.audit()


async def test_a_bot_that_cannot_be_asked_is_not_robbed_of_clicks(tmp_path: Path) -> None:
    """One that has the database, or a socket of the same token, would lose real clicks to the test."""
    async with open_system(tmp_path) as system:
        (tmp_path / "nod.db.sock").unlink()
        with pytest.raises(ConfigError, match="a bot uses it"):
            await alone(environment(system.sandbox, tmp_path))
    async with open_sandbox() as sandbox:
        token = {"SLACK_APP_TOKEN": sandbox.workspace.app.app_token}
        (tmp_path / "other").mkdir()
        async with open_town_on(sandbox, tmp_path / "other", **token) as system:
            await until(lambda: sandbox.workspace.sockets.ready, what="the socket")
            (tmp_path / "apart").mkdir()
            with pytest.raises(ConfigError, match="another process uses this token"):
                await alone(environment(sandbox, tmp_path / "apart", **token))
            assert [] == system.cards(APPROVALS)


@asynccontextmanager
async def open_town_on(sandbox: Any, folder: Path, **more: str) -> AsyncIterator[System]:
    system = System(sandbox=sandbox, folder=folder)
    async with open_bot(system, folder, **more):
        yield system


async def test_whoever_is_killed_in_between_withdraws_the_question(tmp_path: Path) -> None:
    """Nothing breaks: what answers hears of it, and comes to its end, so that no test card is left open."""
    told, ended = asyncio.Event(), asyncio.Event()

    async def answer(asked: Any, tell: Any, gone: asyncio.Event) -> int:
        await tell("up")
        told.set()
        await gone.wait()
        for _ in range(5):
            await tell("x" * 200_000)
        ended.set()
        return 0

    async with open_control(tmp_path / "nod.sock", answer):
        _, writer = await asyncio.open_unix_connection(tmp_path / "nod.sock")
        writer.write(b"{}\n")
        await told.wait()
        writer.transport.abort()
        async with asyncio.timeout(2):
            assert await ended.wait()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """Its name is made from that of the database, and another program may have taken it."""
    path = tmp_path / "nod.sock"
    path.write_text("kept")
    async with open_control(path, never):
        assert "kept" == path.read_text()
    assert "kept" == path.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_the_socket_of_another_user_is_not_believed(tmp_path: Path) -> None:
    """In a shared folder it could claim a decision that nobody made."""
    path = tmp_path / "nod.sock"
    tmp_path.chmod(0o777)
    program = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); "
        "s.listen(); os.write(1, b'up'); c, _ = s.accept(); c.sendall(b'{\"code\": 0}\\n'); c.recv(9)"
    )
    with contextlib.chdir(tmp_path):
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, "nod.sock", stdout=asyncio.subprocess.PIPE
        )
        assert other.stdout is not None
        await other.stdout.read(2)
        with pytest.raises(ConfigError, match="another user"):
            await ask_bot(path, {}, tell=print, stop=asyncio.Event())
        await other.wait()


@pytest.mark.parametrize("more", ["", "?timeout=1.5"])
def test_the_file_of_the_database_is_read_from_its_address(tmp_path: Path, more: str) -> None:
    """As the bot reads it: else a test would run a second bot beside one that has the database."""
    (tmp_path / "a b.db").touch()
    url = f"sqlite:///{tmp_path}/a%20b.db{more}"
    assert tmp_path / "a b.db.sock" == control_path(url)
    assert control_path(url) != control_path(url.replace(".db", ".sqlite"))  # two bots in one folder
    assert not test_card.is_missing(url)
    assert test_card.is_missing(url.replace("a%20b", "c"))
    assert Path("nod.sock") == control_path("postgresql://nod@db/nod")
    assert not test_card.is_missing("postgresql://nod@db/nod")


async def test_whoever_says_more_than_a_question_is_not_listened_to(tmp_path: Path) -> None:
    """It would be kept in memory, however much it is: the question counts as withdrawn."""

    async def answer(asked: Any, tell: Any, gone: asyncio.Event) -> int:
        async with asyncio.timeout(1):
            await gone.wait()
        return 0

    async with open_control(tmp_path / "nod.sock", answer):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "nod.sock")
        writer.write(b"{}\nand more")
        assert b'{"code": 0}\n' == await reader.readline()
        writer.close()
