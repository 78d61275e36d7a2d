"""From an installed package to a decided test card, as a new user goes: seven steps, on the local Slack."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from adapters.app import open_nod
from adapters.cli.check import check
from adapters.cli.env_file import load
from adapters.cli.init import init
from adapters.cli.init_chats import Wanted
from adapters.cli.manifest import print_slack_manifest
from adapters.cli.test_card import put_up
from adapters.http import trusted
from adapters.settings import read_environment
from adapters.slack import SCOPES
from bot.surface import Surface
from sandbox.servers import API_KEY, Sandbox, open_sandbox
from sandbox.slack.messages import Message
from tests.servers.sqlite_template import lay_database
from tests.servers.system import ANN, APPROVALS, said, until

ROOT = Path(__file__).parents[2]
#: As issue 15 has it.
MOST_STEPS, MOST_SECONDS = 7, 300.0


class Command(Protocol):
    """A `nod` command that runs."""

    def send_signal(self, number: int) -> None: ...

    async def communicate(self) -> tuple[bytes, bytes]: ...

    @property
    def returncode(self) -> int | None: ...


Start = Callable[..., Awaitable[Command]]


class NewUser:
    """A person who follows the page: each method that they call is a step, and is counted."""

    def __init__(self, sandbox: Sandbox, folder: Path, start: Start) -> None:
        self.sandbox, self.folder, self._start = sandbox, folder, start
        self.steps: list[str] = []
        #: What tells `nod` that the local Slack is Slack; nothing else is set.
        self._slack = {"SLACK_API_URL": f"{sandbox.url}/api/", "PATH": os.defpath, "HOME": str(folder)}

    async def runs(self, *command: str, **variables: str) -> str:
        """A command to its end; what it printed. Raises AssertionError unless it ended well."""
        code, out, err = await self._ended(await self._begun(*command, **variables))
        assert 0 == code, f"nod {' '.join(command)}: {out}{err}"
        return out

    async def creates_the_app(self) -> None:
        """Open the link of the manifest: Slack shows the app, filled in."""
        printed = await self.runs("manifest", "slack")
        link = next(line for line in printed.splitlines() if "?new_app=1" in line).removeprefix("# ")
        app = json.loads(parse_qs(urlsplit(link).query)["manifest_json"][0])
        assert set(SCOPES) == set(app["oauth_config"]["scopes"]["bot"])
        self.steps.append("open the link of `nod manifest slack`, create the app and install it")

    def copies_the_tokens(self) -> None:
        """From the app's pages into a file that only they can read."""
        app = self.sandbox.workspace.app
        tokens = {
            "AIP_API_URL": self.sandbox.url,
            "AIP_API_KEY": API_KEY,
            "SLACK_BOT_TOKEN": app.bot_token,
            "SLACK_APP_TOKEN": app.app_token,
        }
        file = self.folder / "tokens.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in tokens.items()))
        self.steps.append("copy the tokens into a file")

    def invites_nod(self) -> None:
        """In the channel: /invite @Nod."""
        self.sandbox.workspace.invite(APPROVALS)
        self.steps.append("/invite @Nod in #approvals")

    async def writes_the_files(self) -> None:
        """`nod init`, by flags."""
        found = ("--env-file", "tokens.env", "--channel", "#approvals", "--approver", "ann@acme.example")
        printed = await self.runs("init", *found)
        assert "nod check && nod run" in printed
        self.steps.append("nod init")

    @asynccontextmanager
    async def runs_the_bot(self) -> AsyncIterator[None]:
        """`nod check && nod run`, until the end of the block."""
        checked = await self.runs("check")
        assert "Nod is in #approvals" in checked
        bot = await self._begun("run")
        self.steps.append("nod check && nod run")
        try:
            await until(lambda: self.sandbox.workspace.sockets.ready, within=30, what="the bot to connect")
            yield
        finally:
            bot.send_signal(signal.SIGTERM)
            code, out, err = await self._ended(bot)
            assert 0 == code, out + err

    async def decides_a_test_card(self) -> str:
        """`nod test-card` in another terminal, and a press on the page; what the terminal says."""
        test = await self._begun("test-card")
        self.steps.append("nod test-card")
        await until(lambda: bool(self._cards()) or test.returncode is not None, within=30, what="the card")
        assert self._cards(), await self._ended(test)
        card = self._cards()[0]
        await self._press(card)
        self.steps.append("press Approve")
        code, out, err = await self._ended(test)
        assert 0 == code, out + err
        await until(lambda: "Ann Albers" in said(self._cards()[0]), within=5, what="the final card")
        return out

    def _cards(self) -> list[Message]:
        return [message for message in self.sandbox.workspace.messages(APPROVALS) if message.thread_ts is None]

    async def _press(self, card: Message) -> None:
        """By the page's own HTTP."""
        blocks = [dict(block) for block in card.blocks]
        button = next(
            {"block_id": block["block_id"], "action_id": element["action_id"]}
            for block in blocks
            for element in block.get("elements", [])
            if isinstance(element, dict) and str(element.get("action_id")).endswith("approve")
        )
        pressed: dict[str, Any] = {"viewer": ANN, "channel": APPROVALS, "ts": card.ts, **button}
        async with httpx.AsyncClient(trust_env=False, verify=trusted({})) as page:
            answer = await page.post(f"{self.sandbox.url}/ui/click", json=pressed)
        assert 200 == answer.status_code, answer.text

    async def _begun(self, *command: str, **variables: str) -> Command:
        # Another port would have to be free; by Socket Mode nobody asks for it.
        settings = {**self._slack, "NOD_PORT": "0", **variables}
        return await self._start(*command, environment=settings, folder=self.folder)

    async def _ended(self, command: Command) -> tuple[int | None, str, str]:
        async with asyncio.timeout(60):
            out, err = await command.communicate()
        return command.returncode, out.decode(), err.decode()


