"""Sends unrecoverable problems to every pager, at least once, and again when they are resolved."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.errors import Forbidden, Unavailable
from bot.flow import BATCH, WorkerPool
from bot.flow.chat_step import card_link
from bot.ports import Chat, Clock, Metrics, Pager
from bot.records import Alert, PendingPage
from bot.retry import PAGE
from bot.store import Store
from bot.surface import Surface

#: Seconds for one page, including its wait for a turn in a channel that takes one message a second.
PATIENCE = 60.0

log = structlog.get_logger()


class PageOut:
    """Hands alerts to the pagers; trouble with one pager does not affect the others."""

    def __init__(
        self,
        *,
        store: Store,
        pagers: Mapping[str, Pager],
        chats: Mapping[Surface, Chat],
        clock: Clock,
        metrics: Metrics,
        pool: Callable[[], WorkerPool],
        patience: float = PATIENCE,
    ) -> None:
        """Each pager has a separate `pool`, so a slow one does not take the places of others.

        `patience` is for one page, in seconds.
        """
        self._store, self._pagers, self._chats = store, pagers, chats
        self._clock, self._metrics, self._patience = clock, metrics, patience
        self._crews: defaultdict[str, WorkerPool] = defaultdict(pool)

    async def round(self) -> datetime | None:
        for pool in self._crews.values():
            pool.look()
        now = self._clock()
        for page in await self._store.alerts.due(now, most=BATCH):
            pager = self._pagers.get(page.pager)
            if pager is not None:  # a pager that left the settings keeps its rows until it is back
                key = (page.alert.approval_id, page.alert.cause, page.pager)
                self._crews[page.pager].take(key, page.alert.approval_id, self._page, page, pager)
        return await self._store.alerts.next_due(after=now)

    async def _page(self, page: PendingPage, pager: Pager) -> None:
        now, alerts = self._clock(), self._store.alerts
        await alerts.attempt(page, at=now)
        try:
            ref = await self._taken(replace(page, alert=await self._linked(page.alert)), pager)
        except (Unavailable, Forbidden) as error:
            wait = PAGE.after(page.tries, error)
            await alerts.postpone(page, next_try=now + timedelta(seconds=wait))
            log.error("page_failed", pager=page.pager, cause=page.alert.cause, wait=wait, reason=str(error))
            self._metrics.count("page_failed")
            return
        await alerts.taken(page, ref=ref)
        log.warning("alert_paged", pager=page.pager, cause=page.alert.cause, resolved=bool(page.alert.resolved))
        self._metrics.count("alert_paged")

    async def _linked(self, alert: Alert) -> Alert:
        """The alert with a link to its card; without one if it has no request, or the store is unreachable."""
        try:
            link = await card_link(alert.approval_id, self._chats, self._store)
        except Unavailable:
            return alert
        return replace(alert, link=link)

    async def _taken(self, page: PendingPage, pager: Pager) -> str | None:
        try:
            async with asyncio.timeout(self._patience):
                return await pager.page(page.alert, ref=page.ref, attempted_at=page.attempted_at)
        except TimeoutError:
            raise Unavailable(f"the alert took longer than {self._patience:g} s") from None
