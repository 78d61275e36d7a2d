"""Rungs that are due: what each owes is written in one transaction; `say`, `show` and `alert` send it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import structlog

from bot.approval import Approval, Stage
from bot.flow import earliest
from bot.flow.outward import Outward
from bot.ladder import Action
from bot.policy import names_of
from bot.records import Alert, DueRung, News, OwedNotice, Placement, rung_cause
from bot.wording import name_of

#: What waits while somebody is on it: whatever would send other people there.
PAUSED = frozenset({Action.REMIND, Action.PING, Action.WIDEN, Action.PAGE, Action.FALLBACK})
#: Whose people are mentioned in the thread, and told alone.
TELLS = frozenset({Action.PING, Action.WIDEN, Action.PAGE})

#: So many people of one rung are told alone; a larger group is mentioned in the thread only.
MOST_ALONE = 30

log = structlog.get_logger()


class Escalate(Outward):
    """Fires each rung once. Rungs that are overdue together owe one message, not a burst."""

    async def round(self) -> datetime | None:
        self._crew.look()
        now, resumes = self._clock(), None
        by_approval: dict[str, list[DueRung]] = {}
        approvals: dict[str, Approval] = {}
        for rung, approval in await self._store.rungs.due(now):
            claim = approval.claim_at(now)
            if claim and rung.action in PAUSED:
                resumes = earliest(resumes, claim.until)
            elif approval.rule is None:  # what a rule answers needs nobody
                by_approval.setdefault(approval.id, []).append(rung)
                approvals[approval.id] = approval
        for approval_id, rungs in by_approval.items():
            rungs.sort(key=lambda rung: (rung.due_at, rung.number))
            self._crew.take(approval_id, approval_id, self._fire, rungs, approvals[approval_id])
        return earliest(resumes, await self._store.rungs.next_due(after=now))

    async def _fire(self, rungs: list[DueRung], approval: Approval) -> None:
        pages = [rung for rung in rungs if rung.action is Action.PAGE]
        if pages:  # before the rungs count as fired: a crash in between raises it again, which changes nothing
            now = await self._store.approvals.get(approval.id)
            if now is None or now.stage is not Stage.OPEN:
                return  # it was answered while this piece waited for its turn
            await self._store.alerts.raise_(self._alert(pages[-1], approval))
        standing = [p for p in await self._store.placements.of(approval.id) if not p.superseded]
        new = _placements(rungs, approval, standing)
        loud = [rung for rung in rungs if rung.action is not Action.REDRAW]
        notices = self._notices(loud, approval, standing) if loud else ()
        if await self._store.rungs.fire(rungs, at=self._clock(), notices=notices, placements=new):
            for rung in loud:
                log.info("rung_fired", rung=rung.number, action=rung.action.value, merged=len(loud))
                self._count("rung_fired")
        elif pages:
            await self._relieve(pages[-1], approval)

    async def _relieve(self, rung: DueRung, approval: Approval) -> None:
        """It came to its end just now, and `tell` may have passed by before the alert was there."""
        now = await self._store.approvals.get(approval.id)
        if now is not None and now.stage is not Stage.OPEN:
            await self._store.alerts.mend(
                approval.id, cause=rung_cause(rung.number), how="it was answered meanwhile"
            )

    def _alert(self, rung: DueRung, approval: Approval) -> Alert:
        tool, until = name_of(approval.request.tool_name), f"{approval.deadline.at:%Y-%m-%d %H:%M:%S} UTC"
        who = f" For: {names_of(self._policy(), rung.who)}." if rung.who else ""
        text = f"{tool}: nobody has answered, and the agent waits until {until}.{who}"
        return Alert(approval_id=approval.id, cause=rung_cause(rung.number), text=text, raised_at=self._clock())

    def _notices(
        self, rungs: Sequence[DueRung], approval: Approval, standing: Sequence[Placement]
    ) -> tuple[OwedNotice, ...]:
        """One notice for each thread and each person: all that these rungs would have said, once."""
        now, highest = self._clock(), rungs[-1].number
        calls = [rung for rung in rungs if rung.action is Action.LAST_CALL]
        others = [rung for rung in rungs if rung.action is not Action.LAST_CALL]
        alone = [self._alone(approval, rung.who, News.LAST_CALL, rung.number, standing) for rung in calls]
        who = tuple(dict.fromkeys(name for rung in others if rung.action in TELLS for name in rung.who))
        threads = [
            OwedNotice(
                mark=f"{placement.card_id}.rung{highest}",
                approval_id=approval.id,
                news=News.RUNG,
                surface=placement.destination.surface,
                card_id=placement.card_id,
                who=who,
                owed_since=now,
            )
            for placement in standing
            if others
        ]
        alone.append(self._alone(approval, who, News.RUNG, highest, standing))
        return (*threads, *(notice for some in alone for notice in some))

    def _alone(
        self, approval: Approval, who: tuple[str, ...], news: News, number: int, standing: Sequence[Placement]
    ) -> tuple[OwedNotice, ...]:
        """By direct message, on a surface where she sees the card too, if she is on one."""
        notices = []
        there = [p.destination.surface for p in standing if p.destination.surface in self._chats]
        for person in self._policy().members(who)[:MOST_ALONE]:
            reachable = [surface for surface in person.accounts if surface in self._chats]
            near = [surface for surface in reachable if surface in there]
            # Nobody knows where she is now: it waits where the card stands until she is found.
            for surface in (near or reachable or there)[:1]:
                notice = OwedNotice(
                    mark=f"{approval.id}.{person.handle}.{surface.value}.{news.value}{number}",
                    approval_id=approval.id,
                    news=news,
                    surface=surface,
                    person=person.handle,
                    owed_since=self._clock(),
                )
                notices.append(notice)
        return tuple(notices)


def _placements(
    rungs: Sequence[DueRung], approval: Approval, standing: Sequence[Placement]
) -> tuple[Placement, ...]:
    """Where the card stands from now on, too."""
    there = {placement.destination for placement in standing}
    wanted = dict.fromkeys(place for rung in rungs for place in rung.cards if place not in there)
    return tuple(
        Placement(card_id=secrets.token_urlsafe(12), approval_id=approval.id, destination=place)
        for place in wanted
    )
