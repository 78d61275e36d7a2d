"""Run in a child process: `nod run`, which dies at a named point of its work as if by kill -9.

The product has no such switch: this file wraps one method of one adapter class before it starts the bot.
"""

from __future__ import annotations

import functools
import gc
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.chat.channel_pager import ChannelPager
from adapters.cli import main
from adapters.http import trusted
from adapters.platform.client import HttpPlatform
from adapters.slack.chat import SlackChat
from adapters.store.alerts import SqlAlerts
from adapters.store.approvals import SqlApprovals
from adapters.store.outbox import SqlOutbox
from adapters.store.placements import SqlPlacements
from adapters.store.rungs import SqlRungs
from tests.servers.disks import enter_namespace, mount_small

#: Names a crash point, for example `approvals.vote after`; read here and nowhere else.
CRASH_AT = "NOD_TEST_CRASH_AT"
#: How many descriptors the bot may have; read here and nowhere else.
DESCRIPTORS = "NOD_TEST_DESCRIPTORS"
#: Names a folder and a size, `/somewhere:4m`: there the child has a disk of its own, which nobody else sees.
SMALL_DISK = "NOD_TEST_SMALL_DISK"
#: Sent to the child, it disables the scheduler behind Nod's back.
PAUSE = signal.SIGUSR1
#: What a shell reports for a process that was killed with signal 9.
KILLED = 137

trusted({})  # in the warm process, for all its children

CLASSES: Mapping[str, type[Any]] = {
    "platform": HttpPlatform,
    "chat": SlackChat,
    "pager": ChannelPager,
    "approvals": SqlApprovals,
    "placements": SqlPlacements,
    "rungs": SqlRungs,
    "notices": SqlOutbox,
    "alerts": SqlAlerts,
}


def run_nod(settings: Mapping[str, str], log: str) -> None:
    """`nod run` with these settings and no others; what it says goes to the file `log`."""
    os.environ.clear()
    os.environ.update(settings)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if descriptors := os.environ.get(DESCRIPTORS):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(descriptors), int(descriptors)))
    if disk := os.environ.pop(SMALL_DISK, None):
        folder, _, size = disk.rpartition(":")
        enter_namespace()
        mount_small(Path(folder), size=size)
    if point := os.environ.get(CRASH_AT):
        arm(point)
    signal.signal(PAUSE, lambda *_: pause_the_scheduler())
    sys.argv = ["nod", "run"]
    main()


def arm(point: str) -> None:
    """Make the first call of a method deadly: `<class>.<method> before` it is made, or `after` it returned."""
    name, _, when = point.partition(" ")
    owner, _, method = name.partition(".")
    real = getattr(CLASSES[owner], method)

    @functools.wraps(real)
    async def deadly(*args: Any, **more: Any) -> None:
        if when == "after":
            await real(*args, **more)
        # Nothing is flushed, closed or unlocked by us: the kernel does what it does for a killed process.
        os._exit(KILLED)

    setattr(CLASSES[owner], method, deadly)


def pause_the_scheduler() -> None:
    """Stop it from ticking; `adapters.periodic` made it and keeps it to itself."""
    for each in gc.get_objects():
        if isinstance(each, AsyncIOScheduler):
            each.pause()


def said_in(log: Path) -> str:
    """What a child has said so far."""
    return log.read_text() if log.exists() else ""
