"""The platform's waiting requests: created once, decided once or timed out; and the record of how each ended.

Meanings as on the real one: the first decision wins; nobody's answer is `timeout_skip`, in the audit `timeout`.
"""

from __future__ import annotations

import asyncio
import enum
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: What a person may answer; `timeout_skip` and `pending` are refused like any other word (the runtime's rule).
DECISIONS = ("approved", "rejected", "skipped")

#: What the platform notes when nobody answered in time.
TIMEOUT = "timeout_skip"

#: Ended requests that are remembered, so that a second decision is a conflict (409) and not unknown (404).
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """A tool call that waits for a person."""

    request_id: str
    tool: str
    arguments: Mapping[str, Any] | str
    created_at: datetime  #: aware, UTC
    timeout_seconds: float
    agent_id: str  #: the agent's slug, not its UUID
    agent_name: str
    run_id: str | None

    @property
    def timeout_at(self) -> datetime:
        """When the waiting run goes on without the tool."""
        return self.created_at + timedelta(seconds=self.timeout_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How a request ended."""

    request: PendingRequest
    decision: str  #: one of DECISIONS, or TIMEOUT
    operator_input: str | None
    at: datetime


class Verdict(enum.Enum):
    """What became of a decision that was offered."""

    ACCEPTED = enum.auto()  #: it was the first, and is valid
    ALREADY_DECIDED = enum.auto()  #: a person was first
    GONE = enum.auto()  #: unknown, timed out, or its run has ended


class Approvals:
    """Holds what waits, in memory like the real runner: a new one begins empty."""

    def __init__(self, *, now: Callable[[], datetime], lingering: Callable[[], bool]) -> None:
        """`lingering` is asked for each request, and explained in `Quirks`."""
        self._now = now
        self._lingering = lingering
        self._waiting: dict[str, tuple[PendingRequest, asyncio.Future[Resolution]]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ended: OrderedDict[str, Resolution] = OrderedDict()
        self.audit: list[Resolution] = []  #: every end, oldest first

    def open(self, request: PendingRequest, *, awaited: bool) -> asyncio.Future[Resolution]:
        """Let `request` wait until its deadline; `awaited` says whether a run does, else nobody may be waiting.

        Raises ValueError for a window that is not longer than nothing, or an id that is taken.
        """
        if request.timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be > 0")
        if request.request_id in self._waiting or request.request_id in self._ended:
            raise ValueError(f"request {request.request_id} exists already")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Resolution] = loop.create_future()
        self._waiting[request.request_id] = (request, outcome)
        if awaited or not self._lingering():
            self._timers[request.request_id] = loop.call_later(
                request.timeout_seconds, self._end, request.request_id, TIMEOUT, "TIMEOUT"
            )
        return outcome

    def pending(self) -> Iterator[PendingRequest]:
        """What waits, oldest first."""
        return (request for request, _ in self._waiting.values())

    def decide(self, request_id: str, decision: str, operator_input: str | None) -> Verdict:
        """Take a person's decision, if it is the first. Raises ValueError for a word that is no decision."""
        if decision not in DECISIONS:
            raise ValueError(f"Unsupported decision '{decision}' for pending request resolution")
        if request_id in self._waiting:
            self._end(request_id, decision, operator_input)
            return Verdict.ACCEPTED
        ended = self._ended.get(request_id)
        return Verdict.GONE if ended is None or ended.decision == TIMEOUT else Verdict.ALREADY_DECIDED

    def resolution(self, request_id: str) -> Resolution | None:
        """How a remembered request ended."""
        return self._ended.get(request_id)

    def change(self, request_id: str, arguments: Mapping[str, Any] | str) -> None:
        """List other arguments under the same id from now on, as no platform should. Raises KeyError."""
        request, outcome = self._waiting[request_id]
        self._waiting[request_id] = (replace(request, arguments=arguments), outcome)

    def withdraw(self, request_id: str) -> None:
        """Forget a request whose run is gone: nothing is left to decide, and nothing was decided."""
        if request_id in self._waiting:
            _, outcome = self._take(request_id)
            outcome.cancel()

    def forget(self) -> None:
        """Lose everything that waits or was decided, as a restart of the runner does; the audit stays."""
        for request_id in list(self._waiting):
            self.withdraw(request_id)
        self._ended.clear()

    def _take(self, request_id: str) -> tuple[PendingRequest, asyncio.Future[Resolution]]:
        if timer := self._timers.pop(request_id, None):
            timer.cancel()
        return self._waiting.pop(request_id)

    def _end(self, request_id: str, decision: str, operator_input: str | None) -> None:
        request, outcome = self._take(request_id)
        resolution = Resolution(
            request=request, decision=decision, operator_input=operator_input, at=self._now()
        )
        self._ended[request_id] = resolution
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        self.audit.append(resolution)
        if not outcome.done():
            outcome.set_result(resolution)
