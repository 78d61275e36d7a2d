"""Run as a program: a ticker under a watchdog, in which something breaks after its second pulse.

`watched_child MODE FOLDER`. Each pulse is a line on standard output.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.logs import configure_logs
from adapters.periodic import open_timer
from adapters.watch import LoopLiveness, Spool, Watchdog, watched

#: Between two pulses, and between two looks of the watchdog, in seconds.
EVERY, WAKE = 0.4, 0.1


def the_scheduler() -> Any:
    """The one that `open_timer` has made and keeps to itself."""
    return next(each for each in gc.get_objects() if isinstance(each, AsyncIOScheduler))


def blocks() -> None:
    """A library that does not return."""
    time.sleep(60)


def store_raises() -> None:
    """An error where APScheduler expects none: its timer dies, and `running` stays true."""

    def update_job(_: object) -> None:
        raise LookupError("no such job")

    the_scheduler()._jobstores["default"].update_job = update_job


def paused() -> None:
    """The scheduler is paused."""
    the_scheduler().pause()


def shut_down() -> None:
    """The scheduler is shut down."""
    the_scheduler().shutdown(wait=False)


def stderr_hangs() -> None:
    """The reader of the log stops reading: the loop hangs in a write to it."""
    os.write(2, b"x" * 10_000_000)


def nothing() -> None:
    """All is well."""


MODES: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (blocks, store_raises, paused, shut_down, stderr_hangs, nothing)
}


async def main(mode: str, folder: Path) -> None:
    """Until something ends this process."""
    pulse, beats = LoopLiveness(), 0

    def beat() -> None:
        nonlocal beats
        pulse.beat()
        beats += 1
        print(beats, flush=True)
        if beats == 2:
            MODES[mode]()

    every = timedelta(seconds=EVERY)
    dog = Watchdog(
        pulse=pulse, spool=Spool(folder / "spool"), clock=lambda: datetime.now(UTC), every=every, wake=WAKE
    )
    async with open_timer({"pulse": (every, beat)}):
        with watched(dog):
            await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logs("json")
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
