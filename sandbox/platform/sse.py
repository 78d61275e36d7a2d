"""A run as a stream of server-sent events; a client that goes away takes its waiting request with it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from sandbox.platform.events import Event
    from sandbox.platform.runs import Emit, Run

#: Seconds without an event after which the server closes a stream.
IDLE = 300.0


class RunStream:
    """The answer to `POST /agents/{id}/run`: each event one `data:` line, then `data: [DONE]`."""

    def __init__(self, run: Run, *, run_id: str, idle: float = IDLE) -> None:
        """`run` has not begun; it is played while someone listens."""
        self._run = run
        self._run_id = run_id
        self._idle = idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the run to its end, the client's leaving, or the idle limit."""
        del scope
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-run-id", self._run_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with asyncio.timeout(self._idle) as patience:
                done = await self._play(receive, send, patience)
        except TimeoutError:
            done = False
        ending = b"data: [DONE]\n\n" if done else b""
        await send({"type": "http.response.body", "body": ending, "more_body": False})

    async def _play(self, receive: Receive, send: Send, patience: asyncio.Timeout) -> bool:
        async def emit(event: Event) -> None:
            patience.reschedule(asyncio.get_running_loop().time() + self._idle)
            frame = f"data: {json.dumps(event)}\n\n".encode()
            await send({"type": "http.response.body", "body": frame, "more_body": True})

        return await played(self._run, emit, receive)


async def played(run: Run, emit: Emit, receive: Receive) -> bool:
    """Play a run while its client is there; whether it came to its end. What waits leaves with the client."""
    playing = asyncio.create_task(run.play(emit))
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        playing.cancel()
        leaving.cancel()
        await asyncio.gather(playing, leaving, return_exceptions=True)
    if playing.cancelled():
        return False
    playing.result()
    return True


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
