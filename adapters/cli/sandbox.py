"""`nod sandbox`: the embedded platform and chat, without the bot."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.cli.run import stop_signal
from adapters.sandbox.town import Sandbox, open_sandbox
from bot.errors import ConfigError

#: The policy that fits the sandbox's people and channels.
DEMO_POLICY = Path(__file__).with_name("nod.demo.yaml")


async def serve(*, port: int, request_url: str, env_file: Path | None) -> None:
    """Serve until stopped, and say how `nod run` finds it."""
    stop = stop_signal()
    async with open_town(port=port, request_url=request_url) as sandbox:
        settings = {**sandbox.environment(), "NOD_SECRET": secrets.token_hex(), "NOD_CONFIG": str(DEMO_POLICY)}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        if env_file is not None:
            await asyncio.to_thread(env_file.write_text, text, encoding="utf-8")
        print(f"The sandbox is at {sandbox.url}\n\nIn another terminal, with these settings: nod run\n\n{text}")
        sys.stdout.flush()
        await stop.wait()


@asynccontextmanager
async def open_town(*, port: int, request_url: str | None = None) -> AsyncIterator[Sandbox]:
    """A sandbox on this port. Raises ConfigError when the port is taken."""
    try:
        async with open_sandbox(port=port, request_url=request_url) as sandbox:
            yield sandbox
    except OSError as error:
        raise ConfigError("--port", f"{port} cannot be used ({error.strerror})", "Choose another.") from error
