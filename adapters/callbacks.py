"""The operator's own functions that answer in place of people: `(HITLRequest) -> HITLResponse`.

Code that nobody here has read: it may raise, hang, block, exit, or change what it is given. Each call has a
thread and, for a coroutine, an event loop of its own, so that it can harm nothing but its own answer. What
went wrong is said in the words of the platform's guide.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from bot.approval import LONGEST_NOTE
from bot.errors import ConfigError, Unavailable
from bot.protocol import HITLDecision, HITLResponse

if TYPE_CHECKING:
    from types import TracebackType

    from bot.policy import Policy
    from bot.protocol import HITLRequest

Function = Callable[["HITLRequest"], object]  #: may be a coroutine function

#: Calls of one function under way at once. Those that hang keep their threads for good.
MOST_AT_ONCE = 16
#: Characters of an exception's text that reach the agent.
LONGEST_REASON = 100


def callbacks_of(policy: Policy) -> tuple[str, ...]:
    """The functions that a policy names, each once."""
    names = (rule.callback for rule in policy.rules.automatic if rule.callback is not None)
    return tuple(dict.fromkeys(names))


class FunctionCallbacks:
    """Implements `bot.ports.Callbacks`. `load` before a policy is in force, then `call`."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    def load(self, names: Iterable[str]) -> None:
        """Import these functions; blocks, so call it off the loop. Raises ConfigError, whatever is wrong."""
        for name in names:
            if name not in self._functions:
                self._functions[name] = load_callback(name)

    async def call(self, name: str, request: HITLRequest, *, within: float) -> HITLResponse:
        """The function's answer within so many seconds.

        Raises Unavailable, in words for the agent: it is not loaded, raised, ran out of time, returned
        something else, or too many of its calls have not come back.
        """
        function = self._functions.get(name)
        if function is None:
            raise Unavailable("Callback error: it is not loaded")
        if within <= 0:
            raise Unavailable("Callback timeout")
        outcome: Future[_Caught] = Future()
        # A thread cannot be cancelled: as a running future this one refuses to pretend so.
        outcome.set_running_or_notify_cancel()
        self._begin(name, function, request, within=within, outcome=outcome)
        waiter = asyncio.wrap_future(outcome)
        try:
            await asyncio.wait({waiter}, timeout=within)
        finally:
            late = not waiter.done()
            waiter.cancel()  # so that what comes late finds nobody who waits
        if late:
            raise Unavailable("Callback timeout")
        caught = waiter.result()
        if caught.error is not None:
            raise Unavailable(f"Callback error: {caught.error}")
        return _checked(caught.value)

    def _begin(
        self, name: str, function: Function, request: HITLRequest, *, within: float, outcome: Future[_Caught]
    ) -> None:
        with self._lock:
            if self._under_way[name] >= MOST_AT_ONCE:
                raise Unavailable("Callback error: too many of its calls have not come back")
            self._under_way[name] += 1

        def run() -> None:
            caught = _Caught()
            with caught:
                # A copy: what the card shows and the digest covers must not change under the callback's hand.
                value = function(replace(request, arguments=copy.deepcopy(request.arguments)))
                if inspect.isawaitable(value):
                    value = asyncio.run(_awaited(value, within))
                caught.value = value
            with self._lock:
                self._under_way[name] -= 1
            outcome.set_result(caught)

        threading.Thread(target=run, name=f"callback:{name}", daemon=True).start()


def load_callback(name: str) -> Function:
    """The function that `package.module:function` names. Raises ConfigError, whatever is wrong with it."""
    where = f"automatic: callback {name}"
    module, _, attribute = name.partition(":")
    if not module or not attribute or module.startswith("."):
        raise ConfigError(where, "it names no function", "Write it as package.module:function.")
    caught = _Caught()
    with caught:
        caught.value = getattr(importlib.import_module(module), attribute, None)
    if caught.error is not None:
        fix = "Install the module where Nod runs, and see that it can be imported."
        raise ConfigError(where, f"importing {module} failed ({caught.error})", fix)
    function = caught.value
    if not callable(function):
        fix = "Name a function that takes a HITLRequest and returns a HITLResponse."
        raise ConfigError(where, f"{module} has no function {attribute}", fix)
    return function


class _Caught:
    """How a piece of foreign code ended. SystemExit too is caught: it would end the thread unheard."""

    def __init__(self) -> None:
        self.value: object = None
        self.error: str | None = None  #: what it raised, in one short line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True]:
        if error is not None:
            self.error = type(error).__name__
            text = _Text()
            with text:
                text.read(error)
            self.error = text.said or self.error
        return True


class _Text:
    """An exception's text; reading it is a call of foreign code once more."""

    def __init__(self) -> None:
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True]:
        return True

    def read(self, error: BaseException) -> None:
        self.said = " ".join(str(error)[: 10 * LONGEST_REASON].split())[:LONGEST_REASON]


async def _awaited(value: Any, within: float) -> object:
    # The caller gives up first; this only ends the thread of a coroutine that can be ended.
    async with asyncio.timeout(within + 1):
        return await value


def _checked(value: object) -> HITLResponse:
    """The answer, if it is one to the letter: a look-alike of another package is none."""
    wrong = "Callback returned invalid response type"
    if not isinstance(value, HITLResponse) or not isinstance(value.decision, HITLDecision):
        raise Unavailable(wrong)
    note = value.operator_input
    if note is not None and not isinstance(note, str):
        raise Unavailable(wrong)
    return HITLResponse(decision=value.decision, operator_input=note[:LONGEST_NOTE] if note else None)
