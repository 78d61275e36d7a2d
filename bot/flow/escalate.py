"""Fires escalation steps that are due: one transaction writes their messages; other steps send them."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.alerts import KINDS, ONE, alert_of
from bot.approval import Approval
from bot.errors import Unavailable
from bot.flow import BATCH
from bot.flow.chat_step import ChatStep, StepDeps
from bot.ladder import Action
from bot.notifications import left, stand_ins
from bot.policy import kept_out, named_for
from bot.records import Alert, Cursor, DueRung, NotificationKind, OutboxItem, Placement, Triggered
from bot.wording import waiting_name

#: At most this many people of one step get a direct message; a larger group is only mentioned.
MOST_ALONE = 30

#: A request without any card after this share of its window, or after this long though its turn came, uses the
#: fallback: before a quarter of the window is gone, which would be a fault (`bot.flow.self_check`).
UNSEEN_SHARE, UNSEEN_WITHIN = 0.15, timedelta(seconds=20)

TOGETHER = "together"  #: the name of that piece of work

Due = tuple[Approval, list[DueRung]]

log = structlog.get_logger()


class Escalate(ChatStep):
    """Fires each step once. Steps that are overdue together send one message, not a burst."""

    def __init__(self, deps: StepDeps) -> None:
        super().__init__(deps)
        self._looked_at: Cursor | None = None

    async def round(self) -> datetime | None:
        self._pool.look()
        now = self._clock()
        await self._hasten(now)
        due: dict[str, Due] = {}
        for rung, approval in await self._store.rungs.due(now, most=BATCH):
            if not approval.forged:  # else the next poll takes it as a new request
                due.setdefault(approval.id, (approval, []))[1].append(rung)
        self._hand_over(list(due.values()))
        return await self._store.rungs.next_due(after=now)

    async def _hasten(self, now: datetime) -> None:
        """A request without any card gets its fallback now, and not at the time of that step."""
        ladders = (route.ladder for route in self._policy().routes)
        if not any(rung.action is Action.FALLBACK for ladder in ladders for rung in ladder):
            return
        unseen, self._looked_at = await self._store.approvals.unseen(
            now, share=UNSEEN_SHARE, within=UNSEEN_WITHIN, after=self._looked_at
        )
        if await self._store.rungs.hasten([one.id for one in unseen], action=Action.FALLBACK, at=now):
            log.warning("fallback_hastened", unseen=len(unseen))
            self._metrics.count("fallback_hastened")

    def _hand_over(self, due: Sequence[Due]) -> None:
        """All at once: steps that are due together, as after a suspension, need one commit and one message."""
        if self._pool.crashed(TOGETHER):  # one of them breaks it, and must not delay the others
            for one in due:
                self._pool.take(one[0].id, one[0].id, self._fire, [one])
        elif due:
            self._pool.take(TOGETHER, due[0][0].id, self._fire, due)

    async def _fire(self, due: Sequence[Due]) -> None:
        standing = await self._store.placements.of(*(approval.id for approval, _ in due))
        where: defaultdict[str, list[Placement]] = defaultdict(list)
        for placement in standing:
            if not placement.superseded:
                where[placement.approval_id].append(placement)
        firings = [self._firing(rungs, approval, where[approval.id]) for approval, rungs in due]
        try:
            fired = await self._store.rungs.trigger(firings, at=self._clock())
        except Unavailable:
            for firing in firings:  # a database that accepts no write does not prevent a page
                if firing.alert:
                    await self._store.alerts.raise_(firing.alert)
            raise
        for firing in firings:
            if firing.approval_id in fired:
                self._note(firing)

    def _firing(self, rungs: Sequence[DueRung], approval: Approval, standing: Sequence[Placement]) -> Triggered:
        rungs = sorted(rungs, key=lambda rung: (rung.due_at, rung.number))
        loud = [rung for rung in rungs if rung.action is not Action.REDRAW]
        return Triggered(
            rungs=tuple(rungs),
            notices=self._notices(loud, approval, standing) if loud else (),
            placements=_placements(rungs, approval, standing),
            alert=self._alert(rungs, approval),
        )

    def _note(self, firing: Triggered) -> None:
        loud = [rung for rung in firing.rungs if rung.action is not Action.REDRAW]
        for rung in loud:
            log.info(
                "rung_fired",
                approval_id=firing.approval_id,
                rung=rung.number,
                action=rung.action.value,
                merged=len(loud),
            )
            self._metrics.count("rung_fired")
            self._metrics.count("escalations", step=rung.action.value)

    def _alert(self, rungs: Sequence[DueRung], approval: Approval) -> Alert | None:
        """The last of them that pages is enough."""
        paging = [(rung, cause) for rung in rungs if (cause := rung.action.kind.pages)]
        if not paging:
            return None
        (rung, cause), policy, now = paging[-1], self._policy(), self._clock()
        named = named_for(policy, rung.who, approval)
        facts = {
            "waiting": waiting_name(approval, policy=policy),
            "left": left(approval, now),
            "who": (f" For {named}." if named else "") + stand_ins(policy, rung.who),
        }
        variant = "votes" if approval.votes and "votes" in KINDS[cause].texts else ONE
        return alert_of(cause, approval.id, facts, at=now, variant=variant, part=str(rung.number))

    def _notices(
        self, rungs: Sequence[DueRung], approval: Approval, standing: Sequence[Placement]
    ) -> tuple[OutboxItem, ...]:
        """One message for each thread and each person with all that these steps say, once."""
        now, highest = self._clock(), rungs[-1].number
        calls = [rung for rung in rungs if rung.action is Action.LAST_CALL]
        others = [rung for rung in rungs if rung.action is not Action.LAST_CALL]
        alone = [
            self._alone(approval, rung.who, NotificationKind.LAST_CALL, rung.number, standing) for rung in calls
        ]
        who = tuple(dict.fromkeys(name for rung in others if rung.action.kind.calls for name in rung.who))
        threads = [
            OutboxItem(
                mark=f"{placement.card_id}.rung{highest}",
                approval_id=approval.id,
                news=NotificationKind.RUNG,
                surface=placement.destination.surface,
                card_id=placement.card_id,
                who=who,
                owed_since=now,
            )
            for placement in standing
            if others
        ]
        alone.append(self._alone(approval, who, NotificationKind.RUNG, highest, standing))
        return (*threads, *(notice for some in alone for notice in some))

    def _alone(
        self,
        approval: Approval,
        who: tuple[str, ...],
        news: NotificationKind,
        number: int,
        standing: Sequence[Placement],
    ) -> tuple[OutboxItem, ...]:
        """A direct message, in a chat where the person sees the card too, if they are in one."""
        notices = []
        there = [p.destination.surface for p in standing if p.destination.surface in self._chats]
        policy = self._policy()
        out = kept_out(policy, approval)
        members = [person for person in policy.members(who) if person.handle not in out]
        for person in members[:MOST_ALONE]:
            through = tuple(name for name in who if person in policy.members((name,)))
            reachable = [surface for surface in person.accounts if surface in self._chats]
            near = [surface for surface in reachable if surface in there]
            # If nobody knows their account just now, the message waits beside the card until it is found.
            for surface in (near or reachable or there)[:1]:
                notice = OutboxItem(
                    mark=f"{approval.id}.{person.handle}.{surface}.{news.value}{number}",
                    approval_id=approval.id,
                    news=news,
                    surface=surface,
                    person=person.handle,
                    who=through,
                    owed_since=self._clock(),
                )
                notices.append(notice)
        return tuple(notices)


def _placements(
    rungs: Sequence[DueRung], approval: Approval, standing: Sequence[Placement]
) -> tuple[Placement, ...]:
    """Where the card is shown from now on, too."""
    there = {placement.destination for placement in standing}
    wanted = dict.fromkeys(place for rung in rungs for place in rung.cards if place not in there)
    return tuple(
        Placement(card_id=secrets.token_urlsafe(12), approval_id=approval.id, destination=place)
        for place in wanted
    )
