"""Notifies people of the outcome, and closes the record once every card shows it and all are notified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from bot.alerts import ending, step_of
from bot.approval import Approval, Outcome
from bot.flow import AT_ONCE, BATCH, Together
from bot.flow.chat_step import ChatStep, StepDeps
from bot.policy import Policy, requesters_named
from bot.ports import Metrics
from bot.records import Alert, NotificationKind, OutboxItem, Placement
from bot.store import Store
from bot.surface import Surface

log = structlog.get_logger()


class Announce(ChatStep):
    """Queues the notifications of the outcome; `say` sends them."""

    def __init__(self, deps: StepDeps) -> None:
        super().__init__(deps)
        self._alerts, self._cards = Together(self._alerts_of), Together(self._cards_of)
        self._told = Together(self._told_all)

    async def round(self) -> None:
        self._pool.look()
        room = self._pool.room
        found = await self._store.approvals.untold(most=room, without=self._pool.without)
        for approval in found:
            self._pool.take(approval.id, approval.id, self._tell, approval)

    async def _tell(self, approval: Approval) -> None:
        await self._relieve(approval)
        notices = (*await self._threads(approval), *self._people(approval))
        if await self._told.do((approval.id, notices)):
            log.info("outcome_owed", outcome=approval.outcome, notices=len(notices))
            self._metrics.count("outcome_owed")

    async def _alerts_of(self, ids: Sequence[str]) -> list[list[Alert]]:
        found = await self._store.alerts.open_of(approval_id=ids)
        return [[alert for alert in found if alert.approval_id == one] for one in ids]

    async def _cards_of(self, ids: Sequence[str]) -> list[list[Placement]]:
        found = await self._store.placements.of(*ids)
        return [[card for card in found if card.approval_id == one] for one in ids]

    async def _told_all(self, notices: Sequence[tuple[str, Sequence[OutboxItem]]]) -> list[bool]:
        told = await self._store.approvals.told(dict(notices))
        return [one in told for one, _ in notices]

    async def _relieve(self, approval: Approval) -> None:
        """Resolve the pages that were sent because nobody answered."""
        how = ending(approval)
        for alert in await self._alerts.do(approval.id):
            if step_of(alert.cause) is not None:
                await self._store.alerts.resolve(approval.id, cause=alert.cause, how=how)

    async def _threads(self, approval: Approval) -> tuple[OutboxItem, ...]:
        """The threads of cards that asked people; after an automatic answer nobody waits in a thread."""
        if _by_rule(approval):
            return ()
        return tuple(
            OutboxItem(
                mark=f"{placement.card_id}.outcome",
                approval_id=approval.id,
                news=NotificationKind.OUTCOME,
                surface=placement.destination.surface,
                card_id=placement.card_id,
                owed_since=self._clock(),
            )
            for placement in await self._cards.do(approval.id)
            if (placement.ref or placement.gathered) and not placement.superseded
        )

    def _people(self, approval: Approval) -> tuple[OutboxItem, ...]:
        policy, notices = self._policy(), []
        for handle in sorted(self._who(approval, policy)):
            person = policy.people.get(handle)
            if person is None:
                continue
            # If nobody knows their account just now, the message waits until it is found.
            surface = next((s for s in (*person.accounts, *self._chats) if s in self._chats), None)
            if surface is None:
                continue
            notice = OutboxItem(
                mark=f"{approval.id}.{handle}.{surface}.outcome",
                approval_id=approval.id,
                news=NotificationKind.OUTCOME,
                surface=surface,
                person=handle,
                owed_since=self._clock(),
            )
            notices.append(notice)
        return tuple(notices)

    def _who(self, approval: Approval, policy: Policy) -> set[str]:
        """The requester, if the run names one whom the policy knows, and the people who claimed it.

        Not the person who decided, who knows already, unless it ended differently from their decision.
        """
        route = policy.route_named(approval.route)
        asked = requesters_named(policy, route, approval.request) if route else frozenset()
        if _by_rule(approval) and approval.outcome is Outcome.APPROVED:
            asked = frozenset()  # it continued at once: there was nothing to wait for
        decision = approval.decision
        if approval.outcome in (Outcome.UNDELIVERABLE, Outcome.ELSEWHERE):
            decision = None
        decider = policy.person_behind(decision.actor.surface, decision.actor.account) if decision else None
        return {*asked, *(claim.person for claim in approval.claims)} - {decider.handle if decider else ""}


def _by_rule(approval: Approval) -> bool:
    return approval.decision is not None and approval.decision.actor.surface == Surface.POLICY


class Close:
    """Closes records with nothing left to do."""

    def __init__(self, *, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics

    async def round(self) -> datetime | None:
        ids = await self._store.approvals.closable(most=BATCH)
        closed = await self._store.approvals.close(*ids) if ids else ()
        for approval_id in closed:
            log.info("approval_closed", approval_id=approval_id)
            self._metrics.count("approval_closed")
        return AT_ONCE if closed and len(ids) == BATCH else None
