"""How a command's coroutine runs: in a new event loop, until it ends or a signal ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import typer

from adapters.settings.words import duration
from bot.errors import ConfigError, NodError
from bot.ports import utc_now

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine. Raises NodError, also from a group of exceptions."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BaseExceptionGroup as group:
        ours, others = group.split(NodError)
        if ours is None or others is not None:
            raise
        raise _leaf(ours) from None


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, BaseExceptionGroup) else first


def stop_signal(also: Callable[[], None] = lambda: None) -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; afterwards the signals have their default effect.

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


def ago(option: str, text: str, *, fix: str = "Write it like 30d or 12h.") -> timedelta:
    """How far back an option reaches. Raises ConfigError for an invalid length."""
    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(option, f"{text!r} {error}", fix) from None


def moment(option: str, text: str | None) -> datetime | None:
    """A moment, or a length of time ago; None without one. Raises ConfigError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return utc_now() - ago(option, text, fix="Write it like 30d, or like 2026-03-01T09:00:00+00:00.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)
