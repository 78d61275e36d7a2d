"""Foreign code: run in a bounded number of threads, and how it ended. Nothing that it raises gets past.

The threads are daemons, so a function that never comes back does not keep the process from ending; a thread
ends when nothing is left to do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


#: Characters of an exception's text that reach an agent (the platform's own client keeps as many).
LONGEST_REASON = 100


class CallOutcome:
    """`with caught: caught.value = foreign()`.

    SystemExit is caught too: it would end a thread unheard, or the loop with everything in it. What cancels a
    task, and Ctrl-C, goes on, unless `everything` is caught: fit for a thread of its own.
    """

    def __init__(self, *, everything: bool = False) -> None:
        """Nothing has ended yet."""
        self._everything = everything
        self.value: object = None
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        """What is raised from here on is kept."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Keep it, unless it is not ours to keep."""
        if error is None or not (self._everything or isinstance(error, Exception | SystemExit)):
            return False
        self.error = error
        return True


def words_of(error: BaseException) -> str:
    """An exception in one short line. Reading its text is a call of foreign code once more."""
    read = CallOutcome()
    with read:
        read.value = " ".join(str(error)[: 10 * LONGEST_REASON].split())[:LONGEST_REASON]
    return str(read.value or type(error).__name__)


_Job = tuple[Callable[[], object], Context, "Future[CallOutcome]"]


class Threads:
    """At most `most` functions at once; the others wait for their turn, in order."""

    def __init__(self, *, most: int, name: str) -> None:
        """Starts none yet. `name` is what a debugger shows."""
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._alive = 0

    def run(self, work: Callable[[], object]) -> Future[CallOutcome]:
        """How `work` ended in a thread; a future never fails. Cancelled before its turn, it is never called."""
        outcome: Future[CallOutcome] = Future()
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
                caught = CallOutcome(everything=True)
                with caught:
                    caught.value = context.run(work)
                outcome.set_result(caught)

    def _next(self) -> _Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._alive -= 1
            return None
