"""The operator's own functions, treated as foreign code: loaded by name, limited in time, logged in one line.

Nobody has reviewed them here: they can raise, hang, block, exit, or change their arguments. Nothing that they
raise goes any further. The threads are daemons, so one that never returns does not keep the process from
ending. Errors of a callback are reported in the words of the platform's own client (its guide).
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from bot.approval import LONGEST_NOTE
from bot.errors import ConfigError, Unavailable
from bot.policy import Policy
from bot.protocol import HITLDecision, HITLRequest, HITLResponse

log = structlog.get_logger()

#: Characters of an exception's text that reach an agent (the platform's own client keeps as many).
LONGEST_REASON = 100


class CallOutcome:
    """`with caught: caught.value = foreign()`.

    SystemExit is caught too: it would end a thread silently, or stop the event loop. The cancellation of a task
    and Ctrl-C are not caught, unless `everything` is true, which suits a separate thread.
    """

    def __init__(self, *, everything: bool = False) -> None:
        """Start without a result."""
        self._everything = everything
        self.value: object = None
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        """Start catching."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Keep the exception, unless it must pass on."""
        if error is None or not (self._everything or isinstance(error, Exception | SystemExit)):
            return False
        self.error = error
        return True


def words_of(error: BaseException) -> str:
    """An exception in one short line. Reading its text calls foreign code once more."""
    read = CallOutcome()
    with read:
        read.value = " ".join(str(error)[: 10 * LONGEST_REASON].split())[:LONGEST_REASON]
    return str(read.value or type(error).__name__)


def load_function(
    spec: str, *, where: str, written: str, takes: str, told: Callable[[BaseException], str] = words_of
) -> Callable[..., object]:
    """The function that `package.module:function` names.

    Raises ConfigError for the setting `where`, whatever is wrong. `written` says how the setting is written,
    `takes` which arguments the function takes, and `told` says why its module could not be imported.
    """
    module, _, name = spec.partition(":")
    if not module or not name or module.startswith("."):
        raise ConfigError(where, "does not name a function", f"Write it as {written}.")
    imported = CallOutcome(everything=True)
    with imported:
        imported.value = getattr(importlib.import_module(module), name, None)
    if imported.error is not None:
        fix = "Install the module in Nod's Python environment."
        raise ConfigError(where, f"importing {module} failed ({told(imported.error)})", fix)
    if not callable(imported.value):
        raise ConfigError(where, f"{module} has no function {name}", f"Choose a function that takes {takes}.")
    return imported.value


_Job = tuple[Callable[[], object], Context, "Future[CallOutcome]"]


class Threads:
    """Runs at most `most` functions at once; the others wait for their turn, in order."""

    def __init__(self, *, most: int, name: str) -> None:
        """Starts no thread yet. `name` is shown in a debugger."""
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._alive = 0
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """How many have not returned, including those that wait for their turn."""
        return self._under_way

    def run(self, work: Callable[[], object]) -> Future[CallOutcome]:
        """How `work` ended in a thread; the future never fails. Cancelled before its turn, it never runs.

        After its turn has come it cannot be cancelled, because a thread cannot be.
        """
        outcome: Future[CallOutcome] = Future()
        with self._lock:
            self._under_way += 1
            self._waiting.append((work, copy_context(), outcome))
            if self._alive < self._most:
                self._alive += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return outcome

    def _work(self) -> None:
        while (job := self._next()) is not None:
            work, context, outcome = job
            runs, caught = outcome.set_running_or_notify_cancel(), CallOutcome(everything=True)
            with caught:
                caught.value = context.run(work) if runs else None
            with self._lock:
                self._under_way -= 1
            if runs:
                outcome.set_result(caught)

    def _next(self) -> _Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._alive -= 1
            return None


#: `(HITLRequest) -> HITLResponse`, or a coroutine function with that result.
Callback = Callable[[HITLRequest], HITLResponse | Awaitable[HITLResponse]]


class Prompt(Protocol):
    """Asks the person at the terminal."""

    @property
    def attached(self) -> bool:
        """Whether there is a terminal to ask at."""
        ...

    async def ask(self, request: HITLRequest, *, deadline: datetime) -> HITLResponse | None:
        """The person's answer; None if they gave none. Requests are asked about one at a time."""
        ...


TIMED_OUT = "Callback timeout"
UNSEEN = "The call is truncated or ambiguous, so it cannot be approved"
WRONG_TYPE = "Callback returned invalid response type"


async def answer_of(
    callback: Callback, request: HITLRequest, *, within: float, threads: Threads
) -> HITLResponse:
    """The callback's answer within so many seconds, including the wait for a free thread.

    The callback gets a copy, so it cannot change what the digest covers.

    Raises Unavailable, in words for the agent, when the callback raises, times out or returns something else.
    """
    task = asyncio.ensure_future(_run(callback, request, threads))
    try:
        await asyncio.wait({task}, timeout=within)
    finally:
        late = not task.done()
        task.cancel()  # no wait for it: a callback may refuse to stop
    if late:
        raise Unavailable(TIMED_OUT)
    if task.cancelled():
        raise Unavailable("Callback error: the callback was cancelled")
    caught = task.result()
    if caught.error is not None:
        raise Unavailable(f"Callback error: {words_of(caught.error)}")
    return checked(caught.value)


def checked(value: object) -> HITLResponse:
    """The answer, if it has exactly the right type (no look-alike of another package). Raises Unavailable."""
    if not isinstance(value, HITLResponse) or not isinstance(value.decision, HITLDecision):
        raise Unavailable(WRONG_TYPE)
    note = value.operator_input
    if note is not None and not isinstance(note, str):
        raise Unavailable(WRONG_TYPE)
    return HITLResponse(decision=value.decision, operator_input=note[:LONGEST_NOTE] if note else None)


