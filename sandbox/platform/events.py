"""The events of one run, in the shape in which the real runtime (aip-agents 0.6.189) streams them.

The pending event carries no arguments: they are in the `tool_call` event with the same id.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.platform.approvals import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sandbox.platform.agents import RiskyTool, SafeTool
    from sandbox.platform.approvals import PendingRequest, Resolution

Event = dict[str, Any]

_WORKING = {"en": "Performing agent tasks", "id": "Melakukan tugas agen"}

_TIMED_OUT = (
    "Tool execution timed out waiting for human approval. Proceed without running the tool and surface a"
    " follow-up plan."
)
_NOT_RUN = {
    "rejected": "Tool execution was rejected by a human reviewer. Proceed without running the tool.",
    "skipped": "Tool execution was skipped by a human reviewer. Proceed without running the tool.",
    TIMEOUT: _TIMED_OUT,
}
_THOUGHTS = {
    "approved": "**Request Approved**\n\nThe reviewer approved this action."
    " Execution will continue as planned.",
    "rejected": "**Request Rejected**\n\nThe reviewer rejected this action. It will not be executed.",
    "skipped": "**Request Skipped**\n\nThe reviewer skipped this action. Execution continues without it.",
    TIMEOUT: "**Request Timed Out**\n\nNo decision arrived before the timeout so the request was"
    " skipped automatically.",
}
_REVIEW = (
    "**Awaiting Review**\n\nThis action requires human verification. The agent is paused until a reviewer"
    " approves or rejects the request. Request: {title}."
)


class Events:
    """Makes the events of one run; counts its steps and remembers which came before."""

    def __init__(self, *, agent_name: str, now: Callable[[], datetime]) -> None:
        """A run of the agent `agent_name` that begins now."""
        self._agent_name = agent_name
        self._now = now
        self._began = now()
        self._task_id, self._context_id = str(uuid.uuid4()), str(uuid.uuid4())
        self._steps = 0
        self._previous: list[str] = []

    def status(self) -> Event:
        """The first event."""
        metadata = {"kind": "agent_step", "message": _WORKING, "status": "running"}
        return self._event("status_update", _WORKING["en"], metadata, step="status_update")

    def tool_call(self, call_id: str, step: SafeTool | RiskyTool) -> Event:
        """The agent wants a tool: here, and only here, are the arguments of a call that waits."""
        call = {"id": call_id, "name": step.tool, "args": step.arguments}
        metadata = {
            "kind": "agent_thinking_step",
            "status": "running",
            "tool_info": {"tool_calls": [call], "status": "running"},
            **_thought(f"**Executing {_title(step.tool)}**"),
        }
        content = f"Processing with tools: {step.tool}"
        return self._event("tool_call", content, metadata, step=f"tool_{step.tool[:4]}_start")

    def tool_result(self, call_id: str, step: SafeTool | RiskyTool) -> Event:
        """A tool that nobody had to approve has run."""
        info = _info(call_id, step.tool, step.arguments, step.answer, execution_time=0.002)
        thought = _thought(f"**Finished {_title(step.tool)}**")
        return self._result(step.tool, step.answer, {"tool_info": info, **thought})

    def waiting(self, call_id: str, request: PendingRequest, *, timeout_at: datetime) -> Event:
        """A person has to decide, by `timeout_at` as this platform writes it."""
        content = (
            f"Awaiting human approval for request '{request.request_id}'. Invoke"
            " ApprovalManager.resolve_pending_request using this identifier to continue execution."
        )
        hitl = {
            "required": True,
            "decision": "pending",
            "request_id": request.request_id,
            "timeout_seconds": request.timeout_seconds,
            "timeout_at": timeout_at.isoformat(),
        }
        info = _info(call_id, request.tool, {}, content, execution_time=None)
        thought = _thought(_REVIEW.format(title=_title(request.tool)))
        return self._result(request.tool, content, {"hitl": hitl, "tool_info": info, **thought})

    def resolved(self, call_id: str, step: RiskyTool, resolution: Resolution) -> Event:
        """The person decided, or nobody did; an approved tool has run by now."""
        ran = resolution.decision == "approved"
        output = step.answer if ran else _NOT_RUN[resolution.decision]
        hitl = {"required": True, "decision": resolution.decision, "request_id": resolution.request.request_id}
        arguments = step.arguments if ran else {}
        info = _info(call_id, step.tool, arguments, output, execution_time=0.002 if ran else None)
        thought = _thought(_THOUGHTS[resolution.decision])
        return self._result(step.tool, output, {"hitl": hitl, "tool_info": info, **thought})

    def says(self, text: str) -> Event:
        """A piece of the agent's own words."""
        return self._event(
            "content_chunk", text, {"kind": "agent_default", "status": "running"}, step="content"
        )

    def final(self, text: str) -> Event:
        """The last event."""
        metadata = {"kind": "final_response", "message": _WORKING, "status": "finished"}
        return self._event("final_response", text, metadata, step="final") | {
            "task_state": "completed",
            "final": True,
        }

    def _result(self, tool: str, content: str, metadata: Mapping[str, Any]) -> Event:
        metadata = {"kind": "agent_thinking_step", "status": "finished", **metadata}
        return self._event("tool_result", content, metadata, step=f"tool_{tool[:4]}_done")

    def _event(self, kind: str, content: str, metadata: Mapping[str, Any], *, step: str) -> Event:
        self._steps += 1
        step_id = f"{step}_{self._steps:03d}"
        previous, self._previous = self._previous, [step_id]
        at = self._now()
        return {
            "status": "success",
            "task_state": "working",
            "content": content,
            "event_type": kind,
            "final": False,
            "metadata": {
                **metadata,
                "agent_name": self._agent_name,
                "step_id": step_id,
                "previous_step_ids": previous,
                "timestamp": at.isoformat(),
                "time": (at - self._began).total_seconds(),
                "event_type": kind,
            },
            "timestamp": at.isoformat(),
            "task_id": self._task_id,
            "context_id": self._context_id,
        }


def _title(tool: str) -> str:
    return tool.replace("_", " ").title()


def _info(
    call_id: str, tool: str, arguments: object, output: str, *, execution_time: float | None
) -> dict[str, Any]:
    return {
        "id": call_id,
        "name": tool,
        "args": arguments,
        "output": output,
        "execution_time": execution_time,
    }


def _thought(message: str) -> dict[str, Any]:
    value = json.dumps({"message": message})
    data = {"data_type": "activity", "id": "default_metadata_id", "data_value": value}
    return {"thinking_and_activity_info": data}
