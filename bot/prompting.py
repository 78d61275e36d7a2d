"""Asks the person at the terminal about a call while it is pending, always about the current call.

| what happens | what is done |
|---|---|
| the request has left the platform's list | they are not asked any more; nothing is posted |
| the call has changed: while they are asked, or when their Approve is sent | they are asked about the new one |
| they approve a call that was cut or can be read in two ways | rejected, with the reason |
| the prompt raises | rejected, with the reason |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.approval import Outcome
from bot.callbacks import UNSEEN, CallOutcome, Prompt, rejection, words_of
from bot.errors import Gone, Refusal, Refused
from bot.ports import Listing
from bot.posting import Answers, Client, Pause, post_until
from bot.protocol import HITLDecision, HITLRequest, HITLResponse

CHANGED = "The call changed after Nod showed it, and Nod cannot read the new one. Nothing was sent."

log = structlog.get_logger()


@dataclass(eq=False, kw_only=True)
class Question:
    """A call that a person is being asked about."""

    request: HITLRequest
    answering: asyncio.Task[HITLResponse | None]
    latest: HITLRequest | None  #: the call as it is listed now; None once it is no longer pending

    @property
    def response(self) -> HITLResponse | None:
        """The person's answer; None if they gave none."""
        if self.answering.cancelled():
            return rejection(self.request, "Prompt error: the prompt was cancelled")
        return self.answering.result()


class Unchanged:
    """A platform that accepts an Approve only for a call which it still lists as it was shown."""

    def __init__(self, client: Client, answers: Answers) -> None:
        """The list comes from `client`, and the answer goes to `answers`."""
        self._client, self._answers = client, answers
        self.latest: HITLRequest | None = None  #: the call that replaced the one that was shown

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """As the platform's; also raises Refused for a call that has changed, Gone for one that has left."""
        if response.decision is HITLDecision.APPROVED:
            listing = await self._client.pending()
            listed = {one.request_id: one for one in listing.requests}
            self.latest = listed.get(request.request_id)
            if self.latest is None and request.request_id not in listing.unread_ids:
                raise Gone("it is no longer pending")
            if self.latest is None or self.latest.digest != request.digest:
                raise Refused(Refusal.CHANGED, CHANGED)
        await self._answers.decide(request, response)

    async def word_on(self, request_id: str) -> str | None:
        """As the platform's."""
        return await self._answers.word_on(request_id)


class Asking:
    """Asks with a prompt and posts the answer, until the deadline."""

    def __init__(
        self,
        prompt: Prompt,
        *,
        client: Client,
        answers: Answers,
        clock: Callable[[], datetime],
        pause: Pause,
    ) -> None:
        """`answers` is where the answers go: `client`, or a wrapper around it."""
        self._prompt, self._client, self._answers = prompt, client, answers
        self._clock, self._pause = clock, pause
        self._asked: set[Question] = set()

    @property
    def attached(self) -> bool:
        """Whether there is a terminal to ask at."""
        return self._prompt.attached

    async def decide(self, request: HITLRequest, *, deadline: datetime) -> Outcome:
        """How the request ended: by the person's answer, ELSEWHERE, or TIMEOUT_SKIP if they gave none.

        Raises Unavailable or Forbidden if the answer could not be posted, Refused if the call has become one
        that cannot be read.
        """
        while True:
            question = await self._ask(request, deadline)
            if question.latest is None:
                return Outcome.ELSEWHERE if self._clock() < deadline else Outcome.TIMEOUT_SKIP
            if question.latest.digest != request.digest:
                request = question.latest
                continue
            response = question.response
            if response is None:
                return Outcome.TIMEOUT_SKIP
            if response.decision is HITLDecision.APPROVED and not request.approvable:
                response = rejection(request, UNSEEN)
            platform = Unchanged(self._client, self._answers)
            try:
                return await post_until(
                    platform, request, response, deadline=deadline, clock=self._clock, pause=self._pause
                )
            except Refused:
                if platform.latest is None:
                    raise
                log.info("call_changed", approval_id=request.request_id)
                request = platform.latest

    def asked(self) -> frozenset[Question]:
        """The questions that are open now; read it before a poll begins, for `looked`."""
        return frozenset(self._asked)

    def looked(self, listing: Listing, asked: frozenset[Question]) -> None:
        """A poll that began after `asked` has ended: cancel questions about calls that left or changed."""
        listed = {request.request_id: request for request in listing.requests}
        for question in asked & self._asked:
            if question.request.request_id in listing.unread_ids:
                continue
            question.latest = listed.get(question.request.request_id)
            if question.latest is None or question.latest.digest != question.request.digest:
                question.answering.cancel()

    async def _ask(self, request: HITLRequest, deadline: datetime) -> Question:
        """A question that was answered, or cancelled because its call is no longer pending."""
        answering = asyncio.ensure_future(self._answer(request, deadline))
        question = Question(request=request, answering=answering, latest=request)
        self._asked.add(question)
        try:
            await asyncio.wait({answering})
        finally:
            self._asked.discard(question)
            if not answering.done():  # the handler stops: the terminal is released first
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
        return question

    async def _answer(self, request: HITLRequest, deadline: datetime) -> HITLResponse | None:
        response, caught = None, CallOutcome()
        with caught:
            response = await self._prompt.ask(request, deadline=deadline)
        if caught.error is not None:
            return rejection(request, f"Prompt error: {words_of(caught.error)}")
        return response
