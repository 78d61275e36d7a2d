"""The platform's real handler with Nod's `ask_people` as its callback; prints what the runs said as JSON.

Address and key come from AIP_API_URL and AIP_API_KEY; the arguments are ids of agents with one risky tool.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial

from glaip_sdk import Client
from glaip_sdk.hitl import HITLRequest, HITLResponse, RemoteHITLHandler

from nod import ask_people


def main() -> None:
    """Runs each agent to its end."""
    client = Client(api_url=os.environ["AIP_API_URL"], api_key=os.environ["AIP_API_KEY"])
    returned: list[list[str | None]] = []
    lost: list[str] = []

    def callback(request: HITLRequest) -> HITLResponse:
        response = partial(ask_people, every=0.05)(request)
        returned.append([type(response).__module__, response.decision.value, response.operator_input])
        return response

    for agent in sys.argv[1:]:
        handler = RemoteHITLHandler(
            callback=callback,
            client=client.agents,
            on_unrecoverable_error=lambda request_id, _: lost.append(request_id),
        )
        client.agents.run_agent(agent, "please proceed", renderer="silent", hitl_handler=handler)
        handler.wait_for_pending_decisions(timeout=10)
    print(json.dumps({"returned": returned, "lost": lost}))


if __name__ == "__main__":
    main()
