"""`HITLHandler`: answers the platform's requests in your own program, by the platform's guide.

async with HITLClient() as client, HITLHandler(decide, client=client) as handler:
    await handler.watch()

The tables are those of the platform's guide. Where it leaves a choice: a
person's answer at the terminal is posted until the deadline, and no answer is ever followed by another one.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Literal, Self

import structlog

from bot.approval import Outcome
from bot.callbacks import (
    UNSEEN,
    Callback,
    CallOutcome,
    ErrorHook,
    OnUnrecoverable,
    Prompt,
    Threads,
    answer_of,
    rejection,
)
from bot.errors import Unavailable
from bot.ladder import deadline_of
from bot.ports import Clock, utc_now
from bot.posting import AT_ONCE, ATTEMPTS, Client, InTurn, Pause, post
from bot.prompting import Asking
from bot.protocol import HITLDecision, HITLRequest, HITLResponse

#: A callback gets this share of the time until the deadline; the rest is for the network.
CALLBACK_SHARE = 0.8
#: But at least this many seconds.
SHORTEST_CALL = 5.0
#: The default if the platform gives no length: the sample in its guide.
USUAL_WINDOW = timedelta(seconds=180)
#: Plain callbacks at once; coroutine functions need no thread, so thousands can wait.
MOST_THREADS = 32

UNHANDLED = "No approval handler configured"
NO_PROMPT = "interactive must be a prompt such as adapters.terminal.TerminalPrompt(), or None, not {given!r}"

log = structlog.get_logger()


class How(StrEnum):
    """Who answers a request."""

    AUTO_APPROVAL = "auto-approval"  #: nobody is asked
    TERMINAL = "terminal"  #: the person at the terminal
    CALLBACK = "callback"
    NOBODY = "nobody"  #: nothing applies


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
        interactive: Prompt | Literal[False] | None = None,
        clock: Clock = utc_now,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`auto_approve` None reads GLAIP_HITL_AUTO_APPROVE; `max_retries` includes the first try.

        Raises ValueError unless `max_retries` is positive, and TypeError for an `interactive` that cannot ask.
        """
        if max_retries < 1:
            raise ValueError("max_retries must be positive")
        if auto_approve is None:
            auto_approve = os.environ.get("GLAIP_HITL_AUTO_APPROVE", "").strip().lower() == "true"
        self._callback, self._client, self._auto_approve = callback, client, auto_approve
        self._answers = InTurn(client, most=AT_ONCE)
        self._attempts, self._alarms = max_retries, ErrorHook(on_unrecoverable_error)
        self._clock, self._pause = clock, pause
        self._asking = self._asks_by(interactive)
        self._threads = Threads(most=MOST_THREADS, name="hitl-callback")
        self._under_way: dict[str, asyncio.Task[Outcome]] = {}

    async def __aenter__(self) -> Self:
        """Leaving cancels running decisions; call `wait_for_pending_decisions` first."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; requests that are not decided yet are left to the platform's timeout."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def handle(self, request: HITLRequest) -> asyncio.Task[Outcome]:
        """Decide a request, in the running loop; returns at once. A request under way is not decided twice.

        The task's result is how it ended: by our answer, ELSEWHERE after a 404 or 409 or if the audit says so,
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
        """Wait at most `timeout` seconds until nothing is under way, new requests included; returns whether so.

        Raises ValueError unless `timeout` is positive.
        """
        if timeout <= 0:
            raise ValueError("timeout must be positive")
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while self._under_way and (left := until - loop.time()) > 0:
            await asyncio.wait(set(self._under_way.values()), timeout=left)
        return not self._under_way

    async def watch(self, *, every: float = 1.0) -> None:
        """Handle all pending requests, polling every `every` seconds, until cancelled.

        Raises Forbidden when the platform refuses; it continues while the platform cannot be reached.
        """
        seen: set[str] = set()
        while True:
            asked = self._asking.asked() if self._asking else frozenset()
            try:
                listing = await self._client.pending()
            except Unavailable as error:
                log.warning("poll_failed", reason=str(error))
            else:
                if self._asking:
                    self._asking.looked(listing, asked)
                for request in listing.requests:
                    if request.request_id not in seen:
                        self.handle(request)
                seen = {request.request_id for request in listing.requests} | listing.unread_ids & seen
            await self._pause(every)

    def _asks_by(self, prompt: Prompt | Literal[False] | None) -> Asking | None:
        if prompt is None or prompt is False:
            return None
        if not callable(getattr(prompt, "ask", None)):
            raise TypeError(NO_PROMPT.format(given=prompt))
        return Asking(prompt, client=self._client, answers=self._answers, clock=self._clock, pause=self._pause)

    async def _decide(self, request: HITLRequest) -> Outcome:
        how = self._how()
        outcome, caught = Outcome.UNDELIVERABLE, CallOutcome()
        with caught:
            outcome = await self._answered(request, how)
        if caught.error is not None:
            await self._alarms.raise_for(request.request_id, caught.error)
        log.info("request_ended", approval_id=request.request_id, outcome=outcome.value, by=how.value)
        return outcome

    def _how(self) -> How:
        if self._auto_approve:
            return How.AUTO_APPROVAL
        if self._asking is not None and self._asking.attached:
            return How.TERMINAL
        return How.CALLBACK if self._callback is not None else How.NOBODY

    async def _answered(self, request: HITLRequest, how: How) -> Outcome:
        now = self._clock()
        deadline = deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
        if how is How.AUTO_APPROVAL:
            response = HITLResponse(decision=HITLDecision.APPROVED, operator_input="auto-approved")
        elif how is How.TERMINAL and self._asking is not None:
            return await self._asking.decide(request, deadline=deadline)
        elif how is How.CALLBACK and self._callback is not None:
            left = (deadline - now).total_seconds()
            within = max(SHORTEST_CALL, left * CALLBACK_SHARE)
            response = await self._called(self._callback, request, within)
        else:
            response = HITLResponse(decision=HITLDecision.REJECTED, operator_input=UNHANDLED)
        return await post(self._answers, request, response, attempts=self._attempts, pause=self._pause)

    async def _called(self, callback: Callback, request: HITLRequest, within: float) -> HITLResponse:
        try:
            response = await answer_of(callback, request, within=within, threads=self._threads)
        except Unavailable as error:
            return rejection(request, str(error))
        if response.decision is HITLDecision.APPROVED and not request.approvable:
            return rejection(request, UNSEEN)
        return response
