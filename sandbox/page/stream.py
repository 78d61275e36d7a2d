"""Live news for the page, as Server-Sent Events: the workspace changed, an agent did something."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from sandbox.platform.journal import Line
from sandbox.platform.platform import Platform
from sandbox.slack.changes import Changes

#: Seconds without news until a comment keeps the connection alive through proxies.
HEARTBEAT = 15.0


def event(name: str, data: Any) -> str:
    """One event in the wire format (html.spec.whatwg.org, server-sent events)."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def line_data(line: Line, *, platform: Platform) -> dict[str, Any]:
    """A transcript line for the page; while its request waits also until when."""
    waiting = {request.request_id: request for request in platform.approvals.pending()}
    request = waiting.get(line.request_id or "")
    return {
        "run_id": line.run_id,
        "agent": line.agent,
        "at": line.at.timestamp(),
        "kind": line.kind,
        "text": line.text,
        "request_id": line.request_id,
        "deadline": request.timeout_at.timestamp() if request else None,
        "window": request.timeout_seconds if request else None,
    }


async def news(
    chat: Changes, *, platform: Platform | None, now: float, other: bool = False
) -> AsyncIterator[str]:
    """All events for one page: first `hello`, then the whole transcript, then everything new as it comes.

    Without a platform there are no agents to start. `other` says that there is another chat's page to go to.
    """
    waiting: asyncio.Queue[str] = asyncio.Queue()

    async def changes() -> None:
        version = -1
        while True:
            version = await chat.beyond(version)
            waiting.put_nowait(event("changed", {"version": version}))

    async def lines(platform: Platform) -> None:
        async for line in platform.watch():
            waiting.put_nowait(event("line", line_data(line, platform=platform)))

    cast = platform.agents.values() if platform else ()
    agents = [{"name": agent.name, "about": agent.about, "tools": list(agent.tools)} for agent in cast]
    yield "retry: 1000\n" + event("hello", {"now": now, "agents": agents, "other": other})
    tasks = [asyncio.create_task(changes())]
    if platform:
        tasks.append(asyncio.create_task(lines(platform)))
    try:
        while True:
            try:
                yield await asyncio.wait_for(waiting.get(), HEARTBEAT)
            except TimeoutError:
                yield ": still here\n\n"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
