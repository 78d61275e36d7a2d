"""Whoever asked for it is told that an answer could not be posted, and cannot hold anything up by that."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

import structlog

from bot.caught import Caught, words_of
from bot.threads import Threads

#: Told the request's id and the exception that kept its answer from the platform; may be a coroutine function.
OnUnrecoverable = Callable[[str, BaseException], object]

#: Alarms at once: some that hang must not keep the others from getting out.
MOST_THREADS = 8
#: Seconds that one alarm may take; nobody waits for it any longer.
LONGEST_ALARM = 30.0

log = structlog.get_logger()


class Alarms:
    """Calls one function in threads of its own: callbacks that hang do not keep the word of trouble in."""

    def __init__(self, told: OnUnrecoverable | None, *, within: float = LONGEST_ALARM) -> None:
        """Without a function there is only the log."""
        self._told, self._within = told, within
        self._threads = Threads(most=MOST_THREADS, name="hitl-alarm")

    async def raise_for(self, request_id: str, error: BaseException) -> None:
        """Log it and tell it. What goes wrong with that is logged, and never raised."""
        log.error("answer_lost", approval_id=request_id, reason=words_of(error))
        if self._told is None:
            return
        telling = asyncio.ensure_future(self._tell(self._told, request_id, error))
        try:
            await asyncio.wait({telling}, timeout=self._within)
        finally:
            late = not telling.done()
            telling.cancel()  # it is not waited for: it may refuse to stop
        reason = f"it took longer than {self._within:g} s" if late else telling.result()
        if reason is not None:
            log.error("alarm_failed", approval_id=request_id, reason=reason)

    async def _tell(self, told: OnUnrecoverable, request_id: str, error: BaseException) -> str | None:
        """What went wrong, in words."""
        called = await asyncio.wrap_future(self._threads.run(lambda: told(request_id, error)))
        if called.error is None and inspect.isawaitable(called.value):
            called = await _awaited(called.value)
        return None if called.error is None else words_of(called.error)


async def _awaited(value: Awaitable[object]) -> Caught:
    caught = Caught()
    with caught:
        caught.value = await value
    return caught
