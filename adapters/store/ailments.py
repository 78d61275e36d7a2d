"""What a database's errors say of the database itself, by their codes, in words for an operator.

Nothing here reads the text of an error, which may hold arguments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

#: SQLite's primary result codes (sqlite.org/rescode.html).
_OF_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
    sqlite3.SQLITE_IOERR: "the disk does not work",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is damaged",
}
#: PostgreSQL's SQLSTATEs, and classes of them (postgresql.org/docs/current/errcodes-appendix.html).
_OF_POSTGRES: Mapping[str, str] = {
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "25006": "the server takes no writes",
    "58": "the server's disk does not work",
    "XX001": "the server's data is damaged",
    "XX002": "the server's data is damaged",
}


def ailment_of(error: Exception) -> str | None:
    """What ails the database itself, if this error tells; None for what concerns one statement alone."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(orig, "sqlite_errorcode", None)
    if code is not None:
        return _OF_SQLITE.get(code & 0xFF)
    state = getattr(orig, "sqlstate", None)
    if state is not None:
        return _OF_POSTGRES.get(state) or _OF_POSTGRES.get(state[:2])
    return None
