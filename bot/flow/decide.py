"""OPEN -> DECIDED: a click, checked against its seal, the record and the policy; the first that counts wins.

Local and quick: the store and nothing else, so that a chat can be answered within its seconds, after the
commit and never before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.approval import Actor, Approval, Decision, Outcome, Stage, Vote
from bot.audit import Fact
from bot.call import curtained, excerpt, lines_of, text_of
from bot.card import Button, card_of
from bot.desk import Asked, Click
from bot.errors import Refusal, Refused
from bot.flow import Count
from bot.policy import Policy, Seat, approvers_named, check_note, seat_of
from bot.ports import Clock
from bot.protocol import HITLDecision
from bot.records import Counted, Placement, Store
from bot.routing import Route
from bot.seal import Seal, Sealed

#: What each button asks the desk for; a look at the whole call is the way to an Approve.
VERDICTS = {
    Button.APPROVE: HITLDecision.APPROVED,
    Button.VIEW_ALL: HITLDecision.APPROVED,
    Button.REJECT: HITLDecision.REJECTED,
    Button.SKIP: HITLDecision.SKIPPED,
}

CHANGED = "This request changed under the card. Look at the new card below it."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A click that counts, as far as can be told without its note."""

    sealed: Sealed
    placement: Placement
    approval: Approval
    route: Route
    seat: Seat
    verdict: HITLDecision


