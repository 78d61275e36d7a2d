"""`nod` commands, each in a process of its own, forked from one that has imported Nod: a start is quick.

`tests/servers/terminal.py` does so at a terminal; one of its tests starts the command that is installed.
"""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
import os
import runpy
import shutil
import sys
import termios
from collections.abc import Mapping, Sequence
from functools import cache
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
        "adapters.cli.demo",
        "adapters.cli.pending",
        "adapters.cli.run",
        "adapters.cli.watch",
        "nod",
    ]
)

#: Seconds between two looks whether a process has ended or said something.
LOOKS_EVERY = 0.02


class Forked:
    """A process that runs, or has ended; with the attributes of asyncio's processes."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

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


class Command(Forked):
    """One `nod` command, with what it writes."""

    def __init__(self, process: ForkServerProcess, *, out: Path, err: Path) -> None:
        super().__init__(process)
        self._out, self._err = out, err
        self._said: tuple[bytes, bytes] | None = None

    async def says(self, text: str) -> None:
        """Until this is on its standard error. Raises AssertionError when it ended without it."""
        await self._has(self._err, text)

    async def shows(self, text: str) -> str:
        """All that is on its standard output, once this is. Raises AssertionError when it ended without it."""
        return await self._has(self._out, text)

    async def _has(self, file: Path, text: str) -> str:
        while text not in (written := file.read_text()):
            assert self.returncode is None or text in file.read_text(), self._err.read_text()
            await asyncio.sleep(LOOKS_EVERY)
        return written

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


async def warmed() -> None:
    """Return when there is a process that has imported Nod: what a test times begins after that."""
    await asyncio.to_thread(_warm)


@cache
def _warm() -> None:
    first = WARM.Process(target=int, daemon=True)
    first.start()
    first.join()


async def start_at(tty: str, *command: str, environment: Mapping[str, str]) -> Forked:
    """`nod` with these words, or a Python program, at the terminal of this name, and with these variables."""
    process = WARM.Process(target=_sit, args=(tty, command, dict(environment)), daemon=True)
    await asyncio.to_thread(process.start)
    return Forked(process)


def _sit(tty: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    os.setsid()  # so that Ctrl-C on this terminal reaches this command
    line = os.open(tty, os.O_RDWR)
    for number in range(3):
        os.dup2(line, number)
    os.close(line)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(environment)
    # Those of the process that it was forked from are no terminal.
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the whole life of the process
        for number, mode in enumerate("rww")
    )
    sys.argv = list(command)
    if command[0] == "nod":
        main()
    else:
        runpy.run_path(command[0], run_name="__main__")
