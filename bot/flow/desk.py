"""Sends each click to its step, saves "I'm on it", and explains why a card is here and who can decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from bot.approval import Approval, Claim, distinct_people
from bot.call import on_one_line
from bot.card import Button, run_url_of
from bot.desk import Acknowledged, Click, Explanation, Identified, NotCounted, Preview, Reply
from bot.errors import Refusal, Refused
from bot.flow import Foreground
from bot.flow.check import Check
from bot.flow.decide import Decide
from bot.flow.sights import Sights
from bot.ladder import Action, lease_at
from bot.policy import NO_APPROVER, Policy, deciders, either_of, kept_out
from bot.ports import Clock, Metrics
from bot.protocol import HITLDecision
from bot.records import LAST_CALLS, Claimed, DueRung
from bot.routing import Route
from bot.seal import Seal
from bot.store import Store
from bot.wording import span

log = structlog.get_logger()


class Acknowledge:
    """Saves who has claimed a request."""

    def __init__(self, *, check: Check, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._check, self._store, self._clock, self._metrics = check, store, clock, metrics

    async def acknowledge(self, click: Click) -> Acknowledged:
        """Claim it for a share of the time that is left. Returns after the commit; raises Refused."""
        checked = await self._check.click(click)
        person, now = checked.eligibility.person, self._clock()
        if any(vote.person == person.handle for vote in checked.approval.votes):
            raise Refused(Refusal.ALREADY_VOTED, "You have already voted. Waiting for others.")
        lease = lease_at(now, deadline=checked.approval.deadline.at, share=checked.route.claim)
        claim = Claim(person=person.handle, name=person.name, at=now, until=lease.until)
        last_call = DueRung(
            approval_id=checked.approval.id,
            number=LAST_CALLS,
            due_at=lease.last_call,
            action=Action.LAST_CALL,
            who=(person.handle,),
        )
        claimed = await self._store.approvals.claim(
            checked.approval.id, claim=claim, digest=checked.sealed.digest, last_call=last_call
        )
        if claimed is not Claimed.YES:
            raise await self._not_claimed(click, claimed)
        log.info("claimed", approval_id=checked.approval.id, person=person.handle)
        self._metrics.count("claimed")
        return Acknowledged(card_id=checked.placement.card_id, claim=claim)

    async def _not_claimed(self, click: Click, claimed: Claimed) -> Refused:
        if claimed is Claimed.LOST:
            return await self._check.too_late(click)
        if claimed is Claimed.BEFORE:
            return Refused(
                Refusal.ALREADY_CLAIMED,
                "You can press I'm on it only once. Decide now, or leave it to others.",
            )
        approval, now = (await self._check.pressed(click)).approval, self._clock()
        other = approval.claim_at(now)
        if other is None:
            return Refused(Refusal.ALREADY_CLAIMED, "Someone else's time on this has just ended. Press again.")
        said = f"{other.name} has this for another {_left(other, now)}. You can still decide."
        return Refused(Refusal.ALREADY_CLAIMED, said)


def _left(claim: Claim, now: datetime) -> str:
    return span(max(timedelta(seconds=1), claim.until - now))


class Explain:
    """Explains why a card is here. Nothing is decided or recorded."""

    def __init__(self, *, check: Check, policy: Callable[[], Policy], clock: Clock) -> None:
        self._check, self._policy, self._clock = check, policy, clock

    async def ids(self, click: Click) -> Identified:
        """The ids of the request, its agent and its run. Raises Refused if it is not a card of Nod's."""
        pressed = await self._check.pressed(click)
        request = pressed.approval.request
        source = request.source if len(self._policy().sources) > 1 else ""
        ids = (
            ("Source", source),
            ("Request", request.request_id),
            ("Agent", request.agent_id),
            ("Run", request.run_id or ""),
        )
        return Identified(
            card_id=pressed.placement.card_id,
            ids=tuple((what, on_one_line(name)) for what, name in ids if name),
        )

    async def explain(self, click: Click) -> Explanation:
        """Which route it has, who can decide, what is missing, and whether this person can decide."""
        policy, pressed, now = self._policy(), await self._check.pressed(click), self._clock()
        approval = pressed.approval
        route = policy.route_named(approval.route)
        claim = approval.claim_at(now)
        lines = self._of_route(policy, route, approval, now=now) if route else []
        if claim:
            left = _left(claim, now)
            lines.append(f"{claim.name} has this for another {left}. Others are not pinged before then.")
        lines += [f"{vote.actor.name} {vote.verdict.value}." for vote in approval.votes]
        refusal, link = None, None
        try:
            checked = self._check.judge(click, pressed)
        except Refused as refused:
            told = self._check.not_counted(click, refused)
            refusal, link = told.code, told.link
            lines.append(told.text)
        else:
            giver = policy.people.get(checked.eligibility.acting_for or "")
            lines.append(f"You can decide this in place of {giver.name}." if giver else "You can decide this.")
        return Explanation(
            card_id=pressed.placement.card_id,
            lines=tuple(lines),
            shown_in=route.cards if route else (),
            request_id=approval.request.request_id,
            run=run_url_of(policy, approval.request.run_id),
            refusal=refusal,
            link=link,
        )

    def _of_route(self, policy: Policy, route: Route, approval: Approval, *, now: datetime) -> list[str]:
        """Which route it has and why, who can decide, what is missing, and who is reminded."""
        who = deciders(policy, route, approval, now=now)
        given = distinct_people(vote for vote in approval.votes if vote.verdict is HITLDecision.APPROVED)
        needs = "1 approval" if route.quorum == 1 else f"{route.quorum} approvals"
        ends = route.needs(HITLDecision.REJECTED)
        ending = "One Reject or Skip ends it." if ends == 1 else f"{ends} Rejects or Skips end it."
        out = kept_out(policy, approval)
        pinged = tuple(name for rung in route.ladder for name in rung.who)
        reminded = [person.name for person in policy.members(pinged) if person.handle not in out]
        return [
            f"This request matches the route {route.name} ({route.match}).",
            f"{either_of(who)} can decide." if who else NO_APPROVER,
            f"Needs {needs} ({given} so far). {ending}",
            f"Reminded before the deadline: {', '.join(dict.fromkeys(reminded)) or 'nobody'}.",
        ]


