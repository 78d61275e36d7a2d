"""The watchdog: a thread that ends the process when its scheduler, its database or a stop hangs.

APScheduler's timer can die while the scheduler says that it runs (agronholm/apscheduler pull request 1132), and
a function that does not return blocks the loop with all deadlines. Neither can be cured from within: the
process ends with code 70, and its supervisor starts it again.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import structlog

from adapters.watch.spool import Spool
from bot.alerts import SCHEDULER_DEAD, alert_of
from bot.ports import Clock

#: How often the scheduler shows that it lives.
PULSE_EVERY = timedelta(seconds=4)
#: Seconds between two looks of the thread.
WAKE = 0.5
#: After so many intervals without a pulse the stack is logged, and after so many the process ends.
LATE, DEAD = 1.2, 3.0
#: Seconds of silence of the database after which the process ends. Until it is noticed a look at the lock is
#: due (2) and its connection is given up (5), so it is 35 in all. The next process opens its own connections.
SILENT = 27.0
#: EX_SOFTWARE of sysexits.h; a supervisor starts the process again.
EXIT_CODE = 70
#: Seconds for what is said and kept: where the log or the disk hangs, the process ends without it.
LAST_WORDS = 2.0
#: So many innermost frames are logged.
FRAMES = 20

#: Whose alert it is, where the bot itself is meant and no request, and the cause of this one.
NOD = "nod"

log = structlog.get_logger()


class LoopLiveness:
    """The scheduler's sign of life. The loop renews it, the watchdog's thread lets it grow old.

    No field has two writers, so none is lost between the two.
    """

    def __init__(self) -> None:
        self._liveness = 0
        self._seen = 0
        self._age = 0.0

    def beat(self) -> None:
        """The scheduler ran a job on the loop."""
        self._liveness += 1

    def grow(self, by: float) -> None:
        """So many seconds went by, unless it has beaten since the last call."""
        liveness = self._liveness
        self._age = self._age + by if liveness == self._seen else 0.0
        self._seen = liveness

    @property
    def age(self) -> float:
        """Seconds without a sign of life, as far as the watchdog's thread itself ran."""
        return self._age


class Watchdog:
    """Looks at the pulse every `wake` seconds, in a thread of its own.

    Time is counted in wakes, not read from a clock: while the process or the machine is stopped, the thread
    stops with the loop, and afterwards both have to run before the thread concludes anything.
    """

    def __init__(
        self,
        *,
        pulse: LoopLiveness,
        spool: Spool,
        clock: Clock,
        every: timedelta = PULSE_EVERY,
        wake: float = WAKE,
        silent: Callable[[], bool] = lambda: False,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """The scheduler renews its sign of life once in `every`; `wake` is in seconds; `end` does not return.

        `silent` tells whether the database answers nowhere; it is asked from the watchdog's thread.
        """
        self._silent, self._silence = silent, 0.0
        self._pulse, self._spool, self._clock = pulse, spool, clock
        self._every, self._wake, self._end = every.total_seconds(), wake, end
        self._late = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """From here on the process ends when the pulse stops."""
        self._thread.start()

    def stop(self) -> None:
        """Before the scheduler is closed: afterwards nothing is watched any more."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """One wake."""
        self._pulse.grow(self._wake)
        self._silence = self._silence + self._wake if self._silent() else 0.0
        if self._silence > SILENT:
            _aside(lambda: log.error("database_silent", exit_code=EXIT_CODE))
            self._end(EXIT_CODE)
        age = self._pulse.age
        if age > DEAD * self._every:
            _aside(lambda: self._tell(age), lambda: self._keep(age))
            self._end(EXIT_CODE)
        elif age > LATE * self._every and not self._late:
            _aside(lambda: self._warn(age))
        self._late = age > LATE * self._every

    def _watch(self) -> None:
        while not self._stop.wait(self._wake):
            self.look()

    def _warn(self, age: float) -> None:
        log.warning("scheduler_late", age=round(age, 1), frames=_frames_of_the_main_thread())

    def _tell(self, age: float) -> None:
        frames = _frames_of_the_main_thread()
        log.error("scheduler_dead", age=round(age, 1), exit_code=EXIT_CODE, frames=frames)

    def _keep(self, age: float) -> None:
        facts = {"seconds": round(age), "code": EXIT_CODE}
        self._spool.put(alert_of(SCHEDULER_DEAD, NOD, facts, at=self._clock()))


def _aside(*works: Callable[[], None]) -> None:
    """Do these in threads of their own, and wait for at most LAST_WORDS seconds.

    The loop may hang in a write to that very log or disk: the watchdog must not hang there with it. Where no
    thread can be had any more, they are left undone.
    """
    threads = [threading.Thread(target=work, name="watchdog-aside", daemon=True) for work in works]
    with suppress(RuntimeError):
        for thread in threads:
            thread.start()
    until = time.monotonic() + LAST_WORDS
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, until - time.monotonic()))


@contextmanager
def watched(watchdog: Watchdog) -> Iterator[None]:
    """The watchdog watches while the block runs: enter it after the ticker, and it is left before."""
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


def _frames_of_the_main_thread() -> list[str]:
    """`file:line function`, the innermost first; no source, no values.

    Not by faulthandler: that holds the interpreter while it writes, and would stop all of it at a full pipe.
    """
    frames_of = sys._current_frames()  # noqa: SLF001 - the documented way to another thread's stack
    main = frames_of.get(threading.main_thread().ident or 0)
    # Without `lookup_lines=False` the source is read, from a disk that may be what hangs.
    stack = traceback.StackSummary.extract(traceback.walk_stack(main), limit=FRAMES, lookup_lines=False)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]


#: Seconds from the signal to the end of the process, whatever hangs; a supervisor waits longer.
ENDS_WITHIN = 3.0
#: Seconds of these for the last word: where the log hangs, the process ends without it.
LAST_WORD = 0.2


def end_within(seconds: float = ENDS_WITHIN, *, end: Callable[[int], None] = os._exit) -> None:
    """Unless the process has ended by then. A thread sees to it, since the loop may be what hangs."""
    threading.Thread(target=_end, args=(seconds, end), name="ending", daemon=True).start()


def _end(seconds: float, end: Callable[[int], None]) -> None:
    time.sleep(seconds - LAST_WORD)
    last = threading.Thread(target=_tell, args=(seconds,), name="last-word", daemon=True)
    last.start()
    time.sleep(LAST_WORD)
    end(EXIT_CODE)


def _tell(seconds: float) -> None:
    log.error("stop_cut_short", after=seconds, exit_code=EXIT_CODE)
