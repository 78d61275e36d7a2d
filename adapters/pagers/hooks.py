"""A pager that calls a function of the operator's own: `on_unrecoverable_error(request_id, exception)`.

The platform's client knows this hook (the platform's guide), so an operator may have one already.
It is code that nobody here has read: it may raise, hang, or call `sys.exit`, and Nod goes on.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal, Self

from bot.errors import ConfigError, Unavailable
from bot.visible import inert

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from bot.records import Alert

Hook = Callable[[str, Exception], object]  #: may be a coroutine function

#: Seconds that a hook has: it should hand the alert on, not work on it.
LIMIT = 10.0
#: The ref of an alert that a hook took; there is nothing else by which it could be found again.
CALLED = "called"


class UnrecoverableError(Exception):
    """What a hook is given: the alert's line, with nothing in it that a chat would act upon.

    `cause` is short and stable, for example `undelivered`.

    Of an alert that is over by now the line says so first, and `mended` how it came right; else that is None.
    """

    def __init__(self, text: str, *, cause: str, resolved: str | None = None) -> None:
        """All as in `bot.records.Alert`."""
        super().__init__(text if resolved is None else f"It is over: {resolved} (alerted before: {text})")
        self.cause, self.mended = cause, resolved


def load_hook(spec: str) -> Hook:
    """The function that `package.module:function` names. Raises ConfigError, whatever is wrong with it."""
    where = f"on_unrecoverable_error: {spec}"
    module, _, name = spec.partition(":")
    if not module or not name or module.startswith("."):
        raise ConfigError(where, "it names no function", "Write it as hook:package.module:function.")
    try:
        hook: Hook | None = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        fix = "Install the module where Nod runs, and see that it can be imported."
        raise ConfigError(where, f"importing {module} failed ({type(error).__name__})", fix) from error
    if not callable(hook):
        fix = "Name a function that takes (request_id, exception)."
        raise ConfigError(where, f"{module} has no function {name}", fix)
    return hook


class HookPager:
    """Implements `bot.ports.Pager`. One call at a time: a hook that hangs is not called again meanwhile."""

    def __init__(self, spec: str, hook: Hook, *, limit: float = LIMIT) -> None:
        """`spec` names the hook in the rows of owed pages; `limit` is in seconds."""
        self._spec = spec
        self._hook = hook
        self._limit = limit
        self._under_way: tuple[Future[_Caught], asyncio.Task[str | None]] | None = None

    @property
    def name(self) -> str:
        """Unique and stable."""
        return f"hook:{self._spec}"

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Call the hook, at least once per alert; the hook is not told that it was resolved after that.

        The call runs in a thread, which cannot keep the process from ending; what a coroutine function
        returns is awaited here. Raises Unavailable when the hook fails or takes too long.
        """
        if alert.resolved is not None and ref is not None:
            return ref
        if self._under_way is not None and not all(part.done() for part in self._under_way):
            raise Unavailable(f"{self.name} has not come back from an earlier call")
        call = self._begin(alert)
        try:
            await asyncio.wait({call}, timeout=self._limit)
        finally:
            late = not call.done()
            call.cancel()
        if late:
            raise Unavailable(f"{self.name} took longer than {self._limit:g} s")
        if kind := call.result():
            raise Unavailable(f"{self.name} raised {kind}")
        return CALLED

    def _begin(self, alert: Alert) -> asyncio.Task[str | None]:
        outcome: Future[_Caught] = Future()
        # A thread cannot be cancelled: as a running future this one refuses to pretend so.
        outcome.set_running_or_notify_cancel()
        resolved = None if alert.resolved is None else inert(alert.resolved)
        error = UnrecoverableError(inert(alert.text), cause=alert.cause, resolved=resolved)
        thread = threading.Thread(
            target=_run, args=(outcome, self._hook, alert.approval_id, error), name=self.name, daemon=True
        )
        thread.start()
        call = asyncio.create_task(_finish(outcome), name=self.name)
        self._under_way = (outcome, call)
        return call


class _Caught:
    """How a piece of foreign code ended. SystemExit too is caught: it would end the thread or the loop."""

    def __init__(self) -> None:
        self.value: object = None
        self.kind: str | None = None  #: the name of what it raised

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True]:
        self.kind = None if kind is None else kind.__name__
        return True


def _run(outcome: Future[_Caught], hook: Hook, request_id: str, error: Exception) -> None:
    caught = _Caught()
    with caught:
        caught.value = hook(request_id, error)
    outcome.set_result(caught)


async def _finish(outcome: Future[_Caught]) -> str | None:
    caught = await asyncio.wrap_future(outcome)
    if inspect.isawaitable(caught.value):
        with _Caught() as awaited:
            await caught.value
        return awaited.kind
    return caught.kind
