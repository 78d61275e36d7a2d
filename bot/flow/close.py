"""SETTLED -> CLOSED once every card shows how it ended: then nothing is owed any more."""

from __future__ import annotations

import structlog

from bot.flow import Count
from bot.store import Store

log = structlog.get_logger()


class Close:
    """Files away what is done."""

    def __init__(self, *, store: Store, count: Count) -> None:
        self._store, self._count = store, count

    async def round(self) -> None:
        for approval_id in await self._store.approvals.closable():
            if await self._store.approvals.close(approval_id):
                log.info("approval_closed", approval_id=approval_id)
                self._count("approval_closed")
