"""Where checkpoints are kept: a file of lines that only grows. Everything here waits for the disk."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.checkpoints.checkpoint import Checkpoint, NoCheckpoint, What, parsed
from bot.errors import ConfigError

_SETTING = "NOD_AUDIT_CHECKPOINTS"


@dataclass(slots=True, kw_only=True)
class CheckpointLog:
    """The file with the checkpoints, and the signed lines that were in it when it was read."""

    path: Path
    lines: tuple[Checkpoint, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether a line says that everything before it is signed."""
        return any(one.what is What.SIGNING for one in self.lines)

    @property
    def last(self) -> Checkpoint | None:
        """The one that goes furthest; None before the first that is about a row."""
        rows = (one for one in self.lines if one.number and one.what is not What.RETIREMENT)
        return max(rows, key=lambda one: one.number, default=None)

    async def set_aside(self, at: datetime) -> Path:
        """Keep the lines under a name with the moment, and go on without any; returns where they are."""
        aside = self.path.with_name(f"{self.path.name}.before-{at:%Y%m%dT%H%M%S}")
        await asyncio.to_thread(self.path.rename, aside)
        self.lines = ()
        return aside


async def read_checkpoint_log(path: Path) -> CheckpointLog:
    """Without lines where there is no file yet. Raises ConfigError when it cannot be used."""
    return CheckpointLog(path=path, lines=await asyncio.to_thread(_lines_in, path))


def _lines_in(path: Path) -> tuple[Checkpoint, ...]:
    if not path.exists():
        return ()
    try:
        return read_checkpoints(path)
    except NoCheckpoint as error:
        raise ConfigError(_SETTING, str(error), "Keep that file, and name another.") from error


def read_checkpoints(path: Path) -> tuple[Checkpoint, ...]:
    """All of them, in their order. A last line that a crash cut short does not count.

    Raises:
        ConfigError: the file cannot be read.
        NoCheckpoint: a whole line is no checkpoint; the message has its number.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise ConfigError(_SETTING, what, "Name the file with the checkpoints.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(parsed(line.decode("utf-8", "replace")))
        except NoCheckpoint as error:
            raise NoCheckpoint(f"line {number} of {path} is no checkpoint: {error}") from error
    return tuple(found)


def add(path: Path, checkpoint: Checkpoint) -> None:
    """Write one more line, and return when it is on the disk. What a crash left of a line goes first.

    Raises OSError, also for a link: it would have another file cut.
    """
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        end = os.lseek(held, 0, os.SEEK_END)
        end = _whole(held, end)
        os.ftruncate(held, end)
        os.pwrite(held, f"{checkpoint.line}\n".encode(), end)
        os.fsync(held)
    finally:
        os.close(held)


def _whole(held: int, end: int) -> int:
    """Where the last whole line ends."""
    while end and os.pread(held, 1, end - 1) != b"\n":
        end -= 1
    return end
