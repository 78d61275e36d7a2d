"""`HITLHandler`: answers the platform's requests in a program of one's own, by the platform's guide.

async with HITLClient() as client, HITLHandler(decide, client=client) as handler:
    await handler.watch()

The guide's tables are in protocol.md (the guide's rules for whoever answers). Where it leaves a choice: a
person's answer at the terminal is posted until the deadline, and no answer is ever followed by another one.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import structlog

from bot.approval import Outcome
from bot.calling import Callback, Prompt, answer_of
from bot.caught import Caught, words_of
from bot.errors import Unavailable
from bot.ladder import deadline_of
from bot.ports import Clock
from bot.posting import AT_ONCE, ATTEMPTS, Client, InTurn, Pause, post, post_until
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
        """`auto_approve` None reads GLAIP_HITL_AUTO_APPROVE; `max_retries` counts the first try too.

        Raises ValueError unless `max_retries` is positive.
        """
        if max_retries < 1:
            raise ValueError("max_retries must be positive")
        if auto_approve is None:
            auto_approve = os.environ.get("GLAIP_HITL_AUTO_APPROVE", "").strip().lower() == "true"
        self._callback, self._client, self._auto_approve = callback, client, auto_approve
        self._answers = InTurn(client, most=AT_ONCE)
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
        """Wait so many seconds for what is under way; whether nothing is left.

        Raises ValueError unless `timeout` is positive.
        """
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
        outcome, caught = Outcome.UNDELIVERABLE, Caught()
        with caught:
            outcome = await self._answered(request)
        if caught.error is not None:
            await self._lost(request, caught.error)
        return outcome

    async def _answered(self, request: HITLRequest) -> Outcome:
        now = self._clock()
        deadline = deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
        if self._auto_approve:
            response = HITLResponse(decision=HITLDecision.APPROVED, operator_input="auto-approved")
        elif self._prompt is not None and self._prompt.attached:
            return await self._asked(self._prompt, request, deadline)
        elif self._callback is not None:
            left = (deadline - now).total_seconds()
            within = max(SHORTEST_CALL, left * CALLBACK_SHARE)
            response = await self._called(self._callback, request, within)
        else:
            response = _rejected(UNHANDLED)
        return await self._posted(request, response)

    async def _asked(self, prompt: Prompt, request: HITLRequest, deadline: datetime) -> Outcome:
        response, caught = None, Caught()
        with caught:
            response = await prompt.ask(request, deadline=deadline)
        if caught.error is not None:
            return await self._posted(request, self._failed(request, f"Prompt error: {words_of(caught.error)}"))
        if response is None:
            return Outcome.TIMEOUT_SKIP
        return await post_until(
            self._answers, request, response, deadline=deadline, clock=self._clock, pause=self._pause
        )

    async def _called(self, callback: Callback, request: HITLRequest, within: float) -> HITLResponse:
        try:
            response = await answer_of(callback, request, within=within, threads=self._threads)
        except Unavailable as error:
            return self._failed(request, str(error))
        if response.decision is HITLDecision.APPROVED and not request.approvable:
            return self._failed(request, UNSEEN)
        return response

    def _failed(self, request: HITLRequest, reason: str) -> HITLResponse:
        log.error("callback_failed", approval_id=request.request_id, reason=reason)
        return _rejected(reason)

    async def _posted(self, request: HITLRequest, response: HITLResponse) -> Outcome:
        return await post(self._answers, request, response, attempts=self._attempts, pause=self._pause)

    async def _lost(self, request: HITLRequest, error: BaseException) -> None:
        log.error("answer_lost", approval_id=request.request_id, reason=words_of(error))
        told = self._on_lost
        if told is None:
            return
        caught = await asyncio.wrap_future(self._alarms.run(lambda: told(request.request_id, error)))
        if inspect.isawaitable(caught.value):
            with caught:
                await caught.value
        if caught.error is not None:
            log.error("alarm_failed", approval_id=request.request_id, reason=words_of(caught.error))


def _rejected(reason: str) -> HITLResponse:
    return HITLResponse(decision=HITLDecision.REJECTED, operator_input=reason)
