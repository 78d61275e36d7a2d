"""A command in a terminal (a pty), with a person in front of it who reads and presses keys."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.servers.shell import Forked, start_at

#: Sequences that move the cursor and set colours (ECMA-48); what is left is what is read.
_SEQUENCES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")


class Terminal:
    """The other side of the pty."""

    def __init__(self, process: asyncio.subprocess.Process | Forked, master: int) -> None:
        self.process, self._master = process, master
        self._written = b""
        self._read = 0

    def resize(self, rows: int, columns: int) -> None:
        """As a window that is dragged: the size first, then SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        """Keys, as one write: several characters are a paste."""
        os.write(self._master, keys.encode())

    async def shows(self, *texts: str, within: float = 15) -> str:
        """What was written since the last call that found its texts, once it has all of these."""
        try:
            async with asyncio.timeout(within):
                while not all(text in (fresh := self._fresh()) for text in texts):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"no {texts} in: {self._fresh()[-3000:]}") from None
        self._read = len(self._written)
        return fresh

    async def ends(self, within: float = 10) -> int:
        """The exit code."""
        return await asyncio.wait_for(self.process.wait(), within)

    @property
    def settings(self) -> list[object]:
        """The terminal's own, to see that they came back."""
        return termios.tcgetattr(self._master)[:4]

    def restore(self, settings: list[object]) -> None:
        """Set the terminal's own settings, as a shell does whose job was stopped."""
        now = termios.tcgetattr(self._master)
        termios.tcsetattr(self._master, termios.TCSANOW, [*settings, *now[4:]])

    @property
    def raw(self) -> str:
        """All that was written, with the sequences."""
        return self._written.decode("utf-8", "replace")

    def take(self) -> None:
        """Read what is there."""
        try:
            self._written += os.read(self._master, 65536)
        except OSError:  # the other side is closed
            asyncio.get_running_loop().remove_reader(self._master)

    def _fresh(self) -> str:
        return _SEQUENCES.sub("", self._written[self._read :].decode("utf-8", "replace"))


@asynccontextmanager
async def terminal(
    *command: str, env: Mapping[str, str], rows: int = 24, columns: int = 100, installed: bool = False
) -> AsyncIterator[Terminal]:
    """`nod` with these words, or a Python program, with a pty as its controlling terminal.

    Forked from a process that has imported Nod; with `installed` the file is run, as a shell does.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", **env}
    process: asyncio.subprocess.Process | Forked
    if installed:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _SESSION, *command, stdin=slave, stdout=slave, stderr=slave, env=env
        )
    else:
        process = await start_at(os.ttyname(slave), *command, environment=env)
    made = Terminal(process, master)
    asyncio.get_running_loop().add_reader(master, made.take)
    try:
        yield made
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
        os.close(slave)


#: A session of its own, so that Ctrl-C on this terminal reaches this command.
_SESSION = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
