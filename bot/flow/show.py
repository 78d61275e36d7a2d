"""Updates cards that are older than their record: posts new ones and updates the others, in every chat.

This one query covers posts, updates, final cards, and repair after an outage.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.alerts import CARD_REFUSED, NO_CARD
from bot.approval import Approval, Stage
from bot.card import Card, card_of
from bot.errors import Forbidden, Gone, NotYet, Unavailable
from bot.flow import BATCH, Foreground, Together, earliest
from bot.flow.chat_step import ChatStep, StepDeps, not_delivered
from bot.flow.no_card import NoCard
from bot.flow.sights import Sights
from bot.ladder import Action
from bot.notifications import dead_place, mentioned
from bot.policy import approvers_of
from bot.records import Alert, Placement, Posted
from bot.retry import chat_wait
from bot.seal import Seal
from bot.surface import Destination

#: A request without any card for this long concerns an operator, whatever the reason.
UNSEEN_AFTER = timedelta(seconds=20)

#: After this many unanswered tries of one card, its channel gets other cards, too: the card may be the fault.
PROBES = 3

#: The platform's answer to a decision mostly comes within this time.
ANSWERS_WITHIN = timedelta(seconds=1)

#: An urgent card waits at most this long for others that were taken together.
LANE_FOR = timedelta(seconds=0.25)
#: Cards that are taken together at most: after a crash each of them is searched for.
TOGETHER = 32
#: How soon redraws are tried again that gave way to clicks and decisions.
SOON = timedelta(seconds=0.1)
#: Requests of which this process remembers that they have had a card.
MEASURED = 10_000
#: How often it is seen whether what waits in a chat that left the settings has ended.
LEFT_FOR = timedelta(seconds=1)

log = structlog.get_logger()


class Show(ChatStep):
    """Makes every card show its record's last revision."""

    def __init__(
        self,
        deps: StepDeps,
        *,
        seal: Seal,
        sights: Sights | None = None,
        foreground: Foreground | None = None,
    ) -> None:
        super().__init__(deps)
        self._foreground = foreground or Foreground()
        self._seal, self._sights = seal, sights or Sights()
        self._shown = Together(self._shown_all)
        self._measured: dict[str, None] = {}  #: requests that have had a card, earliest first
        self._no_card = NoCard(store=deps.store, clock=deps.clock)
        #: Until when a chat takes no new message in a place.
        self._cooling: dict[Destination, datetime] = {}

    async def round(self) -> datetime | None:
        self._pool.look()
        now = self._clock()
        await self._no_card.look()
        self._cooling = {where: until for where, until in self._cooling.items() if until > now}
        backlog = await self._store.placements.backlog(now)
        due = backlog.next_try
        for where in backlog.lines:
            due = earliest(due, await self._take_line(where, now))
        if backlog.outdated and not self._foreground.take_turn():
            due = earliest(due, now + SOON)
        elif backlog.outdated:
            due = earliest(due, await self._take_outdated(now))
        return due

    async def _take_line(self, where: Destination, now: datetime) -> datetime | None:
        """Hand over the next cards of one place, as many as its chat takes at once.

        The next to go up are chosen again each time, so that the earliest deadline goes first.
        """
        chat, lane = self._chats.get(where.surface), ("post", where)
        if where in self._cooling:
            return self._cooling[where]
        if chat is None:
            # It left the settings: nothing can be posted there until it is configured again.
            self._cooling[where] = now + LEFT_FOR
            await self._store.placements.leave(where)
        elif lane not in self._pool.busy:
            most = at_once(chat.interval)
            # One more: a record that is not Nod's is passed over.
            line = await self._store.placements.line(where, now=now, most=most + 1, probes=PROBES)
            if line:
                self._pool.take(lane, line[0][1].id, self._post_line, where, line[:most])
        return None

    async def _take_outdated(self, now: datetime) -> datetime | None:
        """Hand over the next cards to update, decisions before the others."""
        updating = [key for key in self._pool.busy if isinstance(key, str)]
        if len(updating) >= BATCH:
            return None  # the end of each rings for another round
        lately = now - ANSWERS_WITHIN
        outdated = await self._store.placements.outdated(
            self._chats.keys(), now=now, most=BATCH - len(updating), decided_before=lately, without=updating
        )
        for placement, approval in sorted(outdated, key=lambda one: one[1].stage is Stage.OPEN):
            if placement.destination.surface in self._chats:
                self._pool.take(placement.card_id, approval.id, self._update, placement, approval)
            else:  # it left the settings, and there was only an end to show
                self._pool.take(
                    placement.card_id, approval.id, self._store.placements.give_up, placement.card_id
                )
        # A decision's card waits for the platform, so that it changes once and not twice.
        sent = await self._store.placements.first_sent(after=lately)
        return sent + ANSWERS_WITHIN if sent else None

    async def _post_line(self, where: Destination, cards: Sequence[tuple[Placement, Approval]]) -> None:
        """One after the other, until one of them fails."""
        drawn = [(placement, approval, await self._card(placement, approval)) for placement, approval in cards]
        placements, posted = self._store.placements, list[Posted]()
        await placements.attempt(*(placement.card_id for placement, _, _ in drawn), at=self._clock())
        left = [placement.card_id for placement, _, _ in drawn if placement.attempted_at is None]
        try:
            for placement, approval, card in drawn:
                if placement.card_id in left:
                    left.remove(placement.card_id)
                with structlog.contextvars.bound_contextvars(approval_id=approval.id):
                    if not await self._post(placement, approval, card, posted):
                        break
        finally:
            if posted:
                await placements.posted(posted)
            if left:
                await placements.not_begun(left)

    async def _post(self, placement: Placement, approval: Approval, card: Card, posted: list[Posted]) -> bool:
        """False: the chat takes no other card there now."""
        chat, channel = self._chats[placement.destination.surface], placement.destination.channel
        placements, card_id = self._store.placements, placement.card_id
        over = approval.stage in (Stage.SETTLED, Stage.CLOSED)
        try:
            if placement.attempted_at:  # an earlier try may have posted it, with its answer lost
                found = await chat.find(card_id, channel, since=placement.attempted_at)
                if found:
                    await placements.shown(card_id, ref=found, revision=0)
                    log.info("card_found_again", channel=channel)
                    return True
            if (over and approval.rule is None) or placement.superseded:
                await placements.give_up(card_id)  # it was never up, and there is nothing left to ask
                return True
            ref = await chat.post(card, channel)
        except (Gone, Forbidden) as error:
            if over and not placement.attempted_at:
                await placements.give_up(card_id)  # it is up nowhere; the audit has automatic answers, too
            await self._put_off(placement, approval, error)
            return False
        except Unavailable as error:
            await self._put_off(placement, approval, error)
            return False
        posted.append(Posted(card_id=card_id, ref=ref, revision=card.revision, digest=card.digest))
        log.info("card_shown", channel=channel, revision=card.revision)
        self._metrics.count("card_shown")
        self._measure(approval)
        return True

    def _measure(self, approval: Approval) -> None:
        """How long the request's first card took; further and repeated cards say nothing of that."""
        if approval.stage is Stage.OPEN and approval.id not in self._measured:
            took = max(0.0, (self._clock() - approval.first_seen).total_seconds())
            self._metrics.observe("time_to_card_seconds", took)
        self._measured[approval.id] = None
        if len(self._measured) > MEASURED:
            del self._measured[next(iter(self._measured))]

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
                self._metrics.count("card_left_stale")
            else:
                await self._put_off(placement, approval, error)
        except Unavailable as error:
            await self._put_off(placement, approval, error)
        else:
            await self._shown.do(
                Posted(card_id=placement.card_id, ref=ref, revision=card.revision, digest=card.digest)
            )
            if placement.superseded:
                await placements.give_up(placement.card_id)  # it shows its final state
            log.info("card_updated", channel=channel, revision=card.revision, state=card.state.value)

    async def _shown_all(self, cards: Sequence[Posted]) -> Sequence[None]:
        await self._store.placements.posted(cards)
        return [None] * len(cards)

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
        self._metrics.count("card_put_off")

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


def at_once(interval: timedelta) -> int:
    """How many cards a chat of this pace is given together: what it takes within LANE_FOR, at least one."""
    return max(1, min(TOGETHER, LANE_FOR // interval) if interval else TOGETHER)
