"""Scripted agents: what each one says and does, and what it says when a person answers, or nobody does."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMESPACE = uuid.UUID("6f1d0f1e-1c1b-4d53-9a57-2b0c54b0d0a1")

#: Seconds an agent waits when its script does not say otherwise: the sample of the guide.
DEFAULT_TIMEOUT = 180
#: And where an agent is created with an empty `hitl`: the default of the runtime's `ToolApprovalConfig`.
HITL_TIMEOUT = 300


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
        """The `agent_id` of the pending list and the audit: name and eight hex digits."""
        return f"{self.name}-{self.id[:8]}"

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of its tools, in the order of first use."""
        return tuple(dict.fromkeys(step.tool for step in self.steps if not isinstance(step, Say)))


def tool_id(name: str) -> str:
    """The UUID by which the REST interface knows a tool; the same in every process."""
    return str(uuid.uuid5(_NAMESPACE, f"tool {name}"))


def agent_from(details: Mapping[str, Any], names: Mapping[str, str]) -> Agent:
    """An agent as created over REST, which uses each of its tools once, with its instruction as the argument.

    A tool asks when `agent_config.hitl_enabled` is true and its entry of `tool_configs` has a `hitl` (the
    guide's REST workflow, step 1); the others run without asking. `names` are the known tools by their ids; any
    other reference is taken for a name.
    """
    action = str(details.get("instruction") or "Do what you were asked.")
    enabled = (details.get("agent_config") or {}).get("hitl_enabled", False)
    configs = {names.get(key, key): config for key, config in (details.get("tool_configs") or {}).items()}
    given = [_reference(tool) for tool in details.get("tools") or []]
    tools = dict.fromkeys(names.get(one, one) for one in given if one)
    return Agent(
        name=str(details["name"]),
        about=str(details.get("description") or action),
        steps=tuple(_step(tool, action, configs.get(tool) if enabled else None) for tool in tools),
        details=dict(details),
    )


def agent_told(agent: Agent, text: str) -> Agent:
    """The agent with the arguments that a run's input gives its tools, as `{"pay": {"amount": 12}}`.

    Any other input is words: a script does not read them, and the agent stays as it is.
    """
    try:
        given = from_json(text, allow_inf_nan=False)
        json.dumps(given, allow_nan=False)  # a number too large for JSON cannot be listed
    except ValueError:
        return agent
    told = given if isinstance(given, dict) else {}
    steps = tuple(
        replace(step, arguments=told[step.tool])
        if not isinstance(step, Say) and isinstance(told.get(step.tool), dict)
        else step
        for step in agent.steps
    )
    return replace(agent, steps=steps)


def _reference(tool: object) -> str:
    if isinstance(tool, dict):
        tool = tool.get("id") or tool.get("name") or ""
    return str(tool)


def _step(tool: str, action: str, config: Mapping[str, Any] | None) -> Step:
    hitl = (config or {}).get("hitl")
    arguments, answer = {"action": action}, f"{tool}: done"
    if hitl is None:
        return SafeTool(tool=tool, arguments=arguments, answer=answer)
    window = hitl.get("timeout_seconds", HITL_TIMEOUT)
    return RiskyTool(tool=tool, arguments=arguments, answer=answer, timeout_seconds=window)
