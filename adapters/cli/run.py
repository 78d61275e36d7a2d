"""`nod run`: the bot, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

from adapters.app import open_nod
from adapters.settings import Environment
from adapters.watch import end_within

log = structlog.get_logger()


async def run(environment: Environment, *, accept_rollback: bool = False) -> None:
    """Run until SIGINT or SIGTERM, and end in time whatever hangs; a second one ends the process at once."""
    for name in environment.in_the_clear():
        log.warning("plain_http_is_allowed", variable=name, effect="it can be read and changed on the way")
    stop = stop_signal(end_within)
    async with open_nod(environment, accept_rollback=accept_rollback):
        await stop.wait()


def stop_signal(also: Callable[[], None] = lambda: None) -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; afterwards the signals do what they usually do.

    `also` is called then, too.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        also()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first)
    return stop
