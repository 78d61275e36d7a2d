"""Ends requests that nobody answered here: the deadline passed, or the platform's list misses them."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.alerts import UNDELIVERED
from bot.approval import Approval, Outcome, Stage, outcome_once_resolved
from bot.flow import Count, WorkerPool, earliest
from bot.flow.missed_requests import MissedRequests
from bot.flow.polls import Polls
from bot.flow.undelivered import RAN_OUT, Losses
from bot.ports import Clock, Platform
from bot.protocol import HITLDecision
from bot.store import Store
from bot.wording import quoted_name

log = structlog.get_logger()


class Expire:
    """Ends requests after their deadline."""

    def __init__(
        self,
        *,
        platform: Platform,
        store: Store,
        clock: Clock,
        count: Count,
        pool: WorkerPool,
        missed: MissedRequests,
    ) -> None:
        self._platform, self._store, self._missed = platform, store, missed
        self._clock, self._count, self._pool = clock, count, pool

    async def round(self) -> datetime | None:
        self._pool.look()
        now = self._clock()
        for approval in await self._store.approvals.at(Stage.OPEN, due_by=now):
            if approval.deadline.made_up:
                continue  # the platform's list says whether it is pending (`admit`, `reconcile`)
            self._pool.take(approval.id, approval.id, self._expire, approval)
        return earliest(await self._missed.count(), await self._store.approvals.next_deadline(after=now))

    async def _expire(self, approval: Approval) -> None:
        # Someone may have answered on the platform since the last poll: if its audit says so, so does Nod.
        word = await self._platform.word_on(approval.id)
        answered = word in {verdict.value for verdict in HITLDecision}
        outcome = Outcome.ELSEWHERE if answered else Outcome.TIMEOUT_SKIP
        if not answered:
            await self._missed.silence(approval, at=self._clock())
        if await self._store.approvals.settle(
            approval.id, was=Stage.OPEN, outcome=outcome, at=self._clock(), as_read=approval, platform_word=word
        ):
            log.info("approval_expired", outcome=outcome.value)
            self._count(f"settled_{outcome.value}")


#: A request that vanishes without a reason, as when its run ends, is not reported before this share of its
#: window, seen or not.
SEEN_BY = 0.25
#: This many good polls in a row must miss a request before the platform's audit is asked what happened.
ASKED_AFTER = 2


class Reconcile:
    """Ends requests that vanished from the platform's list."""

    def __init__(
        self,
        *,
        platform: Platform,
        store: Store,
        polls: Polls,
        clock: Clock,
        count: Count,
        pool: WorkerPool,
        losses: Losses,
        missed: MissedRequests,
    ) -> None:
        """`polls` knows how many polls must miss a request about which the audit is silent."""
        self._platform, self._store, self._polls, self._missed = platform, store, polls, missed
        self._clock, self._count, self._pool, self._losses = clock, count, pool, losses
        self._asked: dict[str, int] = {}  #: after how many missing polls the audit was last asked

    async def round(self) -> None:
        self._pool.look()
        missing = await self._store.approvals.at(Stage.OPEN, Stage.DECIDED, missed=1)
        still = {approval.id: approval.missed for approval in missing}
        self._asked = {name: times for name, times in self._asked.items() if times <= still.get(name, 0)}
        now = self._clock()
        for approval in missing:
            # While a POST is under way, its answer says how the request ended (`deliver`).
            idle = approval.gone_at or approval.next_try is None or approval.next_try <= now
            if idle and (self._is_gone(approval) or self._may_be_over(approval)):
                self._asked[approval.id] = approval.missed
                self._pool.take(approval.id, approval.id, self._settle, approval)

    def _is_gone(self, approval: Approval) -> bool:
        """Whether Nod believes that it is gone without the audit."""
        steadiness = self._polls.steadiness
        if approval.gone_at is not None and not steadiness.flaps:
            return True  # the platform itself had said so
        return approval.missed >= steadiness.believed_after

    def _may_be_over(self, approval: Approval) -> bool:
        """Whether to ask the audit: once, when it is no longer a single slip."""
        slips = 1 if approval.gone_at else ASKED_AFTER
        return approval.missed >= slips and approval.id not in self._asked

    async def _settle(self, approval: Approval) -> None:
        word, now, alerts = await self._platform.word_on(approval.id), self._clock(), self._store.alerts
        if word is None and not self._is_gone(approval):
            return
        outcome = outcome_once_resolved(approval, word, tried_before=approval.may_be_told)
        lost = outcome is Outcome.UNDELIVERABLE
        if lost:
            await self._losses.report(approval, RAN_OUT)
        else:
            said = f" (its audit says: {word})" if word else ""
            how = f"{quoted_name(approval.request.tool_name)} is no longer pending on the platform{said}"
            await alerts.resolve(approval.id, cause=UNDELIVERED, how=how)
        if outcome is Outcome.TIMEOUT_SKIP:
            await self._missed.silence(approval, at=now)
        elif word is None and now >= _seen_by(approval):
            await self._missed.unseen(approval, at=now)
        if await self._store.approvals.settle(
            approval.id,
            was=approval.stage,
            outcome=outcome,
            at=now,
            as_read=approval,
            platform_word=word,
            trouble=RAN_OUT if lost else None,
        ):
            if lost:
                self._losses.settled(approval, RAN_OUT)
            log.info("approval_vanished", outcome=outcome.value, word=word)
            self._count(f"settled_{outcome.value}")


def _seen_by(approval: Approval) -> datetime:
    return approval.first_seen + (approval.deadline.at - approval.first_seen) * SEEN_BY
