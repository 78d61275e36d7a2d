"""Clicks that fail inside Nod: each is counted, and each cause is logged once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from bot.errors import Unavailable
from bot.ports import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds for which a logged cause is not logged again.
AGAIN_AFTER = 60.0
#: Causes that are remembered. There are few, and none holds what a person sent.
MOST = 100

log = structlog.get_logger(__name__)


class ClickErrors:
    """While the database is down each click fails the same way: one log line says so, without a traceback."""

    def __init__(self, *, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` in seconds."""
        self._metrics, self._monotonic = metrics, monotonic
        self._told: dict[str, float] = {}

    def note(self, error: BaseException, *, late: bool = False) -> None:
        """Any other error is a fault in Nod and is logged with its traceback each time."""
        self._metrics.count("click_failed")
        if not isinstance(error, Unavailable):
            log.error("click_failed", late=late, exc_info=error)
            return
        now, cause = self._monotonic(), str(error)
        if now - self._told.get(cause, now - AGAIN_AFTER) >= AGAIN_AFTER:
            if len(self._told) >= MOST:
                self._told.clear()
            self._told[cause] = now
            log.error("click_failed", late=late, reason=cause)
