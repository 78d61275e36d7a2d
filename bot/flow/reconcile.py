"""OPEN or DECIDED -> SETTLED when the platform no longer waits: answered elsewhere, or gone."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.approval import Approval, Outcome, Stage, outcome_once_resolved
from bot.flow import Count, Crew
from bot.flow.seen import report_silence, report_unseen
from bot.flow.undelivered import RAN_OUT, report_undeliverable
from bot.ports import Clock, Platform
from bot.records import UNDELIVERED
from bot.store import Store

#: What vanishes without a word, as when its run ends, is no news before this share of its window, seen or not.
SEEN_BY = 0.25
#: So many good polls in a row must miss a request before that is believed.
BELIEVED_AFTER = 2

log = structlog.get_logger()


class Reconcile:
    """Ends what vanished from the platform's list."""

    def __init__(self, *, platform: Platform, store: Store, clock: Clock, count: Count, crew: Crew) -> None:
        self._platform, self._store = platform, store
        self._clock, self._count, self._crew = clock, count, crew

    async def round(self) -> None:
        self._crew.look()
        now = self._clock()
        for approval in await self._store.approvals.at(Stage.OPEN, Stage.DECIDED, missed=BELIEVED_AFTER):
            # While a POST is under way, its own answer tells what became of it (`deliver`).
            if approval.next_try is None or approval.next_try <= now:
                self._crew.take(approval.id, approval.id, self._settle, approval)

    async def _settle(self, approval: Approval) -> None:
        word, now, alerts = await self._platform.word_on(approval.id), self._clock(), self._store.alerts
        outcome = outcome_once_resolved(approval, word, tried_before=approval.attempts > 0)
        lost = outcome is Outcome.UNDELIVERABLE
        if lost:
            await report_undeliverable(approval, RAN_OUT, alerts=alerts, at=now)
        else:
            how = f"it is no longer pending there; the audit says: {word or 'nothing'}"
            await alerts.mend(approval.id, cause=UNDELIVERED, how=how)
        if outcome is Outcome.TIMEOUT_SKIP:
            await report_silence(approval, store=self._store, at=now)
        elif word is None and now >= _seen_by(approval):
            await report_unseen(approval, store=self._store, at=now)
        if await self._store.approvals.settle(
            approval.id,
            was=approval.stage,
            outcome=outcome,
            at=now,
            as_read=approval,
            platform_word=word,
            trouble=RAN_OUT if lost else None,
        ):
            log.info("approval_vanished", outcome=outcome.value, word=word)
            self._count(f"settled_{outcome.value}")


def _seen_by(approval: Approval) -> datetime:
    return approval.first_seen + (approval.deadline.at - approval.first_seen) * SEEN_BY
