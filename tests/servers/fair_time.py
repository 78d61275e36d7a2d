"""How long a test waits: seconds in which the machine had a core for it.

A promise of seconds is one about Nod. What other processes take away is not counted, up to a bound; what Nod
itself needs, or blocks, is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

#: So many times as long is waited at most, whatever goes on beside the test.
AT_MOST = 5
_THREADS = Path("/proc/self/task")


def held_up() -> float:
    """For how many seconds the threads of this process were ready to run while others ran; 0 where no kernel
    tells (the second figure of Linux' schedstat, in nanoseconds).
    """
    waits = 0
    for thread in _THREADS.glob("*/schedstat"):
        try:
            waits += int(thread.read_text().split()[1])
        except (OSError, IndexError):  # it has ended, or this kernel keeps no such figures
            continue
    return waits / 1e9


class FairTime:
    """So many seconds from now on, without those in which this process had no turn."""

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        held: Callable[[], float] = held_up,
    ) -> None:
        self._seconds, self._clock, self._held = seconds, clock, held
        self._began, self._held_before = clock(), held()

    @property
    def is_over(self) -> bool:
        """Whether they have gone by. Only asked about what others took when they would be over without it."""
        took = self._clock() - self._began
        if took < self._seconds or took >= AT_MOST * self._seconds:
            return took >= self._seconds
        return took - (self._held() - self._held_before) >= self._seconds
