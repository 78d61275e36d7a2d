"""The self-check: every request has a card, every step was attempted, and every part still works.

It has a separate loop, apart from the steps, their wake-ups and the ticker: those are what it checks. A
violation is an alert, and while there is one Nod does not ping the heartbeat URL.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import structlog

from bot.alerts import (
    CHANNEL_DEAD,
    CHANNEL_LATE,
    KINDS,
    LATE_TICK,
    LEFT_OUT,
    MISSED,
    NO_CARD,
    NOBODY,
    ONE,
    SEVERAL,
    STORE,
    STORE_DOWN,
    STUCK,
    SURFACE_DEAD,
    UNDECIDABLE,
    alert_text,
    over,
)
from bot.approval import Approval
from bot.errors import Unavailable
from bot.flow import BATCH, Liveness
from bot.flow.chat_probe import ChatProbe
from bot.flow.no_card import ROUTE
from bot.flow.quorum_check import quorum_shortages, sources_gone, undecidable
from bot.policy import Policy
from bot.ports import Chat, Clock, Metrics
from bot.records import Alert, Cursor, Placement, Unseen
from bot.store import Alerts, Store
from bot.surface import Destination, Surface
from bot.wording import quoted_name, span

#: How often it looks; a fault is paged within this time.
SELF_CHECK_EVERY = timedelta(seconds=10)
#: How often it checks the ticker: from the moment that the ticker is late, the process ends within 4 s.
SCHEDULER_CHECK_EVERY = timedelta(seconds=1)
#: How often it tries a write to the database, and how long the write can take, in seconds.
TOUCH_EVERY, TOUCHED_WITHIN = timedelta(seconds=2), 3.0
#: How often it pings the chats: a hanging chat is known 4 s later, still within SELF_CHECK_EVERY.
PING_EVERY = timedelta(seconds=5)
#: A request must have a card up somewhere after this share of its window.
SEEN_BY = 0.25
#: A step that is overdue by this much was missed. More than PROVE_EVERY: a suspension that makes a step this
#: late also delays the self-check, which then waits for the steps.
MISSED_AFTER = timedelta(seconds=12)
#: A step that has not finished a round for this long is stuck.
STUCK_AFTER = timedelta(seconds=60)
#: Requests of which a look checks whether the people who may have asked for them leave enough to decide.
ASKED = 100
#: Cards that are looked at in one round; the rest follow in the next ones.
CARDS_A_ROUND = 500
#: Pairs of source and route for which `nod_pending` shows 0 before anything waited.
ZEROES = 100
#: Some pager must have accepted a page within this time.
TAKEN_WITHIN = timedelta(minutes=2)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Violation:
    """A fault, and its subject."""

    about: str
    cause: str
    text: str


class SelfCheck:
    """One look at everything. A violation is raised once, and resolved when a later look does not find it."""

    def __init__(
        self,
        *,
        store: Store,
        alerts: Alerts,
        chats: Mapping[Surface, Chat],
        policy: Callable[[], Policy],
        liveness: Liveness,
        late_tick: Callable[[], str | None],
        blind: Callable[[], str | None],
        all_well: Callable[[], Awaitable[object]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """`alerts` accepts alerts while the store is down, too.

        `late_tick` says what is wrong with the ticker, if anything, and `blind` why nobody can rely on Nod: the
        platform cannot be read, or the audit has lost rows. `all_well` pings the heartbeat.
        """
        self._store, self._alerts, self._policy = store, alerts, policy
        self._liveness, self._late_tick, self._blind, self._all_well = liveness, late_tick, blind, all_well
        self._clock, self._metrics = clock, metrics
        self._around = ChatProbe(store=store, chats=chats, policy=policy, clock=clock)
        self._cards_checked = ""  #: the last card of the last round
        #: Why the store cannot be read, or written, from the last try.
        self._unread: str | None = None
        self._unwritten: str | None = None
        #: Where the last looks at a portion of the open requests ended.
        self._looked_at: Cursor | None = None
        self._asked_at: Cursor | None = None
        self._measured: set[tuple[str, str]] = set()  #: sources and routes whose number was told before
        #: Routes with requests that have no place for a card, by alert: of this pass, and of the last one.
        self._this_pass: dict[str, _Violation] = {}
        self._last_pass: dict[str, _Violation] = {}

    async def round(self) -> None:
        found = await self._tell([*self._late(), *await self._kept(), *await self._written(), *self._stuck()])
        # The chats last: a hanging chat does not delay the other alerts.
        found += await self._tell([_violation_of(alert) for alert in await self._around.look()])
        if not any(violation.about == STORE for violation in found):
            found += await self._tell(await self._resolved(found))
        if not found and not await self._unheard():
            await self._all_well()

    async def _kept(self) -> list[_Violation]:
        """What the store says, if only that it is unreachable."""
        try:
            if await self._store.approvals.repair_due(self._clock()):
                log.error("due_mended")
                self._metrics.count("due_mended")
            found = [*await self._unseen(), *await self._missed(), *await self._people()]
            found += await self._left_out()
        except Unavailable as error:
            self._unread = str(error)
            return [_store_down(self._unread)]
        self._unread = None
        return found

    async def _written(self) -> list[_Violation]:
        """Whether the store accepts a write, checked with one. It is healthy only if it can be read, too."""
        try:
            async with asyncio.timeout(TOUCHED_WITHIN):
                await self._store.probe.write()
            self._unwritten = None
            if self._unread is None:
                # Even when no such alert is known here: an earlier process may have raised it.
                await self._alerts.resolve(STORE, cause=STORE_DOWN, how=over(STORE_DOWN))
        except (Unavailable, TimeoutError) as error:
            self._unwritten = str(error) or "it does not answer"
            return [_store_down(self._unwritten)]
        return []

    async def _unheard(self) -> bool:
        """Whether people need another warning: the platform cannot be read, or no pager accepts a page.

        Then only the missing heartbeat is left.
        """
        blind = self._blind()
        stuck = await self._store.alerts.unacknowledged(self._clock() - TAKEN_WITHIN)
        if blind or stuck:
            log.error("heartbeat_withheld", blind=blind, pages=stuck)
            self._metrics.count("heartbeat_withheld")
        return bool(blind or stuck)

    async def check_scheduler(self) -> None:
        """Between two rounds: a ticker that does not move ends the process before the next round."""
        for violation in self._late():
            await self._raise(violation)

    async def check_db_writable(self) -> None:
        """Between two rounds: a database that accepts no write is known well before the next round."""
        await self._tell(await self._written())

    async def ping_chats(self) -> None:
        """Between two rounds: a chat that hangs or refuses Nod is known before the next round could find it."""
        await self._tell([_violation_of(alert) for alert in await self._around.ping_chats()])

    async def _tell(self, breaches: list[_Violation]) -> list[_Violation]:
        for violation in breaches:
            await self._raise(violation)
        return breaches

    async def _raise(self, violation: _Violation) -> None:
        await self._alerts.raise_(
            Alert(
                approval_id=violation.about, cause=violation.cause, text=violation.text, raised_at=self._clock()
            )
        )
        log.error("breach_found", about=violation.about, cause=violation.cause)
        self._metrics.count("breach_found")

    async def _unseen(self) -> list[_Violation]:
        """One fault per channel, however many requests have no card there: it is too slow, or accepts none."""
        now, after = self._clock(), self._looked_at
        unseen, self._looked_at = await self._store.approvals.unseen(now, share=SEEN_BY, after=after)
        where: defaultdict[str, list[Placement]] = defaultdict(list)
        for placement in await self._store.placements.of(*(approval.id for approval in unseen)):
            if not placement.superseded:
                where[placement.approval_id].append(placement)
        told = {alert.approval_id for alert in await self._alerts.open_of(cause=NO_CARD)}
        every = [one for places in where.values() for one in places]
        dead = {str(one.destination) for one in every if one.tries or one.attempted_at} | told
        without, late = defaultdict[str, list[Unseen]](list), Counter[Destination]()
        for approval in unseen:
            places = {one.destination for one in where[approval.id]}
            mine = {str(place) for place in places} & dead if places else {f"{ROUTE}{approval.route}"}
            for about in mine:
                without[about].append(approval)
            if not mine:
                late.update(places)
        found = [await self._bare(about, unseen) for about, unseen in without.items()]
        found += self._of_other_portions(found, whole=after is None and self._looked_at is None)
        return [*found, *(_late_in(place, count) for place, count in late.items())]

    def _of_other_portions(self, found: Sequence[_Violation], *, whole: bool) -> list[_Violation]:
        """What this look cannot find because it looked at a portion, and an earlier one found."""
        mine = {one.about: one for one in found if one.about.startswith(ROUTE)}
        if whole:
            self._this_pass, self._last_pass = {}, {}
            return []
        self._this_pass |= mine
        others = {**self._last_pass, **self._this_pass}
        if self._looked_at is None:
            self._last_pass, self._this_pass = self._this_pass, {}
        return [one for about, one in others.items() if about not in mine]

    async def _bare(self, about: str, without: Sequence[Unseen]) -> _Violation:
        count = len(without)
        first = await self._store.approvals.get(without[0].id) if count == 1 else None
        where = about if (route := about.removeprefix(ROUTE)) == about else f"any channel of the route {route}"
        late = {"tool": _tool(first), "left": span(first.deadline.at - self._clock())} if first else {}
        text = alert_text(NO_CARD, "late" if first else "late_several", count=count, where=where, **late)
        return _Violation(about=about, cause=NO_CARD, text=text)

    async def _missed(self) -> list[_Violation]:
        """The most urgent of them: what was missed once is one alert per request, and one is enough to act."""
        now, found = self._clock(), {}
        for rung, approval in await self._store.rungs.due(now - MISSED_AFTER, most=BATCH):
            if now < approval.deadline.at:
                text = alert_text(MISSED, tool=_tool(approval), number=rung.number + 1)
                found[approval.id] = _Violation(about=approval.id, cause=MISSED, text=text)
        return list(found.values())

    async def _left_out(self) -> list[_Violation]:
        """What no step would have found. It is put right at once, so the alert says it once."""
        cards, self._cards_checked = await self._store.placements.repair(
            after=self._cards_checked, most=CARDS_A_ROUND
        )
        repaired = {"cards": cards, **await self._store.due_columns.repair()}
        return [
            _Violation(about=f"due:{kind}", cause=LEFT_OUT, text=alert_text(LEFT_OUT, count=count, kind=kind))
            for kind, count in repaired.items()
            if count
        ]

    def _stuck(self) -> list[_Violation]:
        """Steps that make no progress; without a store none does, and that alert is out already."""
        if self._unread or self._unwritten:
            return []
        stuck, seconds = self._liveness.stuck(STUCK_AFTER), STUCK_AFTER.seconds
        return [
            _Violation(about=f"step:{step}", cause=STUCK, text=alert_text(STUCK, step=step, seconds=seconds))
            for step in stuck
        ]

    def _late(self) -> list[_Violation]:
        late = self._late_tick()
        text = alert_text(LATE_TICK, late=late)
        return [] if late is None else [_Violation(about="scheduler", cause=LATE_TICK, text=text)]

    async def _people(self) -> list[_Violation]:
        """A policy in which nobody can decide: requests of such a route expire."""
        pending = await self._store.approvals.open_by_route()
        self._measure(pending)
        waiting: Counter[str] = Counter()
        for (_, route), count in pending.items():
            waiting[route] += count
        short = quorum_shortages(self._policy(), waiting, now=self._clock())
        await self._requested(waiting)
        elsewhere = await self._store.approvals.waiting_elsewhere(self._policy().sources, now=self._clock())
        gone = sources_gone(elsewhere)
        lacks = [("route", short), ("source", gone)]
        return [
            _Violation(about=f"{kind}:{name}", cause=NOBODY, text=text)
            for kind, found in lacks
            for name, text in found.items()
        ]

    def _measure(self, pending: Mapping[tuple[str, str], int]) -> None:
        """A route of which nothing waits shows 0; if there are very many, only if something waited before."""
        policy = self._policy()
        known = set(product(policy.sources, (route.name for route in policy.routes)))
        self._measured |= pending.keys() | (known if len(known) <= ZEROES else set())
        for source, route in self._measured:
            self._metrics.gauge("pending", pending.get((source, route), 0), source=source, route=route)

    async def _requested(self, waiting: Mapping[str, int]) -> None:
        """Alert about requests that nobody can approve because the approvers may have asked for them.

        Read only where a route says who asks. It is not a violation: an agent must not be able to silence the
        heartbeat.
        """
        policy, now = self._policy(), self._clock()
        asking = (route.name for route in policy.routes if route.requester and not route.self_approval)
        if not any(waiting.get(name) for name in asking):
            return
        open_, self._asked_at = await self._store.approvals.portion(after=self._asked_at, most=ASKED)
        lacks = {approval.id: undecidable(policy, approval, now=now) for approval in open_}
        for lack in lacks.values():
            if lack is not None:
                await self._alerts.raise_(lack)
        tools = {approval.id: quoted_name(approval.request.tool_name) for approval in open_}
        for alert in await self._alerts.open_of(cause=UNDECIDABLE):
            about = alert.approval_id
            if about in lacks and lacks[about] is None:
                how = over(UNDECIDABLE, tool=tools[about])
                await self._alerts.resolve(about, cause=UNDECIDABLE, how=how)

    async def _resolved(self, breaches: list[_Violation]) -> list[_Violation]:
        """Resolve what is no longer found; the only fault that this can find is a store that is down now."""
        try:
            await self._resolve(breaches)
        except Unavailable as error:
            return [_store_down(str(error))]
        return []

    async def _resolve(self, breaches: list[_Violation]) -> None:
        """Resolve what is no longer found. The step that shows cards resolves what channels lack."""
        found = {(violation.about, violation.cause) for violation in breaches}
        for alert in await self._alerts.open_of(cause=_RESOLVED_HERE):
            about, cause = alert.approval_id, alert.cause
            if (about, cause) in found or (cause == NO_CARD and not about.startswith(ROUTE)):
                continue
            if cause not in (SURFACE_DEAD, CHANNEL_DEAD) or self._around.is_well(alert):
                how = over(cause, where=about, name=about.partition(":")[2])
                await self._alerts.resolve(about, cause=cause, how=how)


#: What a look resolves that does not find it any more; of `NO_CARD`, what is about a route.
_RESOLVED_HERE = {NO_CARD, *(kind.cause for kind in KINDS.values() if kind.found)}


def _store_down(why: str) -> _Violation:
    return _Violation(about=STORE, cause=STORE_DOWN, text=alert_text(STORE_DOWN, why=why))


def _late_in(place: Destination, count: int) -> _Violation:
    text = alert_text(CHANNEL_LATE, ONE if count == 1 else SEVERAL, where=place, count=count)
    return _Violation(about=str(place), cause=CHANNEL_LATE, text=text)


def _violation_of(alert: Alert) -> _Violation:
    return _Violation(about=alert.approval_id, cause=alert.cause, text=alert.text)


def _tool(approval: Approval) -> str:
    return quoted_name(approval.request.tool_name)
