"""A bounded number of threads for functions that block: what hangs keeps its thread, never another's.

The threads are daemons, so that a function which never comes back does not keep the process from ending; and a
thread ends when nothing is left to do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context

from bot.caught import Caught

_Job = tuple[Callable[[], object], Context, "Future[Caught]"]


class Threads:
    """At most `most` functions at once; the others wait for their turn, in order."""

    def __init__(self, *, most: int, name: str) -> None:
        """Starts none yet. `name` is what a debugger shows."""
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._alive = 0

    def run(self, work: Callable[[], object]) -> Future[Caught]:
        """How `work` ended in a thread; a future never fails. Cancelled before its turn, it is never called."""
        outcome: Future[Caught] = Future()
        with self._lock:
            self._waiting.append((work, copy_context(), outcome))
            if self._alive < self._most:
                self._alive += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return outcome

    def _work(self) -> None:
        while (job := self._next()) is not None:
            work, context, outcome = job
            if outcome.set_running_or_notify_cancel():
                caught = Caught(everything=True)
                with caught:
                    caught.value = context.run(work)
                outcome.set_result(caught)

    def _next(self) -> _Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._alive -= 1
            return None
