"""The code of a program of one's own: a callback within its time, and the hook that hears of lost answers.

A coroutine function runs in the caller's loop, a plain one in one of a few threads. What goes wrong is said in
the words of the platform's own client (the platform's guide).
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from bot.approval import LONGEST_NOTE
from bot.errors import Unavailable
from bot.foreign import CallOutcome, Threads, words_of
from bot.protocol import HITLDecision, HITLRequest, HITLResponse

#: `(HITLRequest) -> HITLResponse`, or a coroutine function with that result.
Callback = Callable[[HITLRequest], HITLResponse | Awaitable[HITLResponse]]


class Prompt(Protocol):
    """Asks the person at the terminal."""

    @property
    def attached(self) -> bool:
        """Whether there is a terminal to ask at."""
        ...

    async def ask(self, request: HITLRequest, *, deadline: datetime) -> HITLResponse | None:
        """Her answer; None when she gave none. Of several requests, one is asked about at a time."""
        ...


log = structlog.get_logger()

TIMED_OUT = "Callback timeout"
UNSEEN = "It approved a call that cannot be read whole and in one way only"
WRONG_TYPE = "Callback returned invalid response type"


async def answer_of(
    callback: Callback, request: HITLRequest, *, within: float, threads: Threads
) -> HITLResponse:
    """The callback's answer within so many seconds; the time until a thread is free counts.

    It is given a copy: what the digest covers does not change under its hand.
    Raises Unavailable, in words for the agent, when it raised, ran out of time or returned something else.
    """
    given = replace(request, arguments=copy.deepcopy(request.arguments))
    task = asyncio.ensure_future(_run(callback, given, threads))
    try:
        await asyncio.wait({task}, timeout=within)
    finally:
        late = not task.done()
        task.cancel()  # it is not waited for: a callback may refuse to stop
    if late:
        raise Unavailable(TIMED_OUT)
    if task.cancelled():
        raise Unavailable("Callback error: it cancelled itself")
    caught = task.result()
    if caught.error is not None:
        raise Unavailable(f"Callback error: {words_of(caught.error)}")
    return checked(caught.value)


def checked(value: object) -> HITLResponse:
    """The answer, if it is one to the letter: a look-alike of another package is none. Raises Unavailable."""
    if not isinstance(value, HITLResponse) or not isinstance(value.decision, HITLDecision):
        raise Unavailable(WRONG_TYPE)
    note = value.operator_input
    if note is not None and not isinstance(note, str):
        raise Unavailable(WRONG_TYPE)
    return HITLResponse(decision=value.decision, operator_input=note[:LONGEST_NOTE] if note else None)


def rejection(request: HITLRequest, reason: str) -> HITLResponse:
    """What is answered for somebody who was asked and failed; it is logged."""
    log.error("callback_failed", approval_id=request.request_id, reason=reason)
    return HITLResponse(decision=HITLDecision.REJECTED, operator_input=reason)


async def _run(callback: Callback, request: HITLRequest, threads: Threads) -> CallOutcome:
    if _waits(callback):
        caught = CallOutcome()
        with caught:
            caught.value = callback(request)
    else:
        caught = await asyncio.wrap_future(threads.run(lambda: callback(request)))
    if inspect.isawaitable(caught.value):
        with caught:
            caught.value = await caught.value
    return caught


def _waits(callback: Callback) -> bool:
    """Whether it is a coroutine function, or an object that is called like one."""
    call = getattr(callback, "__call__", None)  # noqa: B004 - asked for its kind, not whether it is there
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(call)


#: Told the request's id and the exception that kept its answer from the platform; may be a coroutine function.
OnUnrecoverable = Callable[[str, BaseException], object]

#: Alarms at once: some that hang must not keep the others from getting out.
MOST_THREADS = 8
#: Seconds that one alarm may take; nobody waits for it any longer.
LONGEST_ALARM = 30.0


class ErrorHook:
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


async def _awaited(value: Awaitable[object]) -> CallOutcome:
    caught = CallOutcome()
    with caught:
        caught.value = await value
    return caught
