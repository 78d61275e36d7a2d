"""How much a poll that does not list a request says: little, where others come and go.

A platform of several runners lists what one of them knows. There whatever was missing comes back, so
the number of polls in a row after which a request counts as gone follows from how often that happens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Set
from datetime import datetime, timedelta

#: So many good polls in a row must miss a request, where nothing comes back, unless the audit tells of its end.
USUALLY = 5
#: At least, and at most so many, while missing requests come back.
LEAST_FLAPPING, MOST_FLAPPING = 20, 60
#: What came back makes the list doubtful for so long.
REMEMBERED = timedelta(minutes=2)
#: How likely it may be that a request that waits is taken for gone, by one run of polls.
ERROR = 1e-6


class Steadiness:
    """Learns from polls how many in a row must miss a request before that is believed."""

    def __init__(self) -> None:
        #: When, how many were listed, how many misses had been none.
        self._polls: deque[tuple[datetime, int, int]] = deque()

    def note(self, at: datetime, *, listed: Set[str], missed: Mapping[str, int]) -> None:
        """A good poll of that moment. `missed`: how many polls in a row had missed each that we know."""
        came_back = sum(times for known, times in missed.items() if known in listed)
        self._polls.append((at, sum(known in listed for known in missed), came_back))
        while self._polls and self._polls[0][0] < at - REMEMBERED:
            self._polls.popleft()

    @property
    def flaps(self) -> bool:
        """Whether something that polls had missed came back of late."""
        return any(came_back for _, _, came_back in self._polls)

    @property
    def believed_after(self) -> int:
        """So many good polls in a row."""
        if not self.flaps:
            return USUALLY
        listed, missed = (sum(column) for column in list(zip(*self._polls, strict=True))[1:])
        share = (missed + 1) / (listed + missed + 2)  # Laplace's estimate, which is never 0 or 1
        return min(max(LEAST_FLAPPING, math.ceil(math.log(ERROR) / math.log(share))), MOST_FLAPPING)
