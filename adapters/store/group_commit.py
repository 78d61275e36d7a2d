"""Many pieces of work in one transaction, so that one sync of the disk makes all of them durable.

What arrives while a transaction runs goes into the next one: nobody waits for more than that. Each piece has a
savepoint, so one that fails takes nothing of the others with it. The audit rows of all are written last.

A transaction that takes long stops taking pieces, so that a long one holds up few. Where the database can have
several writers, one that hangs does not hold up the others: the next transaction begins beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.store.compare_and_set import audit_kept_back, write_kept_back
from bot.errors import Unanswered, Unavailable

#: Seconds after which a transaction takes no more pieces.
TAKES_FOR = 0.2
#: Seconds after which a transaction counts as hanging.
HANGS_AFTER = 0.5

#: Each piece begins one of this name; going back to it means the last.
_SAVEPOINT, _BACK = "SAVEPOINT piece", "ROLLBACK TO SAVEPOINT piece"


@dataclass(slots=True, eq=False, kw_only=True)
class Piece:
    """Work that belongs together, and what hears of its end."""

    work: Callable[[AsyncConnection], Awaitable[Any]]
    #: Called once, before anybody else can act on it: with the result after the commit, or with the error.
    ended: Callable[[Any, Exception | None], None]
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    context: Context = field(default_factory=copy_context)  #: its caller's, for the logs

    def end(self, result: Any, error: Exception | None = None) -> None:
        """It is committed, or failed with this error."""
        if self.done.done():
            return
        try:
            self.context.run(self.ended, result, error)
        except Exception as mistake:  # noqa: BLE001 - its own caller hears it; it is true of no other piece
            error = mistake
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)
            self.done.exception()  # its caller may have left


class GroupCommit:
    """Works off pieces in their order; most of the time one transaction at a time."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        most: int,
        trouble_is: Callable[[type[Unavailable]], AbstractContextManager[None]],
        fit: Callable[[], None],
        gone: Callable[[], str | None],
        started: Callable[[asyncio.Task[None]], None],
    ) -> None:
        """At most `most` transactions at once. `started` is told each task that must not be dropped.

        `trouble_is` translates the database's errors; `fit` raises when nothing must be written; `gone` tells
        after a commit why it went into what nobody finds.
        """
        self._engine, self._most = engine, most
        self._trouble_is, self._fit, self._gone, self._started = trouble_is, fit, gone, started
        self.takes_for = TAKES_FOR
        self._waiting: deque[Piece] = deque()
        self._running = self._hanging = 0

    def add(self, piece: Piece) -> None:
        """It is worked off whatever becomes of its caller."""
        self._waiting.append(piece)
        self._begin_another()

    def _begin_another(self) -> None:
        if self._waiting and self._running == self._hanging and self._running < self._most:
            self._running += 1
            self._started(asyncio.create_task(self._run(), context=Context()))

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._transact()
                await asyncio.sleep(0)  # those who were told go first
        finally:
            self._running -= 1

    async def _transact(self) -> None:
        hung = False

        def hangs() -> None:
            nonlocal hung
            hung = True
            self._hanging += 1
            self._begin_another()

        taken = list(self._waiting)
        self._waiting.clear()
        timer = asyncio.get_running_loop().call_later(HANGS_AFTER, hangs)
        try:
            for piece, result in await self._committed(taken):
                piece.end(result)
        except Exception as error:  # noqa: BLE001 - each of those who wait hears it
            for piece in taken:
                piece.end(None, error)
        finally:
            timer.cancel()
            self._hanging -= hung
            for piece in taken:
                piece.done.cancel()  # what has not ended by now: the loop is being closed

    async def _committed(self, taken: list[Piece]) -> list[tuple[Piece, Any]]:
        """What was committed, with its results; the rest has heard why not.

        Pieces for which no time was left go back. Raises what is true of all that are still `taken` then.
        """
        results: list[tuple[Piece, Any]] = []
        with self._trouble_is(Unavailable):
            async with self._engine.connect() as connection:
                self._fit()
                began, several = time.monotonic(), len(taken) > 1
                with audit_kept_back(connection) as kept:
                    for number, piece in enumerate(taken):
                        if number and time.monotonic() - began > self.takes_for:
                            self._waiting.extendleft(reversed(taken[number:]))
                            del taken[number:]
                            break
                        if not several:
                            results.append((piece, await self._result_of(piece, connection)))
                            break
                        before = len(kept)
                        await connection.exec_driver_sql(_SAVEPOINT)
                        try:
                            results.append((piece, await self._result_of(piece, connection)))
                        except Exception as error:  # noqa: BLE001 - its caller hears it
                            del kept[before:]
                            try:
                                await connection.exec_driver_sql(_BACK)
                            finally:
                                piece.end(None, error)
                    await write_kept_back(connection, kept)
                with self._trouble_is(Unanswered):
                    await connection.commit()
                if results and (gone := self._gone()) is not None:
                    raise Unanswered(gone)  # it went into what nobody finds any more
        return results

    async def _result_of(self, piece: Piece, connection: AsyncConnection) -> Any:
        async def work() -> Any:
            return await piece.work(connection)

        with self._trouble_is(Unavailable):
            return await asyncio.create_task(work(), context=piece.context)
