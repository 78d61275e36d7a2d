"""Updates cards that are older than their record: posts new ones and updates the others, in every chat.

This one query covers posts, updates, final cards, and repair after an outage.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from bot.alerts import CARD_REFUSED, NO_CARD
from bot.approval import Approval, Stage
from bot.card import Card, card_of
from bot.errors import Forbidden, Gone, NotYet, Unavailable
from bot.flow import ChatStep, StepDeps, earliest, not_delivered
from bot.flow.no_card import NoCard
from bot.flow.sights import Sights
from bot.ladder import Action
from bot.notifications import dead_place, mentioned
from bot.policy import approvers_of
from bot.records import Alert, Placement
from bot.retry import chat_wait
from bot.seal import Seal
from bot.surface import Destination

#: A request without any card for this long concerns an operator, whatever the reason.
UNSEEN_AFTER = timedelta(seconds=20)

#: After this many unanswered tries of one card, its channel gets other cards, too: the card may be the fault.
PROBES = 3

#: The platform's answer to a decision mostly comes within this time.
ANSWERS_WITHIN = timedelta(seconds=1)

log = structlog.get_logger()


class Show(ChatStep):
    """Makes every card show its record's last revision."""

    def __init__(self, deps: StepDeps, *, seal: Seal, sights: Sights | None = None) -> None:
        super().__init__(deps)
        self._seal, self._sights = seal, sights or Sights()
        self._no_card = NoCard(store=deps.store, clock=deps.clock)
        #: Until when a chat takes no new message in a place.
        self._cooling: dict[Destination, datetime] = {}

    async def round(self) -> datetime | None:
        self._pool.look()
        now, due = self._clock(), None
        await self._no_card.look()
        self._cooling = {where: until for where, until in self._cooling.items() if until > now}
        lagging = await self._store.placements.lagging()
        troubled = {one.destination for one, _ in lagging if _probes(one, now)}
        for placement, approval in lagging:
            if placement.next_try and placement.next_try > now:
                due = earliest(due, placement.next_try)
            elif placement.destination.surface not in self._chats:
                # It left the settings: nothing can be shown there until it is configured again.
                if placement.superseded or approval.stage in (Stage.SETTLED, Stage.CLOSED):
                    key = ("left", placement.card_id)
                    self._pool.take(key, approval.id, self._store.placements.give_up, placement.card_id)
            elif placement.ref is None:
                if placement.destination in self._cooling:
                    due = earliest(due, self._cooling[placement.destination])
                    continue
                if placement.attempted_at is None and placement.destination in troubled:
                    continue  # a card that is not begun can still be batched
                # One new card per channel at a time: the chat takes one a second, and the next to go up is
                # chosen again each time, so that the earliest deadline goes first.
                lane = ("post", placement.destination)
                self._pool.take(lane, approval.id, self._post, placement, approval)
            elif (end := _soon_over(approval)) and end > now:
                due = earliest(due, end)
            else:
                self._pool.take(placement.card_id, approval.id, self._update, placement, approval)
        return due

    async def _post(self, placement: Placement, approval: Approval) -> None:
        chat, channel = self._chats[placement.destination.surface], placement.destination.channel
        placements, card_id = self._store.placements, placement.card_id
        card, over = await self._card(placement, approval), approval.stage in (Stage.SETTLED, Stage.CLOSED)
        await placements.attempt(card_id, at=self._clock())
        try:
            if placement.attempted_at:  # an earlier try may have posted it, with its answer lost
                found = await chat.find(card_id, channel, since=placement.attempted_at)
                if found:
                    await placements.shown(card_id, ref=found, revision=0)
                    log.info("card_found_again", channel=channel)
                    return
            if (over and approval.rule is None) or placement.superseded:
                await placements.give_up(card_id)  # it was never up, and there is nothing left to ask
                return
            ref = await chat.post(card, channel)
        except (Gone, Forbidden) as error:
            if over and not placement.attempted_at:
                await placements.give_up(card_id)  # it is up nowhere; the audit has automatic answers, too
            await self._put_off(placement, approval, error)
            return
        except Unavailable as error:
            await self._put_off(placement, approval, error)
            return
        await placements.shown(card_id, ref=ref, revision=card.revision, digest=card.digest)
        log.info("card_shown", channel=channel, revision=card.revision)
        self._count("card_shown")

    async def _update(self, placement: Placement, approval: Approval) -> None:
        chat, ref = self._chats[placement.destination.surface], placement.ref
        assert ref is not None  # noqa: S101 - the caller's branch
        placements, channel = self._store.placements, placement.destination.channel
        card = await self._card(placement, approval)
        try:
            await chat.update(card, channel, ref)
        except Gone:
            over = placement.superseded or approval.stage in (Stage.SETTLED, Stage.CLOSED)
            await (placements.give_up if over else placements.lost)(placement.card_id)
            log.warning("card_gone", channel=channel, over=over)
        except Forbidden as error:
            if placement.superseded or approval.stage in (Stage.SETTLED, Stage.CLOSED):
                await placements.give_up(placement.card_id)
                log.error("card_left_stale", channel=channel, reason=str(error))
                self._count("card_left_stale")
            else:
                await self._put_off(placement, approval, error)
        except Unavailable as error:
            await self._put_off(placement, approval, error)
        else:
            await placements.shown(placement.card_id, ref=ref, revision=card.revision, digest=card.digest)
            if placement.superseded:
                await placements.give_up(placement.card_id)  # it shows its final state
            log.info("card_updated", channel=channel, revision=card.revision, state=card.state.value)

    async def _card(self, placement: Placement, approval: Approval) -> Card:
        policy = self._policy()
        route, surface = policy.route_named(approval.route), placement.destination.surface
        whom = approvers_of(route, approval) if route and route.mentions_approvers else ()
        return card_of(
            approval,
            card_id=placement.card_id,
            policy=policy,
            seal=self._seal,
            now=self._clock(),
            superseded=placement.superseded,
            sight=await self._sights.of(approval.request, redaction=policy.redaction),
            mentions=mentioned(policy, [(name, approval) for name in whom], surface),
        )

    async def _put_off(self, placement: Placement, approval: Approval, error: Exception) -> None:
        wait, now = chat_wait(error, tries=placement.tries), self._clock()
        refused, not_yet = isinstance(error, Forbidden), isinstance(error, NotYet)
        if not_yet and placement.ref is None:
            self._cooling[placement.destination] = now + wait
        dead = await self._dead(placement.destination) if refused else None
        if dead:
            await self._store.alerts.raise_(dead)
        late = now - approval.first_seen >= UNSEEN_AFTER and not not_yet
        if placement.ref is None and (late or refused) and await self._waits(approval):
            nowhere = await self._is_nowhere(placement)
            if nowhere and (late or not dead):
                await self._no_card.report(placement.destination, approval, error, cause=NO_CARD)
            elif refused and not dead:
                await self._no_card.report(placement.destination, approval, error, cause=CARD_REFUSED)
            if nowhere and refused:  # else it may be up in a moment: `escalate` notices if it takes too long
                await self._store.rungs.hasten([approval.id], action=Action.FALLBACK, at=now)
        begun = not not_delivered(error, before=placement.attempted_at)
        await self._store.placements.postpone(
            placement.card_id, next_try=now + wait, begun=begun, failed=not not_yet
        )
        channel, seconds = placement.destination.channel, wait.total_seconds()
        log.warning("card_put_off", channel=channel, wait=seconds, reason=str(error))
        self._count("card_put_off")

    async def _waits(self, approval: Approval) -> bool:
        """Whether there is still something to see; it may have ended since it was read."""
        now = await self._store.approvals.get(approval.id)
        return now is not None and now.stage in (Stage.OPEN, Stage.DECIDED)

    async def _is_nowhere(self, placement: Placement) -> bool:
        """Whether no other card of its request is up, or still to be tried."""
        others = [
            one
            for one in await self._store.placements.of(placement.approval_id)
            if one.card_id != placement.card_id and not one.superseded
        ]
        return not any(one.ref or one.gathered or not one.tries for one in others)

    async def _dead(self, where: Destination) -> Alert | None:
        """The one alert for a place that accepts no cards at all; None if it only refuses this card.

        The self-check notices when the place is healthy again.
        """
        try:
            troubles = await self._chats[where.surface].problems([where.channel])
        except Unavailable:
            return None
        return dead_place(where, troubles, at=self._clock())


def _soon_over(approval: Approval) -> datetime | None:
    """Until when a decision's card waits for the platform, so that it changes once and not twice."""
    waits = approval.stage is Stage.DECIDED and approval.trouble is None
    return approval.decision.at + ANSWERS_WITHIN if waits and approval.decision else None


def _probes(placement: Placement, now: datetime) -> bool:
    """Whether its first post had no answer and is tried again soon: then its channel is in trouble."""
    waits = placement.next_try is not None and placement.next_try > now
    return waits and placement.ref is None and placement.attempted_at is not None and placement.tries < PROBES
