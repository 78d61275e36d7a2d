"""A chat's rate limits: whose message is next, and when Nod can call the chat again."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.chat.errors import Throttled
from adapters.http import retry_after
from bot.errors import NotYet
from bot.retry import TOO_FAST

#: Sent at once: a ping to a person on call goes before cards that wait for their turn.
AT_ONCE = datetime.min.replace(tzinfo=UTC)
#: Takes no turn that a card wants.
LAST = datetime.max.replace(tzinfo=UTC)

Windows = tuple[tuple[int, float], ...]  #: (messages, seconds) pairs, all of which must hold


@dataclass(slots=True, eq=False)
class _Ticket:
    before: datetime
    number: int
    passed: int = 0  #: how many others have had their turns meanwhile


@dataclass(slots=True)
class _Sent:
    """One message, by the moment at which the limit includes it; None while that is unknown."""

    at: float | None = None


@dataclass(slots=True)
class _Lane:
    """A channel or a conversation: what was sent within the longest window, and what waits."""

    sent: list[_Sent] = field(default_factory=list)
    waiting: list[_Ticket] = field(default_factory=list)


class RateLimiter:
    """Sends within the windows of each lane; the waiting message with the earliest deadline is next."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        windows: Windows,
        margin: float = 0.0,
        patience: float = math.inf,
        most_passed: int | None = None,
        until_answered: bool = False,
    ) -> None:
        """All times are in seconds.

        Args:
        margin: Each window is longer by this: messages come closer together on their way.
        patience: A message that would wait longer for its turn is put off.
        most_passed: A message that this many others have passed is next, so that it gets sent at all.
        until_answered: A message is in the window from its response on; else from the start of its turn.
        """
        self._monotonic, self._windows, self._margin = monotonic, windows, margin
        self._patience, self._most_passed, self._until_answered = patience, most_passed, until_answered
        self._longest = max(seconds for _, seconds in windows) + margin
        self._lanes: dict[str, _Lane] = {}
        self._number = itertools.count()

    @asynccontextmanager
    async def turn(self, name: str, *, before: datetime | None = None) -> AsyncIterator[None]:
        """A block in which one message is sent; without `before` it comes after all that have one.

        Raises NotYet, with the seconds until then, when its turn is further away than `patience`.
        """
        lane = self._lanes.setdefault(name, _Lane())
        ticket = _Ticket(before or LAST, next(self._number))
        lane.waiting.append(ticket)
        began = self._monotonic()
        try:
            while (pause := self._pause(lane)) > 0 or min(lane.waiting, key=self._place) is not ticket:
                ahead = sum(self._place(other) < self._place(ticket) for other in lane.waiting)
                left = self._pause(lane, behind=ahead)
                if self._monotonic() - began + left > self._patience:
                    raise NotYet(f"Nod has used up its rate limit for {name} for now", retry_after=left)
                # A waiter that wakes first and is not next makes room for the one that is.
                await asyncio.sleep(min(max(pause, 0.001), self._patience))
            sent = _Sent(None if self._until_answered else self._monotonic())
            lane.sent.append(sent)
        finally:
            lane.waiting.remove(ticket)
        for other in lane.waiting:
            other.passed += 1
        try:
            yield
        finally:
            sent.at = sent.at if sent.at is not None else self._monotonic()

    def spare(self, name: str) -> None:
        """Take a turn that nobody else wants. Raises NotYet, with seconds, while others take them."""
        lane = self._lanes.setdefault(name, _Lane())
        left = self._pause(lane)
        if left > 0 or lane.waiting:
            raise NotYet(f"other messages are ahead in {name}", retry_after=left + self._windows[0][1] / 2)
        lane.sent.append(_Sent(self._monotonic()))

    def _place(self, ticket: _Ticket) -> tuple[bool, datetime, int]:
        passed_over = self._most_passed is not None and ticket.passed >= self._most_passed
        return not passed_over, ticket.before, ticket.number

    def _pause(self, lane: _Lane, *, behind: int = 0) -> float:
        """Seconds until each window has room for one more message, with `behind` others ahead of it.

        A message still on its way is treated as sent just now.
        """
        now = self._monotonic()
        lane.sent = [sent for sent in lane.sent if sent.at is None or sent.at + self._longest > now]
        moments = sorted(now if sent.at is None else sent.at for sent in lane.sent)
        for _ in range(behind):
            moments.append(max(now, self._room(moments)))
        return max(0.0, self._room(moments) - now)

    def _room(self, moments: list[float]) -> float:
        """The first moment at which each window has room for one more message."""
        full = [(moments[-most], seconds) for most, seconds in self._windows if len(moments) >= most]
        return max((first + seconds + self._margin for first, seconds in full), default=0.0)


class Cooldown:
    """What cannot be called yet, because the chat said so."""

    def __init__(self, *, chat: str, monotonic: Callable[[], float], jitter: float = 0.0) -> None:
        """`monotonic` in seconds.

        `jitter` makes each wait longer by up to this share of it, so that not all callers come back at once.
        """
        self._chat, self._monotonic, self._jitter = chat, monotonic, jitter
        self._until: dict[str, float] = {}
        self._refused: dict[str, int] = {}

    def check(self, what: str) -> None:
        """Raises NotYet with the remaining seconds of a wait; then nothing is sent."""
        left = self._until.get(what, 0.0) - self._monotonic()
        if left > 0:
            raise NotYet(f"{self._chat} asked Nod to wait before {what}", retry_after=left)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """One call. Raises NotYet instead of making it; a Throttled call is noted with its end and raised."""
        self.check(what)
        try:
            yield
        except Throttled as busy:
            busy.retry_after = self.hold(what, busy.asked)
            raise
        self.passed(what)

    def hold(self, what: str, asked: str | None) -> float:
        """The chat refused a call as too fast, with this Retry-After: note the wait and return its seconds."""
        self._refused[what] = self._refused.get(what, 0) + 1
        seconds = retry_after(asked)
        jitter = 1 + self._jitter * random.random()  # noqa: S311 - no secret
        wait = (TOO_FAST.after(self._refused[what] - 1) if seconds is None else seconds) * jitter
        self._until[what] = self._monotonic() + wait
        return wait

    def passed(self, what: str) -> None:
        """A call succeeded: the next refusal starts its backoff from the beginning.

        A call that was running when another was refused ends no wait.
        """
        if self._until.get(what, 0.0) <= self._monotonic():
            self._refused.pop(what, None)
            self._until.pop(what, None)
