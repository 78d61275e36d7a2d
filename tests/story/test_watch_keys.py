"""`nod watch --interactive` and the keyboard: capitals, held keys, and a job that is stopped and goes on."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

from adapters.terminal.sheet import SETTLED_AFTER
from tests.servers.terminal_rig import Rig, at_a_terminal, settled, write

LONG = {"body": "\n".join(f"line {number}" for number in range(100)), "end": "of it"}
HELD = 0.3


async def test_capitals_are_keys_too() -> None:
    """With Caps Lock on y, n, s and q are what they are; in a note a capital is a letter."""
    async with at_a_terminal("--interactive") as rig:
        await rig.terminal.shows("100 % shown")
        await settled()
        await write(rig, "EYES\r")
        await rig.terminal.shows("note 3/1000: YES", "y approve")
        await settled()
        rig.terminal.press("N")
        await rig.terminal.shows("rejected: pay", "No pending requests.")
        rig.terminal.press("Q")
        assert 0 == await rig.terminal.ends()
    (post,) = rig.platform.decisions
    assert "YES" in (post.operator_input or "")


async def test_a_key_that_is_held_turns_pages() -> None:
    """Several of it come in one read; each turns its page, which was shown before the next one."""
    async with at_a_terminal("--interactive", arguments=LONG) as rig:
        await rig.terminal.shows("line 0", "% shown")
        for keys in ("  ", "\x1b[B\x1b[B", "   "):
            rig.terminal.press(keys)
            await asyncio.sleep(HELD)
        shown = await rig.terminal.shows("of it", "100 % shown")
        assert all(f"line {number} " in shown for number in range(20, 100))
        rig.terminal.press("bbbbbbbb")
        await rig.terminal.shows("line 0")
    assert [] == rig.posts


async def test_a_job_that_was_stopped_goes_on() -> None:
    """After Ctrl-Z and `fg` keys come one by one again, and pastes are marked."""
    async with at_a_terminal("--interactive") as rig:
        before = rig.terminal.settings
        await rig.terminal.shows("100 % shown")
        await stopped(rig)
        rig.terminal.restore(before)  # as the shell does
        rig.terminal.process.send_signal(signal.SIGCONT)
        await rig.terminal.shows("amount  12")
        await asyncio.sleep(SETTLED_AFTER.total_seconds())
        rig.terminal.press("s")
        await rig.terminal.shows("skipped: pay")
        assert 2 == len(re.findall(r"\x1b\[\?2004h", rig.terminal.raw))
        rig.terminal.press("q")
        assert 0 == await rig.terminal.ends()
        assert before == rig.terminal.settings


async def stopped(rig: Rig) -> None:
    """As by Ctrl-Z, which stops no process that is alone in its session."""
    rig.terminal.process.send_signal(signal.SIGSTOP)
    state = Path(f"/proc/{rig.terminal.process.pid}/stat")
    async with asyncio.timeout(5):
        while state.read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.02)
