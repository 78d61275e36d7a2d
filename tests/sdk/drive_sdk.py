"""Drives the platform's real client, in an environment of its own, and prints what it saw as one JSON object.

Address and key come from AIP_API_URL and AIP_API_KEY; the only argument is a JSON object: `ids` (three waiting
requests, for approve, reject and skip) and `agent` (the id of an agent with one risky tool).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from glaip_sdk import Client
from glaip_sdk.exceptions import APIError
from glaip_sdk.hitl import HITLDecision, HITLRequest, HITLResponse, RemoteHITLHandler

if TYPE_CHECKING:
    from collections.abc import Callable


def status_of(call: Callable[[], object]) -> object:
    """The HTTP status with which `call` was refused, or None."""
    try:
        call()
    except APIError as error:
        return error.status_code
    return None


def by_hand(client: Client, ids: list[str]) -> dict[str, Any]:
    """Lists what waits and answers it like an operator."""
    listed = client.hitl.list_pending()
    approved, rejected, skipped = ids
    return {
        "listed": [item["request_id"] for item in listed],
        "item": listed[0],
        "approve": client.hitl.approve(approved, operator_input="Looks good", run_id="ours"),
        "reject": client.hitl.reject(rejected, operator_input="Not today"),
        "skip": client.hitl.skip(skipped),
        "again": status_of(lambda: client.hitl.reject(approved)),
        "unknown": status_of(lambda: client.hitl.approve("nobody-knows")),
    }


def by_handler(client: Client, agent: str, **how: Any) -> dict[str, Any]:
    """Runs an agent with the client's own approval handler."""
    asked: list[dict[str, Any]] = []
    decision = how.pop("decision", None)

    def decide(request: HITLRequest) -> HITLResponse:
        asked.append({"tool": request.tool_name, "timeout_seconds": request.timeout_seconds})
        return HITLResponse(decision=HITLDecision(decision), operator_input="from the callback")

    callback = decide if decision else None
    handler = RemoteHITLHandler(callback=callback, client=client.agents, **how)
    text = client.agents.run_agent(agent, "please proceed", renderer="silent", hitl_handler=handler)
    return {"asked": asked, "text": str(text)}


def resolved_before(client: Client, agent: str) -> dict[str, Any]:
    """A handler whose answer comes second takes the conflict for resolved, and says nothing."""
    lost: list[str] = []

    def too_late(request: HITLRequest) -> HITLResponse:
        client.hitl.approve(request.request_id, operator_input="was faster")
        return HITLResponse(decision=HITLDecision.REJECTED)

    handler = RemoteHITLHandler(
        callback=too_late,
        client=client.agents,
        on_unrecoverable_error=lambda request_id, _: lost.append(request_id),
    )
    text = client.agents.run_agent(agent, "please proceed", renderer="silent", hitl_handler=handler)
    return {"text": str(text), "lost": lost}


def main() -> None:
    """Plays every scene and prints the result."""
    given = json.loads(sys.argv[1])
    agent = given["agent"]
    client = Client(api_url=os.environ["AIP_API_URL"], api_key=os.environ["AIP_API_KEY"])
    created = client.create_agent(
        name="made_by_sdk",
        instruction="File the report.",
        tools=["file_report"],
        agent_config={"hitl_enabled": True},
        tool_configs={"file_report": {"hitl": {"timeout_seconds": 30}}},
    )
    result = {
        "by_hand": by_hand(client, given["ids"]),
        "found": [found.id for found in client.find_agents(name="mail_agent")],
        "created": {"id": created.id, "text": by_handler(client, created.id, auto_approve=True)["text"]},
        "approve": by_handler(client, agent, decision="approved"),
        "reject": by_handler(client, agent, decision="rejected"),
        "auto": by_handler(client, agent, auto_approve=True),
        "nothing": by_handler(client, agent),
        "resolved_before": resolved_before(client, agent),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
