"""Serves the relay, so that what it is given leaves at once, and what breaks off breaks off for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from adapters.serving import KEEP_ALIVE, Patience, listen, room, serve

#: Each connection of a client takes another one to the platform; the relay needs few of its own.
SHARE = 0.4
#: Runs and looks at once, however many descriptors there are.
MOST = 8_192
#: Bytes of a request's head: clients of the platform may bring cookies of other things.
LARGEST_HEAD = 64 * 1024


@asynccontextmanager
async def serve_relay(
    app: ASGIApp, *, host: str, port: int, keep_alive: float = KEEP_ALIVE, most: int | None = None
) -> AsyncIterator[str]:
    """Serve until closed; yields the address. Raises ConfigError when the port cannot be had.

    At the end it takes nothing new, and waits for what is under way: a run is not cut off by a restart here.
    Nor is one cut off whose client reads slowly, unless there is no room for others.
    """
    async with serve(
        app,
        listen(host, port, host_named="--host", port_named="--port"),
        most=most or room(share=SHARE, most=MOST),
        patience=Patience(idle=keep_alive, unread=None),
        largest_head=LARGEST_HEAD,
        name="relay",
    ) as address:
        yield address
