"""`TerminalPrompt` in somebody's own program, in a real terminal (a pty): the guide's interactive door."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from adapters.sandbox import platform as sandbox
from adapters.sandbox.serve import serve
from adapters.terminal.sheet import SETTLED_AFTER
from tests.servers.terminal import terminal

KEY = "key-hunter2"
ROOT = Path(__file__).parents[2]
CHILD = (sys.executable, str(Path(__file__).with_name("prompting_child.py")))


def environment(url: str) -> dict[str, str]:
    return {"AIP_API_URL": url, "AIP_API_KEY": KEY, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("keys", "ended", "posts"),
    [
        ("yn", ["approved", "rejected"], ["approved", "rejected"]),
        ("sq", ["skipped", "timeout_skip"], ["skipped"]),
    ],
)
async def test_one_call_at_a_time(keys: str, ended: list[str], posts: list[str]) -> None:
    """Each call comes up in its turn; q answers nothing, and the callback is not asked in place of her."""
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform)) as url,
    ):
        for tool in ("pay", "send_email"):
            platform.ask(tool=tool, arguments={"amount": 12})
        async with terminal(*CHILD, env=environment(url)) as screen:
            await screen.shows("pay for bare_agent", "amount  12", "1 more wait")
            await asyncio.sleep(SETTLED_AFTER.total_seconds() + 0.3)
            screen.press(keys[0])
            await screen.shows("send_email for bare_agent")
            await asyncio.sleep(SETTLED_AFTER.total_seconds() + 0.3)
            screen.press(keys[1])
            await screen.shows(f"ended: {ended}")
            assert 0 == await screen.ends()

        assert posts == [post.decision for post in platform.decisions]


async def test_nobody_answers_until_the_deadline() -> None:
    """Then nothing is sent: the platform's own timeout says that nobody answered."""
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform)) as url,
    ):
        platform.ask(tool="pay", arguments={}, timeout_seconds=3)
        async with terminal(*CHILD, env=environment(url)) as screen:
            await screen.shows("pay for bare_agent", "{}")
            await screen.shows("ended: ['timeout_skip']")

        assert [] == platform.decisions


async def test_without_a_terminal_the_callback_answers() -> None:
    """The guide's rule: interactive is off where nobody can sit."""
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform)) as url,
    ):
        platform.ask(tool="pay", arguments={})
        process = await asyncio.create_subprocess_exec(
            *CHILD,
            env={"PATH": os.environ["PATH"], **environment(url)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)

        assert "ended: ['rejected']" in out.decode()
        assert ["by the callback"] == [post.operator_input for post in platform.decisions]
