"""A desk for tests of `bot.handler`: a platform, a clock that pauses move on, and callbacks that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from nod import HITLDecision, HITLHandler, HITLRequest, HITLResponse
from tests.fakes import FakePlatform

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
YES = HITLResponse(decision=HITLDecision.APPROVED, operator_input="fine")
NO = HITLResponse(decision=HITLDecision.REJECTED, operator_input="not today")
SKIP = HITLResponse(decision=HITLDecision.SKIPPED)


class Desk:
    """A platform, a clock that pauses move on, and what the handler did with both."""

    def __init__(self) -> None:
        self.now = NOON
        self.pauses: list[float] = []
        self.lost: list[tuple[str, str]] = []
        self.platform = FakePlatform(clock=lambda: self.now)
        self.posts = 0

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def ask(self, request_id: str = "r1", **fields: Any) -> HITLRequest:
        fields.setdefault("timeout_at", (self.now + timedelta(seconds=100)).isoformat())
        request = HITLRequest(
            request_id=request_id, tool_name="pay", agent_id="a", **({"arguments": {"n": 1}} | fields)
        )
        self.platform.waiting[request_id] = request
        return request

    def handler(self, callback: Any = None, **how: Any) -> HITLHandler:
        how.setdefault("auto_approve", False)
        how.setdefault("on_unrecoverable_error", lambda one, error: self.lost.append((one, str(error))))
        return HITLHandler(callback, client=self.platform, clock=lambda: self.now, pause=self.pause, **how)

    @property
    def decided(self) -> list[tuple[str, str | None]]:
        return [(said.decision.value, said.operator_input) for _, said in self.platform.decided]


class Terminal:
    """A person at a terminal, or no terminal."""

    def __init__(self, answer: HITLResponse | None, *, attached: bool = True) -> None:
        self.attached, self.asked = attached, 0
        self._answer = answer

    async def ask(self, request: HITLRequest, *, deadline: datetime) -> HITLResponse | None:
        del request, deadline
        self.asked += 1
        return self._answer


def raises(error: BaseException) -> Callable[[HITLRequest], HITLResponse]:
    def callback(_: HITLRequest) -> HITLResponse:
        raise error

    return callback


def raises_later(error: BaseException) -> Callable[[HITLRequest], Awaitable[HITLResponse]]:
    async def callback(_: HITLRequest) -> HITLResponse:
        raise error

    return callback


class Unreadable(Exception):
    """Foreign to the last."""

    def __str__(self) -> str:
        raise ValueError
