"""OPEN -> DECIDED: a click, checked against the record and the policy; the first that counts wins.

Local and quick: the store and nothing else, so that a chat can be answered within its seconds, after the
commit and never before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from bot.approval import Actor, Approval, Decision, Outcome, Stage
from bot.card import Button, Card, card_of
from bot.errors import Refusal, Refused
from bot.flow import Count
from bot.policy import Policy, approver, check_note
from bot.ports import Click, Clock, Placement, Store
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import ReasonRule

log = structlog.get_logger()


class Decide:
    """The desk: where chats hand in clicks."""

    def __init__(self, *, store: Store, policy: Callable[[], Policy], clock: Clock, count: Count) -> None:
        self._store, self._policy, self._clock, self._count = store, policy, clock, count

    async def decide(self, click: Click) -> Decision:
        """Returns once the decision is committed. Raises Refused, for this person only."""
        try:
            placement, approval = await self._check(click)
            decision = self._decision(click, approval)
            await self._check_shown(click, placement, approval)
            if not await self._store.approvals.decide(approval.id, decision=decision, digest=click.digest):
                raise await self._too_late(click)
        except Refused as refused:
            log.info("click_refused", card_id=click.card_id, account=click.account, code=refused.code.value)
            self._count("click_refused")
            raise
        log.info(
            "approval_decided",
            approval_id=approval.id,
            verdict=decision.verdict.value,
            account=click.account,
            surface=click.surface.value,
        )
        self._count("approval_decided")
        return decision

    async def reason_rule(self, click: Click) -> ReasonRule:
        """Whether this verdict needs a reason. Raises Refused if this person could not give it now."""
        _, approval = await self._check(click)
        route = self._policy().route_named(approval.route)
        return route.reason_rule(click.verdict) if route else ReasonRule.REQUIRED

    async def card(self, click: Click) -> tuple[Card, HITLRequest]:
        """The card and the whole call, for a look at everything. Raises Refused."""
        placement, approval = await self._check(click)
        return card_of(approval, card_id=placement.card_id, policy=self._policy()), approval.request

    async def _check(self, click: Click) -> tuple[Placement, Approval]:
        """Everything but the note: right card, right place, right person, still open, same call."""
        placement = await self._store.placements.get(click.card_id)
        approval = await self._store.approvals.get(placement.approval_id) if placement else None
        if placement is None or approval is None:
            raise Refused(Refusal.UNKNOWN_CARD, "Nod does not know this card.")
        where = placement.destination
        # A click can come before the answer to our own post: then the ref is not noted yet.
        if (where.surface, where.channel) != (click.surface, click.channel) or (
            placement.ref is not None and placement.ref != click.ref
        ):
            raise Refused(Refusal.MOVED_CARD, "This is a copy of a card. Answer on the card itself.")
        if not click.home:
            raise Refused(Refusal.OUTSIDER, "Only people of this workspace may decide.")
        approver(self._policy(), approval.route, click.surface, click.account)
        self._check_open(click, approval)
        if click.digest != approval.request.digest:
            raise Refused(Refusal.CHANGED, "This request changed under the card. Look at it again.")
        return placement, approval

    def _decision(self, click: Click, approval: Approval) -> Decision:
        policy = self._policy()
        person = approver(policy, approval.route, click.surface, click.account)
        route = policy.route_named(approval.route)
        if route is not None:
            check_note(route, click.verdict, click.note)
        actor = Actor(surface=click.surface, account=click.account, name=person.name, email=person.email)
        return Decision(
            verdict=click.verdict, actor=actor, at=self._clock(), card_id=click.card_id, note=click.note
        )

    async def _check_shown(self, click: Click, placement: Placement, approval: Approval) -> None:
        """Approve counts only for somebody to whom the whole call was shown."""
        if click.verdict is not HITLDecision.APPROVED:
            return
        card = card_of(approval, card_id=placement.card_id, policy=self._policy())
        if Button.APPROVE in card.buttons or (click.seen_whole and approval.request.whole):
            return
        raise Refused(Refusal.NOT_SHOWN_WHOLE, "The card does not show all of this call. Use View all first.")

    def _check_open(self, click: Click, approval: Approval) -> None:
        """Raises Refused, with who won or why it is too late, unless the approval can still be decided."""
        now = self._clock()
        if approval.decision is not None:
            raise Refused(Refusal.ALREADY_DECIDED, already(approval.decision, click=click, now=now))
        if approval.outcome is Outcome.ELSEWHERE:
            raise Refused(Refusal.ANSWERED_ELSEWHERE, "It was answered on the platform already.")
        if approval.stage is not Stage.OPEN or now >= approval.deadline.at:
            ago = _ago(approval.deadline.at, now)
            raise Refused(Refusal.EXPIRED, f"It expired {ago}; the agent went on without it.")

    async def _too_late(self, click: Click) -> Refused:
        """The compare-and-set lost: say what is true now."""
        try:
            await self._check(click)
        except Refused as refused:
            return refused
        return Refused(Refusal.CHANGED, "This request changed under the card. Look at it again.")


def already(decision: Decision, *, click: Click, now: datetime) -> str:
    """Who won, in words for the one who did not (or who clicked twice)."""
    same = (decision.actor.surface, decision.actor.account) == (click.surface, click.account)
    who = "You" if same else decision.actor.name
    again = " already" if same else ""
    return f"{who}{again} {decision.verdict.value} it {_ago(decision.at, now)}."


def _ago(then: datetime, now: datetime) -> str:
    seconds = max(0, round((now - then).total_seconds()))
    if seconds < 120:
        return f"{seconds} s ago"
    if seconds < 7200:
        return f"{seconds // 60} min ago"
    return f"{seconds // 3600} h ago"
