"""The patterns of the guide, played with the real client: each is one run of an agent that asks twice.

Address and key come from AIP_API_URL and AIP_API_KEY. Prints what was seen as one JSON object.
With the arguments `decide N` it is the other process: it answers N requests by hand and ends.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import subprocess
import sys
import time
from typing import Any

from glaip_sdk import Client
from glaip_sdk.hitl import HITLDecision, HITLRequest, HITLResponse, RemoteHITLHandler

WINDOW = 40
CODE = """
from langchain_core.tools import BaseTool


class {kind}(BaseTool):
    name: str = "{name}"
    description: str = "Works on the report."

    def _run(self, action: str) -> str:
        return "done"
"""


def connect() -> Client:
    """The client, as the guide makes it."""
    return Client(api_url=os.environ["AIP_API_URL"], api_key=os.environ["AIP_API_KEY"])


def deploy(client: Client) -> str:
    """Upload two tools, and create an agent that must ask for both."""
    names = {"ReadReport": "read_report", "SendReport": "send_report"}
    tools = [
        client.tools.create_tool_from_code(name=name, code=CODE.format(kind=kind, name=name))
        for kind, name in names.items()
    ]
    agent = client.create_agent(
        name="pattern_agent",
        instruction="Send the report.",
        tools=[tool.id for tool in tools],
        agent_config={"hitl_enabled": True},
        tool_configs={tool.id: {"hitl": {"timeout_seconds": WINDOW}} for tool in tools},
    )
    return str(agent.id)


def conditional(request: HITLRequest) -> HITLResponse:
    """The guide's conditional approval: what only reads is fine."""
    if request.tool_name.startswith("read_"):
        return HITLResponse(decision=HITLDecision.APPROVED, operator_input="only reads")
    return HITLResponse(decision=HITLDecision.REJECTED, operator_input="sends something")


def logged(request: HITLRequest) -> HITLResponse:
    """The guide's logging: a line for each request, and yes."""
    logging.getLogger("approvals").info("%s for %s s", request.tool_name, request.timeout_seconds)
    return HITLResponse(decision=HITLDecision.APPROVED, operator_input="logged")


def run(client: Client, agent: str, **how: Any) -> str:
    """One run with a handler."""
    handler = RemoteHITLHandler(client=client.agents, **how)
    return str(client.agents.run_agent(agent, "please", renderer="silent", hitl_handler=handler))


def by_hand(client: Client, agent: str) -> list[str]:
    """One run without a handler, while another process answers."""
    command = [sys.executable, __file__, "decide", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        client.agents.run_agent(agent, "please", renderer="silent")
        said, _ = other.communicate(timeout=30)
    return [str(line) for line in said.splitlines() if line.startswith("Request ")]


def decide(client: Client, count: int) -> None:
    """The other process: whatever waits is skipped, with a note."""
    while count:
        for item in client.hitl.list_pending():
            print(client.hitl.skip(item["request_id"], operator_input="by hand")["message"])
            count -= 1
        time.sleep(0.02)


def main() -> None:
    """Plays every pattern, one after the other."""
    client = connect()
    if sys.argv[1:2] == ["decide"]:
        decide(client, int(sys.argv[2]))
        return
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("approvals").addHandler(handler)
    logging.getLogger("approvals").setLevel(logging.INFO)
    agent = deploy(client)
    said: dict[str, Any] = {"auto": run(client, agent, auto_approve=True)}
    os.environ["GLAIP_HITL_AUTO_APPROVE"] = "TRUE"
    said["environment"] = run(client, agent)
    del os.environ["GLAIP_HITL_AUTO_APPROVE"]
    said["conditional"] = run(client, agent, callback=conditional)
    said["logged"] = run(client, agent, callback=logged)
    said["by hand"] = by_hand(client, agent)
    interactive = "interactive" in inspect.signature(RemoteHITLHandler).parameters
    print(json.dumps({"said": said, "lines": lines, "interactive": interactive}))


if __name__ == "__main__":
    main()
