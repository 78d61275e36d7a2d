"""Whether the files that were opened are still the ones that stand under their names.

SQLite goes on with a file that was deleted or replaced: it acknowledges into what nobody finds any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: The file, what was committed last, what keeps processes apart in it, and our own lock.
SUFFIXES = ("", "-wal", "-shm", ".lock")

_Identity = tuple[int, int]  #: device and inode


class Presence:
    """Remembers the files as they are now. Made while the database is open: its companions are there then."""

    def __init__(self, path: Path) -> None:
        """`path` is the database's."""
        names = (path.with_name(f"{path.name}{suffix}") for suffix in SUFFIXES)
        self._known: Mapping[Path, _Identity | None] = {name: _identity(name) for name in names}

    def trouble(self) -> str | None:
        """Which file is another now, in words; None while all are there. Four looks at a local disk."""
        for path, known in self._known.items():
            if _identity(path) != known:
                return f"{path} was deleted or replaced while Nod runs"
        return None


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
