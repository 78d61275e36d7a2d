"""`nod` commands, each in a process of its own, forked from one that has imported Nod: a start is quick.

`tests/servers/seat.py` starts the command that is installed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp

from adapters.cli import main

#: Importing all of Nod takes longer than everything else in a start, so one process does it for all children.
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "tests.faults.launcher",
        "tests.servers.shell",
        "pytest",
        # A command imports what it needs when it is called, so each would be imported by each child.
        "adapters.app",
        "adapters.cli.answering",
        "adapters.cli.auto",
        "adapters.cli.pending",
        "adapters.cli.run",
    ]
)

#: Seconds between two looks whether a process has ended or said something.
LOOKS_EVERY = 0.02


class Command:
    """One `nod` command that runs, or has ended; with the attributes of asyncio's processes."""

    def __init__(self, process: ForkServerProcess, *, out: Path, err: Path) -> None:
        self._process, self._out, self._err = process, out, err
        self._said: tuple[bytes, bytes] | None = None

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        """Until it has ended; its exit code, or minus the signal's number."""
        while (code := self.returncode) is None:
            await asyncio.sleep(LOOKS_EVERY)
        return code

    async def says(self, text: str) -> None:
        """Until this is on its standard error. Raises AssertionError when it ended without it."""
        while text not in self._err.read_text():
            assert self.returncode is None or text in self._err.read_text(), self._err.read_text()
            await asyncio.sleep(LOOKS_EVERY)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Until it has ended: what it wrote to standard output and standard error."""
        await self.wait()
        if self._said is None:
            self._said = self._out.read_bytes(), self._err.read_bytes()
            shutil.rmtree(self._out.parent)
        return self._said


async def start(*command: str, environment: Mapping[str, str], folder: Path) -> Command:
    """`nod` with these words and variables, and no others, in this folder."""
    kept = Path(mkdtemp(prefix="nod-shell-"))
    out, err = kept / "out", kept / "err"
    out.touch()
    err.touch()
    process = WARM.Process(
        target=_run, args=(command, dict(environment), str(folder), str(out), str(err)), daemon=True
    )
    await asyncio.to_thread(process.start)
    return Command(process, out=out, err=err)


def _run(command: Sequence[str], environment: Mapping[str, str], folder: str, out: str, err: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = ["nod", *command]
    main()
