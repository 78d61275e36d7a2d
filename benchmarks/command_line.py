"""How long `nod --help` and its kind take, as a ratio to a bare Python.

Run: `.venv/bin/python -m benchmarks.command_line` (10 s). Each figure is the fastest of several starts;
the slower ones measure the machine's other work.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

STARTS = 7
NOD = str(Path(sys.executable).with_name("nod"))
COMMANDS = (
    [NOD, "--help"],
    [NOD, "--version"],
    [NOD, "approve", "--help"],
    [NOD, "policy", "--help"],
)


def fastest(command: list[str]) -> tuple[float, float]:
    """Seconds of wall time and of CPU."""
    walls, cpus = [], []
    for _ in range(STARTS):
        began, used = time.monotonic(), _used()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
        walls.append(time.monotonic() - began)
        cpus.append(_used() - used)
    return min(walls), min(cpus)


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print one line for each command."""
    bare = fastest([sys.executable, "-c", "pass"])
    print(f"{'python -c pass':<20} {bare[0]:6.3f} s wall {bare[1]:6.3f} s CPU")
    for command in COMMANDS:
        wall, cpu = fastest(command)
        name = " ".join(["nod", *command[1:]])
        print(f"{name:<20} {wall:6.3f} s wall {cpu:6.3f} s CPU  {cpu / bare[1]:5.1f} x")


if __name__ == "__main__":
    main()
