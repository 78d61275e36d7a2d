"""Ends requests that nobody answered here: the deadline passed, or the platform's list misses them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from bot.alerts import UNDELIVERED
from bot.approval import Approval, Outcome, Stage, outcome_once_resolved
from bot.flow import Together, WorkerPool, count_end, earliest
from bot.flow.missed_requests import MissedRequests
from bot.flow.polls import Polls
from bot.flow.undelivered import RAN_OUT, Losses
from bot.ports import Clock, Metrics, Source
from bot.protocol import HITLDecision
from bot.store import Store
from bot.wording import quoted_name

log = structlog.get_logger()


class Expire:
    """Ends requests after their deadline."""

    def __init__(
        self,
        *,
        source: Source,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        pool: WorkerPool,
        missed: MissedRequests,
    ) -> None:
        self._source, self._store, self._missed = source, store.of(source.name), missed
        self._clock, self._metrics, self._pool = clock, metrics, pool

    async def round(self) -> datetime | None:
        self._pool.look()
        now = self._clock()
        room, without = self._pool.room, self._pool.without
        found = await self._store.approvals.expired(now, most=room, without=without)
        for approval in found:
            self._pool.take(approval.id, approval.id, self._expire, approval)
        return earliest(await self._missed.count(), await self._store.approvals.next_deadline(after=now))

    async def _expire(self, approval: Approval) -> None:
        # Someone may have answered on the platform since the last poll: if its audit says so, so does Nod.
        word = await self._source.word_on(approval.request.request_id)
        answered = word in {verdict.value for verdict in HITLDecision}
        outcome = Outcome.ELSEWHERE if answered else Outcome.TIMEOUT_SKIP
        if not answered:
            await self._missed.silence(approval, at=self._clock())
        if await self._store.approvals.settle(
            approval.id, was=Stage.OPEN, outcome=outcome, at=self._clock(), as_read=approval, platform_word=word
        ):
            log.info("approval_expired", outcome=outcome.value)
            count_end(self._metrics, approval, outcome)


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
        source: Source,
        store: Store,
        polls: Polls,
        clock: Clock,
        metrics: Metrics,
        pool: WorkerPool,
        losses: Losses,
        missed: MissedRequests,
    ) -> None:
        """`polls` knows how many polls must miss a request about which the audit is silent."""
        self._source, self._store, self._polls, self._missed = source, store.of(source.name), polls, missed
        self._clock, self._metrics, self._pool, self._losses = clock, metrics, pool, losses
        self._ask = Together(self._asked)

    async def round(self) -> None:
        self._pool.look()
        steadiness = self._polls.steadiness
        for approval in await self._store.approvals.vanished(
            self._clock(),
            believed_after=steadiness.believed_after,
            asked_after=ASKED_AFTER,
            by_word=not steadiness.flaps,
            most=self._pool.room,
            without=self._pool.without,
        ):
            self._pool.take(approval.id, approval.id, self._settle, approval)

    def _is_gone(self, approval: Approval) -> bool:
        """Whether Nod believes that it is gone without the audit."""
        steadiness = self._polls.steadiness
        if approval.gone_at is not None and not steadiness.flaps:
            return True  # the platform itself had said so
        return approval.missed >= steadiness.believed_after

    async def _settle(self, approval: Approval) -> None:
        word = await self._source.word_on(approval.request.request_id)
        now, alerts = self._clock(), self._store.alerts
        if word is None and not self._is_gone(approval):
            await self._ask.do(approval)
            return
        outcome = outcome_once_resolved(approval, word, tried_before=approval.may_be_told)
        lost = outcome is Outcome.UNDELIVERABLE
        said = f" (its audit says: {word})" if word else ""
        how = f"{quoted_name(approval.request.tool_name)} is no longer pending on the platform{said}"
        if lost:
            await self._losses.report(approval, RAN_OUT)
        else:
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
            elif approval.trouble:  # it may have been raised in between
                await alerts.resolve(approval.id, cause=UNDELIVERED, how=how)
            log.info("approval_vanished", outcome=outcome.value, word=word)
            count_end(self._metrics, approval, outcome)

    async def _asked(self, approvals: Sequence[Approval]) -> list[None]:
        await self._store.approvals.asked({approval.id: approval.missed for approval in approvals})
        return [None] * len(approvals)


def _seen_by(approval: Approval) -> datetime:
    return approval.first_seen + (approval.deadline.at - approval.first_seen) * SEEN_BY
