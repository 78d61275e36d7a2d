"""How a command's work is run: in a loop of its own, with errors of ours coming out as themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from bot.errors import NodError

T = TypeVar("T")


def do(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine. Raises NodError, also out of a group of exceptions."""
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
