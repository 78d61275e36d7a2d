"""The last resort of a stop: what hangs is left behind, as by a crash. What is owed is in the store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import structlog

from adapters.watch.watchdog import EXIT_CODE

#: Seconds from the signal to the end of the process, whatever hangs; a supervisor waits longer.
ENDS_WITHIN = 3.0
#: Seconds of these for the last word: where the log hangs, the process ends without it.
LAST_WORD = 0.2

log = structlog.get_logger()


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
