"""What the platform puts on the wire: the pending list, the audit, agents, and its several shapes of error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, StrictFloat, StrictInt, ValidationError
from starlette.responses import JSONResponse

from sandbox.platform.agents import HITL_TIMEOUT, tool_id
from sandbox.platform.approvals import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.platform.agents import Agent
    from sandbox.platform.approvals import PendingRequest, Resolution
    from sandbox.platform.quirks import Quirks
    from sandbox.platform.tools import Tool

#: Characters of a preview of arguments before its `...` ends it at 2,048 (the runtime's `arguments_preview`).
_PREVIEW = 2048 - len("...")


#: The longest window, in seconds: a year, because a moment after the year 9999 cannot be written.
LONGEST = 366 * 86_400


class DecisionBody(BaseModel):
    """The body of `POST /agents/hitl/decision`; there is no field for who decided."""

    request_id: str
    decision: Literal["approved", "rejected", "skipped"]
    operator_input: str | None = None
    run_id: str | None = None


class RunBody(BaseModel):
    """The body of `POST /agents/{id}/run`; other fields are accepted and ignored, as by the platform.

    An `input` that is a JSON object gives tools their arguments, by their names.
    """

    input: str
    stream: bool = True


class HitlConfig(BaseModel, extra="allow"):
    """How long a tool waits for a person, in seconds."""

    timeout_seconds: (
        Annotated[StrictInt, Field(gt=0, le=LONGEST)] | Annotated[StrictFloat, Field(gt=0, le=LONGEST)]
    ) = HITL_TIMEOUT


class ToolConfig(BaseModel, extra="allow"):
    """One entry of `tool_configs`; with `hitl` the tool asks."""

    hitl: HitlConfig | None = None


class AgentConfig(BaseModel, extra="allow"):
    """The `agent_config`: without `hitl_enabled` no tool asks."""

    hitl_enabled: bool = False


class AgentBody(BaseModel, extra="allow"):
    """The body of `POST /agents/`; whatever else it says is kept and given back."""

    name: Annotated[str, Field(min_length=1)]
    tools: list[Any] | None = None
    agent_config: AgentConfig | None = None
    tool_configs: dict[str, ToolConfig] | None = None


class AuditQuery(BaseModel):
    """The query of `GET /agents/hitl/audit`."""

    page: Annotated[int, Field(ge=1)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    start_date: AwareDatetime | None = None
    end_date: AwareDatetime | None = None
    decision_type: Literal["approved", "rejected", "skipped", "timeout"] | None = None
    agent_id: str | None = None
    sort_order: Literal["asc", "desc"] = "desc"

    def covers(self, end: Resolution) -> bool:
        """Whether the audit should list this end."""
        return (
            (self.start_date is None or end.at >= self.start_date)
            and (self.end_date is None or end.at <= self.end_date)
            and self.decision_type in (None, audit_word(end.decision))
            and self.agent_id in (None, end.request.agent_id)
        )


def pending_item(request: PendingRequest, quirks: Quirks) -> dict[str, Any]:
    """One item of `GET /agents/hitl/pending`."""
    arguments = _preview(request.arguments) if quirks.previews else request.arguments
    return {
        "request_id": request.request_id,
        "tool": request.tool,
        "arguments": arguments,
        "created_at": (request.created_at + quirks.local_offset).isoformat(),
        "agent_id": request.agent_id,
        "run_id": None if quirks.nameless_runs else request.run_id,
        "hitl_metadata": {
            "required": True,
            "decision": "pending",
            "request_id": request.request_id,
            "timeout_at": (request.timeout_at + quirks.local_offset).isoformat(),
            "timeout_seconds": request.timeout_seconds,
        },
        "additional_context": {
            "tool_name": request.tool,
            "arguments": arguments,
            "agent_id": request.agent_id,
        },
    }


def audit_word(decision: str) -> str:
    """The audit's word for a decision: it says `timeout` where the stream says `timeout_skip`."""
    return "timeout" if decision == TIMEOUT else decision


def audit_item(end: Resolution) -> dict[str, Any]:
    """One record of the audit."""
    note = {} if end.operator_input is None else {"operator_input": end.operator_input}
    return {
        "request_id": end.request.request_id,
        "decision": audit_word(end.decision),
        "timestamp": end.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "agent": {"id": end.request.agent_id, "name": end.request.agent_name},
        "tool": {"name": end.request.tool, "arguments": end.request.arguments},
        "metadata": note,
    }


def agent_item(agent: Agent) -> dict[str, Any]:
    """An agent as `GET /agents/{id}` shows it."""
    shown: dict[str, Any] = {
        "instruction": agent.about,
        "description": agent.about,
        "type": "config",
        "framework": "langchain",
        "version": "1.0",
        **agent.details,
    }
    tools = [{"id": tool_id(tool), "name": tool} for tool in agent.tools]
    return shown | {"id": agent.id, "name": agent.name, "tools": tools, "agents": [], "mcps": []}


def tool_item(tool: Tool) -> dict[str, Any]:
    """A tool as `GET /tools/{id}` shows it; those of the scripts count as `native`."""
    return {
        "id": tool.id,
        "name": tool.name,
        "tool_type": "custom" if tool.code else "native",
        "framework": "langchain",
        "description": tool.description or tool.name,
        "tool_script": tool.code or None,
    }


def envelope(status: int, error: str, message: str) -> JSONResponse:
    """The platform's general error."""
    return JSONResponse({"success": False, "error": error, "message": message, "details": None}, status)


def audit_error(status: int, error: str, message: str, **details: object) -> JSONResponse:
    """The audit's error, which has no `success`."""
    return JSONResponse(
        {"error": error, "message": message} | ({"details": details} if details else {}), status
    )


def invalid_body(error: ValidationError) -> JSONResponse:
    """FastAPI's 422."""
    problems = [
        {"loc": ["body", *problem["loc"]], "msg": problem["msg"], "type": problem["type"]}
        for problem in json.loads(error.json(include_url=False, include_input=False, include_context=False))
    ]
    return JSONResponse({"detail": problems}, 422)


def invalid_query(error: ValidationError, given: Mapping[str, str]) -> JSONResponse:
    """The audit's answer to a parameter that it does not take."""
    name = str(error.errors()[0]["loc"][0])
    rules = {"sort_order": "Must be either 'asc' or 'desc'", "limit": "Must be between 1 and 100"}
    message = f"Invalid {name}. {rules.get(name, error.errors()[0]['msg'])}"
    return audit_error(400, "invalid_parameter", message, parameter=name, value=given.get(name))


def _preview(arguments: Mapping[str, Any] | str) -> str:
    text = json.dumps(arguments, indent=2)
    return text if len(text) <= _PREVIEW + 3 else text[:_PREVIEW] + "..."
