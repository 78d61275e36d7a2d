"""Disks of a test's own, in a mount namespace of one process: small ones that fill up, and one that breaks.

Nobody else sees such a disk, except by way of `/proc/<pid>/root`. It is gone with its last process.
"""

from __future__ import annotations

import ctypes
import errno
import subprocess
from functools import cache
from pathlib import Path

_CLONE_NEWNS = 0x00020000  # sched.h


@cache
def reason_against() -> str | None:
    """Why this machine has no such disks for us; None when it does."""
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"no mount namespace can be made here ({tried.stderr.strip()})"


def enter_namespace() -> None:
    """From here on this process, and those that it starts, have mounts of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def mount_small(folder: Path, *, size: str) -> None:
    """A file system in memory with so much room, as `mount` spells it."""
    options = f"size={size},mode=0777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)


def mount_breakable(folder: Path, image: Path) -> Path:
    """An ext4 that becomes read-only at its first error; a line in the file returned is such an error."""
    image.write_bytes(b"\0" * 16 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)], check=True)
    line = next(line for line in Path("/proc/mounts").read_text().splitlines() if f" {folder} " in line)
    return Path("/sys/fs/ext4", Path(line.split()[0]).name, "trigger_fs_error")


def fill(folder: Path) -> Path:
    """Leave no room on the disk that this folder is on; remove the file returned to make room again."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler
