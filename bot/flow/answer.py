"""OPEN -> DECIDED by a rule: auto-approval, a fixed verdict, or a callback with a share of the time.

Any error in a callback means reject, with the reason (the platform's guide).
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.approval import Actor, Approval, Vote
from bot.errors import Unavailable
from bot.flow import WorkerPool
from bot.policy import Policy
from bot.ports import Callbacks, Clock, Metrics
from bot.protocol import HITLDecision, HITLResponse
from bot.records import Counted
from bot.routing import Rule
from bot.store import Store
from bot.surface import Surface
from bot.wording import name_of

#: A callback gets this share of the time until the deadline; the rest is for the network.
CALLBACK_SHARE = 0.8

log = structlog.get_logger()


class Answer:
    """Answers requests for which a rule was found when they were first seen."""

    def __init__(
        self,
        *,
        store: Store,
        callbacks: Callbacks,
        policy: Callable[[], Policy],
        clock: Clock,
        metrics: Metrics,
        pool: WorkerPool,
    ) -> None:
        self._store, self._callbacks, self._policy = store, callbacks, policy
        self._clock, self._metrics, self._pool = clock, metrics, pool

    async def round(self) -> None:
        self._pool.look()
        room, without = self._pool.room, self._pool.without
        for approval in await self._store.approvals.ruled(most=room, without=without):
            if approval.forged:
                self._pool.leave_alone(approval.id)
                continue  # perhaps no rule answers it now: the next poll checks again
            self._pool.take(approval.id, approval.id, self._answer, approval)

    async def _answer(self, approval: Approval) -> None:
        rule = self._policy().rules.rule_for(approval.request)
        if rule is None or rule.name != approval.rule:
            # The policy changed while the approval was open: people are asked, nothing is guessed.
            if await self._store.approvals.ask_people(approval.id):
                log.warning("rule_gone", rule=approval.rule)
            return
        response = await self._response(rule, approval)
        denial = self._policy().rules.denial_of(approval.request)
        if response.decision is HITLDecision.APPROVED and denial is not None:
            response = HITLResponse(decision=HITLDecision.REJECTED, operator_input=f"denied by {denial.name}")
        now = self._clock()
        vote = Vote(
            person=f"rule:{rule.name}",
            verdict=response.decision,
            actor=Actor(surface=Surface.POLICY, account=rule.name, name=f"rule {rule.name}"),
            at=now,
            card_id="",
            digest=approval.request.digest,
            note=response.operator_input,
        )
        if await self._store.approvals.vote(approval.id, vote=vote, needs=1, eligible=None) is Counted.DECIDED:
            log.info(
                "answered_by_rule",
                rule=rule.name,
                verdict=response.decision.value,
                tool=name_of(approval.request.tool_name),
                agent=name_of(approval.request.agent_id),
                digest=approval.request.digest,
            )
            self._metrics.count("answered_by_rule")

    async def _response(self, rule: Rule, approval: Approval) -> HITLResponse:
        if rule.verdict is not None:
            return HITLResponse(decision=rule.verdict, operator_input=rule.note)
        left = (approval.deadline.at - self._clock()).total_seconds()
        try:
            response = await self._callbacks.call(
                rule.callback or "", approval.request, within=left * CALLBACK_SHARE
            )
        except Unavailable as error:
            log.error("callback_failed", rule=rule.name, reason=str(error))
            self._metrics.count("callback_failed")
            return HITLResponse(decision=HITLDecision.REJECTED, operator_input=str(error))
        if response.decision is HITLDecision.APPROVED and not approval.request.approvable:
            reason = "The callback approved a call that is truncated or ambiguous"
            return HITLResponse(decision=HITLDecision.REJECTED, operator_input=reason)
        return response
