"""Runs an agent through the relay with the platform's real client, once for each way that it has to answer.

Address and key come from AIP_API_URL and AIP_API_KEY; the argument is the agent's id. Prints what it saw as
JSON.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from glaip_sdk import Client
from glaip_sdk.hitl import HITLDecision, HITLRequest, HITLResponse, RemoteHITLHandler


def reject(request: HITLRequest) -> HITLResponse:
    """Say no to everything."""
    return HITLResponse(decision=HITLDecision.REJECTED, operator_input="from the callback")


def main() -> None:
    """Three runs: approved by itself, rejected by a callback, answered by another person."""
    client = Client(api_url=os.environ["AIP_API_URL"], api_key=os.environ["AIP_API_KEY"])
    ways: dict[str, dict[str, Any] | None] = {
        "auto": {"auto_approve": True},
        "callback": {"callback": reject},
        "people": None,
    }
    said = {}
    for name, how in ways.items():
        handler = None if how is None else RemoteHITLHandler(client=client.agents, **how)
        given = {} if handler is None else {"hitl_handler": handler}
        said[name] = str(client.agents.run_agent(sys.argv[1], "please proceed", renderer="silent", **given))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
