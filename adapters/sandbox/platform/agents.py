"""Scripted agents: what each one says and does, and what it says when a person answers, or nobody does."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMESPACE = uuid.UUID("6f1d0f1e-1c1b-4d53-9a57-2b0c54b0d0a1")

#: Seconds an agent waits when its script does not say otherwise: the sample of the guide (protocol.md).
DEFAULT_TIMEOUT = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """The agent tells what it thinks."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeTool:
    """A tool that runs without asking."""

    tool: str
    arguments: Mapping[str, Any]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskyTool:
    """A tool that runs only when a person approves."""

    tool: str
    arguments: Mapping[str, Any] | str
    answer: str  #: what the tool returns when it runs
    approved: str = "Done."  #: what the agent says afterwards, by how it ended
    rejected: str = "I did not do that, as you decided."
    skipped: str = "I left that step out and went on."
    timed_out: str = "Nobody answered in time, so I went on without it."
    timeout_seconds: float = DEFAULT_TIMEOUT

    def closing_words(self, decision: str) -> str:
        """What the agent says after `decision` (`approved`, `rejected`, `skipped`, `timeout_skip`)."""
        words = {"approved": self.approved, "rejected": self.rejected, "skipped": self.skipped}
        return words.get(decision, self.timed_out)


Step = Say | SafeTool | RiskyTool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent with its script."""

    name: str
    about: str
    steps: tuple[Step, ...]
    final: str = "Finished."  #: the last words of a run
    details: Mapping[str, Any] = field(default_factory=dict)  #: fields as given when created over REST

    @property
    def id(self) -> str:
        """The UUID by which the REST interface knows it; the same in every process."""
        return str(uuid.uuid5(_NAMESPACE, self.name))

    @property
    def slug(self) -> str:
        """The `agent_id` of the pending list and the audit: name and eight hex digits (protocol.md)."""
        return f"{self.name}-{self.id[:8]}"

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of its tools, in the order of first use."""
        return tuple(dict.fromkeys(step.tool for step in self.steps if not isinstance(step, Say)))


def agent_from(details: Mapping[str, Any]) -> Agent:
    """An agent as created over REST: its one risky tool is the first it was given, or `custom_tool`."""
    given = [tool.get("name") if isinstance(tool, dict) else tool for tool in details.get("tools") or []]
    tool = next((str(name) for name in given if name), "custom_tool")
    action = str(details.get("instruction") or "Do what you were asked.")
    return Agent(
        name=str(details["name"]),
        about=str(details.get("description") or action),
        steps=(RiskyTool(tool=tool, arguments={"action": action}, answer=f"{tool}: done"),),
        details=dict(details),
    )
