"""A person at a terminal in which `nod watch` or a user's program runs, and the platform behind it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.terminal.sheet import SETTLED_AFTER
from sandbox import platform as sandbox
from sandbox.faults import Faults
from sandbox.serve import serve
from tests.servers.shell import warmed
from tests.servers.terminal import Terminal, terminal

KEY = "key-hunter2"
NOD = str(Path(sys.executable).with_name("nod"))
ROOT = Path(__file__).parents[2]
#: A user's program that asks by `TerminalPrompt`.
CHILD = str(ROOT / "tests" / "story" / "prompting_child.py")
PENDING, DECISION = "/agents/hitl/pending", "/agents/hitl/decision"


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A terminal, and the platform that it watches."""

    terminal: Terminal
    platform: sandbox.Platform
    faults: Faults

    @property
    def posts(self) -> list[tuple[str, str]]:
        return [(post.request_id, post.decision) for post in self.platform.decisions]


@asynccontextmanager
async def at_a_terminal(
    *options: str,
    installed: bool = False,
    ask: bool = True,
    variables: Mapping[str, str] | None = None,
    quirks: sandbox.Quirks | None = None,
    **request: object,
) -> AsyncIterator[Rig]:
    """A person who runs `nod watch`, with one request that waits; `installed`: by its own file."""
    faults = Faults()
    async with (
        sandbox.open_platform(api_key=KEY, quirks=quirks) as platform,
        serve(sandbox.platform_app(platform, faults=faults)) as url,
    ):
        await warmed()
        if ask:
            platform.ask(**{"tool": "pay", "arguments": {"amount": 12}, **request})
        env = {"AIP_API_URL": url, "AIP_API_KEY": KEY, **(variables or {})}
        nod = NOD if installed else "nod"
        async with terminal(nod, "watch", *options, env=env, installed=installed) as screen:
            yield Rig(terminal=screen, platform=platform, faults=faults)


@asynccontextmanager
async def prompted(
    *requests: Mapping[str, object], variables: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """A person whose own program asks about these requests, which wait when it begins."""
    faults = Faults()
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform, faults=faults)) as url,
    ):
        await warmed()
        for request in requests:
            platform.ask(**{"arguments": {}, **request})
        async with terminal(CHILD, env=of_a_program(url) | dict(variables or {})) as screen:
            yield Rig(terminal=screen, platform=platform, faults=faults)


def of_a_program(url: str) -> dict[str, str]:
    """The environment in which a program of one's own finds the platform, and Nod."""
    return {"AIP_API_URL": url, "AIP_API_KEY": KEY, "PYTHONPATH": str(ROOT)}


async def settled() -> None:
    """A call has been up for longer than a key for the one before could take."""
    await asyncio.sleep(SETTLED_AFTER.total_seconds() + 0.3)


async def write(rig: Rig, text: str) -> None:
    """Key by key, as people type."""
    for key in text:
        rig.terminal.press(key)
        await asyncio.sleep(0.03)
