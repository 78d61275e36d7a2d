"""The embedded platform itself: its agents, what waits, what was decided, and what really ran."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.platform.agents import DEFAULT_TIMEOUT, Agent, agent_from, agent_told
from sandbox.platform.approvals import Approvals, PendingRequest, Resolution, Verdict
from sandbox.platform.journal import Journal, Line
from sandbox.platform.quirks import Quirks
from sandbox.platform.runs import Run, unheard
from sandbox.platform.sample_agents import CAST
from sandbox.platform.tools import Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPost:
    """One decision as it arrived, whatever became of it."""

    request_id: str
    decision: str
    operator_input: str | None
    status: int  #: the HTTP status it was answered with
    at: datetime


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


class Platform:
    """A GL AIP platform in memory. Its maker closes it; `open_platform` does."""

    def __init__(
        self,
        *,
        api_key: str,
        quirks: Quirks,
        agents: Sequence[Agent],
        now: Callable[[], datetime],
        pace: float,
    ) -> None:
        """See `open_platform`."""
        self.api_key = api_key
        self.quirks = quirks
        self.now = now
        self.agents: dict[str, Agent] = {agent.name: agent for agent in agents}
        self.uploaded: dict[str, Tool] = {}  #: by their names
        self.approvals = Approvals(now=now, lingering=lambda: self.quirks.lingering)
        self.decisions: list[DecisionPost] = []  #: every decision that was posted, oldest first
        self.executed: list[str] = []  #: the request of each risky tool that really ran, in that order
        self._pace = pace
        self._journal = Journal()
        self._running: set[asyncio.Task[None]] = set()

    def create_agent(self, details: Mapping[str, Any]) -> Agent:
        """Add an agent as someone describes it over REST. Raises ValueError when the name is taken."""
        agent = agent_from(details, {tool.id: tool.name for tool in self.tools()})
        if agent.name in self.agents:
            raise ValueError(f"Agent '{agent.name}' exists already")
        self.agents[agent.name] = agent
        return agent

    def tools(self) -> tuple[Tool, ...]:
        """The tools that were uploaded, and those of the agents' scripts."""
        scripted = {name: Tool(name=name) for agent in self.agents.values() for name in agent.tools}
        return tuple((scripted | self.uploaded).values())

    def upload(self, tool: Tool) -> None:
        """Keep a tool. Raises ValueError when the name is taken."""
        if any(tool.name == known.name for known in self.tools()):
            raise ValueError(f"Tool '{tool.name}' exists already")
        self.uploaded[tool.name] = tool

    def agent(self, agent_id: str) -> Agent | None:
        """The agent with this UUID, slug or name."""
        known = (agent for agent in self.agents.values() if agent_id in (agent.id, agent.slug, agent.name))
        return next(known, None)

    def ask(
        self,
        *,
        tool: str = "send_email",
        arguments: Mapping[str, Any] | str,
        timeout_seconds: float = DEFAULT_TIMEOUT,
        agent_id: str = "bare_agent-00000000",
        run_id: str | None = None,
    ) -> str:
        """Create a waiting request without a script, and return its id; approved, its tool counts as run.

        Raises ValueError when `timeout_seconds` is not positive.
        """
        request = PendingRequest(
            request_id=str(uuid.uuid4()),
            tool=tool,
            arguments=arguments,
            created_at=self.now(),
            timeout_seconds=timeout_seconds,
            agent_id=agent_id,
            agent_name=agent_id.rpartition("-")[0] or agent_id,
            run_id=run_id,
        )
        self.approvals.open(request, awaited=False).add_done_callback(self._run_bare)
        return request.request_id

    def change(self, request_id: str, arguments: Mapping[str, Any] | str) -> None:
        """List other arguments under the same id, for trying what happens then. Raises KeyError."""
        self.approvals.change(request_id, arguments)

    def start(self, agent_name: str, *, timeout_seconds: float | None = None, text: str = "") -> str:
        """Let an agent work in the background and return the run's id; `timeout_seconds` overrides its windows.

        `text` is the run's input. Raises KeyError when there is no such agent.
        """
        run_id = str(uuid.uuid4())
        agent = agent_told(self.agents[agent_name], text)
        run = self.run(agent, run_id=run_id, timeout_seconds=timeout_seconds)
        task = asyncio.create_task(run.play(unheard), name=f"{agent_name} {run_id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return run_id

    def run(self, agent: Agent, *, run_id: str, timeout_seconds: float | None = None) -> Run:
        """A run that the caller plays."""
        return Run(
            agent=agent,
            run_id=run_id,
            approvals=self.approvals,
            journal=self._journal,
            now=self.now,
            ran=self.executed.append,
            timeout_seconds=timeout_seconds,
            pace=self._pace,
            local_offset=self.quirks.local_offset,
        )

    def decide(self, request_id: str, decision: str, operator_input: str | None = None) -> int:
        """Take a decision and return the HTTP status that it earns: 200, 404 or 409.

        Raises ValueError for a word that is no decision.
        """
        verdict = self.approvals.decide(request_id, decision, operator_input)
        status = {Verdict.ACCEPTED: 200, Verdict.ALREADY_DECIDED: 409, Verdict.GONE: 404}[verdict]
        if self.quirks.forgiving and self.approvals.resolution(request_id) is not None:
            status = 200
        self.decisions.append(
            DecisionPost(
                request_id=request_id,
                decision=decision,
                operator_input=operator_input,
                status=status,
                at=self.now(),
            )
        )
        return status

    def transcript(self) -> tuple[Line, ...]:
        """What the agents did so far."""
        return tuple(self._journal.lines)

    def watch(self) -> AsyncIterator[Line]:
        """What the agents did so far, then each new line, until the platform closes."""
        return self._journal.watch()

    async def restart(self) -> None:
        """Stop every run and forget what waits, like a restart of the runner: a decision then finds nothing."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self.approvals.forget()

    async def close(self) -> None:
        """Stop every run, forget what waits, end every watch."""
        await self.restart()
        self._journal.close()

    def _run_bare(self, outcome: asyncio.Future[Resolution]) -> None:
        if not outcome.cancelled() and outcome.result().decision == "approved":
            self.executed.append(outcome.result().request.request_id)


@asynccontextmanager
async def open_platform(
    *,
    api_key: str,
    quirks: Quirks | None = None,
    agents: Sequence[Agent] = CAST,
    now: Callable[[], datetime] = utc_now,
    pace: float = 0.0,
) -> AsyncIterator[Platform]:
    """A running platform that answers to `api_key`; `pace` is the seconds an agent takes for each step."""
    platform = Platform(api_key=api_key, quirks=quirks or Quirks(), agents=agents, now=now, pace=pace)
    try:
        yield platform
    finally:
        await platform.close()
