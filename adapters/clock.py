"""What time it is for deadlines: the wall clock's, unless that was set, or the platform has another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from bot.ports import WORST_SKEW, Clock
from bot.protocol import GLAIP

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def seconds_since_boot() -> float:
    """A clock that never goes back, in seconds. Linux's monotonic clock stops while the machine is suspended,
    so a lookup from before would still look fresh; it is used only where there is no other.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


#: The wall clock may drift from the time that went by; what is more than this, between two looks, was a step.
STEP = timedelta(seconds=5)
#: Seconds after the start for which a source that is not heard of counts as one that may disagree.
ALL_HEARD = 60.0


class Timepiece:
    """A clock that no step of the wall clock moves. The platform's `Date` tells which of the two is right.

    Deadlines are moments of the platform's clock, so while ours is far from it they are judged by that one.
    """

    def __init__(
        self,
        *,
        wall: Clock,
        elapsed: Callable[[], float] = seconds_since_boot,
        sources: Collection[str] = (GLAIP,),
    ) -> None:
        """`elapsed` is in seconds, and only goes on. `sources` are those that are polled."""
        self._wall, self._elapsed, self._sources = wall, elapsed, frozenset(sources)
        self._ahead = timedelta()  #: how far the wall clock is ahead of this one
        self._steps = timedelta()  #: how far it was set while nobody could tell that it is right
        self._wall_skews: dict[str, timedelta] = {}  #: by source: how far the wall clock is ahead of each
        self._begun, self._since = wall(), elapsed()
        self._started = self._since

    def __call__(self) -> datetime:
        return self._look() - self._ahead

    def steady(self) -> datetime:
        """The wall clock without the steps in which it went wrong; never the platform's."""
        return self._look() - self._steps

    def _look(self) -> datetime:
        wall, elapsed = self._wall(), self._elapsed()
        step = wall - self._begun - timedelta(seconds=elapsed - self._since)
        self._begun, self._since = wall, elapsed
        if abs(step) > STEP:
            self._ahead += step
            self._steps += step
            self._wall_skews = {source: skew + step for source, skew in self._wall_skews.items()}
        return wall

    def heard(self, skew: timedelta | None, *, source: str = GLAIP) -> timedelta | None:
        """A poll told how far this clock is ahead of the platform's; how far the wall clock is.

        Of several platforms the one counts whose clock is nearest to the wall clock: one that is wrong alone
        must not move the deadlines of the others. Until each was heard, or for ALL_HEARD, two that agree are
        needed for that.

        Where the platform tells nothing, what waits was written down by this clock, so it goes on; a wall
        clock that was set counts from the next start.
        """
        if skew is None:
            self._sources -= {source}  # it has nothing to say against the others
            return self._ahead or None
        told = self._wall_skews[source] = skew + self._ahead
        wall_skew = min(self._wall_skews.values(), key=abs)
        if abs(wall_skew) <= WORST_SKEW:
            self._ahead = self._steps = timedelta()
        elif abs(wall_skew - self._ahead) > WORST_SKEW and self._is_agreed(wall_skew):
            self._ahead = wall_skew
        return told

    def _is_agreed(self, skew: timedelta) -> bool:
        alike = [one for one in self._wall_skews.values() if abs(one - skew) <= WORST_SKEW]
        waited = self._elapsed() - self._started >= ALL_HEARD
        return waited or self._wall_skews.keys() >= self._sources or len(alike) > 1
