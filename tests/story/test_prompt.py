"""`TerminalPrompt` in somebody's own program, in a real terminal (a pty): the guide's interactive door."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from adapters.sandbox import platform as sandbox
from adapters.sandbox.serve import serve
from adapters.terminal.sheet import INTERRUPTED, SETTLED_AFTER
from tests.servers.terminal import Terminal, terminal

KEY = "key-hunter2"
ROOT = Path(__file__).parents[2]
CHILD = (sys.executable, str(Path(__file__).with_name("prompting_child.py")))


def environment(url: str) -> dict[str, str]:
    return {"AIP_API_URL": url, "AIP_API_KEY": KEY, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("keys", "ended", "posts"),
    [
        ("yn", ["approved", "rejected"], ["approved", "rejected"]),
        ("SQ", ["skipped", "timeout_skip"], ["skipped"]),
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


async def test_an_answer_with_a_note() -> None:
    """What is written goes along; the call after it starts without a note."""
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform)) as url,
    ):
        for tool in ("pay", "send_email"):
            platform.ask(tool=tool, arguments={"amount": 12})
        async with terminal(*CHILD, env=environment(url)) as screen:
            await screen.shows("pay for bare_agent", "e note")
            await typed(screen, "equestion")
            await screen.shows("note 8/1000: question")
            screen.press("\n")
            await screen.shows("y approve")
            await settled()
            screen.press("y")
            await screen.shows("send_email for bare_agent")
            await settled()
            screen.press("n")
            await screen.shows("ended: ['approved', 'rejected']")

        first, second = (post.operator_input or "" for post in platform.decisions)
        assert first.endswith('. Note from the approver: "question"')
        assert "question" not in second


async def test_who_writes_past_the_deadline_answers_no_other_call() -> None:
    """The next call comes up under her hands: her letters do not count there until she says so."""
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform)) as url,
    ):
        platform.ask(tool="pay", arguments={}, timeout_seconds=4)
        platform.ask(tool="send_email", arguments={})
        async with terminal(*CHILD, env=environment(url)) as screen:
            await screen.shows("pay for bare_agent")
            await typed(screen, "esure")
            await screen.shows("send_email for bare_agent", INTERRUPTED)
            await settled()
            await typed(screen, "yns")
            await settled()
            assert [] == platform.decisions
            screen.press("\x1b")
            await screen.shows("y approve")
            await settled()
            screen.press("s")
            await screen.shows("ended: ['timeout_skip', 'skipped']")

        assert ["skipped"] == [post.decision for post in platform.decisions]


async def settled() -> None:
    """A call has been up for longer than a key for the one before could take."""
    await asyncio.sleep(SETTLED_AFTER.total_seconds() + 0.3)


async def typed(screen: Terminal, text: str) -> None:
    """Key by key, as somebody types."""
    for key in text:
        screen.press(key)
        await asyncio.sleep(0.03)


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
