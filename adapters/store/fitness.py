"""Whether a PostgreSQL server is fit for the job: it keeps what it acknowledges, and every character of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import ConfigError

#: With one of these off, a crash loses decisions that were acknowledged (measured).
MUST_BE_ON = ("synchronous_commit", "fsync", "full_page_writes")
#: The only encoding of a server that holds all of Unicode (postgresql.org/docs/current/multibyte.html).
ENCODING = "UTF8"

_SETTING = "NOD_DATABASE_URL"


async def check_sessions(settings: Mapping[str, Any]) -> None:
    """Refuse a pooler that hands one session to several connections, and an encoding that loses characters.

    Of two connections that are held open, each must have a session of its own, and keep it while the other
    is in a transaction. Prepared statements tell nothing, since newer poolers carry them.
    `settings` are psycopg's.

    Raises:
        ConfigError: one of these.
        psycopg.Error: the server cannot be asked.
    """
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(await psycopg.AsyncConnection.connect(**settings, autocommit=True))
            for _ in range(2)
        ]
        encoding = one.info.parameter_status("server_encoding")
        if encoding != ENCODING:
            raise ConfigError(
                where=_SETTING,
                what=f"the database's encoding is {encoding}, which does not hold every character of a call",
                fix=f"Create the database with ENCODING '{ENCODING}' TEMPLATE template0.",
            )
        first, second = await _session_of(one), await _session_of(other)
        shared = first == second
        if not shared:
            async with other.transaction():
                shared = await _session_of(other) != second or await _session_of(one) != first
        if shared:
            raise ConfigError(
                where=_SETTING,
                what="a pooler shares sessions between connections, so the lock on it holds nothing",
                fix="Put the pooler into session mode (pgbouncer: pool_mode = session), or go past it.",
            )


async def check_durability(connection: AsyncConnection) -> None:
    """Raises ConfigError when a crash of the server would lose what it acknowledged."""
    for name in MUST_BE_ON:
        value = (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
        if value == "off":
            raise ConfigError(
                where=_SETTING,
                what=f"the server has {name} off, so a crash loses decisions that were acknowledged",
                fix=f"Set {name} to on for this database.",
            )


async def _session_of(connection: psycopg.AsyncConnection[Any]) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()", prepare=False)).fetchone()
    return int(row[0]) if row else 0
