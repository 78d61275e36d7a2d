"""A pager that calls a function of the operator's own: `on_unrecoverable_error(request_id, exception)`.

The platform's client knows this hook (the platform's guide), so an operator may have one already.
It is code that nobody here has read: it may raise, hang, or call `sys.exit`, and Nod goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.callbacks import CallOutcome, Threads, ended, load_function
from bot.errors import Unavailable
from bot.protocol import split_key
from bot.visible import inert

if TYPE_CHECKING:
    from datetime import datetime

    from bot.records import Alert

Hook = Callable[[str, Exception], object]  #: may be a coroutine function

#: Seconds that a hook has: it should hand the alert on, not work on it.
LIMIT = 10.0
#: The ref of an alert that a hook took; there is nothing else by which it could be found again.
CALLED = "called"


class UnrecoverableError(Exception):
    """What a hook is given: the alert's line, with nothing in it that a chat would act upon.

    `cause` is short and stable, for example `undelivered`; `link` leads to the request's card, or is None.

    Of an alert that is over by now the line says so first, and `mended` how it came right; else that is None.
    """

    def __init__(self, text: str, *, cause: str, resolved: str | None = None, link: str | None = None) -> None:
        """All as in `bot.records.Alert`."""
        super().__init__(text if resolved is None else f"Resolved: {resolved}. The alert was: {text}")
        self.cause, self.mended, self.link = cause, resolved, link


def load_hook(spec: str) -> Hook:
    """The function that `package.module:function` names. Raises ConfigError, whatever is wrong with it."""
    return load_function(
        spec,
        where=f"on_unrecoverable_error: {spec}",
        written="hook:package.module:function",
        takes="(request_id, exception)",
        told=_kind_of,
    )


class HookPager:
    """Implements `bot.ports.Pager`. One call at a time: a hook that hangs is not called again meanwhile."""

    def __init__(self, spec: str, hook: Hook, *, limit: float = LIMIT) -> None:
        """`spec` names the hook in the rows of pages to send; `limit` is in seconds."""
        self._spec = spec
        self._hook = hook
        self._limit = limit
        self._threads = Threads(most=1, name=self.name)
        self._call: asyncio.Task[CallOutcome] | None = None

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
        if self._threads.under_way or (self._call is not None and not self._call.done()):
            raise Unavailable(f"{self.name} is still running an earlier call")
        resolved = None if alert.resolved is None else inert(alert.resolved)
        trouble = UnrecoverableError(inert(alert.text), cause=alert.cause, resolved=resolved, link=alert.link)
        calling = ended(
            self._threads, lambda: self._hook(split_key(alert.approval_id)[1], trouble), everything=True
        )
        call = self._call = asyncio.create_task(calling, name=self.name)
        try:
            await asyncio.wait({call}, timeout=self._limit)
        finally:
            late = not call.done()
            call.cancel()
        if late:
            raise Unavailable(f"{self.name} took longer than {self._limit:g} s")
        if (error := call.result().error) is not None:
            raise Unavailable(f"{self.name} raised {_kind_of(error)}")
        return CALLED


def _kind_of(error: BaseException) -> str:
    return type(error).__name__
