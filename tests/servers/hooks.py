"""Hooks as operators write them (`on_unrecoverable_error` in nod.yaml): one that works, and two that do not."""

from __future__ import annotations

import threading

#: What the good hook was told, oldest first. Hooks are found by name, so what they know is the module's.
TOLD: list[tuple[str, str]] = []
#: Releases the hook that hangs; without it, it goes on after this many seconds.
LET_GO = threading.Event()
LONGEST = 30.0


def notes(request_id: str, error: Exception) -> None:
    """Remember it."""
    TOLD.append((request_id, str(error)))


def raises(request_id: str, error: Exception) -> None:
    """Fail, as code does that nobody has tried."""
    raise RuntimeError(f"no pager for {request_id}") from error


def hangs(request_id: str, error: Exception) -> None:
    """Wait for something that does not come, holding its thread."""
    LET_GO.wait(LONGEST)
