"""`nod run` without the chats' own pace, since the chats of a measurement have none. Run by `benchmarks.bots`.

With BENCH_READS it also counts the SQL statements that read, and writes the count to the file `reads` at
SIGUSR2.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from adapters.cli import main
from adapters.slack import api, chat

#: Messages in so many seconds that no measurement reaches.
ANY = 1_000_000
READS = ("SELECT", "WITH")


def unpace() -> None:
    """Take the pace of both chats away: a message a second and channel, updates a minute, Teams' windows."""
    api.posts_of.__kwdefaults__["interval"] = 0.0
    api.Updates.__init__.__kwdefaults__["most"] = ANY  # type: ignore[misc]
    chat.INTERVAL = 0.0
    if "MicrosoftAppId" in os.environ:
        from adapters.teams import api as teams  # it takes long to import

        teams.turns_of.__kwdefaults__["windows"] = ((ANY, 1.0),)


def count_reads() -> None:
    """Count in every SQLite connection that this process opens, whatever opens it."""
    connect, reads = sqlite3.connect, [0]

    def note(statement: str) -> None:
        reads[0] += statement.lstrip().upper().startswith(READS)

    def connected(*given: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*given, **more)
        connection.set_trace_callback(note)
        return connection

    def write(*_: Any) -> None:
        Path("reads").write_text(f"{reads[0]}\n")

    sqlite3.connect = connected
    signal.signal(signal.SIGUSR2, write)


if __name__ == "__main__":
    unpace()
    if "BENCH_READS" in os.environ:
        count_reads()
    sys.argv = ["nod", "run"]
    main()
