"""The operator's own functions that answer in place of people: `(HITLRequest) -> HITLResponse`.

Each call has a thread and, for a coroutine, an event loop of its own, so that it can harm nothing but its own
answer (`bot.callbacks`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bot.callbacks import TIMED_OUT, Threads, answer_of, load_function
from bot.errors import Unavailable

if TYPE_CHECKING:
    from bot.policy import Policy
    from bot.protocol import HITLRequest, HITLResponse

Function = Callable[["HITLRequest"], object]  #: may be a coroutine function

#: Calls of one function under way at once. Those that hang keep their threads for good.
MOST_AT_ONCE = 16


def callbacks_of(policy: Policy) -> tuple[str, ...]:
    """The functions that a policy names, each once."""
    names = (rule.callback for rule in policy.rules.automatic if rule.callback is not None)
    return tuple(dict.fromkeys(names))


class FunctionCallbacks:
    """Implements `bot.ports.Callbacks`. `load` before a policy is in force, then `call`."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[Function, Threads]] = {}

    def load(self, names: Iterable[str]) -> None:
        """Import these functions; blocks, so call it off the loop. Raises ConfigError, whatever is wrong."""
        for name in names:
            if name not in self._functions:
                threads = Threads(most=MOST_AT_ONCE, name=f"callback:{name}")
                self._functions[name] = (load_callback(name), threads)

    async def call(self, name: str, request: HITLRequest, *, within: float) -> HITLResponse:
        """The function's answer within so many seconds.

        Raises Unavailable, in words for the agent: it is not loaded, raised, ran out of time, returned
        something else, or too many of its calls have not come back.
        """
        if name not in self._functions:
            raise Unavailable("Callback error: it is not loaded")
        if within <= 0:
            raise Unavailable(TIMED_OUT)
        function, threads = self._functions[name]
        if threads.under_way >= MOST_AT_ONCE:
            raise Unavailable("Callback error: too many of its calls have not come back")

        def call(given: HITLRequest) -> Any:
            value = function(given)
            return asyncio.run(_awaited(value, within)) if inspect.isawaitable(value) else value

        return await answer_of(call, request, within=within, threads=threads)


def load_callback(name: str) -> Function:
    """The function that `package.module:function` names. Raises ConfigError, whatever is wrong with it."""
    return load_function(
        name,
        where=f"automatic: callback {name}",
        written="package.module:function",
        takes="a HITLRequest and returns a HITLResponse",
    )


async def _awaited(value: Any, within: float) -> object:
    # The caller gives up first; this only ends the thread of a coroutine that can be ended.
    async with asyncio.timeout(within + 1):
        return await value
