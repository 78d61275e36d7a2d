"""Checks a click against its seal, the record and the policy, before anything is done with it.

Local and quick: only the store is used, so a chat gets its answer within its few seconds. The record is read
once and judged once. Each refusal is in the audit before the person sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.approval import Approval, Decision, Outcome, Stage, distinct_people
from bot.audit import Fact
from bot.card import DIGEST_SEAL, Button
from bot.desk import Click, NotCounted
from bot.errors import Refusal, Refused
from bot.policy import ROUTE_GONE, Eligibility, Policy, eligibility_of, eligible
from bot.ports import Clock, Metrics
from bot.protocol import HITLDecision
from bot.records import Batched, Placement, QueueMessage
from bot.routing import Route
from bot.seal import Seal, Sealed
from bot.store import Store
from bot.wording import quoted_name, span

#: What each button asks the desk for; viewing the whole call leads to an Approve.
VERDICTS = {
    Button.APPROVE: HITLDecision.APPROVED,
    Button.VIEW_ALL: HITLDecision.APPROVED,
    Button.REJECT: HITLDecision.REJECTED,
    Button.SKIP: HITLDecision.SKIPPED,
}

#: For these refusals the button belongs to no card of Nod's.
NOT_OURS = frozenset({Refusal.FORGED, Refusal.UNKNOWN_CARD})

NOT_NOW = "Nod cannot look people up right now, so it does not know who you are. Press again in a few seconds."
CHANGED = "This request changed. Decide on the new card below."
TAMPERED = "Nod's record of this request was changed outside Nod, so nothing was decided. A new card follows."
FORGED = "This button was not made by Nod, so nothing was decided. Decide on Nod's own card."
RESOLVED = "This request is no longer pending on the platform."

#: The page of `docs_url` that explains each code.
REFUSALS = "refusals.md"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """The card that was pressed, on its own message, and its record."""

    sealed: Sealed
    placement: Placement
    approval: Approval


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Pressed):
    """A click that is valid, as far as can be said without its note."""

    route: Route
    eligibility: Eligibility
    verdict: HITLDecision


class Check:
    """The checks that every kind of click has to pass."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Callable[[], Policy],
        seal: Seal,
        clock: Clock,
        metrics: Metrics,
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`look_up` refreshes people in the background."""
        self._store, self._policy, self._seal = store, policy, seal
        self._clock, self._metrics, self._look_up = clock, metrics, look_up

    async def click(self, click: Click) -> Checked:
        """`judge`, on the record as it is now. Raises Refused."""
        return self.judge(click, await self.pressed(click))

    def judge(self, click: Click, pressed: Pressed) -> Checked:
        """Check everything but the note: right person, still open, same call, not denied. Raises Refused."""
        sealed, placement, approval = pressed.sealed, pressed.placement, pressed.approval
        if approval.forged:
            raise Refused(Refusal.CHANGED, TAMPERED)
        policy, now = self._policy(), self._clock()
        eligibility = self._eligibility(policy, approval, click, now=now)
        route = policy.route_named(approval.route)
        if route is None:
            raise Refused(Refusal.NOT_APPROVER, ROUTE_GONE)
        verdict = VERDICTS.get(click.verb, HITLDecision.SKIPPED)
        self._check_open(click, approval)
        self._check_same(sealed, placement, approval, verdict)
        if verdict is HITLDecision.APPROVED and policy.rules.denial_of(approval.request):
            raise Refused(Refusal.DENIED, "nod.yaml denies this call. Reject it or skip it.")
        # A voter who was not eligible at the last vote may be eligible again: then this press decides.
        counts = eligible(policy, route, approval, now=now)
        alike = [vote for vote in approval.votes if vote.verdict is verdict and vote.person in counts]
        missing = route.needs(verdict) - distinct_people(alike)
        mine = next((vote for vote in approval.votes if vote.person == eligibility.person.handle), None)
        same = mine is not None and mine.verdict is verdict and click.verb in VERDICTS
        if same and missing > 0:
            raise Refused(Refusal.ALREADY_VOTED, voted_before(verdict, missing=missing))
        return Checked(
            sealed=sealed,
            placement=placement,
            approval=approval,
            route=route,
            eligibility=eligibility,
            verdict=verdict,
        )

    def _eligibility(self, policy: Policy, approval: Approval, click: Click, *, now: datetime) -> Eligibility:
        """Raises Refused. A person who is missing only because no chat could be asked is told exactly that."""
        try:
            return eligibility_of(
                policy, approval, surface=click.surface, account=click.account, home=click.home, now=now
            )
        except Refused as refused:
            known = policy.person_behind(click.surface, click.account)
            if refused.code is not Refusal.NOT_APPROVER or known or click.surface not in policy.unasked:
                raise
            self._look_up()
            raise Refused(Refusal.LOOKUP_FAILED, NOT_NOW) from refused

    def may_read(self, click: Click, pressed: Pressed, *, on_card: bool) -> None:
        """Raises Refused unless this person can read the call of a request that has ended.

        What the card showed in full is for everyone who sees the card; more than that is for those who could
        decide.
        """
        if pressed.approval.stage is Stage.OPEN or pressed.placement.superseded:
            raise Refused(Refusal.CHANGED, CHANGED)
        if not on_card:
            self._eligibility(self._policy(), pressed.approval, click, now=self._clock())

    async def pressed(self, click: Click) -> Pressed:
        """The card that was clicked, and its record.

        Raises Refused for a forged value, an unknown card or a copy of one.
        """
        sealed = self._seal.open(click.value)
        if sealed is None or sealed.verb != click.verb.value:
            raise Refused(Refusal.FORGED, FORGED)
        found = await self._store.placements.pressed(sealed.card_id)
        if found is None:
            raise Refused(
                Refusal.UNKNOWN_CARD, "Nod has no record of this card. Look for a newer one in the channel."
            )
        placement, approval = found
        where = placement.destination
        # A click can come before the answer to Nod's own post: then the ref is not saved yet.
        if (where.surface, where.channel) != (click.surface, click.channel) or (
            placement.ref is not None and placement.ref != click.ref
        ):
            raise Refused(Refusal.MOVED_CARD, "This is a copy of the card. Decide on the original.")
        return Pressed(sealed=sealed, placement=placement, approval=approval)

    async def digest(self, click: Click) -> QueueMessage:
        """The queue message whose button was pressed. Raises Refused for a forged value or a copied message."""
        sealed = self._seal.open(click.value)
        if sealed is None or sealed.verb != Button.NEXT.value or sealed.digest != DIGEST_SEAL:
            raise Refused(Refusal.FORGED, FORGED)
        digest = await self._store.queue_messages.get(sealed.card_id)
        if digest is None:
            raise Refused(
                Refusal.UNKNOWN_CARD, "Nod has no record of this message. Look for a newer one in the channel."
            )
        where = digest.destination
        if (where.surface, where.channel) != (click.surface, click.channel):
            raise Refused(Refusal.MOVED_CARD, "This is a copy of the message. Press Next on the original.")
        return digest

    def may_decide(self, click: Click, approval: Approval) -> Route | None:
        """The route of an approval that this person can decide and has not answered yet; None otherwise."""
        policy, now = self._policy(), self._clock()
        try:
            eligibility = eligibility_of(
                policy, approval, surface=click.surface, account=click.account, home=click.home, now=now
            )
        except Refused:
            return None
        voted = any(vote.person == eligibility.person.handle for vote in approval.votes)
        if approval.stage is not Stage.OPEN or now >= approval.deadline.at or voted:
            return None
        return policy.route_named(approval.route)

    def may_be_for(self, click: Click, gathered: Batched) -> bool:
        """Whether a request is worth reading: as far as can be said without its call, they can decide it."""
        policy, now = self._policy(), self._clock()
        route = policy.route_named(gathered.route)
        person = policy.person_behind(click.surface, click.account)
        if route is None or person is None or now >= gathered.deadline or person.handle in gathered.voters:
            return False
        seats = set(policy.handles((*route.approvers, *gathered.widened)))
        seats |= {d.taker for d in policy.delegations if d.giver in seats and now < d.until}
        return person.handle in seats

    def _check_same(
        self, sealed: Sealed, placement: Placement, approval: Approval, verdict: HITLDecision
    ) -> None:
        """An answer is valid for the call that was shown: the button's, and for Approve the card row's too."""
        current = approval.request.digest
        if placement.superseded or sealed.digest != current:
            raise Refused(Refusal.CHANGED, CHANGED)
        # The row may not know yet what a card shows that went up a moment ago; then only the seal is checked.
        if verdict is HITLDecision.APPROVED and placement.digest not in (None, current):
            raise Refused(Refusal.CHANGED, CHANGED)

    def _check_open(self, click: Click, approval: Approval) -> None:
        """Raises Refused, with who decided or why it is too late, unless the approval can still be decided."""
        now = self._clock()
        if approval.decision is not None:
            raise Refused(Refusal.ALREADY_DECIDED, already(approval.decision, click=click, now=now))
        if approval.outcome is Outcome.ELSEWHERE:
            word = approval.platform_word
            said = f"This request was already answered on the platform: {word}." if word else RESOLVED
            raise Refused(Refusal.ANSWERED_ELSEWHERE, said)
        if approval.stage is not Stage.OPEN or now >= approval.deadline.at:
            then = f"; {quoted_name(approval.request.tool_name)} did not run" if approval.did_not_run else ""
            raise Refused(Refusal.EXPIRED, f"It expired {_ago(approval.deadline.at, now)}{then}.")
        if approval.rule is not None:
            raise Refused(Refusal.AUTOMATIC, f"Rule {approval.rule} answers this automatically.")

    async def too_late(self, click: Click) -> Refused:
        """The compare-and-set lost: say how things are now."""
        try:
            await self.click(click)
        except Refused as refused:
            return refused
        return Refused(Refusal.CHANGED, CHANGED)

    async def note(self, click: Click, refused: Refused) -> NotCounted:
        """Record a refusal in the audit, with its code and the person, and return it."""
        sealed = self._seal.open(click.value)
        placement = await self._store.placements.get(sealed.card_id) if sealed else None
        body = {
            "code": refused.code.value,
            "surface": str(click.surface),
            "account": click.account,
            "verb": click.verb.value,
            "card": sealed.card_id if sealed else None,
        }
        approval_id = placement.approval_id if placement else None
        fact = Fact(kind="refused", at=self._clock(), approval_id=approval_id, body=body)
        await self._store.journal.note(fact)
        log.info("click_refused", approval_id=approval_id, account=click.account, code=refused.code.value)
        self._metrics.count("click_refused")
        self._metrics.count("refusals", code=refused.code.value)
        return self.not_counted(click, refused)

    def not_counted(self, click: Click, refused: Refused) -> NotCounted:
        """The refusal as an answer; it names the card if the button belongs to a card of Nod's."""
        sealed = self._seal.open(click.value)
        ours = sealed is not None and sealed.digest != DIGEST_SEAL and refused.code not in NOT_OURS
        card_id = sealed.card_id if sealed is not None and ours else None
        docs = self._policy().docs_url
        link = f"{docs.rstrip('/')}/{REFUSALS}#{refused.code.value}" if docs else None
        return NotCounted(card_id=card_id, code=refused.code, text=str(refused), link=link)


def already(decision: Decision, *, click: Click, now: datetime) -> str:
    """Who decided, in words for the person who came second (or clicked twice)."""
    same = (decision.actor.surface, decision.actor.account) == (click.surface, click.account)
    who = "You" if same else decision.actor.name
    return f"{who} {decision.verdict.value} it {_ago(decision.at, now)}."


def voted_before(verdict: HITLDecision, *, missing: int) -> str:
    """What a person sees who has voted already, while that many more votes are needed."""
    return f"You have already {verdict.value}. Waiting for {missing} more."


def _ago(then: datetime, now: datetime) -> str:
    return f"{span(now - then)} ago"
