"""A TCP proxy before a PostgreSQL server that can freeze the connections that are open; new ones work, or not.

This is what a fail-over behind a balancer looks like: the old connections stay up, take bytes and answer none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, make_url

#: Seconds for both ends of a connection to be closed.
CLOSES_WITHIN = 2


class FreezingProxy:
    """Forwards bytes both ways, except for connections that were frozen."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._open: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0  #: connections so far
        self.refuses = False  #: whether new connections are closed at once
        self.takes_new = True  #: whether anything passes on connections that are opened from now on

    def freeze(self, *, new: bool = False) -> int:
        """From now on nothing passes on the connections that are open, or on `new` ones; how many are open."""
        self.takes_new = not new
        for flows in self._open.values():
            flows.clear()
        return len(self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one side ends it. The end of a frozen one is passed on to nobody."""
        if self.refuses:
            writer.close()
            return
        self.accepted += 1
        flows = self._open[writer] = asyncio.Event()
        if self.takes_new:
            flows.set()
        try:
            there_reader, there = await asyncio.open_unix_connection(str(self._path))
        except BaseException:
            writer.close()
            raise
        ways = [
            asyncio.create_task(_pass_on(reader, there, flows)),
            asyncio.create_task(_pass_on(there_reader, writer, flows)),
        ]
        self._tasks.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await flows.wait()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._open.pop(writer, None)
            for end in (writer, there):
                end.close()
            for end in (writer, there):  # else the loop may end before they are closed
                with suppress(ConnectionError, TimeoutError):
                    await asyncio.wait_for(end.wait_closed(), CLOSES_WITHIN)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            await flows.wait()
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def open_freezing(url: str) -> AsyncIterator[tuple[FreezingProxy, str]]:
    """A proxy before the server of this address, which is on a Unix socket; with the address through it."""
    address = make_url(url)
    proxy = FreezingProxy(Path(str(address.query["host"])) / ".s.PGSQL.5432")
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await proxy.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    through = URL.create("postgresql", address.username, host="127.0.0.1", port=port, database=address.database)
    try:
        yield proxy, through.render_as_string(hide_password=False)
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
