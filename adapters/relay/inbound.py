"""One request as it comes from the client: its body for the platform, and the moment when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.types import Receive


class Inbound(httpx.AsyncByteStream):
    """The body, read while it is sent on. Only one of `__aiter__` and `left` reads at a time."""

    def __init__(self, receive: Receive) -> None:
        """Over the connection of one request."""
        self._receive = receive
        self._read = asyncio.Event()  #: nobody reads the body any more
        self._gone = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it comes. It does not end where the client left in the middle."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._read.set()
                # Ending here would end the request for the platform, as if that were all of it.
                await asyncio.Event().wait()
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                self._read.set()
                return

    def let_go(self) -> None:
        """The platform has answered: what is still to come of the body interests nobody."""
        self._read.set()

    async def left(self) -> None:
        """Return when the client is gone."""
        await self._read.wait()
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"
