"""`TerminalPrompt` in a user's program, in a real terminal (a pty): the guide's interactive door."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from adapters.terminal.sheet import INTERRUPTED
from sandbox import platform as sandbox
from sandbox.serve import serve
from tests.servers.terminal_rig import CHILD, KEY, of_a_program, prompted, settled, write

PAY, MAIL = ({"tool": tool, "arguments": {"amount": 12}} for tool in ("pay", "send_email"))


@pytest.mark.parametrize(
    ("keys", "ended", "posts"),
    [
        ("yn", ["approved", "rejected"], ["approved", "rejected"]),
        ("SQ", ["skipped", "timeout_skip"], ["skipped"]),
    ],
)
async def test_one_call_at_a_time(keys: str, ended: list[str], posts: list[str]) -> None:
    """Each call comes up in its turn; q answers nothing, and the callback is not asked instead."""
    async with prompted(PAY, MAIL) as rig:
        await rig.terminal.shows("pay for bare_agent", "amount  12", "1 more pending")
        await settled()
        rig.terminal.press(keys[0])
        await rig.terminal.shows("send_email for bare_agent")
        await settled()
        rig.terminal.press(keys[1])
        await rig.terminal.shows(f"ended: {ended}")
        assert 0 == await rig.terminal.ends()

        assert posts == [decision for _, decision in rig.posts]


async def test_an_answer_with_a_note() -> None:
    """What is written goes along; the call after it starts without a note."""
    async with prompted(PAY, MAIL) as rig:
        await rig.terminal.shows("pay for bare_agent", "e note")
        await write(rig, "equestion")
        await rig.terminal.shows("note 8/1000: question")
        rig.terminal.press("\n")
        await rig.terminal.shows("y approve")
        await settled()
        rig.terminal.press("y")
        await rig.terminal.shows("send_email for bare_agent")
        await settled()
        rig.terminal.press("n")
        await rig.terminal.shows("ended: ['approved', 'rejected']")

        first, second = (post.operator_input or "" for post in rig.platform.decisions)
        assert first.endswith('. Note from the approver: "question"')
        assert "question" not in second


async def test_who_writes_past_the_deadline_answers_no_other_call() -> None:
    """The next call comes up while a person types: their letters do not count there until they say so."""
    async with prompted({"tool": "pay", "timeout_seconds": 8}, MAIL) as rig:
        await rig.terminal.shows("pay for bare_agent")
        await write(rig, "esure")
        await rig.terminal.shows("note 4/1000: sure")  # in time, or all of this would say nothing
        await rig.terminal.shows("send_email for bare_agent", INTERRUPTED)
        await settled()
        await write(rig, "yns")
        await settled()
        assert [] == rig.posts
        rig.terminal.press("\x1b")
        await rig.terminal.shows("y approve")
        await settled()
        rig.terminal.press("s")
        await rig.terminal.shows("ended: ['timeout_skip', 'skipped']")

        assert ["skipped"] == [decision for _, decision in rig.posts]


async def test_nobody_answers_until_the_deadline() -> None:
    """Then nothing is sent: the platform's own timeout says that nobody answered."""
    async with prompted({"tool": "pay", "timeout_seconds": 6}) as rig:
        await rig.terminal.shows("pay for bare_agent", "{}")
        await rig.terminal.shows("ended: ['timeout_skip']")

        assert [] == rig.posts


async def test_without_a_terminal_the_callback_answers() -> None:
    """The guide's rule: interactive is off where nobody can sit."""
    async with (
        sandbox.open_platform(api_key=KEY) as platform,
        serve(sandbox.platform_app(platform)) as url,
    ):
        platform.ask(tool="pay", arguments={})
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            CHILD,
            env={"PATH": os.environ["PATH"], **of_a_program(url)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)

        assert "ended: ['rejected']" in out.decode()
        assert ["by the callback"] == [post.operator_input for post in platform.decisions]
