"""`nod watch`'s view of the platform: what is pending by the last good poll, and the answers being sent."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime

from adapters.terminal import Sheet
from adapters.terminal.prompt import response_of
from bot.approval import Outcome
from bot.errors import NodError, Refused
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, utc_now
from bot.posting import Client, post_until
from bot.prompting import Unchanged
from bot.protocol import HITLDecision, HITLRequest
from bot.wording import name_of


@dataclass(kw_only=True)
class Known:
    """What is pending, and until when."""

    listing: Listing | None = None  #: the last good poll; None before the first
    requests: dict[str, HITLRequest] = field(default_factory=dict)
    deadlines: dict[str, datetime] = field(default_factory=dict)
    trouble: str | None = None  #: why the last poll failed
    answered: set[str] = field(default_factory=set)  #: here; a poll that began before can still list them

    def listed(self, listing: Listing, *, now: datetime) -> None:
        """Take over a good poll. A deadline starts when its request was first seen."""
        self.trouble, self.listing = None, listing
        self.requests = {one.request_id: one for one in listing.requests if one.request_id not in self.answered}
        self.deadlines = {
            one: self.deadlines.get(one) or deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
            for one, request in self.requests.items()
        }

    def over(self, request_id: str) -> None:
        """It was answered, and is not shown again."""
        self.answered.add(request_id)
        self.requests.pop(request_id, None)

    def unread(self, request_id: str) -> bool:
        """Whether it is still pending but unreadable."""
        return self.listing is not None and request_id in self.listing.unread_ids

    def in_order(self, *, now: datetime, under_way: Container[str] = ()) -> list[str]:
        """Ids, the earliest deadline first; last those with an answer being sent, and those that have ended."""
        return sorted(
            self.requests, key=lambda one: (self.deadlines[one] <= now, one in under_way, self.deadlines[one])
        )


CHANGED = "The call has changed. It is shown again; nothing was sent."


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The result of an answer."""

    request: HITLRequest
    note: str
    words: str  #: for the person
    over: bool  #: the request is no longer pending here
    ours: bool  #: the platform took this answer, and it was the first


class Sending:
    """One task for each answer, so that a retry delays no other answer."""

    def __init__(self, client: Client) -> None:
        """Starts without any answer."""
        self._client = client
        self._tasks: dict[asyncio.Task[Sent], str] = {}  #: with what they send, in words

    def __bool__(self) -> bool:
        """Whether an answer is being sent."""
        return bool(self._tasks)

    @property
    def under_way(self) -> frozenset[str]:
        """Ids of the requests whose answers are being sent."""
        return frozenset(task.get_name() for task in self._tasks)

    @property
    def words(self) -> tuple[str, ...]:
        """What is being sent, for the person."""
        return tuple(self._tasks.values())

    def words_on(self, request_id: str) -> str | None:
        """What is being sent for this request, for the person."""
        return next((words for task, words in self._tasks.items() if task.get_name() == request_id), None)

    def start(self, sheet: Sheet, verdict: HITLDecision) -> None:
        """Send it to the platform; returns at once. An Approve needs a poll that lists the same call."""
        task = asyncio.create_task(self._send(sheet, verdict), name=sheet.request.request_id)
        self._tasks[task] = f"{verdict.value} for {_named(sheet.request)}"

    def ended(self) -> list[Sent]:
        """The results of answers that have ended; each is returned once."""
        done = [task for task in self._tasks if task.done() and not task.cancelled()]
        for task in done:
            del self._tasks[task]
        return [task.result() for task in done]

    async def stop(self) -> None:
        """Send nothing more. What remains in `words` had not ended and can have arrived."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, sheet: Sheet, verdict: HITLDecision) -> Sent:
        request, note, platform = sheet.request, sheet.note, Unchanged(self._client, self._client)
        ended = None
        try:
            ended = await post_until(
                platform,
                request,
                response_of(verdict, note=note),
                deadline=sheet.deadline,
                clock=utc_now,
                pause=asyncio.sleep,
            )
        except Refused as error:
            words = CHANGED if platform.latest else str(error)
        except NodError as error:
            words = f"Not {verdict.value}: {_named(request)}. {error}"
        else:
            words = f"{ended.value}: {_named(request)}."
            if ended is Outcome.ELSEWHERE:
                words = f"Already decided by someone else, or expired: {_named(request)}."
        ours = ended is not None and ended is not Outcome.ELSEWHERE
        # A list can lag behind: a request missing once is shown again when it comes back.
        missed = not ours and verdict is HITLDecision.APPROVED and platform.latest is None
        over = ended is not None and not missed
        return Sent(request=request, note=note, words=words, over=over, ours=ours)


def _named(request: HITLRequest) -> str:
    return f"{name_of(request.tool_name)} ({name_of(request.request_id)})"
