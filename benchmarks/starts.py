"""How long it takes to start: `nod run` until it is ready, and the short commands beside a bare Python."""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.bots import NOD, open_bot
from benchmarks.outside import open_outside
from benchmarks.sizes import Figures, Sizes

COMMANDS = ("--help", "--version", "approve --help", "policy --help")


async def measure(sizes: Sizes) -> Figures:
    """Seconds; each command is the fastest of several, since the slower ones measure other work."""
    ready = []
    for _ in range(sizes.starts):
        async with open_outside() as outside, open_bot(NOD, outside.url) as bot:
            ready.append((bot.ready_after, bot.usage().cpu))
    nod = str(Path(sys.executable).with_name("nod"))
    commands = {name: [nod, *name.split()] for name in COMMANDS} | {"python": [sys.executable, "-c", "pass"]}
    cpu = {name: await asyncio.to_thread(_fastest, command, sizes.starts) for name, command in commands.items()}
    return {
        "ready_s": statistics.median(wall for wall, _ in ready),
        "ready_cpu_s": statistics.median(used for _, used in ready),
        **{f"cpu_s {name}": value for name, value in cpu.items()},
    }


def _fastest(command: list[str], starts: int) -> float:
    found = []
    for _ in range(starts):
        used = _children()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
        found.append(_children() - used)
    return min(found)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
