"""OPEN -> SETTLED at the deadline: nobody answered. That is never a refusal, and never reported as one."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.approval import Approval, Outcome, Stage
from bot.flow import Count, Crew
from bot.ports import Clock, Platform
from bot.protocol import HITLDecision
from bot.records import Alert
from bot.store import Store
from bot.wording import name_of

UNSEEN = "expired-unseen"  #: the alert's cause

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
            self._crew.take(approval.id, approval.id, self._expire, approval)
        return await self._store.approvals.next_deadline(after=now)

    async def _expire(self, approval: Approval) -> None:
        # Somebody may have answered on the platform since the last poll: if its audit says so, say so too.
        word = await self._platform.word_on(approval.id)
        answered = word in {verdict.value for verdict in HITLDecision}
        outcome = Outcome.ELSEWHERE if answered else Outcome.TIMEOUT_SKIP
        if not answered and approval.rule is None and not await self._was_seen(approval):
            # First the alert: once it is settled, nothing would bring us back here after a crash.
            text = f"{name_of(approval.request.tool_name)}: it expired, and no card of it was up anywhere."
            await self._store.alerts.raise_(
                Alert(approval_id=approval.id, cause=UNSEEN, text=text, raised_at=self._clock())
            )
        if await self._store.approvals.settle(
            approval.id, was=Stage.OPEN, outcome=outcome, at=self._clock(), as_read=approval, platform_word=word
        ):
            log.info("approval_expired", outcome=outcome.value)
            self._count(f"settled_{outcome.value}")

    async def _was_seen(self, approval: Approval) -> bool:
        standing = await self._store.placements.of(approval.id)
        if any(placement.ref for placement in standing):
            return True
        gathered = {placement.destination for placement in standing if placement.gathered}
        digests = await self._store.digests.standing(lines=1) if gathered else ()
        return any(digest.ref and digest.destination in gathered for digest in digests)
