"""Not faster than Teams allows: whose message is next in a conversation, and when it may be spoken in again.

msteams-docs, bots/how-to/rate-limit: per bot and thread 7 messages a second, 8 in two, 60 in 30, 1,800 an hour;
a 429 (or 412, 502, 504) is tried again after a wait that grows, with jitter.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.http import retry_after
from bot.errors import NotYet

#: So many messages in so many seconds, each of which must hold.
WINDOWS = ((7, 1.0), (8, 2.0), (60, 30.0), (1_800, 3_600.0))
#: Seconds by which each is taken longer: on their way messages come closer together.
MARGIN = 0.1
#: Seconds between two new messages that can go on for ever: 60 in 30, and 1,800 in 3,600.
INTERVAL = 0.5
#: Seconds that a message waits here for its turn, which lets the shortest window pass. What would wait longer
#: is put off: whoever waits here holds a place that cards of other conversations, and of Slack, need.
PATIENCE = 1.2
LONGEST_BACKOFF = 60.0  #: seconds; the end of 1, 2, 4… where no usable Retry-After came
#: A wait is longer by up to this share of itself, so that not all come back at once.
JITTER = 0.25

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Sent:
    """One message: it reached Teams at `at` at the latest, once its answer came; before that, nobody knows."""

    at: float | None = None


@dataclass(slots=True)
class _Lane:
    """A conversation: what was said in the last hour, and what waits."""

    sent: list[_Sent] = field(default_factory=list)
    waiting: list[tuple[datetime, int]] = field(default_factory=list)


class Turns:
    """Messages within Teams' windows for a conversation; of those that wait, the earliest deadline first."""

    def __init__(
        self, *, monotonic: Callable[[], float], windows: tuple[tuple[int, float], ...] = WINDOWS
    ) -> None:
        """`monotonic` in seconds; `windows` as (messages, seconds)."""
        self._monotonic = monotonic
        self._windows = windows
        self._longest = max(seconds for _, seconds in windows) + MARGIN
        self._lanes: dict[str, _Lane] = {}
        self._number = itertools.count()

    @asynccontextmanager
    async def turn(self, conversation: str, *, before: datetime | None = None) -> AsyncIterator[None]:
        """A block in which one message is sent; without `before` it comes after all that have one.

        Raises NotYet, with the seconds until then, when its turn is further away than PATIENCE.
        """
        lane = self._lanes.setdefault(conversation, _Lane())
        ticket = (before or _LAST, next(self._number))
        heapq.heappush(lane.waiting, ticket)
        began = self._monotonic()
        try:
            while (pause := self._pause(lane)) > 0 or lane.waiting[0] != ticket:
                left = self._pause(lane, behind=sum(other < ticket for other in lane.waiting))
                if self._monotonic() - began + left > PATIENCE:
                    raise NotYet("this conversation has had its messages for now", retry_after=left)
                # Whoever wakes first and is not next makes room for the one who is.
                await asyncio.sleep(min(max(pause, 0.001), PATIENCE))
            sent = _Sent()
            lane.sent.append(sent)
        finally:
            lane.waiting.remove(ticket)
            heapq.heapify(lane.waiting)
        try:
            yield
        finally:
            sent.at = self._monotonic()

    def _pause(self, lane: _Lane, *, behind: int = 0) -> float:
        """Seconds until each window has room for one more, `behind` so many others.

        What is still on its way counts as sent just now.
        """
        now = self._monotonic()
        lane.sent = [sent for sent in lane.sent if sent.at is None or sent.at + self._longest > now]
        moments = sorted(now if sent.at is None else sent.at for sent in lane.sent)
        for _ in range(behind):
            moments.append(max(now, self._room(moments)))
        return max(0.0, self._room(moments) - now)

    def _room(self, moments: list[float]) -> float:
        """The first moment at which each window has room for one more message."""
        full = (moments[-most] + seconds + MARGIN for most, seconds in self._windows if len(moments) >= most)
        return max(full, default=0.0)


class Cooling:
    """Which conversation may not be spoken in yet, because Teams said so."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        """`monotonic` in seconds."""
        self._monotonic = monotonic
        self._until: dict[str, float] = {}
        self._refused: dict[str, int] = {}

    def check(self, conversation: str) -> None:
        """Raises NotYet with the seconds that are left of a wait; then nothing is sent."""
        left = self._until.get(conversation, 0.0) - self._monotonic()
        if left > 0:
            raise NotYet("Teams asked to wait with this conversation", retry_after=left)

    def hold(self, conversation: str, asked: str | None) -> float:
        """Teams refused as too fast: note how long to wait, and return that in seconds."""
        self._refused[conversation] = self._refused.get(conversation, 0) + 1
        backoff = min(LONGEST_BACKOFF, 2.0 ** min(self._refused[conversation] - 1, 10))
        seconds = retry_after(asked)
        jitter = 1 + JITTER * random.random()  # noqa: S311 - no secret
        wait = (backoff if seconds is None else seconds) * jitter
        self._until[conversation] = self._monotonic() + wait
        return wait

    def passed(self, conversation: str) -> None:
        """A call went through: the next refusal starts its backoff from the beginning.

        One that was under way when another was refused ends no wait.
        """
        if self._until.get(conversation, 0.0) <= self._monotonic():
            self._refused.pop(conversation, None)
            self._until.pop(conversation, None)
