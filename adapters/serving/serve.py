"""One server: a socket that listens, uvicorn on it, and a look at its connections once a second."""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from adapters.serving.protocol import Bounded, Connections, Patience
from bot.errors import ConfigError

#: Seconds that an idle connection is kept. Longer than proxies before Nod keep theirs (the longest is that of
#: Google's load balancers, 600): a request that is sent into a closing connection is lost.
KEEP_ALIVE = 620
#: Seconds between two looks at the connections.
LOOK_EVERY = 1.0
#: Connections that may wait to be taken, and how many of them are taken in one go, before there is a look at
#: whether there is room.
WAITING, AT_ONCE = 512, 32
#: What is said of a host of another machine, or of a protocol that this one does not speak.
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@asynccontextmanager
async def serve(
    app: ASGIApp,
    listening: socket.socket,
    *,
    most: int,
    patience: Patience,
    largest_head: int,
    name: str,
    grace: int | None = None,
    dated: bool = False,
) -> AsyncIterator[str]:
    """Serve until closed; yields the address. Closes the socket.

    At most `most` connections are open at once; a head has at most `largest_head` bytes. At the end nothing
    new is taken, and what is under way has `grace` seconds, or as long as it likes. `dated` answers have a
    `Date`.
    """
    crowd = Connections(most=most)
    config = uvicorn.Config(
        app,
        # uvicorn calls it with names only, which a partial takes as well as a class does.
        http=cast("Any", functools.partial(Bounded, crowd=crowd, patience=patience)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=dated,
        backlog=AT_ONCE,
        timeout_keep_alive=int(patience.idle),
        timeout_graceful_shutdown=grace,
        h11_max_incomplete_event_size=largest_head,
    )
    config.load()
    server = uvicorn.Server(config)
    # Server.serve would take the signals of the whole process, which the root owns; its steps are public.
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    listening.listen(WAITING)  # asyncio has one number for both
    tasks = (
        asyncio.create_task(server.main_loop(), name=name),
        asyncio.create_task(_look_at(crowd), name=f"{name}:look"),
    )
    address, bound = listening.getsockname()[:2]
    try:
        yield f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"
    finally:
        server.should_exit = True
        await tasks[0]
        try:
            await server.shutdown(sockets=[listening])
        finally:
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)


def listen(host: str, port: int, *, host_named: str, port_named: str) -> socket.socket:
    """A socket that listens there. Raises ConfigError, naming the setting that is wrong, when there is none."""
    # asyncio sends small pieces at once only where the listener names its protocol; otherwise each could wait
    # up to 40 ms for an acknowledgement of the one before (TCP_NODELAY, tcp(7)).
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(WAITING)
    except (OSError, UnicodeError) as error:
        listening.close()
        lost = isinstance(error, UnicodeError | socket.gaierror) or error.errno in _NOT_OURS
        named = host_named if lost else port_named
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ConfigError(
            named, f"{host}:{port} cannot be used ({why})", f"Choose another with {named}."
        ) from error
    return listening


async def _look_at(crowd: Connections) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY)
        now = time.monotonic()
        for guest in crowd:
            guest.look(now)
