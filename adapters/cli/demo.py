"""`nod demo` and `nod sandbox`: agents and two chats in the browser, with or without the bot between them.

The only place where the product uses the sandbox.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import sandbox
from adapters.app import open_nod
from adapters.cli.running import stop_signal
from adapters.settings import Environment
from bot.errors import ConfigError
from sandbox.servers import Sandbox, open_sandbox
from sandbox.story import Story

#: The policy for the sandbox's people and channels.
DEMO_POLICY = Path(sandbox.__file__).with_name("nod.demo.yaml")

#: Agents that wait when the page is first opened, with their windows in seconds.
WAITING_AT_START = {"mail_agent": 180.0, "treasury_agent": 180.0}
#: Seconds between two attempts of Teams to tell a starting bot where it is installed.
MEETS_EVERY = 1.0
#: Ports tried, from the requested one, before any free port is taken.
PORTS_TRIED = 20


async def show(*, port: int) -> None:
    """Serve the pages until stopped; the address is printed last."""
    stop = stop_signal()
    free = free_port(port)
    if free != port and port:
        print(f"Port {port} is in use. Using {free}.")
    async with open_demo(port=free) as system:
        for agent, window in WAITING_AT_START.items():
            system.platform.start(agent, timeout_seconds=window)
        print("Open this page and approve what the agents ask for. Ctrl-C stops the demo.\n")
        print(system.url, flush=True)
        await stop.wait()


def free_port(port: int) -> int:
    """This port of loopback, or the next free one; 0 stays 0, any free port."""
    for candidate in range(port, min(port + PORTS_TRIED, 65_536)):
        with suppress(OSError), socket.create_server(("127.0.0.1", candidate)):
            return candidate
    return 0


async def play() -> int:
    """Play the whole story without a person; 0 when every step happened, else 1."""
    async with open_demo(port=0) as system:
        return 0 if await Story(system).play() else 1


@asynccontextmanager
async def open_demo(*, port: int) -> AsyncIterator[Sandbox]:
    """A sandbox with a bot on it, until closed. Raises ConfigError when the port is taken."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nod-demo-"))
        system = await stack.enter_async_context(_open_on(port=port))
        environment = Environment.model_validate(
            {
                **system.environment(),
                "NOD_DATABASE_URL": f"sqlite:///{await asyncio.to_thread(Path(folder).resolve)}/nod.db",
                "NOD_CONFIG": str(DEMO_POLICY),
                "NOD_SECRET": secrets.token_hex(),
                "NOD_HOST": "127.0.0.1",
                "NOD_PORT": 0,
            }
        )
        nod = await stack.enter_async_context(open_nod(environment))
        system.workspace.request_url = f"{nod.address}/slack/events"
        if system.teams is not None:
            system.teams.request_url = f"{nod.address}/api/messages"
            await system.teams.events.announce()
        yield system


async def serve(*, port: int, request_url: str, env_file: Path | None) -> None:
    """Serve the sandbox without a bot until stopped, and say how to point `nod run` at it.

    Raises ConfigError for an invalid address, a port that is taken, or a file that cannot be written.
    """
    _check(request_url)
    stop = stop_signal()
    async with _open_on(port=port, request_url=request_url) as system:
        settings = {**system.environment(), "NOD_SECRET": secrets.token_hex(), "NOD_CONFIG": str(DEMO_POLICY)}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        if env_file is not None:
            await asyncio.to_thread(_write, env_file, text)
        print(
            f"Sandbox: {system.url}\n\nStart the bot in another terminal, with `nod run` and these settings:\n"
        )
        print(text)
        sys.stdout.flush()
        meeting = asyncio.create_task(_met(system, request_url), name="teams meets the bot")
        try:
            await stop.wait()
        finally:
            meeting.cancel()


def _check(request_url: str) -> None:
    try:
        parts = urlsplit(request_url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        what = "must be an address that begins with http:// or https://"
        raise ConfigError("--request-url", what, "Give the address of `nod run`, ending in /slack/events.")


def _write(file: Path, text: str) -> None:
    try:
        file.touch(mode=0o600)
        file.chmod(0o600)  # `nod run --env-file` refuses a file that others can read
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"{file} cannot be written ({error.strerror})"
        raise ConfigError("--env-file", what, "Choose a writable path.") from None


async def _met(system: Sandbox, request_url: str) -> None:
    """Teams tells the bot where it is installed, once the bot runs. The bot has the same host as for Slack."""
    teams = system.teams
    if teams is None:
        return
    teams.request_url = urljoin(request_url, "/api/messages")
    while not all(told.status == HTTPStatus.OK for told in await teams.events.announce()):  # noqa: ASYNC110 - a bot starts
        await asyncio.sleep(MEETS_EVERY)


@asynccontextmanager
async def _open_on(*, port: int, request_url: str | None = None) -> AsyncIterator[Sandbox]:
    """A sandbox on this port. Raises ConfigError when the port is taken."""
    async with AsyncExitStack() as stack:
        opening = open_sandbox(port=port, request_url=request_url, with_teams=True)
        try:
            system = await stack.enter_async_context(opening)
        except OSError as error:
            what = f"{port} cannot be used ({error.strerror})"
            raise ConfigError("--port", what, "Choose another.") from error
        yield system