class FrontDesk:
    """Implements `bot.desk.Desk`."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Callable[[], Policy],
        seal: Seal,
        clock: Clock,
        metrics: Metrics,
        sights: Sights | None = None,
        foreground: Foreground | None = None,
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`foreground` are shared with the steps. `look_up` refreshes people in the background."""
        self._foreground = foreground or Foreground()
        check = Check(store=store, policy=policy, seal=seal, clock=clock, metrics=metrics, look_up=look_up)
        self._check, self._metrics = check, metrics
        self._decide = Decide(
            check=check,
            store=store,
            policy=policy,
            seal=seal,
            clock=clock,
            metrics=metrics,
            sights=sights or Sights(),
        )
        self._acknowledge = Acknowledge(check=check, store=store, clock=clock, metrics=metrics)
        self._explain = Explain(check=check, policy=policy, clock=clock)

    async def press(self, click: Click) -> Reply:
        """Handle one verified click. Its effect is committed on return, and a refusal is in the audit.

        A question (why, which ids, which call) is answered and leaves no trace.
        """
        began = time.monotonic()
        try:
            with self._foreground.work():
                return await self._answer(click)
        finally:
            took = time.monotonic() - began
            self._metrics.observe("click_ack_seconds", took, chat=str(click.surface))

    async def _answer(self, click: Click) -> Reply:
        try:
            match click.verb:
                case Button.WHY:
                    return await self._explain.explain(click)
                case Button.IDS:
                    return await self._explain.ids(click)
                case Button.VIEW_CALL:
                    return await self._decide.decided(click)
                case Button.CLAIM:
                    return await self._acknowledge.acknowledge(click)
                case Button.NEXT:
                    return await self._decide.next(click)
                case Button.VIEW_ALL:
                    return await self._decide.whole(click)
                case Button.APPROVE | Button.REJECT | Button.SKIP:
                    return await self._decide.answer(click)
                case _:
                    assert_never(click.verb)
        except Refused as refused:
            asks = click.verb in (Button.WHY, Button.IDS, Button.VIEW_CALL)
            return self._check.not_counted(click, refused) if asks else await self._check.note(click, refused)

    async def preview(self, click: Click) -> Preview | NotCounted:
        """The card for a person who only looks at it; nothing is recorded."""
        try:
            return await self._decide.preview(click)
        except Refused as refused:
            return self._check.not_counted(click, refused)