class Decide:
    """The desk: where chats hand in clicks."""

    def __init__(
        self, *, store: Store, policy: Callable[[], Policy], seal: Seal, clock: Clock, count: Count
    ) -> None:
        self._store, self._policy, self._seal = store, policy, seal
        self._clock, self._count = clock, count

    async def decide(self, click: Click) -> Vote:
        """Returns once the vote is committed. Raises Refused, for this person only; the audit has it too."""
        try:
            checked = await self._check(click)
            check_note(checked.route, checked.verdict, click.note)
            await self._check_shown(click, checked)
            vote = self._vote(click, checked)
            needs = checked.route.needs(checked.verdict)
            counting = self._who_counts(checked)
            counted = await self._store.approvals.vote(
                checked.approval.id, vote=vote, needs=needs, counting=counting
            )
            if counted is Counted.LOST:
                raise await self._too_late(click)
        except Refused as refused:
            await self._note(click, refused)
            raise
        log.info(
            "vote_counted",
            approval_id=checked.approval.id,
            verdict=vote.verdict.value,
            person=vote.person,
            surface=click.surface.value,
            decided=counted is Counted.DECIDED,
        )
        self._count("vote_counted")
        return vote

    async def ask(self, click: Click) -> Asked:
        """What a form for this click shows. Raises Refused if this person could not decide now."""
        try:
            checked = await self._check(click)
        except Refused as refused:
            await self._note(click, refused)
            raise
        policy, request, card_id = self._policy(), checked.approval.request, checked.placement.card_id
        approve = self._seal.value(card_id=card_id, verb=Button.APPROVE.value, digest=request.digest)
        # Off the loop: a call of a megabyte takes a second to read, and other clicks wait for their ack.
        card = await asyncio.to_thread(
            card_of, checked.approval, card_id=card_id, policy=policy, seal=self._seal
        )
        lines = await asyncio.to_thread(lines_of, request, redaction=policy.redaction)
        return Asked(
            card=card,
            call=text_of(lines),
            approvable=request.approvable and not curtained(lines) and not policy.rules.denial_of(request),
            reason=checked.route.reason_rule(checked.verdict),
            presets=checked.route.presets if checked.verdict is HITLDecision.REJECTED else (),
            approve_value=approve,
        )

    async def explain(self, click: Click) -> tuple[str, ...]:
        """Why this card is here, who may decide, what is missing, and for this person why not."""
        policy = self._policy()
        _, _, approval = await self._card(click)
        route = policy.route_named(approval.route)
        people = [person.name for person in policy.members(route.approvers)] if route else []
        named = f" ({', '.join(people)})" if people else ""
        lines = [f"Route: {approval.route}", f"May decide: {approvers_named(policy, route)}{named}"]
        if route is not None:
            given = sum(vote.verdict is HITLDecision.APPROVED for vote in approval.votes)
            missing = f", {route.quorum - given} more to come" if given < route.quorum else ""
            needs = route.needs(HITLDecision.REJECTED)
            lines.append(f"Needed: {route.quorum} to approve{missing}; {needs} to reject or skip")
            pinged = tuple(name for rung in route.ladder for name in rung.who)
            lines.append(f"Pinged when it nears its deadline: {', '.join(dict.fromkeys(pinged)) or 'nobody'}")
            lines.append(f"Shown in: {', '.join(str(place) for place in route.cards)}")
        votes = ", ".join(f"{vote.actor.name} {vote.verdict.value}" for vote in approval.votes)
        lines.append(f"Votes so far: {votes or 'none'}")
        try:
            checked = await self._check(click)
        except Refused as refused:
            return (*lines, f"You: {refused} [{refused.code.value}]")
        place = f", for {checked.seat.acting_for}" if checked.seat.acting_for else ""
        return (*lines, f"You: you may decide this{place}.")

    async def _card(self, click: Click) -> tuple[Sealed, Placement, Approval]:
        """The card that was clicked. Raises Refused for a forged value, an unknown card or a copy of one."""
        sealed = self._seal.open(click.value)
        if sealed is None or sealed.verb != click.verb.value:
            raise Refused(Refusal.FORGED, "This button was not made by Nod. Nothing was decided.")
        placement = await self._store.placements.get(sealed.card_id)
        approval = await self._store.approvals.get(placement.approval_id) if placement else None
        if placement is None or approval is None:
            raise Refused(Refusal.UNKNOWN_CARD, "Nod does not know this card.")
        where = placement.destination
        # A click can come before the answer to our own post: then the ref is not noted yet.
        if (where.surface, where.channel) != (click.surface, click.channel) or (
            placement.ref is not None and placement.ref != click.ref
        ):
            raise Refused(Refusal.MOVED_CARD, "This is a copy of a card. Answer on the card itself.")
        return sealed, placement, approval

    async def _check(self, click: Click) -> _Checked:
        """Everything but the note: genuine, right place, right person, still open, same call, not denied."""
        sealed, placement, approval = await self._card(click)
        policy, now = self._policy(), self._clock()
        seat = seat_of(policy, approval, surface=click.surface, account=click.account, home=click.home, now=now)
        route = policy.route_named(approval.route)
        if route is None:
            raise Refused(Refusal.NOT_APPROVER, "Its route is gone from the policy: nobody may decide this.")
        verdict = VERDICTS.get(click.verb, HITLDecision.SKIPPED)
        self._check_open(click, approval)
        self._check_same(sealed, placement, approval, verdict)
        if verdict is HITLDecision.APPROVED and policy.rules.denial_of(approval.request):
            raise Refused(Refusal.DENIED, "The policy denies this call. It can be rejected or skipped.")
        mine = next((vote for vote in approval.votes if vote.person == seat.person.handle), None)
        if mine is not None and mine.verdict is verdict:
            raise Refused(Refusal.ALREADY_VOTED, f"You {verdict.value} it already; more people are needed.")
        return _Checked(
            sealed=sealed, placement=placement, approval=approval, route=route, seat=seat, verdict=verdict
        )

    def _check_same(
        self, sealed: Sealed, placement: Placement, approval: Approval, verdict: HITLDecision
    ) -> None:
        """An answer counts for the call that was shown: the button's, and for Approve the card row's too."""
        current = approval.request.digest
        if placement.superseded or sealed.digest != current:
            raise Refused(Refusal.CHANGED, CHANGED)
        # The row may not know yet what a card shows that went up a moment ago; then the seal alone tells.
        if verdict is HITLDecision.APPROVED and placement.digest not in (None, current):
            raise Refused(Refusal.CHANGED, CHANGED)

    async def _check_shown(self, click: Click, checked: _Checked) -> None:
        """Approve counts only for somebody to whom the whole call was shown."""
        if checked.verdict is not HITLDecision.APPROVED:
            return
        request = checked.approval.request
        if not request.approvable:
            why = request.flaw or "the platform cut it, so nobody can see all of it"
            raise Refused(Refusal.NEVER_APPROVED, f"This call cannot be approved: {why}.")
        lines = await asyncio.to_thread(lines_of, request, redaction=self._policy().redaction)
        if curtained(lines):
            raise Refused(
                Refusal.NEVER_APPROVED, "This call cannot be approved: a redacted part reads like text."
            )
        if not click.seen_whole and excerpt(lines, request=request)[1] is not None:
            raise Refused(
                Refusal.NOT_SHOWN_WHOLE, "The card does not show all of this call. Use View all first."
            )

    def _vote(self, click: Click, checked: _Checked) -> Vote:
        person = checked.seat.person
        actor = Actor(surface=click.surface, account=click.account, name=person.name, email=person.email)
        return Vote(
            person=person.handle,
            verdict=checked.verdict,
            actor=actor,
            at=self._clock(),
            card_id=checked.placement.card_id,
            digest=checked.sealed.digest,
            note=click.note,
            acting_for=checked.seat.acting_for,
            seen_whole=click.seen_whole,
        )

    def _who_counts(self, checked: _Checked) -> frozenset[str]:
        """Whose earlier votes still count: approvers as of now, and those who take the place of one."""
        policy, now = self._policy(), self._clock()
        approvers = frozenset(policy.handles(checked.route.approvers))
        deputies = {d.taker for d in policy.delegations if d.giver in approvers and now < d.until}
        return approvers | deputies

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
        if approval.rule is not None:
            raise Refused(Refusal.AUTOMATIC, f"Rule {approval.rule} answers this; nobody needs to.")

    async def _too_late(self, click: Click) -> Refused:
        """The compare-and-set lost: say what is true now."""
        try:
            await self._check(click)
        except Refused as refused:
            return refused
        return Refused(Refusal.CHANGED, CHANGED)

    async def _note(self, click: Click, refused: Refused) -> None:
        """A refusal is a fact for the audit, with the code and who was refused."""
        sealed = self._seal.open(click.value)
        placement = await self._store.placements.get(sealed.card_id) if sealed else None
        body = {
            "code": refused.code.value,
            "surface": click.surface.value,
            "account": click.account,
            "verb": click.verb.value,
            "card": sealed.card_id if sealed else None,
        }
        approval_id = placement.approval_id if placement else None
        fact = Fact(kind="refused", at=self._clock(), approval_id=approval_id, body=body)
        await self._store.journal.note(fact)
        log.info("click_refused", account=click.account, code=refused.code.value)
        self._count("click_refused")


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
