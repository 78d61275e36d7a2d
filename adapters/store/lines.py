"""Connections to PostgreSQL that are given up when the server does not answer.

A connection can freeze while new ones would work: a fail-over behind a balancer, a firewall that forgot it. TCP
notices late or never, and psycopg waits for ever and cannot be cancelled meanwhile (psycopg/psycopg#1371). So
each wait is bounded here: the socket is shut underneath it, which ends the wait with an ordinary error.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
import structlog
from psycopg.abc import PQGen

T = TypeVar("T")
#: Seconds until a server that says nothing is given up. It ends statements itself after as many (LIMITS).
ANSWERS_WITHIN = 5.0
#: Limits that the server keeps even when our side hangs, in milliseconds, and seconds
#: after which it notices by itself that our machine is gone, so that the lock of a dead process is free.
LIMITS = {
    "statement_timeout": 5_000,
    "lock_timeout": 2_000,
    "idle_in_transaction_session_timeout": 10_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}
#: What libpq is told of TCP: a peer that is gone is noticed by the kernel, too, also between two statements.
TCP = {
    "connect_timeout": 5,  # seconds
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,  # milliseconds
}

log = structlog.get_logger()


class Lines:
    """Opens connections, knows those that are open, and can cut them all."""

    def __init__(self, *, answers_within: float = ANSWERS_WITHIN) -> None:
        """`answers_within` is in seconds."""
        #: Tells the sessions of this process from others; in `pg_stat_activity` under `application_name`.
        self.name = f"nod-{secrets.token_hex(4)}"
        self.answers_within = answers_within
        self._open: WeakSet[_Line] = WeakSet()

    @property
    def settings(self) -> dict[str, str | int]:
        """What each connection is opened with, whatever the environment says."""
        return {**TCP, "client_encoding": "utf8", "application_name": self.name}

    async def connect(self, *args: Any, **more: Any) -> psycopg.AsyncConnection[Any]:
        """A connection with our limits; the arguments are psycopg's. Raises psycopg's errors."""
        line: _Line = await _Line.connect(*args, **(more | {"autocommit": True}))
        line.lines = self
        self._open.add(line)
        # Not as startup parameters: a pooler refuses those, or worse, ignores them.
        await line.execute("; ".join(f"SET {name} = {value}" for name, value in LIMITS.items()))
        await line.set_autocommit(bool(more.get("autocommit", False)))
        return line

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Wait so long for each answer, for work that takes its time."""
        usual, self.answers_within = self.answers_within, seconds
        try:
            yield
        finally:
            self.answers_within = usual

    def end_within(self, seconds: float) -> None:
        """A server that answers gets so long to do it; then none keeps the process from ending."""
        self.answers_within = min(self.answers_within, seconds)
        asyncio.get_running_loop().call_later(seconds, self.cut)

    def cut(self) -> None:
        """End all waits for the server now, with errors."""
        for line in tuple(self._open):
            line.cut()


class _Line(psycopg.AsyncConnection[Any]):
    """One connection. Everything that it waits for passes through `wait`."""

    lines: Lines | None = None

    async def wait(self, gen: PQGen[T], *args: Any, **more: Any) -> T:
        within = self.lines.answers_within if self.lines else ANSWERS_WITHIN
        given_up = asyncio.get_running_loop().call_later(within, self._give_up)
        try:
            return await super().wait(gen, *args, **more)
        finally:
            given_up.cancel()

    def _give_up(self) -> None:
        log.error("database_connection_given_up", backend=self.pgconn.backend_pid)
        self.cut()

    def cut(self) -> None:
        """Shut the socket: whoever waits for it reads its end. The descriptor stays libpq's to close."""
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as mine:
            mine.shutdown(socket.SHUT_RDWR)
