"""Rungs that are due: a reply in the card's thread that pings whom the route names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from bot.approval import Approval, Surface
from bot.card import Notice
from bot.errors import Forbidden, Gone
from bot.flow import Count, Crew
from bot.policy import Policy
from bot.ports import Chat, Clock
from bot.records import DueRung, Placement, Store
from bot.wording import name_of

log = structlog.get_logger()


class Escalate:
    """Fires each rung once. Found late, an approval starts at the highest rung that is due: one message."""

    def __init__(
        self,
        *,
        store: Store,
        chats: Mapping[Surface, Chat],
        policy: Callable[[], Policy],
        clock: Clock,
        count: Count,
        crew: Crew,
    ) -> None:
        self._store, self._chats, self._policy = store, chats, policy
        self._clock, self._count, self._crew = clock, count, crew

    async def round(self) -> datetime | None:
        self._crew.look()
        now = self._clock()
        by_approval: dict[str, list[tuple[DueRung, Approval]]] = {}
        for rung, approval in await self._store.rungs.due(now):
            if approval.rule is None:  # what a rule answers needs nobody
                by_approval.setdefault(approval.id, []).append((rung, approval))
        for approval_id, due in by_approval.items():
            rungs = sorted((rung for rung, _ in due), key=lambda rung: rung.number)
            self._crew.take(approval_id, approval_id, self._fire, rungs, due[0][1])
        # What is overdue and still unfired waits for a card to hang on: its commit rings this step.
        return await self._store.rungs.next_due(after=now)

    async def _fire(self, rungs: list[DueRung], approval: Approval) -> None:
        standing = await self._store.placements.of(approval.id)
        placements = [p for p in standing if p.ref and not p.superseded]
        if not placements:
            return
        highest = rungs[-1]
        await self._store.rungs.attempt(highest, at=self._clock())
        pings = (self._ping(highest, approval, placement) for placement in placements)
        # All at once, so that a surface that is down does not keep the others waiting; tried again, those
        # that were reached are found by their mark.
        results = await asyncio.gather(*pings, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for rung in rungs:
            await self._store.rungs.fired(rung, at=self._clock())
        log.info("rung_fired", rung=highest.number, merged=len(rungs))
        self._count("rung_fired")

    async def _ping(self, rung: DueRung, approval: Approval, placement: Placement) -> None:
        where, thread = placement.destination, placement.ref
        chat = self._chats[where.surface]
        notice = self._notice(rung, approval, placement)
        assert thread is not None  # noqa: S101 - the caller's filter
        try:
            if rung.attempted_at and await chat.find(
                notice.mark, where.channel, since=rung.attempted_at, thread=thread
            ):
                return
            await chat.reply(notice, where.channel, thread)
        except (Gone, Forbidden) as error:
            # Attempted and recorded; the card's own trouble is alerted where cards are shown.
            log.error("rung_refused", channel=where.channel, reason=str(error))
            self._count("rung_refused")

    def _notice(self, rung: DueRung, approval: Approval, placement: Placement) -> Notice:
        policy, surface = self._policy(), placement.destination.surface
        accounts = [person.accounts.get(surface) for person in policy.members(rung.who)]
        tool = name_of(approval.request.tool_name)
        return Notice(
            mark=f"{placement.card_id}.rung{rung.number}",
            text=(f"{tool} still waits for an answer, until ", approval.deadline.at, "."),
            mentions=tuple(account for account in accounts if account),
        )
