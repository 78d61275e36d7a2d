"""`nod demo`: agents, two chats in the browser and the bot between them, with no account anywhere."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from adapters.app import open_nod
from adapters.cli.run import stop_signal
from adapters.cli.sandbox import DEMO_POLICY, open_town
from adapters.cli.story import Story
from adapters.logs import configure_logs
from adapters.sandbox.town import Sandbox
from adapters.settings import Environment

#: Agents that wait when the page is first opened, with their windows in seconds.
WAITING_AT_START = {"mail_agent": 180.0, "treasury_agent": 180.0}


async def show(*, port: int) -> None:
    """Serve the page until stopped."""
    configure_logs("auto")
    stop = stop_signal()
    async with open_demo(port=port) as sandbox:
        for agent, window in WAITING_AT_START.items():
            sandbox.platform.start(agent, timeout_seconds=window)
        print(
            f"\n  Nod's demo is at {sandbox.url}\n\n"
            "  Agents wait for approval there. Be Ann or Bob, who may decide, or Eve, who may not.\n"
            "  Ctrl-C ends it.\n"
        )
        sys.stdout.flush()
        await stop.wait()


async def play() -> int:
    """Play the whole story without a person; 0 when every step happened, 1 otherwise."""
    configure_logs("json", level=logging.CRITICAL)  # the table is the output
    async with open_demo(port=0) as sandbox:
        story = Story(sandbox)
        return 0 if await story.play() else 1


@asynccontextmanager
async def open_demo(*, port: int) -> AsyncIterator[Sandbox]:
    """A sandbox with a bot on it, until closed. Raises ConfigError when the port is taken."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nod-demo-"))
        sandbox = await stack.enter_async_context(open_town(port=port))
        environment = Environment.model_validate(
            {
                **sandbox.environment(),
                "NOD_DATABASE_URL": f"sqlite:///{await asyncio.to_thread(Path(folder).resolve)}/nod.db",
                "NOD_CONFIG": str(DEMO_POLICY),
                "NOD_SECRET": secrets.token_hex(),
                "NOD_HOST": "127.0.0.1",
                "NOD_PORT": 0,
            }
        )
        nod = await stack.enter_async_context(open_nod(environment))
        sandbox.workspace.request_url = f"{nod.address}/slack/events"
        if sandbox.teams is not None:
            sandbox.teams.request_url = f"{nod.address}/api/messages"
            await sandbox.teams.events.announce()
        yield sandbox
