"""`nod watch --interactive` and the keyboard: capitals, held keys, and a job that is stopped and goes on."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

from adapters.terminal.sheet import SETTLED_AFTER
from tests.servers.seat import Seat, seated, settled, write

LONG = {"body": "\n".join(f"line {number}" for number in range(100)), "end": "of it"}
HELD = 0.3


async def test_capitals_are_keys_too() -> None:
    """With Caps Lock on y, n, s and q are what they are; in a note a capital is a letter."""
    async with seated("--interactive") as seat:
        await seat.terminal.shows("100 % shown")
        await settled()
        await write(seat, "EYES\r")
        await seat.terminal.shows("note 3/1000: YES", "y approve")
        await settled()
        seat.terminal.press("N")
        await seat.terminal.shows("rejected: pay", "No pending requests.")
        seat.terminal.press("Q")
        assert 0 == await seat.terminal.ends()
    (post,) = seat.platform.decisions
    assert "YES" in (post.operator_input or "")


async def test_a_key_that_is_held_turns_pages() -> None:
    """Several of it come in one read; each turns its page, which was shown before the next one."""
    async with seated("--interactive", arguments=LONG) as seat:
        await seat.terminal.shows("line 0", "% shown")
        for keys in ("  ", "\x1b[B\x1b[B", "   "):
            seat.terminal.press(keys)
            await asyncio.sleep(HELD)
        shown = await seat.terminal.shows("of it", "100 % shown")
        assert all(f"line {number} " in shown for number in range(20, 100))
        seat.terminal.press("bbbbbbbb")
        await seat.terminal.shows("line 0")
    assert [] == seat.posts


async def test_a_job_that_was_stopped_goes_on() -> None:
    """After Ctrl-Z and `fg` keys come one by one again, and pastes are marked."""
    async with seated("--interactive") as seat:
        before = seat.terminal.settings
        await seat.terminal.shows("100 % shown")
        await stopped(seat)
        seat.terminal.restore(before)  # as the shell does
        seat.terminal.process.send_signal(signal.SIGCONT)
        await seat.terminal.shows("amount  12")
        await asyncio.sleep(SETTLED_AFTER.total_seconds())
        seat.terminal.press("s")
        await seat.terminal.shows("skipped: pay")
        assert 2 == len(re.findall(r"\x1b\[\?2004h", seat.terminal.raw))
        seat.terminal.press("q")
        assert 0 == await seat.terminal.ends()
        assert before == seat.terminal.settings


async def stopped(seat: Seat) -> None:
    """As by Ctrl-Z, which stops no process that is alone in its session."""
    seat.terminal.process.send_signal(signal.SIGSTOP)
    state = Path(f"/proc/{seat.terminal.process.pid}/stat")
    async with asyncio.timeout(5):
        while state.read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.02)
