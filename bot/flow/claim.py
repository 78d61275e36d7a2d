""" "I'm on it": a click that asks the others to wait for a while. The ladder goes on when the lease ends."""

from __future__ import annotations

import structlog

from bot.approval import Claim
from bot.desk import Click
from bot.errors import Refusal, Refused
from bot.flow import Count
from bot.flow.check import Check
from bot.ladder import Action, lease_at
from bot.ports import Clock
from bot.records import LAST_CALLS, Claimed, DueRung
from bot.store import Store

log = structlog.get_logger()


class TakeOn:
    """Writes claims down."""

    def __init__(self, *, check: Check, store: Store, clock: Clock, count: Count) -> None:
        self._check, self._store, self._clock, self._count = check, store, clock, count

    async def claim(self, click: Click) -> Claim:
        """For a share of the time that is left. Returns once it is committed; raises Refused."""
        async with self._check.noting(click):
            checked = await self._check.click(click)
            person, now = checked.seat.person, self._clock()
            if any(vote.person == person.handle for vote in checked.approval.votes):
                raise Refused(Refusal.ALREADY_VOTED, "You answered it already; it waits for the others.")
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
        self._count("claimed")
        return claim

    async def _not_claimed(self, click: Click, claimed: Claimed) -> Refused:
        if claimed is Claimed.LOST:
            return await self._check.too_late(click)
        if claimed is Claimed.BEFORE:
            return Refused(
                Refusal.ALREADY_CLAIMED, "You were on it already. Answer it, or leave it to the others."
            )
        _, _, approval = await self._check.card(click)
        now = self._clock()
        other = approval.claim_at(now)
        if other is None:
            return Refused(Refusal.ALREADY_CLAIMED, "Somebody else was on it until a moment ago. Press again.")
        left = max(1, round((other.until - now).total_seconds()))
        return Refused(
            Refusal.ALREADY_CLAIMED, f"{other.name} is on it for another {left} s. You can still answer it."
        )