async def check_first_hour(folder: Path, start: Start) -> None:
    """The way from the package to the decision; raises AssertionError where it is longer than promised."""
    async with open_sandbox() as sandbox:
        sandbox.workspace.kick(APPROVALS)  # nobody has invited it yet
        user, began = NewUser(sandbox, folder, start), time.monotonic()
        await user.creates_the_app()
        user.copies_the_tokens()
        user.invites_nod()
        await user.writes_the_files()
        async with user.runs_the_bot():
            told = await user.decides_a_test_card()
        took = time.monotonic() - began
    assert "Decided: approved by Ann Albers" in told
    assert [] == sandbox.platform.decisions
    assert len(user.steps) <= MOST_STEPS, user.steps
    assert took < MOST_SECONDS
    print(f"{len(user.steps)} steps, {took:.0f} s: {'; '.join(user.steps)}")


class Here:
    """The same commands in this process: their work, without the start of a process for each."""

    def __init__(self, work: Coroutine[Any, Any, int], read: Callable[[], str]) -> None:
        self._task, self._read = asyncio.ensure_future(work), read

    @property
    def returncode(self) -> int | None:
        return self._task.result() if self._task.done() else None

    def send_signal(self, number: int) -> None:
        self._task.cancel()

    async def communicate(self) -> tuple[bytes, bytes]:
        await asyncio.wait((self._task,))
        return self._read().encode(), b""


async def _manifest(*command: str) -> int:
    print_slack_manifest()
    return 0


async def _init(*command: str) -> int:
    options = dict(itertools.pairwise(command))
    load(Path(options["--env-file"]), os.environ)
    wanted = Wanted(channel=options["--channel"], alerts=None, approvers=(options["--approver"],))
    return await init(wanted, chat=Surface.SLACK, http=False, variables=os.environ, terminal=None)


async def _check(*command: str) -> int:
    return await check(env_file=load(None, os.environ))


async def _run(*command: str) -> int:
    with contextlib.suppress(asyncio.CancelledError):  # as by a signal
        async with open_nod(read_environment()):
            await asyncio.Event().wait()
    return 0


async def _test_card(*command: str) -> int:
    return await put_up(read_environment(), channel=None, within=timedelta(minutes=1))


COMMANDS = {"manifest": _manifest, "init": _init, "check": _check, "run": _run, "test-card": _test_card}


async def test_a_new_user_gets_to_a_decided_test_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code as it is here; `make test-all` goes the same way with the package."""
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.chdir(tmp_path)
    lay_database(tmp_path)

    async def start(*command: str, environment: Mapping[str, str], folder: Path) -> Command:
        os.environ.update(environment)
        return Here(COMMANDS[command[0]](*command), lambda: capsys.readouterr().out)

    await check_first_hour(tmp_path, start)


class Spawned:
    """A `nod` of another installation, in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def communicate(self) -> tuple[bytes, bytes]:
        return await self._process.communicate()


def installed(folder: Path) -> Path:
    """`nod` from a wheel that was built just now, in a new environment with what it needs.

    Nothing is fetched: what Nod depends on is looked up in this environment, behind the wheel's own modules.
    """
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        ROOT,
    ]
    subprocess.run([*build, "--disable-pip-version-check"], check=True)
    (wheel,) = folder.glob("*.whl")
    home = folder / "installed"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*install, wheel], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = [python, "-c", "import adapters, sandbox; print(adapters.__file__, sandbox.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, cwd=folder).stdout.split()
    assert all(path.startswith(str(packages)) for path in found), found
    return home / "bin" / "nod"


@pytest.mark.slow
async def test_the_wheel_alone_is_enough(tmp_path: Path) -> None:
    """The same with the package as it would be published: nothing of the repository is missing in it."""
    nod = await asyncio.to_thread(installed, tmp_path)
    (work := tmp_path / "work").mkdir()

    async def start(*command: str, environment: Mapping[str, str], folder: Path) -> Command:
        pipe = asyncio.subprocess.PIPE
        return Spawned(
            await asyncio.create_subprocess_exec(
                nod, *command, env=dict(environment), cwd=folder, stdout=pipe, stderr=pipe
            )
        )

    await check_first_hour(work, start)
