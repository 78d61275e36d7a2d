"""A user's own program: the person at its terminal is asked first, else its callback rejects."""

from __future__ import annotations

import asyncio

from adapters.terminal import TerminalPrompt
from nod import HITLClient, HITLDecision, HITLHandler, HITLRequest, HITLResponse


def callback(_: HITLRequest) -> HITLResponse:
    return HITLResponse(decision=HITLDecision.REJECTED, operator_input="by the callback")


async def main() -> None:
    async with (
        HITLClient() as client,
        HITLHandler(callback, client=client, interactive=TerminalPrompt(), auto_approve=False) as handler,
    ):
        tasks = [handler.handle(request) for request in await client.list_pending()]
        print("ended:", [outcome.value for outcome in await asyncio.gather(*tasks)], flush=True)


if __name__ == "__main__":
    asyncio.run(main())
