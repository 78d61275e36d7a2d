"""Posts an answer, by the table of the platform's guide.

| what happens | what is done |
|---|---|
| network error, 5xx | tried again: after 1 s, 2 s, 3 s |
| 429 | the same, and not before its Retry-After: nothing happened |
| any other 4xx, a redirect | fails at once |
| 404, 409 | resolved: nothing is left to do |
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from bot.approval import Outcome
from bot.errors import Gone, Unanswered, Unavailable
from bot.ports import Listing
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.retry import MARGIN, program_wait

#: How often an answer is tried by default.
ATTEMPTS = 3
#: Answers of one program under way at once.
AT_ONCE = 64

T = TypeVar("T")

Pause = Callable[[float], Awaitable[object]]  #: waits that many seconds

log = structlog.get_logger()


class Answers(Protocol):
    """The place to send answers: `HITLClient`, or any `bot.ports.Source`."""

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Send it once. Raises Unavailable, Unanswered, Gone or Forbidden, as `bot.ports.Source` says."""
        ...

    async def word_on(self, request_id: str) -> str | None:
        """The outcome of a request by the platform's audit; None if it does not say. Never raises on errors."""
        ...


class Client(Answers, Protocol):
    """The platform, as `HITLClient` and `bot.ports.Source` are."""

    async def pending(self) -> Listing:
        """The pending requests. Raises Unavailable or Forbidden."""
        ...


class InTurn:
    """A platform with a limit on calls at once. Waiting for a turn costs no try and no time."""

    def __init__(self, platform: Answers, *, most: int) -> None:
        """In front of this platform."""
        self._platform = platform
        self._turns = asyncio.Semaphore(most)

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """As the platform's."""
        async with self._turns:
            await self._platform.decide(request, response)

    async def word_on(self, request_id: str) -> str | None:
        """As the platform's."""
        async with self._turns:
            return await self._platform.word_on(request_id)


async def post(
    platform: Answers, request: HITLRequest, response: HITLResponse, *, attempts: int, pause: Pause
) -> Outcome:
    """Post an answer with at most `attempts` tries; returns how the request ended: by it, or elsewhere.

    Raises Unavailable after the last try, Forbidden at once.
    """
    posting = _Posting(platform, request, response)
    for attempt in range(1, attempts):
        try:
            return await posting.once()
        except Unavailable as error:
            wait = program_wait(error, attempts=attempt)
            posting.told(error, wait)
            await pause(wait)
    return await posting.once()


async def post_until(
    platform: Answers,
    request: HITLRequest,
    response: HITLResponse,
    *,
    deadline: datetime,
    clock: Callable[[], datetime],
    pause: Pause,
) -> Outcome:
    """Post a person's decision: it is retried until the deadline, and never turned into another verdict.

    Raises Unavailable if the last try, just before the end, fails too; Forbidden at once.
    """
    posting = _Posting(platform, request, response)
    return await tried_until(posting.once, deadline=deadline, clock=clock, pause=pause, told=posting.told)


async def tried_until(
    once: Callable[[], Awaitable[T]],
    *,
    deadline: datetime,
    clock: Callable[[], datetime],
    pause: Pause,
    told: Callable[[Unavailable, float], None],
) -> T:
    """The result of `once`, tried until the deadline; raises what the last try raises.

    A wait that would go past the end is cut, so that the last moment is used. `told` gets each error, with the
    seconds until the next try.
    """
    attempt, last = 0, False
    while True:
        attempt += 1
        try:
            return await once()
        except Unavailable as error:
            left = (deadline - MARGIN - clock()).total_seconds()
            if last or left <= 0:
                raise
            wait = program_wait(error, attempts=attempt)
            last = wait >= left
            told(error, min(wait, left))
            await pause(min(wait, left))


class _Posting:
    """One answer being posted; remembers whether an earlier try may have arrived."""

    def __init__(self, platform: Answers, request: HITLRequest, response: HITLResponse) -> None:
        self._platform, self._request, self._response = platform, request, response
        self._may_be_there = False

    async def once(self) -> Outcome:
        """One try. A 200 is no proof that ours was the first, so the audit's word wins if it has one."""
        ours: HITLDecision = self._response.decision
        try:
            await self._platform.decide(self._request, self._response)
        except Gone:
            word = await self._platform.word_on(self._request.request_id) if self._may_be_there else None
            return Outcome(ours.value) if word == ours.value else Outcome.ELSEWHERE
        except Unanswered:
            self._may_be_there = True
            raise
        word = await self._platform.word_on(self._request.request_id)
        return Outcome(ours.value) if word in (None, ours.value) else Outcome.ELSEWHERE

    def told(self, error: Unavailable, wait: float) -> None:
        """One try failed; the next one is `wait` seconds away."""
        log.warning("delivery_failed", approval_id=self._request.request_id, wait=wait, reason=str(error))
