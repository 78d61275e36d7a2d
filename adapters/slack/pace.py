"""Not faster than Slack allows: whose post is next in a channel, and when a method may be called again.

docs.slack.dev/apis/web-api/rate-limits: about one chat.postMessage a second and channel; a 429 names, in
Retry-After, the seconds to wait for that method.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.http import retry_after
from bot.errors import NotYet

INTERVAL = 1.0  #: seconds between two posts in one channel
MOST_PASSED = (
    3  #: whom so many others went before is next: outcomes can go on for minutes, and a card waits for them
)
#: Changes of messages in so many seconds: 50 a minute, and a second for what comes closer together on its way.
UPDATES, UPDATES_WITHIN = 50, 61.0
LONGEST_BACKOFF = 60.0  #: seconds; the end of 1, 2, 4… where no usable Retry-After came

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class _Ticket:
    before: datetime
    number: int
    passed: int = 0  #: so many others had their turns meanwhile

    @property
    def place(self) -> tuple[bool, datetime, int]:
        return self.passed < MOST_PASSED, self.before, self.number


@dataclass(slots=True)
class _Lane:
    free_at: float = 0.0
    waiting: list[_Ticket] = field(default_factory=list)

    @property
    def next(self) -> _Ticket:
        return min(self.waiting, key=lambda ticket: ticket.place)


class Turns:
    """One post a second and channel; of those that wait, the one with the earliest deadline goes first.

    Nobody is passed over for ever: what was begun can no longer be gathered, so it has to come to its end.
    """

    def __init__(self, *, monotonic: Callable[[], float], interval: float = INTERVAL) -> None:
        """`monotonic` and `interval` in seconds."""
        self._monotonic = monotonic
        self._interval = interval
        self._lanes: dict[str, _Lane] = {}
        self._number = itertools.count()

    async def wait(self, channel: str, *, before: datetime | None = None) -> None:
        """Return when it is this post's turn; without `before` it comes after all that have one."""
        lane = self._lanes.setdefault(channel, _Lane())
        ticket = _Ticket(before or _LAST, next(self._number))
        lane.waiting.append(ticket)
        try:
            while (pause := lane.free_at - self._monotonic()) > 0 or lane.next is not ticket:  # noqa: ASYNC110 - a clock is waited for
                # Whoever wakes first and is not next makes room for the one who is.
                await asyncio.sleep(max(pause, 0.001))
            lane.free_at = self._monotonic() + self._interval
        finally:
            lane.waiting.remove(ticket)
        for other in lane.waiting:
            other.passed += 1

    def spare(self, channel: str) -> None:
        """Take a turn that nobody else wants. Raises NotYet, with seconds, while others take them."""
        lane = self._lanes.setdefault(channel, _Lane())
        left = lane.free_at - self._monotonic()
        if left > 0 or lane.waiting:
            raise NotYet("this channel's turns are taken", retry_after=max(left, 0.0) + self._interval / 2)
        lane.free_at = self._monotonic() + self._interval


class Updates:
    """chat.update within its tier, which is for the whole workspace: 50 a minute are promised (Tier 3)."""

    def __init__(
        self, *, monotonic: Callable[[], float], most: int = UPDATES, seconds: float = UPDATES_WITHIN
    ) -> None:
        """So many in so many seconds; `monotonic` in seconds."""
        self._monotonic, self._most, self._seconds = monotonic, most, seconds
        self._at: deque[float] = deque()

    def count(self, *, first: bool) -> None:
        """One is about to be sent; what is not `first` leaves a fifth of them to what is.

        Raises NotYet with the seconds until there is room for it; then it is not counted.
        """
        now = self._monotonic()
        while self._at and self._at[0] + self._seconds <= now:
            self._at.popleft()
        most = self._most if first else self._most * 4 // 5
        if len(self._at) >= most:
            left = self._at[len(self._at) - most] + self._seconds - now
            raise NotYet("Slack's messages had their changes for now", retry_after=left)
        self._at.append(now)


#: What Slack counts for each channel; all else it counts for the workspace (docs: rate-limits, Web API tiers).
BY_CHANNEL = frozenset({"chat.postMessage"})


class Cooling:
    """Which method may not be called yet, because Slack said so: everywhere, or in one channel."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        """`monotonic` in seconds."""
        self._monotonic = monotonic
        self._until: dict[tuple[str, str], float] = {}
        self._refused: dict[tuple[str, str], int] = {}

    def check(self, method: str, channel: str) -> None:
        """Raises NotYet with the seconds that are left of a wait; then nothing is sent."""
        left = self._until.get(_counted(method, channel), 0.0) - self._monotonic()
        if left > 0:
            raise NotYet(f"Slack asked to wait with {method}", retry_after=left)

    def hold(self, method: str, channel: str, asked: str | None) -> float:
        """Slack refused as too fast: note how long to wait, and return that in seconds."""
        key = _counted(method, channel)
        self._refused[key] = self._refused.get(key, 0) + 1
        backoff = min(LONGEST_BACKOFF, 2.0 ** min(self._refused[key] - 1, 10))
        seconds = retry_after(asked)
        wait = backoff if seconds is None else seconds
        self._until[key] = self._monotonic() + wait
        return wait

    def passed(self, method: str, channel: str) -> None:
        """A call went through: the next refusal starts its backoff from the beginning.

        One that was under way when another was refused ends no wait.
        """
        key = _counted(method, channel)
        if self._until.get(key, 0.0) <= self._monotonic():
            self._refused.pop(key, None)
            self._until.pop(key, None)


def _counted(method: str, channel: str) -> tuple[str, str]:
    return method, channel if method in BY_CHANNEL else ""
