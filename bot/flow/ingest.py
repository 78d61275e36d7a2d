"""(new) -> OPEN: what one poll of the platform says about requests that are new, changed or missing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.alerts import CHANGING, ONLY, TAMPERED, Subject, alert_of
from bot.approval import Approval, Stage
from bot.errors import Forbidden, Unavailable
from bot.flow.polls import Heard, LastList, Noted, Polls, Unread, Vanished
from bot.flow.quorum_check import undecidable
from bot.ladder import Deadline, began_at, deadline_of, lease_at, redraws, renewed
from bot.policy import Policy
from bot.ports import Clock, Listing, Metrics, Source
from bot.protocol import HITLRequest, key_of
from bot.records import UNWRITTEN, DueRung, NewApproval, Placement, Standing
from bot.routing import Route
from bot.store import Store
from bot.wording import quoted_name

#: A call that changes this often gets no more cards; the alert's cause.
MOST_CHANGES = 10

#: While it is unclear whether a request vanished, the platform is asked this often, whatever its interval.
LOOK_AGAIN = timedelta(seconds=1)

#: Requests that are compared with their records at each poll although neither has changed, in turn: the
#: database could have been changed by hand.
IN_TURN = 32

#: New requests in one transaction at most: a click that comes meanwhile waits for it.
ADMITTED_TOGETHER = 100
#: Each round spends this long on new requests, or as long as the poll took, up to the second value; then the
#: list is read again. So a decision that needs a fresh list, and new urgent requests, wait for few others.
ADMITS_FOR, ADMITS_FOR_AT_MOST = timedelta(seconds=1), timedelta(seconds=8)
#: Seconds of work before others have a turn: a read or a write beside it takes several turns.
IN_ONE_GO = 0.004

#: The store keeps milliseconds: two deadlines that are nearer than this are one.
SAME_MOMENT = timedelta(milliseconds=2)

log = structlog.get_logger()


class _Turns:
    """Lets others go first whenever this work has taken IN_ONE_GO."""

    def __init__(self) -> None:
        self._until = time.monotonic() + IN_ONE_GO

    async def give(self) -> None:
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + IN_ONE_GO


class Ingest:
    """One poll a round; rounds never overlap. Nothing is concluded from a failed poll."""

    def __init__(
        self,
        *,
        source: Source,
        store: Store,
        policy: Callable[[], Policy],
        clock: Clock,
        metrics: Metrics,
        run_of: Callable[[str], str | None] | None = None,
        heard: Heard = lambda skew: skew,
        about: Subject = ONLY,
        admits_for: timedelta = ADMITS_FOR_AT_MOST,
        in_turn: int = IN_TURN,
    ) -> None:
        """`run_of` knows the run of a request, by its id, if the platform's list does not give it.

        Each round spends at most `admits_for` on new requests, and compares `in_turn` unchanged ones, too.

        `heard` learns from each poll how far our clock is ahead of the platform's (`bot.flow.polls`).
        """
        store = store.of(source.name)
        self.source, self._store, self._policy, self._run_of = source, store, policy, run_of
        self._clock, self._metrics, self.about = clock, metrics, about
        self._admits_for, self._in_turn = admits_for, in_turn
        self.polls = Polls(store=store, clock=clock, heard=heard, about=about)
        self._unread = Unread(store=store, clock=clock, metrics=metrics, about=about)
        self._last, self._noted = LastList(), Noted(store=store, clock=clock)
        self._default_window: timedelta | None = None
        self._vanished = Vanished(store=store, clock=clock, metrics=metrics)
        self._doubts: set[str] = set()

    async def round(self) -> datetime | None:
        self.polls.begins()
        known = await self._noted.known()
        began = time.monotonic()
        try:
            listing = await self.source.pending(known=known)
        except (Unavailable, Forbidden) as error:
            log.warning("poll_failed", reason=str(error))
            self._metrics.count("poll_failed")
            self._metrics.count("polls", source=self.source.name, result="failed")
            await self.polls.failed(error)
            return None
        began_at, name = listing.began_at.timestamp(), self.source.name
        self._metrics.count("polls", source=name, result="good")
        self._metrics.gauge("last_good_poll_timestamp_seconds", began_at, source=name)
        await self.polls.good(listing)
        await self._unread.report(listing)
        if listing.is_known:
            self.polls.taken_in(listing)
            return None
        await self._noted.read(listing)
        unmet, missed = await self._compare(listing)
        took = timedelta(seconds=time.monotonic() - began)
        if not await self._ingest(unmet, within=min(max(ADMITS_FOR, took), self._admits_for)):
            return self._clock()
        self.polls.taken_in(listing)
        if not unmet and not listing.set_aside and self._last.all_agree(self._store.approvals.waiting()):
            await self._noted.agrees(listing)
        return self._clock() + LOOK_AGAIN if missed else None

    async def _compare(self, listing: Listing) -> tuple[list[HITLRequest], bool]:
        """Compare the list with the records, where one of the two has changed since the last poll.

        Returns the requests without an open record, and whether a poll soon can say what is gone.
        """
        approvals, last, now = self._store.approvals, self._last, self._clock()
        last.take(listing.requests)
        self._look_at_default_window()
        listed = last.listed.keys()
        unread = {key_of(self.source.name, one) for one in listing.unread_ids}
        waiting, doubted = approvals.waiting(), approvals.doubted()
        differing = last.differing(waiting, now=now)
        unlisted = last.unlisted(waiting) - unread
        count, gone = len(waiting) - len(unlisted), unlisted | (doubted - listed - unread)
        due = await approvals.awaiting_poll(now)
        known = [one for one in differing if one in waiting]
        asked = dict.fromkeys(
            [*known, *(doubted & listed), *last.in_turn(self._in_turn), *(due.keys() & listed)]
        )
        standing = {**await approvals.standing({*asked, *gone, *(unread & waiting)}), **due}
        gone |= due.keys() - listed - unread
        unmet = await self._meet(listing, standing, asked)
        unmet += [last.listed[one] for one in differing if one not in asked]
        came_back = sum(met.missed for one, met in standing.items() if one not in gone)
        self.polls.steadiness.note(now, listed=count, came_back=came_back)
        missing = {one: standing[one] for one in gone if one in standing}
        return unmet, await self._notice_missing(listing, missing)

    def _look_at_default_window(self) -> None:
        """Another default makes other deadlines: what is over by one may not be over by the other."""
        window = self._policy().default_window
        if window != self._default_window:
            self._default_window = window
            self._last.forget_ends()

    async def _meet(
        self, listing: Listing, standing: Mapping[str, Standing], asked: Collection[str]
    ) -> list[HITLRequest]:
        """Compare these requests with their records; returns those that are new, or had ended."""
        confirmed: dict[str, str] = {}
        unmet: list[HITLRequest] = []
        turns = _Turns()
        for key in asked:
            await turns.give()  # a long list does not delay anyone else
            request, met = self._last.listed[key], standing.get(key)
            self._last.differs(key)
            if met is None:
                unmet.append(request)
            elif met.forged:
                await self._tampered(request)
            elif not request.named_by(met.digest):
                await self._changed(request)
            else:
                if await self._is_in_time(request, met):
                    self._last.agrees(key)
                if met.missed or met.stage is Stage.DECIDED:
                    confirmed[key] = met.digest
        # A clock that was set back during the poll would make it look later than clicks after its beginning.
        if confirmed and listing.began_at <= self._clock():
            await self._store.approvals.confirm(confirmed, began_at=listing.began_at)
        return unmet

    async def _ingest(self, requests: Sequence[HITLRequest], *, within: timedelta) -> bool:
        """Store many at once, so that the choice of what goes up first, and what is batched, covers all.

        The earliest deadlines come first: they do not wait until a long list is done. Returns False if some are
        left when the time is up.
        """
        now, until, turns = self._clock(), time.monotonic() + within.total_seconds(), _Turns()
        by: list[tuple[datetime, int]] = []
        for number, request in enumerate(requests):
            await turns.give()
            by.append((self._deadline(request, first_seen=now).at, number))
        queue = [requests[number] for _, number in sorted(by)]
        for start in range(0, len(queue), ADMITTED_TOGETHER):
            if start and time.monotonic() > until:
                return False
            batch, some = queue[start : start + ADMITTED_TOGETHER], []
            recorded = await self._store.approvals.recorded([request.key for request in batch])
            for request in batch:
                await turns.give()
                if request.key in recorded:
                    await self._listed_again(request, first_seen=recorded[request.key])
                else:
                    some.append(self._new_approval(request))
            taken = await self._store.approvals.insert(some) if some else frozenset()
            for approval in (
                new_approval.approval for new_approval in some if new_approval.approval.id in taken
            ):
                log.info(
                    "approval_admitted",
                    approval_id=approval.id,
                    route=approval.route,
                    window=round((approval.deadline.at - approval.first_seen).total_seconds(), 1),
                )
                self._metrics.count("approval_admitted")
                await self._decidable(approval)
        return True

    async def _decidable(self, approval: Approval) -> None:
        """Raise an alert at once for a request that nobody can ever approve."""
        now = self._clock()
        if (why := undecidable(self._policy(), approval, now=now)) is not None:
            await self._store.alerts.raise_(why)

    def _new_approval(self, request: HITLRequest) -> NewApproval:
        policy, now = self._policy(), self._clock()
        route = policy.route_of(request)
        run_id = request.run_id or (self._run_of(request.request_id) if self._run_of else None)
        if run_id != request.run_id:
            request = replace(request, run_id=run_id)
        deadline = self._deadline(request, first_seen=now)
        rule = policy.rules.rule_for(request)
        approval = Approval(
            request=request,
            route=route.name,
            rule=rule.name if rule else None,
            stage=Stage.OPEN,
            first_seen=now,
            deadline=deadline,
        )
        return NewApproval(
            approval=approval,
            placements=_placements(request, route),
            rungs=_rungs(request, route, first_seen=now, deadline=deadline),
        )

    async def _tampered(self, request: HITLRequest) -> None:
        """Someone other than Nod wrote to its record: nothing in it is valid, and people are asked again."""
        facts = {"tool": quoted_name(request.tool_name)}
        await self._store.alerts.raise_(alert_of(TAMPERED, request.key, facts, at=self._clock()))
        await self._changed(request, why=TAMPERED)

    async def _changed(self, request: HITLRequest, *, why: str | None = None) -> None:
        """The platform lists another call under a known id: no answer to the old call is valid for it."""
        approval = await self._store.approvals.get(request.key)
        if approval is None:
            return
        deadline = self._deadline(request, first_seen=approval.first_seen)
        route = self._policy().route_of(request)  # another call can belong to other people
        settled_down = await self._settled_down(approval)
        if await self._store.approvals.revise(
            approval.id,
            was=approval.stage,
            request=request,
            route=route.name,
            deadline=deadline,
            placements=_placements(request, route) if settled_down else (),
            rungs=_rungs(request, route, first_seen=approval.first_seen, deadline=deadline),
            why=why,
        ):
            log.warning("request_changed", approval_id=approval.id, was=approval.stage.value)
            self._metrics.count("request_changed")

    async def _settled_down(self, approval: Approval) -> bool:
        """False for a call that keeps changing: a card for each change would delay the cards of others."""
        cards = Counter(placement.destination for placement in await self._store.placements.of(approval.id))
        if max(cards.values(), default=0) < MOST_CHANGES:
            return True
        facts = {"tool": quoted_name(approval.request.tool_name), "times": MOST_CHANGES}
        await self._store.alerts.raise_(alert_of(CHANGING, approval.id, facts, at=self._clock()))
        return False

    async def _is_in_time(self, request: HITLRequest, met: Standing) -> bool:
        """Whether its deadline stays; if the platform waits longer or shorter, it is moved."""
        deadline, now = self._deadline(request, first_seen=met.first_seen), self._clock()
        if now < met.deadline if deadline.made_up else abs(deadline.at - met.deadline) < SAME_MOMENT:
            return True
        await self._retime(request, met, deadline)
        return False

    async def _retime(self, request: HITLRequest, met: Standing, deadline: Deadline) -> None:
        """The same call, but the platform waits longer or shorter: steps and leases are computed again."""
        since, now = met.first_seen, self._clock()
        approval = await self._store.approvals.get(request.key)
        if approval is None:
            return
        if deadline.made_up:
            if not approval.deadline.made_up:
                return  # the platform named one before, and that one stays
            default = self._policy().default_window
            deadline, since = renewed(approval.deadline, now=now, first_seen=since, default=default), now
        route = self._route(approval)
        if await self._store.approvals.retime(
            approval.id,
            was=met.deadline,
            route=route.name,
            deadline=deadline,
            rungs=() if deadline.unknown else _rungs(request, route, first_seen=since, deadline=deadline),
            lease=lease_at(now, deadline=deadline.at, share=route.claim),
            placements=_placements(request, route),
        ):
            log.info("deadline_moved", approval_id=approval.id)
            self._metrics.count("deadline_moved")

    async def _listed_again(self, request: HITLRequest, *, first_seen: datetime | None) -> None:
        """It had vanished, or a wrong clock ended it; nobody decided it, and it is still pending.

        Without `first_seen` Nod decided it: a list that is a moment old changes nothing.
        """
        now = self._clock()
        if first_seen is None:
            self._last.over(request.key)
            return
        deadline = self._deadline(request, first_seen=first_seen)
        if deadline.at <= now:
            self._last.over(request.key, until=deadline.at)
            return
        approval = await self._store.approvals.get(request.key)
        if approval is None:
            return
        route = self._route(approval)
        if await self._store.approvals.revive(
            approval.id,
            route=route.name,
            deadline=deadline,
            rungs=_rungs(request, route, first_seen=approval.first_seen, deadline=deadline),
            at=now,
            placements=_placements(request, route),
        ):
            log.warning("request_listed_again", approval_id=approval.id)
            self._metrics.count("request_listed_again")

    def _route(self, approval: Approval) -> Route:
        """Its route; if that left the file, the route for its call now, or nobody could answer it."""
        policy = self._policy()
        return policy.route_named(approval.route) or policy.route_of(approval.request)

    async def _notice_missing(self, listing: Listing, missing: Mapping[str, Standing]) -> bool:
        """Record what is not listed; returns whether another poll soon can say whether it is gone."""
        if await self._vanished.too_many(missing.values()):
            # Ours are delivered, or about to be: the POST's answer says so.
            missing = {known: met for known, met in missing.items() if met.attempts}
        await self._store.approvals.miss(list(missing), began_at=listing.began_at)
        believed_after = self.polls.steadiness.believed_after
        return any(met.missed < believed_after for met in missing.values())

    def _deadline(self, request: HITLRequest, *, first_seen: datetime) -> Deadline:
        deadline = deadline_of(request, first_seen=first_seen, default=self._policy().default_window)
        if deadline.doubt and deadline.doubt not in self._doubts:
            self._doubts.add(deadline.doubt)  # once per platform and kind, not once per request
            log.warning("deadline_doubted", reason=deadline.doubt, source=deadline.source.value)
            self._metrics.count("deadline_doubted")
        return deadline


def _placements(request: HITLRequest, route: Route) -> list[Placement]:
    return [
        Placement(card_id=secrets.token_urlsafe(12), approval_id=request.key, destination=destination)
        for destination in route.cards
    ]


def _rungs(request: HITLRequest, route: Route, *, first_seen: datetime, deadline: Deadline) -> list[DueRung]:
    unwritten = redraws(first_seen=first_seen, deadline=deadline.at)
    began = began_at(request, first_seen=first_seen, deadline=deadline)
    numbered = [
        *((number, rung, began) for number, rung in enumerate(route.ladder)),
        *((number, rung, first_seen) for number, rung in enumerate(unwritten, start=UNWRITTEN)),
    ]
    return [
        DueRung(
            approval_id=request.key,
            number=number,
            due_at=rung.due(first_seen=first_seen, deadline=deadline.at, began=since),
            action=rung.action,
            who=rung.who,
            cards=rung.cards,
        )
        for number, rung, since in numbered
    ]
