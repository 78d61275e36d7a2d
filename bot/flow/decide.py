"""OPEN -> DECIDED: a click, checked against its seal, the record and the policy; the first valid one wins.

Local and quick: only the store is used, so a chat gets its answer within its few seconds, always after the
commit.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.approval import Actor, Approval, Vote
from bot.call import excerpt
from bot.card import Button, card_of
from bot.desk import Click, FormData, NextRequest, Preview, ReasonForm, Voted, WholeCall
from bot.errors import Refusal, Refused
from bot.flow.check import CHANGED, Check, Checked
from bot.flow.sights import Sights
from bot.policy import Policy, check_note, eligible
from bot.ports import Clock, Metrics
from bot.protocol import HITLDecision
from bot.records import Counted
from bot.routing import ReasonRule, Route
from bot.seal import Reading, Seal
from bot.store import Store

NOT_YOURS = "You have not seen every page of the current request. Open View all and approve on the last page."

log = structlog.get_logger()


class Decide:
    """Counts votes, and shows approvers what they vote on. A click that is not valid raises Refused."""

    def __init__(
        self,
        *,
        check: Check,
        store: Store,
        policy: Callable[[], Policy],
        seal: Seal,
        clock: Clock,
        metrics: Metrics,
        sights: Sights,
    ) -> None:
        self._check, self._store, self._policy, self._seal = check, store, policy, seal
        self._sights = sights
        self._clock, self._metrics = clock, metrics

    async def answer(self, click: Click) -> Voted | ReasonForm:
        """A verdict, or the form that it needs first. A Voted is committed."""
        checked = self._check.judge(click, await self._check.pressed(click))
        if not click.form and _asks(checked):
            return ReasonForm(card_id=checked.placement.card_id, form=await self._form_of(click, checked))
        try:
            check_note(checked.route, checked.verdict, click.note)
        except Refused as refused:
            problem = await self._check.note(click, refused)
            form = await self._form_of(click, checked)
            return ReasonForm(card_id=checked.placement.card_id, form=form, problem=problem)
        vote = self._vote(click, checked, seen_whole=await self._was_shown(click, checked))
        needs = checked.route.needs(checked.verdict)
        counts = eligible(self._policy(), checked.route, checked.approval, now=self._clock())
        counted = await self._store.approvals.vote(checked.approval.id, vote=vote, needs=needs, eligible=counts)
        if counted is Counted.LOST:
            raise await self._check.too_late(click)
        log.info(
            "vote_counted",
            approval_id=checked.approval.id,
            verdict=vote.verdict.value,
            person=vote.person,
            surface=click.surface,
            decided=counted is Counted.DECIDED,
        )
        self._metrics.count("vote_counted")
        if counted is Counted.DECIDED:
            took = max(0.0, (vote.at - checked.approval.first_seen).total_seconds())
            labels = {"route": checked.route.name, "decision": vote.verdict.value}
            self._metrics.observe("time_to_decision_seconds", took, **labels)
        return Voted(card_id=vote.card_id, vote=vote)

    async def whole(self, click: Click) -> WholeCall:
        """All of the call, for people who can decide it now."""
        checked = await self._check.click(click)
        return WholeCall(card_id=checked.placement.card_id, form=await self._form_of(click, checked))

    async def decided(self, click: Click) -> WholeCall:
        """All of the call of a request that has ended, to read; nothing is answered there."""
        pressed = await self._check.pressed(click)
        approval, card_id = pressed.approval, pressed.placement.card_id
        request, policy = approval.request, self._policy()
        if not request.named_by(pressed.sealed.digest):
            raise Refused(Refusal.CHANGED, CHANGED)
        sight = await self._sights.of(request, redaction=policy.redaction)
        on_card = excerpt(sight.lines, request=request)[1] is None
        self._check.may_read(click, pressed, on_card=on_card)
        form = FormData(
            card=card_of(
                approval, card_id=card_id, policy=policy, seal=self._seal, now=self._clock(), sight=sight
            ),
            call=sight.text,
            reading=self._reading(click, card_id, request.digest, sight.text),
            approvable=False,
            reason=ReasonRule.NONE,
        )
        return WholeCall(card_id=card_id, form=form)

    async def preview(self, click: Click) -> Preview:
        """The card, with the fields of its Reject form for people who can decide, and without for others."""
        pressed = await self._check.pressed(click)
        card_id = pressed.placement.card_id
        try:
            checked = self._check.judge(click, pressed)
        except Refused:
            return Preview(card_id=card_id, form=None)
        form = await self._form(click, pressed.approval, card_id, checked.route, HITLDecision.REJECTED)
        return Preview(card_id=card_id, form=form)

    async def next(self, click: Click) -> NextRequest:
        """The next request on a queue message that this person can decide; after the last, the first again."""
        digest = await self._check.digest(click)
        standing = list(await self._store.queue_messages.on(digest.digest_id))
        cards = [gathered.card_id for gathered in standing]
        begin = cards.index(click.after) + 1 if click.after in cards else 0
        for gathered in standing[begin:] + standing[:begin]:
            if gathered.card_id == click.after or not self._check.may_be_for(click, gathered):
                continue
            approval = await self._store.approvals.get(gathered.approval_id)
            route = self._check.may_decide(click, approval) if approval else None
            if approval and route and await self._store.placements.get(gathered.card_id):
                form = await self._form(click, approval, gathered.card_id, route, HITLDecision.APPROVED)
                return NextRequest(card_id=None, form=form)
        raise Refused(Refusal.NOTHING_WAITING, "No more requests here that you can decide.")

    async def _form_of(self, click: Click, checked: Checked) -> FormData:
        card_id = checked.placement.card_id
        return await self._form(click, checked.approval, card_id, checked.route, checked.verdict)

    async def _form(
        self, click: Click, approval: Approval, card_id: str, route: Route, verdict: HITLDecision
    ) -> FormData:
        policy, request = self._policy(), approval.request
        sight = await self._sights.of(request, redaction=policy.redaction)
        card = card_of(
            approval, card_id=card_id, policy=policy, seal=self._seal, now=self._clock(), sight=sight
        )
        return FormData(
            card=card,
            call=sight.text,
            reading=self._reading(click, card_id, request.digest, sight.text),
            approvable=request.approvable and sight.never is None and not policy.rules.denial_of(request),
            reason=route.reason_rule(verdict),
            presets=route.presets if verdict is HITLDecision.REJECTED else (),
            approve_value=self._seal.value(card_id=card_id, verb=Button.APPROVE.value, digest=request.digest),
        )

    def _reading(self, click: Click, card_id: str, digest: str, call: str) -> Reading:
        return Reading(
            seal=self._seal,
            surface=click.surface,
            account=click.account,
            card_id=card_id,
            digest=digest,
            call=call,
        )

    async def _was_shown(self, click: Click, checked: Checked) -> bool:
        """Approve is valid only from a person to whom the whole call was shown, on the card or in pages.

        For other verdicts Nod does not know: a card can show less than it has room for.
        """
        if checked.verdict is not HITLDecision.APPROVED:
            return False
        request = checked.approval.request
        if not request.approvable:
            why = request.flaw or "the platform truncated it, so nobody can see all of it"
            raise Refused(Refusal.NEVER_APPROVED, f"This call cannot be approved: {why}.")
        sight = await self._sights.of(request, redaction=self._policy().redaction)
        if sight.never is not None:
            raise Refused(Refusal.NEVER_APPROVED, f"This call cannot be approved. {sight.never}")
        if click.look is not None:
            card_id = checked.placement.card_id
            pages = self._reading(click, card_id, request.digest, sight.text).opened(click.look)
            if pages is None or not pages.whole:
                raise Refused(Refusal.NOT_SHOWN_WHOLE, NOT_YOURS)
        elif excerpt(sight.lines, request=request)[1] is not None:
            raise Refused(
                Refusal.NOT_SHOWN_WHOLE, "The card does not show the whole call. Open View all to approve."
            )
        return True

    def _vote(self, click: Click, checked: Checked, *, seen_whole: bool) -> Vote:
        person = checked.eligibility.person
        actor = Actor(surface=click.surface, account=click.account, name=person.name, email=person.email)
        return Vote(
            person=person.handle,
            verdict=checked.verdict,
            actor=actor,
            at=self._clock(),
            card_id=checked.placement.card_id,
            digest=checked.sealed.digest,
            note=click.note,
            acting_for=checked.eligibility.acting_for,
            seen_whole=seen_whole,
        )


def _asks(checked: Checked) -> bool:
    """Reject asks for a reason where one is welcome, the others where one is required."""
    rule = checked.route.reason_rule(checked.verdict)
    welcome = checked.verdict is HITLDecision.REJECTED and rule is ReasonRule.OPTIONAL
    return rule is ReasonRule.REQUIRED or welcome
