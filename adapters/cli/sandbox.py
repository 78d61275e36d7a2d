"""`nod sandbox`: the embedded platform and chats, without the bot."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from adapters.cli.run import stop_signal
from adapters.sandbox.town import Sandbox, open_sandbox
from bot.errors import ConfigError

#: The policy that fits the sandbox's people and channels.
DEMO_POLICY = Path(__file__).with_name("nod.demo.yaml")

#: Seconds between two tries of Teams to tell a bot that does not run yet where it is installed.
MEETS_EVERY = 1.0


async def serve(*, port: int, request_url: str, env_file: Path | None) -> None:
    """Serve until stopped, and say how `nod run` finds it.

    Raises ConfigError for an address that is none, a port that is taken, or a file that cannot be written.
    """
    _check(request_url)
    stop = stop_signal()
    async with open_town(port=port, request_url=request_url) as sandbox:
        settings = {**sandbox.environment(), "NOD_SECRET": secrets.token_hex(), "NOD_CONFIG": str(DEMO_POLICY)}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        if env_file is not None:
            await asyncio.to_thread(_write, env_file, text)
        print(f"The sandbox is at {sandbox.url}\n\nIn another terminal, with these settings: nod run\n\n{text}")
        sys.stdout.flush()
        meeting = asyncio.create_task(_met(sandbox, request_url), name="teams meets the bot")
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
        raise ConfigError("--request-url", what, "Name the address of `nod run`, with /slack/events.")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"{file} cannot be written ({error.strerror})"
        raise ConfigError("--env-file", what, "Name a file in a folder of yours.") from None


async def _met(sandbox: Sandbox, request_url: str) -> None:
    """Teams tells the bot where it is installed, once it runs; it stands at the same address as for Slack."""
    teams = sandbox.teams
    if teams is None:
        return
    teams.request_url = urljoin(request_url, "/api/messages")
    while not all(told.status == HTTPStatus.OK for told in await teams.events.announce()):  # noqa: ASYNC110 - a bot starts
        await asyncio.sleep(MEETS_EVERY)


@asynccontextmanager
async def open_town(*, port: int, request_url: str | None = None) -> AsyncIterator[Sandbox]:
    """A sandbox on this port. Raises ConfigError when the port is taken."""
    async with AsyncExitStack() as stack:
        opening = open_sandbox(port=port, request_url=request_url, with_teams=True)
        try:
            sandbox = await stack.enter_async_context(opening)
        except OSError as error:
            what = f"{port} cannot be used ({error.strerror})"
            raise ConfigError("--port", what, "Choose another.") from error
        yield sandbox
