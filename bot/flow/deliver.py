"""DECIDED -> SETTLED: tell the platform, at once and then for as long as it waits.

A decision that a person made is never turned into another word. An Approve goes out only after a poll that
began after the click listed the very same call; Reject and Skip need no such proof (reliability.md G2).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.approval import Approval, Outcome, Stage, outcome_by, outcome_once_resolved
from bot.errors import Forbidden, Gone, Unavailable
from bot.flow import Count, Crew, earliest
from bot.flow.undelivered import RAN_OUT, report_undeliverable
from bot.policy import Policy
from bot.ports import Clock, Platform
from bot.protocol import HITLDecision
from bot.records import UNDELIVERED, Alert, Ring, Step
from bot.store import Store
from bot.wording import beaten_by, name_of

#: Waits after the first, second and third attempt, in seconds (protocol.md, the guide's rules).
QUICK_WAITS = (1.0, 2.0, 3.0)
#: After those, a tenth of what is left, within these bounds, in seconds.
SLOW_WAIT_LEAST, SLOW_WAIT_MOST = 2.0, 15.0
#: Near the deadline tries come no closer than this, in seconds.
LEAST_WAIT = 0.5
#: One POST takes at most this long; nobody else may send it meanwhile. More than the client's total timeout.
LEASE = timedelta(seconds=20)
#: No POST starts later than this before the deadline: the answer would come too late to be believed.
MARGIN = timedelta(milliseconds=500)
#: An Approve that waits this long for a fresh listing is in trouble, and an operator is told.
PATIENCE = timedelta(seconds=6)


log = structlog.get_logger()


class Deliver:
    """Carries each decision to the platform, once to effect."""

    def __init__(
        self,
        *,
        platform: Platform,
        store: Store,
        policy: Callable[[], Policy],
        clock: Clock,
        count: Count,
        crew: Crew,
        ring: Ring,
    ) -> None:
        self._platform, self._store, self._policy = platform, store, policy
        self._clock, self._count, self._crew, self._ring = clock, count, crew, ring

    async def round(self) -> datetime | None:
        self._crew.look()
        now, due = self._clock(), None
        for approval in await self._store.approvals.at(Stage.DECIDED):
            late = approval.deadline.at - MARGIN
            if approval.next_try and approval.next_try > now:
                due = earliest(due, approval.next_try)
            elif now >= late:
                self._crew.take(approval.id, approval.id, self._give_up, approval)
            elif _confirmed(approval):
                self._crew.take(approval.id, approval.id, self._deliver, approval)
            elif approval.trouble is None and now >= _patience_ends(approval):
                self._crew.take(approval.id, approval.id, self._unread, approval)
            else:
                self._ring(Step.ADMIT)  # for a fresh listing, now rather than at the next poll
                due = earliest(due, late, None if approval.trouble else _patience_ends(approval))
        return due

    async def _deliver(self, approval: Approval) -> None:
        now = self._clock()
        if now >= approval.deadline.at - MARGIN or await self._denied(approval, now):
            return
        taken = await self._store.approvals.begin_delivery(
            approval.id, now=now, until=now + LEASE, as_read=approval
        )
        if taken is None or taken.decision is None:
            return
        try:
            await self._platform.decide(taken.request, taken.decision.response)
        except Gone:
            word = await self._platform.word_on(taken.id)
            outcome = outcome_once_resolved(taken, word, tried_before=taken.attempts > 1)
            await self._settle(taken, outcome, word)
        except Unavailable as error:
            await self._retry(taken, error, quick=taken.attempts <= len(QUICK_WAITS))
        except Forbidden as error:
            await self._retry(taken, error, quick=False)
        else:
            # A 200 is no proof that ours was the first answer (protocol.md): the audit's word counts.
            word = await self._platform.word_on(taken.id)
            told = outcome_by(taken.decision)
            outcome = told if word is None else outcome_once_resolved(taken, word, tried_before=True)
            await self._settle(taken, outcome, word)

    async def _denied(self, approval: Approval, now: datetime) -> bool:
        """An explicit deny wins over every vote, also over one that was given before the rule was there."""
        approves = approval.decision and approval.decision.verdict is HITLDecision.APPROVED
        denial = self._policy().rules.denial_of(approval.request) if approves else None
        if denial is None:
            return False
        if await self._store.approvals.void(approval.id, why=f"denied by {denial.name}", at=now):
            log.warning("decision_voided", rule=denial.name)
            self._count("decision_voided")
        return True

    async def _settle(self, approval: Approval, outcome: Outcome, word: str | None) -> None:
        lost = outcome is Outcome.UNDELIVERABLE
        # First the alerts: a crash in between repeats the POST, but nothing would repeat these.
        if lost:
            await report_undeliverable(approval, RAN_OUT, alerts=self._store.alerts, at=self._clock())
        else:
            through = outcome is not Outcome.ELSEWHERE
            how = "the decision got through after all" if through else beaten_by(word)
            await self._store.alerts.mend(approval.id, cause=UNDELIVERED, how=how)
        if not await self._store.approvals.settle(
            approval.id,
            was=Stage.DECIDED,
            outcome=outcome,
            at=self._clock(),
            platform_word=word,
            trouble=RAN_OUT if lost else None,
        ):
            return
        log.info("decision_delivered", outcome=outcome.value, attempts=approval.attempts)
        self._count(f"settled_{outcome.value}")

    async def _retry(self, approval: Approval, error: Unavailable | Forbidden, *, quick: bool) -> None:
        now = self._clock()
        left = (approval.deadline.at - MARGIN - now).total_seconds()
        wait = QUICK_WAITS[approval.attempts - 1] if quick else _slow(left)
        if isinstance(error, Unavailable) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        # Whatever was asked for, half of what is left is kept for another try.
        next_try = now + timedelta(seconds=min(wait, max(left / 2, LEAST_WAIT)))
        exhausted = not quick or approval.attempts >= len(QUICK_WAITS)
        await self._store.approvals.postpone(
            approval.id, next_try=next_try, trouble=str(error) if exhausted else None
        )
        log.warning("delivery_failed", attempt=approval.attempts, wait=round(wait, 1), reason=str(error))
        self._count("delivery_failed")
        if exhausted:
            await self._alert(approval, f"the platform could not be told yet ({error}); retrying")

    async def _unread(self, approval: Approval) -> None:
        """Without a fresh listing an Approve waits: consent goes before delivery."""
        trouble = "the request could not be read again to confirm it"
        await self._alert(approval, f"{trouble}; the approval waits")
        await self._store.approvals.postpone(approval.id, next_try=self._clock(), trouble=trouble)

    async def _give_up(self, approval: Approval) -> None:
        # A POST of ours may have been taken and only its answer lost, or somebody was first: its audit knows.
        word = await self._platform.word_on(approval.id)
        if word in {verdict.value for verdict in HITLDecision}:
            outcome = outcome_once_resolved(approval, word, tried_before=approval.attempts > 0)
            await self._settle(approval, outcome, word)
            return
        trouble = approval.trouble or "the deadline came first"
        await report_undeliverable(approval, trouble, alerts=self._store.alerts, at=self._clock())
        if await self._store.approvals.settle(
            approval.id, was=Stage.DECIDED, outcome=Outcome.UNDELIVERABLE, at=self._clock(), trouble=trouble
        ):
            log.error("decision_undeliverable", attempts=approval.attempts)
            self._count("settled_undeliverable")

    async def _alert(self, approval: Approval, text: str) -> None:
        tool, now = name_of(approval.request.tool_name), self._clock()
        alert = Alert(approval_id=approval.id, cause=UNDELIVERED, text=f"{tool}: {text}.", raised_at=now)
        await self._store.alerts.raise_(alert)


def _confirmed(approval: Approval) -> bool:
    decision, seen = approval.decision, approval.confirmed_at
    if decision is None or decision.verdict is not HITLDecision.APPROVED:
        return True
    # Strictly later: the store keeps milliseconds, and a poll of the same one may have begun before.
    return seen is not None and seen > decision.at


def _patience_ends(approval: Approval) -> datetime:
    """When an Approve has waited too long for a listing, since the click or the last attempt's wait."""
    since = approval.next_try or (approval.decision.at if approval.decision else approval.first_seen)
    return since + PATIENCE


def _slow(left: float) -> float:
    return min(max(left / 10, SLOW_WAIT_LEAST), SLOW_WAIT_MOST)
