"""SIGTERM ends the process within three seconds, whatever it is in the middle of."""

from __future__ import annotations

import asyncio
import queue
import signal
import time
from pathlib import Path

import pytest

from adapters.watch import EXIT_CODE, end_within
from sandbox.servers import open_sandbox
from tests.faults.child import Child, open_child
from tests.servers.system import ANN, BOB, POLICY, System

#: Seconds that are promised, and some for a machine that has other work to notice it.
PROMISED, NOTICED = 3.0, 1.0
#: Requests that are open, few enough for a card each; and what is pressed on all of them at once.
OPEN, PRESSED = 4, tuple((user, button) for user in (ANN, BOB) for button in ("approve", "claim", "why")) * 3


def test_what_hangs_is_left_behind() -> None:
    """A thread ends the process, not before its time."""
    codes: queue.Queue[int] = queue.Queue()
    began = time.monotonic()
    end_within(0.3, end=codes.put)
    assert EXIT_CODE == codes.get(timeout=10)
    assert time.monotonic() - began >= 0.3


async def ended(child: Child) -> float:
    """Seconds from SIGTERM to the end of the process."""
    began = time.monotonic()
    child.signal(signal.SIGTERM)
    await child.ended()
    return time.monotonic() - began


async def in_a_burst(system: System, child: Child) -> float:
    """Everybody presses, and the signal comes right into it; seconds until the end."""
    presses = [
        asyncio.create_task(system.press(user, card, button))
        for card in system.cards()
        for user, button in PRESSED
    ]
    await asyncio.wait(presses, return_when=asyncio.FIRST_COMPLETED)
    took = await ended(child)
    await asyncio.wait(presses)
    return took


@pytest.mark.parametrize("hangs", [None, "platform", "chat"])
async def test_a_stop_in_a_burst_of_clicks_is_in_time(hangs: str | None, tmp_path: Path) -> None:
    """With all parts well, and with POSTs under way that have no answer."""
    async with open_sandbox(post_burst=None) as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        async with open_child(system, tmp_path, policy=POLICY) as child:
            for _ in range(OPEN):
                system.ask(timeout_seconds=120)
            await system.shown(count=OPEN, within=30)
            if hangs == "platform":
                sandbox.faults.add(method="POST", path="/agents/hitl/decision", delay=120)
            if hangs == "chat":
                sandbox.faults.add(path="/api/*", delay=120)
            took = await in_a_burst(system, child)
            print(f"SIGTERM in a burst, hanging: {hangs}: {took:.2f} s")
            assert took < PROMISED + NOTICED
