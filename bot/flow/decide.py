"""OPEN -> DECIDED: a click, checked against its seal, the record and the policy; the first that counts wins.

Local and quick: the store and nothing else, so that a chat can be answered within its seconds, after the
commit and never before.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.approval import Actor, Approval, Vote
from bot.call import excerpt
from bot.card import Button, card_of
from bot.desk import Asked, Click
from bot.errors import Refusal, Refused
from bot.flow import Count
from bot.flow.check import Check, Checked
from bot.flow.sights import Sights
from bot.policy import Policy, check_note, counting
from bot.ports import Clock
from bot.protocol import HITLDecision
from bot.records import Counted, Placement
from bot.routing import Route
from bot.seal import Reading, Seal
from bot.store import Store

#: The buttons that are answers; the seals of all others are wider, and decide nothing.
ANSWERS = frozenset({Button.APPROVE, Button.REJECT, Button.SKIP})
NOT_YOURS = (
    "You were not shown every page of this request as it reads now. Open View all yourself and approve there."
)

log = structlog.get_logger()


class Decide:
    """Counts votes, and shows whoever asks what she would vote on."""

    def __init__(
        self,
        *,
        check: Check,
        store: Store,
        policy: Callable[[], Policy],
        seal: Seal,
        clock: Clock,
        count: Count,
        sights: Sights,
    ) -> None:
        self._check, self._store, self._policy, self._seal = check, store, policy, seal
        self._sights = sights
        self._clock, self._count = clock, count

    async def decide(self, click: Click) -> Vote:
        """Returns once the vote is committed. Raises Refused, for this person only; the audit has it too."""
        async with self._check.noting(click):
            if click.verb not in ANSWERS:
                raise Refused(Refusal.FORGED, "This button was not made by Nod. Nothing was decided.")
            checked = await self._check.click(click)
            check_note(checked.route, checked.verdict, click.note)
            whole = await self._was_shown(click, checked)
            vote = self._vote(click, checked, seen_whole=whole)
            needs = checked.route.needs(checked.verdict)
            counts = counting(self._policy(), checked.route, checked.approval, now=self._clock())
            counted = await self._store.approvals.vote(
                checked.approval.id, vote=vote, needs=needs, counting=counts
            )
            if counted is Counted.LOST:
                raise await self._check.too_late(click)
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
        async with self._check.noting(click):
            checked = await self._check.click(click)
        return await self._asked(click, checked.approval, checked.placement, checked.route, checked.verdict)

    async def look(self, click: Click) -> Asked | None:
        """What `ask` would answer, for a card that is only looked at; None for somebody who may not decide."""
        await self._check.card(click)
        try:
            checked = await self._check.click(click, again=True)
        except Refused:
            return None
        return await self._asked(click, checked.approval, checked.placement, checked.route, checked.verdict)

    async def next(self, click: Click, *, after: str | None = None) -> Asked:
        """The next request on a digest that this person may decide; from the beginning behind the last."""
        async with self._check.noting(click):
            digest = await self._check.digest(click)
            standing = list(await self._store.digests.on(digest.digest_id))
            cards = [gathered.card_id for gathered in standing]
            begin = cards.index(after) + 1 if after in cards else 0
            for gathered in standing[begin:] + standing[:begin]:
                if gathered.card_id == after or not self._check.may_be_for(click, gathered):
                    continue
                placement = await self._store.placements.get(gathered.card_id)
                approval = await self._store.approvals.get(gathered.approval_id)
                route = self._check.may_decide(click, approval) if approval else None
                if placement and approval and route:
                    return await self._asked(click, approval, placement, route, HITLDecision.APPROVED)
            raise Refused(Refusal.NOTHING_WAITING, "Nothing more waits here that you may decide.")

    async def _asked(
        self, click: Click, approval: Approval, placement: Placement, route: Route, verdict: HITLDecision
    ) -> Asked:
        policy, request, card_id = self._policy(), approval.request, placement.card_id
        approve = self._seal.value(card_id=card_id, verb=Button.APPROVE.value, digest=request.digest)
        sight = await self._sights.of(request, redaction=policy.redaction)
        card = card_of(
            approval, card_id=card_id, policy=policy, seal=self._seal, now=self._clock(), sight=sight
        )
        return Asked(
            card=card,
            call=sight.text,
            reading=self._reading(click, card_id, request.digest, sight.text),
            approvable=request.approvable and sight.never is None and not policy.rules.denial_of(request),
            reason=route.reason_rule(verdict),
            presets=route.presets if verdict is HITLDecision.REJECTED else (),
            approve_value=approve,
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
        """Approve counts only for somebody to whom the whole call was shown, on the card or in pages.

        Of another verdict it is not known: a card may show less than it has room for.
        """
        if checked.verdict is not HITLDecision.APPROVED:
            return False
        request = checked.approval.request
        if not request.approvable:
            why = request.flaw or "the platform cut it, so nobody can see all of it"
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
                Refusal.NOT_SHOWN_WHOLE, "The card does not show all of this call. Use View all first."
            )
        return True

    def _vote(self, click: Click, checked: Checked, *, seen_whole: bool) -> Vote:
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
            seen_whole=seen_whole,
        )
