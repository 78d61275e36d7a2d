"""`HITLHandler`: answers the platform's requests in a program of one's own, by the platform's guide.

async with HITLClient() as client, HITLHandler(decide, client=client) as handler:
    await handler.watch()

The guide's tables are in protocol.md (the guide's rules for whoever answers). Where it leaves a choice: a person's
answer at the terminal is posted until the deadline, and no answer is ever followed by another one.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

import structlog

from bot.approval import Outcome
from bot.calling import Callback, answer_of, checked
from bot.caught import Caught, words_of
from bot.errors import Unavailable
from bot.ladder import deadline_of
from bot.ports import Clock, Listing
from bot.posting import ATTEMPTS, Answers, Pause, post, post_until
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.threads import Threads

#: A callback gets this share of what is left until the deadline; the rest is for the network.
CALLBACK_SHARE = 0.8
#: But at least so many seconds.
SHORTEST_CALL = 5.0
#: Where the platform names no length: the guide's own sample.
USUAL_WINDOW = timedelta(seconds=180)
#: Plain callbacks at once; coroutine functions need no thread, and thousands may wait.
MOST_THREADS = 32

UNHANDLED = "No approval handler configured"
UNSEEN = "The callback approved a call that cannot be read whole and in one way only"

log = structlog.get_logger()


class Client(Answers, Protocol):
    """The platform, as `HITLClient` and `bot.ports.Platform` are."""

    async def pending(self) -> Listing:
        """What waits now. Raises Unavailable or Forbidden."""
        ...


class Prompt(Protocol):
    """Asks the person at the terminal."""

    @property
    def attached(self) -> bool:
        """Whether there is a terminal to ask at."""
        ...

    async def ask(self, request: HITLRequest, *, deadline: datetime) -> HITLResponse | None:
        """Her answer; None when she gave none. Of several requests, one is asked about at a time."""
        ...


#: Told the request's id and the exception that kept its answer from the platform; may be a coroutine function.
OnUnrecoverable = Callable[[str, BaseException], object]


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


class HITLHandler:
    """Decides requests: by auto-approval, else the person at the terminal, else the callback, else reject."""

    def __init__(
        self,
        callback: Callback | None = None,
        *,
        client: Client,
        auto_approve: bool | None = None,
        max_retries: int = ATTEMPTS,
        on_unrecoverable_error: OnUnrecoverable | None = None,
        interactive: Prompt | None = None,
        clock: Clock = utc_now,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`auto_approve` None reads GLAIP_HITL_AUTO_APPROVE (`true` in any case); `max_retries` counts all tries.

        Raises ValueError unless `max_retries` is positive.
        """
        if max_retries < 1:
            raise ValueError("max_retries must be positive")
        if auto_approve is None:
            auto_approve = os.environ.get("GLAIP_HITL_AUTO_APPROVE", "").strip().lower() == "true"
        self._callback, self._client, self._auto_approve = callback, client, auto_approve
        self._attempts, self._on_lost, self._prompt = max_retries, on_unrecoverable_error, interactive
        self._clock, self._pause = clock, pause
        self._threads = Threads(most=MOST_THREADS, name="hitl-callback")
        # Of its own: callbacks that hang must not keep the word of trouble from getting out.
        self._alarms = Threads(most=1, name="hitl-alarm")
        self._under_way: dict[str, asyncio.Task[Outcome]] = {}

    async def __aenter__(self) -> Self:
        """Leaving stops what is under way: `wait_for_pending_decisions` before that."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; what is not decided by now is left to the platform's timeout."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def handle(self, request: HITLRequest) -> asyncio.Task[Outcome]:
        """Decide a request, in the running loop; returns at once. A request under way is not decided twice.

        The task's result is how it ended: by our answer, ELSEWHERE after a 404 or 409 or by the audit's word,
        UNDELIVERABLE, or TIMEOUT_SKIP when the person at the terminal gave no answer.
        """
        known = self._under_way.get(request.request_id)
        if known is not None:
            return known
        task = asyncio.get_running_loop().create_task(self._decide(request), name=f"hitl:{request.request_id}")
        self._under_way[request.request_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(request.request_id, None))
        return task

    async def wait_for_pending_decisions(self, timeout: float = 30.0) -> bool:  # noqa: ASYNC109 - the guide's
        """Wait so many seconds for what is under way; whether nothing is left. Raises ValueError unless positive."""
        if timeout <= 0:
            raise ValueError("timeout must be positive")
        tasks = set(self._under_way.values())
        return not tasks or not (await asyncio.wait(tasks, timeout=timeout))[1]

    async def watch(self, *, every: float = 1.0) -> None:
        """Handle whatever waits on the platform, looking every so many seconds, until cancelled.

        Raises Forbidden when the platform refuses; while it cannot be reached, it goes on.
        """
        seen: set[str] = set()
        while True:
            try:
                listing = await self._client.pending()
            except Unavailable as error:
                log.warning("poll_failed", reason=str(error))
            else:
                for request in listing.requests:
                    if request.request_id not in seen:
                        self.handle(request)
                seen = {request.request_id for request in listing.requests} | listing.unread_ids & seen
            await self._pause(every)

    async def _decide(self, request: HITLRequest) -> Outcome:
        now = self._clock()
        deadline = deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
        person = not self._auto_approve and self._prompt is not None and self._prompt.attached
        caught = Caught()
        with caught:
            if person:
                response, person = await self._asked(request, deadline)
            else:
                response = await self._response(request, (deadline - now).total_seconds())
            if response is None:
                return Outcome.TIMEOUT_SKIP
            return await self._posted(request, response, deadline if person else None)
        if caught.error is None:
            raise AssertionError("it neither ended nor raised")
        await self._lost(request, caught.error)
        return Outcome.UNDELIVERABLE
