"""Alerts straight to the pagers, with no row in between: for the time when there is nowhere to write one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from bot.errors import NodError, Unavailable
from bot.ports import Clock, Pager
from bot.records import Alert

#: The first wait after a failed page, doubled each time up to the last, in seconds; as in `bot.flow.alert`.
FIRST_WAIT, LAST_WAIT = 2.0, 60.0

log = structlog.get_logger()


class DirectPages:
    """Each alert to each pager, tried until it is taken or no longer wanted. Whoever makes one closes it."""

    def __init__(
        self,
        *,
        pagers: Mapping[str, Pager],
        clock: Clock,
        count: Callable[[str], None],
        first_wait: float = FIRST_WAIT,
    ) -> None:
        """`pagers` is read at each alert, so it may still be filled; `first_wait` is in seconds."""
        self._pagers, self._clock, self._count, self._first_wait = pagers, clock, count, first_wait
        self._under_way: set[asyncio.Task[None]] = set()

    def page(self, alert: Alert, *, wanted: Callable[[], bool]) -> None:
        """Begin at once, in the background; `wanted` is asked before each try."""
        for name, pager in self._pagers.items():
            paging = self._until_taken(name, pager, alert, wanted)
            task = asyncio.create_task(paging, name=f"emergency:{name}:{alert.cause}")
            self._under_way.add(task)
            task.add_done_callback(self._over)

    async def close(self) -> None:
        """Stop trying."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _until_taken(self, name: str, pager: Pager, alert: Alert, wanted: Callable[[], bool]) -> None:
        wait, attempted_at = self._first_wait, None
        while wanted():
            began = self._clock()
            try:
                await pager.page(alert, ref=None, attempted_at=attempted_at)
            except NodError as error:
                asked = error.retry_after if isinstance(error, Unavailable) else None
                pause = max(wait, asked or 0.0)
                log.error("page_failed", pager=name, cause=alert.cause, wait=pause, reason=str(error))
                self._count("page_failed")
                attempted_at = attempted_at or began
                await asyncio.sleep(pause)
                wait = min(wait * 2, LAST_WAIT)
            else:
                log.warning("alert_paged", pager=name, cause=alert.cause, mended=False)
                self._count("alert_paged")
                return

    def _over(self, task: asyncio.Task[None]) -> None:
        """A pager that breaks harms no other; the store owes it the alert later."""
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("emergency_page_crashed", task=task.get_name(), exc_info=error)
            self._count("emergency_page_crashed")
