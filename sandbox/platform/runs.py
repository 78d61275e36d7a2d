"""One run of a scripted agent: it speaks, uses tools, and waits where a person has to decide."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from sandbox.platform.agents import RiskyTool, SafeTool, Say
from sandbox.platform.approvals import PendingRequest
from sandbox.platform.events import Events
from sandbox.platform.journal import Line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime, timedelta

    from sandbox.platform.agents import Agent
    from sandbox.platform.approvals import Approvals, Resolution
    from sandbox.platform.events import Event
    from sandbox.platform.journal import Journal

    Emit = Callable[[Event], Awaitable[None]]


async def unheard(_: Event) -> None:
    """The `Emit` of a run that nobody streams."""


class Run:
    """Plays an agent's script once. Cancelling it removes its waiting request at once."""

    def __init__(
        self,
        *,
        agent: Agent,
        run_id: str,
        approvals: Approvals,
        journal: Journal,
        now: Callable[[], datetime],
        ran: Callable[[str], None],
        timeout_seconds: float | None,
        pace: float,
        local_offset: timedelta,
    ) -> None:
        """`timeout_seconds` overrides the windows of the script; `pace` is the seconds between two steps.

        `ran` gets the request of each approved tool when it runs; `local_offset` is explained in `Quirks`.
        """
        self._agent = agent
        self._run_id = run_id
        self._approvals = approvals
        self._journal = journal
        self._now = now
        self._ran = ran
        self._timeout_seconds = timeout_seconds
        self._pace = pace
        self._local_offset = local_offset
        self._events = Events(agent_name=agent.name, now=now)
        self._waits_for: str | None = None

    async def play(self, emit: Emit) -> None:
        """Play to the end, handing every event to `emit`."""
        try:
            self._tell("started", "started")
            await emit(self._events.status())
            for number, step in enumerate(self._agent.steps, 1):
                await asyncio.sleep(self._pace)
                await self._take(step, f"call_{number}", emit)
            await asyncio.sleep(self._pace)
            await emit(self._events.says(self._agent.final))
            await emit(self._events.final(self._agent.final))
            self._tell("finished", "finished")
        except asyncio.CancelledError:
            if self._waits_for is not None:
                self._approvals.withdraw(self._waits_for)
            self._tell("cancelled", "stopped", self._waits_for)
            raise

    async def _take(self, step: Say | SafeTool | RiskyTool, call_id: str, emit: Emit) -> None:
        if isinstance(step, Say):
            await self._say(step.text, emit)
            return
        await emit(self._events.tool_call(call_id, step))
        if isinstance(step, SafeTool):
            self._tell("calls", f"calling {step.tool}")
            await emit(self._events.tool_result(call_id, step))
            self._tell("tool", step.answer)
            return
        resolution = await self._ask(step, call_id, emit)
        request_id = resolution.request.request_id
        if resolution.decision == "approved":
            self._ran(request_id)
            self._tell("tool", step.answer, request_id)
        await emit(self._events.resolved(call_id, step, resolution))
        await self._say(step.closing_words(resolution.decision), emit, request_id)

    async def _ask(self, step: RiskyTool, call_id: str, emit: Emit) -> Resolution:
        request = PendingRequest(
            request_id=str(uuid.uuid4()),
            tool=step.tool,
            arguments=step.arguments,
            created_at=self._now(),
            timeout_seconds=self._timeout_seconds or step.timeout_seconds,
            agent_id=self._agent.slug,
            agent_name=self._agent.name,
            run_id=self._run_id,
        )
        outcome = self._approvals.open(request, awaited=True)
        self._waits_for = request.request_id
        self._tell("waits", f"waiting for approval: {step.tool}", request.request_id)
        await emit(self._events.waiting(call_id, request, timeout_at=request.timeout_at + self._local_offset))
        resolution = await outcome
        self._waits_for = None
        self._tell(resolution.decision, _words(resolution), request.request_id)
        return resolution

    async def _say(self, text: str, emit: Emit, request_id: str | None = None) -> None:
        await emit(self._events.says(text))
        self._tell("says", text, request_id)

    def _tell(self, kind: str, text: str, request_id: str | None = None) -> None:
        self._journal.write(
            Line(
                run_id=self._run_id,
                agent=self._agent.name,
                at=self._now(),
                kind=kind,
                text=text,
                request_id=request_id,
            )
        )


def _words(resolution: Resolution) -> str:
    if resolution.decision not in ("approved", "rejected", "skipped"):
        return "nobody answered in time"
    note = resolution.operator_input or ""
    if note.lower().startswith(resolution.decision):  # "approved by Ann": once is enough
        return note
    return f"{resolution.decision}: {note}" if note else resolution.decision