def rejection(request: HITLRequest, reason: str) -> HITLResponse:
    """The answer when an approver function or prompt fails; the failure is logged."""
    log.error("callback_failed", approval_id=request.request_id, reason=reason)
    return HITLResponse(decision=HITLDecision.REJECTED, operator_input=reason)


async def _run(callback: Callback, request: HITLRequest, threads: Threads) -> CallOutcome:
    def call() -> object:
        return callback(replace(request, arguments=copy.deepcopy(request.arguments)))

    if not _waits(callback):
        return await ended(threads, call)
    caught = CallOutcome()
    with caught:
        caught.value = call()
    return await _awaited(caught)


async def ended(threads: Threads, call: Callable[[], object], *, everything: bool = False) -> CallOutcome:
    """How a call in one of these threads ended; an awaitable that it returns is awaited here.

    With `everything`, all exceptions that this raises are caught, as in the thread.
    """
    return await _awaited(await asyncio.wrap_future(threads.run(call)), everything=everything)


async def _awaited(caught: CallOutcome, *, everything: bool = False) -> CallOutcome:
    if not inspect.isawaitable(caught.value):
        return caught
    awaited = CallOutcome(everything=everything)
    with awaited:
        awaited.value = await caught.value
    return awaited


def _waits(callback: Callback) -> bool:
    """Whether it is a coroutine function, or an object that is called like one."""
    call = getattr(callback, "__call__", None)  # noqa: B004 - asked for its kind, not whether it is there
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(call)


Function = Callable[[HITLRequest], object]  #: can be a coroutine function

#: Calls of one function under way at once. Hung calls keep their threads forever.
MOST_AT_ONCE = 16


def callbacks_of(policy: Policy) -> tuple[str, ...]:
    """The functions that a policy names, each once."""
    names = (rule.callback for rule in policy.rules.automatic if rule.callback is not None)
    return tuple(dict.fromkeys(names))


class FunctionCallbacks:
    """Implements `bot.ports.Callbacks` with functions of this process. `load` before a policy is in force.

    Each call has a separate thread and, for a coroutine, a separate event loop, so it can only harm its own
    answer.
    """

    def __init__(self) -> None:
        self._functions: dict[str, tuple[Function, Threads]] = {}

    def load(self, names: Iterable[str]) -> None:
        """Import these functions. Blocks, so call it off the loop. Raises ConfigError, whatever is wrong."""
        for name in names:
            if name not in self._functions:
                threads = Threads(most=MOST_AT_ONCE, name=f"callback:{name}")
                self._functions[name] = (load_callback(name), threads)

    async def call(self, name: str, request: HITLRequest, *, within: float) -> HITLResponse:
        """The function's answer within so many seconds.

        Raises Unavailable, in words for the agent: the function is not loaded, raised, timed out, returned
        something else, or too many of its calls have not returned.
        """
        if name not in self._functions:
            raise Unavailable("Callback error: the callback is not loaded")
        if within <= 0:
            raise Unavailable(TIMED_OUT)
        function, threads = self._functions[name]
        if threads.under_way >= MOST_AT_ONCE:
            raise Unavailable("Callback error: too many calls to it are still running")

        def call(given: HITLRequest) -> Any:
            value = function(given)
            return asyncio.run(_within(value, within)) if inspect.isawaitable(value) else value

        return await answer_of(call, request, within=within, threads=threads)


def load_callback(name: str) -> Function:
    """The function that `package.module:function` names. Raises ConfigError, whatever is wrong with it."""
    return load_function(
        name,
        where=f"automatic: callback {name}",
        written="package.module:function",
        takes="a HITLRequest and returns a HITLResponse",
    )


async def _within(value: Any, within: float) -> object:
    # The caller gives up first; this only ends the thread of a coroutine that can be ended.
    async with asyncio.timeout(within + 1):
        return await value


#: Gets the request's id and the exception that kept its answer from the platform; can be a coroutine function.
OnUnrecoverable = Callable[[str, BaseException], object]

#: Alarms at once: hung ones must not block the others.
MOST_THREADS = 8
#: Seconds that one alarm can take; nobody waits longer.
LONGEST_ALARM = 30.0


class ErrorHook:
    """Calls one function in separate threads, so hung callbacks do not hold back the report of an error."""

    def __init__(self, told: OnUnrecoverable | None, *, within: float = LONGEST_ALARM) -> None:
        """Without a function, errors are only logged."""
        self._told, self._within = told, within
        self._threads = Threads(most=MOST_THREADS, name="hitl-alarm")

    async def raise_for(self, request_id: str, error: BaseException) -> None:
        """Log the error and report it. Errors of the report are logged and never raised."""
        log.error("answer_lost", approval_id=request_id, reason=words_of(error))
        if self._told is None:
            return
        telling = asyncio.ensure_future(self._tell(self._told, request_id, error))
        try:
            await asyncio.wait({telling}, timeout=self._within)
        finally:
            late = not telling.done()
            telling.cancel()  # no wait for it: it may refuse to stop
        reason = f"the hook took longer than {self._within:g} s" if late else telling.result()
        if reason is not None:
            log.error("alarm_failed", approval_id=request_id, reason=reason)

    async def _tell(self, told: OnUnrecoverable, request_id: str, error: BaseException) -> str | None:
        """What went wrong, in words."""
        called = await ended(self._threads, lambda: told(request_id, error))
        return None if called.error is None else words_of(called.error)
