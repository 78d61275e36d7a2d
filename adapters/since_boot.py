"""How old an answer is, in seconds that pass while the machine sleeps, too."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def seconds_since_boot() -> float:
    """A clock that never goes back. Linux's monotonic one stands still in a suspension, and what was looked up
    before that would count as fresh after it; where there is no other, it is the monotonic one all the same.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
