"""What cannot be recovered is reported, whatever happened to the alarms before."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.callbacks import MOST_THREADS, ErrorHook
from bot.errors import Forbidden
from tests.handling import YES, Desk

REFUSED = Forbidden("the platform answered 422")


async def test_an_alarm_that_hangs_silences_no_other() -> None:
    """Each is given up in its time, and those behind it come through; also when several hang."""
    release, told = threading.Event(), []

    def hangs(request_id: str, error: BaseException) -> None:
        told.append((request_id, str(error)))
        if request_id.startswith("slow"):
            release.wait(30)

    alarms = ErrorHook(hangs, within=0.2)
    try:
        async with asyncio.timeout(10):
            await asyncio.gather(
                *(alarms.raise_for(f"slow {number}", REFUSED) for number in range(MOST_THREADS - 1)),
                alarms.raise_for("quick", REFUSED),
            )
            await alarms.raise_for("later", REFUSED)
    finally:
        release.set()

    assert [("quick", str(REFUSED)), ("later", str(REFUSED))] == [
        one for one in told if not one[0].startswith("slow")
    ]


@pytest.mark.parametrize("kind", ["never ends", "refuses to stop"])
async def test_a_coroutine_that_hangs_is_given_up(kind: str) -> None:
    """Its time is up, and nobody waits for it."""
    release, told = asyncio.Event(), []

    async def hangs(request_id: str, _: BaseException) -> None:
        told.append(request_id)
        try:
            await release.wait()
        except asyncio.CancelledError:
            if kind == "refuses to stop":
                await release.wait()

    async with asyncio.timeout(10):
        await ErrorHook(hangs, within=0.05).raise_for("r1", REFUSED)
    assert ["r1"] == told
    release.set()
    await asyncio.sleep(0)


async def test_a_handler_goes_on_while_an_alarm_hangs() -> None:
    """The alarm of one request does not keep that of the next one."""
    desk, release, told = Desk(), threading.Event(), []

    def hangs(request_id: str, _: BaseException) -> None:
        told.append(request_id)
        if request_id == "r1":
            release.wait(30)

    desk.platform.decide_trouble = [REFUSED] * 2
    handler = desk.handler(lambda _: YES, on_unrecoverable_error=hangs)
    try:
        first = handler.handle(desk.ask("r1"))
        while not told:
            await asyncio.sleep(0.001)
        await asyncio.wait_for(handler.handle(desk.ask("r2")), 10)
    finally:
        release.set()
    await first

    assert ["r1", "r2"] == told
