"""OPEN -> SETTLED at the deadline: nobody answered. That is never a refusal, and never reported as one."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.approval import Approval, Outcome, Stage
from bot.flow import Count, Crew
from bot.flow.seen import report_silence
from bot.ports import Clock, Platform
from bot.protocol import HITLDecision
from bot.store import Store

log = structlog.get_logger()


class Expire:
    """Ends what ran out of time."""

    def __init__(self, *, platform: Platform, store: Store, clock: Clock, count: Count, crew: Crew) -> None:
        self._platform, self._store = platform, store
        self._clock, self._count, self._crew = clock, count, crew

    async def round(self) -> datetime | None:
        self._crew.look()
        now = self._clock()
        for approval in await self._store.approvals.at(Stage.OPEN, due_by=now):
            if approval.deadline.made_up:
                continue  # the platform's list tells whether it waits (`admit`, `reconcile`)
            self._crew.take(approval.id, approval.id, self._expire, approval)
        return await self._store.approvals.next_deadline(after=now)

    async def _expire(self, approval: Approval) -> None:
        # Somebody may have answered on the platform since the last poll: if its audit says so, say so too.
        word = await self._platform.word_on(approval.id)
        answered = word in {verdict.value for verdict in HITLDecision}
        outcome = Outcome.ELSEWHERE if answered else Outcome.TIMEOUT_SKIP
        if not answered:
            await report_silence(approval, store=self._store, at=self._clock())
        if await self._store.approvals.settle(
            approval.id, was=Stage.OPEN, outcome=outcome, at=self._clock(), as_read=approval, platform_word=word
        ):
            log.info("approval_expired", outcome=outcome.value)
            self._count(f"settled_{outcome.value}")
