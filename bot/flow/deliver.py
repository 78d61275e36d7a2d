"""DECIDED -> SETTLED: deliver the decision at once, with retries as long as the platform waits.

A person's decision is never turned into another verdict. An Approve is sent only after a poll that began after
the click listed exactly the same call; Reject and Skip need no such proof. A request that the platform calls
resolved (404, 409) is settled by a poll (`reconcile`), or sent again if it is still listed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import structlog

from bot.alerts import ONLY, UNDELIVERED, Subject
from bot.approval import Approval, Outcome, Stage, outcome_by, outcome_once_resolved
from bot.errors import Forbidden, Gone, ShutOut, Unavailable
from bot.flow import AT_ONCE, BATCH, Foreground, Together, WorkerPool, count_end, earliest
from bot.flow.polls import Polls
from bot.flow.undelivered import CONTRADICTED, RAN_OUT, UNREAD, Losses, Undelivered
from bot.flow.ways import Ways
from bot.policy import Policy
from bot.ports import Clock, Metrics, Source
from bot.protocol import HITLDecision
from bot.records import End, Outlook, Ring, Step
from bot.retry import LAST_TRY, MARGIN, MOST_SENT_AGAIN, QUICK_WAITS, decision_wait, sent_again_after
from bot.store import Store
from bot.wording import beaten_by, quoted_name

#: One POST takes at most this long; nobody else can send it meanwhile. More than the client's total timeout.
LEASE = timedelta(seconds=20)
#: An Approve that waits this long for a fresh list is in trouble, and an operator is alerted.
PATIENCE = timedelta(seconds=6)
#: While the platform refuses everything from Nod, one decision is tried this often.
PROBE_EVERY = timedelta(seconds=15)
#: While an Approve waits for a list, the platform is asked for one this often.
LISTED_AGAIN = timedelta(seconds=1)
#: A record that Nod did not write is looked at again after this long, unless a poll has taken it in first.
FORGED_AGAIN = timedelta(seconds=5)

log = structlog.get_logger()


class Deliver:
    """Delivers each decision to the platform, so that it takes effect once."""

    def __init__(
        self,
        *,
        source: Source,
        store: Store,
        policy: Callable[[], Policy],
        polls: Polls,
        clock: Clock,
        metrics: Metrics,
        pool: WorkerPool,
        ring: Ring,
        losses: Losses,
        about: Subject = ONLY,
        foreground: Foreground | None = None,
    ) -> None:
        """`polls` knows since when the platform's list cannot be read."""
        self._source, self._store, self._policy = source, store.of(source.name), policy
        self._polls = polls
        self._clock, self._metrics, self._pool, self._ring = clock, metrics, pool, ring
        self._ways, self._losses, self._foreground = Ways(), losses, foreground or Foreground()
        self._late = Undelivered(store=self._store, clock=clock, about=about)
        self._first, self._again, self._overdue = Hand(), Hand(), Hand()
        self._begin, self._end = Together(self._begin_all), Together(self._end_all)
        self._hung: set[str] = set()  #: their last POST got no prompt answer
        self._shut_out: str | None = None  #: why the platform refuses everything from Nod
        self._probe_at: datetime | None = None

    async def round(self) -> datetime | None:
        self._pool.look()
        now = self._clock()
        outlook = await self._store.approvals.outlook(now, late=now + MARGIN)
        due = [outlook.next_due, outlook.next_turn]
        if outlook == Outlook():
            self._hung.clear()  # nothing is decided
        if outlook.unlisted or outlook.lapsed:
            # For a fresh list, now rather than at the next poll; a made-up deadline gets another one.
            self._ring(Step.INGEST)
            due.append(now + LISTED_AGAIN)
        more = await self._look_at_overdue(now) if outlook.overdue else False
        if self._shut_out is not None:
            more |= await self._hold(now, self._shut_out)
            due += [self._probe_at, _before(outlook.next_deadline, MARGIN + LAST_TRY, now=now)]
        elif outlook.due:
            more |= await self._look_at_due(now)
        due += [_before(outlook.next_deadline, MARGIN, now=now), await self._wait_for_list(outlook, now)]
        due += [await self._late.report(outlook), await self._losses.count()]
        return AT_ONCE if more else earliest(*due)

    async def _look_at_overdue(self, now: datetime) -> bool:
        """Give them up; returns whether there may be more."""
        late = self._overdue
        found = await self._store.approvals.overdue(
            now, by=now + MARGIN, most=late.room, without=self._left_out
        )
        await self._sort_out(found, now, lambda approval: self._hand(late, approval, self._give_up))
        return late.room > 0 and len(found) == late.most

    async def _look_at_due(self, now: datetime) -> bool:
        """Send them; returns whether there may be more. Retries never take the place of first tries."""
        more = False
        for tried, hand in ((False, self._first), (True, self._again)):
            room = hand.room
            found = await self._due(now, most=room, tried=tried, without=self._not_sent(hand))
            await self._sort_out(found, now, partial(self._send, hand))
            more |= len(found) == room and hand.room > 0
        return more

    async def _due(self, now: datetime, *, most: int, **more: Any) -> tuple[Approval, ...]:
        return await self._store.approvals.deliverable(now, after=now + MARGIN, most=most, **more)

    @property
    def _left_out(self) -> set[str]:
        """What is in hand, or failed just now; what waits to be sent sees itself that it is too late."""
        return {*self._first.ids, *self._again.ids, *self._overdue.ids, *self._pool.failed}

    def _not_sent(self, hand: Hand) -> set[str]:
        """Retries of POSTs that hung go one at a time: while one does, the others are not looked for."""
        hung = set(islice(self._hung, BATCH * 4)) if not self._hung.isdisjoint(hand.ids) else set()
        return self._left_out | hung

    def _send(self, hand: Hand, approval: Approval, *, probes: bool = False) -> None:
        if approval.gones > MOST_SENT_AGAIN:
            self._hand(hand, approval, self._contradicted)
        elif approval.id not in self._hung or self._hung.isdisjoint(hand.ids):
            self._hand(hand, approval, self._deliver, probes)

    async def _sort_out(
        self, found: Sequence[Approval], now: datetime, work: Callable[[Approval], object]
    ) -> None:
        """Do this with those that can be worked on; the others are put off, so that they fill no batch."""
        unlisted, forged = [], []
        for approval in found:
            if approval.forged:
                forged.append(approval.id)  # the next poll reads it again: this answer belongs to nobody
            elif not _confirmed(approval) and now < approval.deadline.at - MARGIN:
                unlisted.append(approval.id)  # by the row it is, but this process has seen no such list
            else:
                work(approval)
        for ids, until in ((unlisted, None), (forged, now + FORGED_AGAIN)):
            if ids:
                self._ring(Step.INGEST)
                await self._store.approvals.put_off(ids, until=until)

    def _hand(
        self, hand: Hand, approval: Approval, work: Callable[..., Awaitable[None]], *more: object
    ) -> None:
        """A piece of work for the pool; it is in hand until it begins, or ends."""

        async def piece() -> None:
            try:
                await work(approval, *more)
            finally:
                hand.ids.discard(approval.id)

        if self._pool.take(approval.id, approval.id, piece):
            hand.ids.add(approval.id)

    async def _deliver(self, approval: Approval, probes: bool) -> None:
        way = self._ways.way(
            deadline=approval.deadline.at,
            first=not approval.attempts,
            hung=approval.id in self._hung,
            hangs=lambda: self._hung.add(approval.id),
        )
        async with way:
            if self._shut_out is not None and not probes:
                return  # refused since it was handed over; the next round holds it
            taken = await self._begun(approval)
            if taken is None or taken.decision is None:
                return
            self._hung.discard(taken.id)
            self._first.ids.discard(taken.id)
            self._again.ids.discard(taken.id)
            try:
                with self._foreground.work():
                    await self._source.decide(taken.request, taken.decision.response)
            except Gone as error:
                self._count_post("gone")
                await self._called_resolved(taken, error)
                return
            except (Unavailable, Forbidden) as error:
                self._count_post("failed")
                await self._retry(taken, error)
                return
        self._count_post("accepted")
        took = max(0.0, (self._clock() - taken.decision.at).total_seconds())
        self._metrics.observe("click_to_source_seconds", took, source=self._source.name)
        self._let_in()
        # A 200 is no proof that ours was the first answer: the audit has the last word.
        word = await self._source.word_on(taken.request.request_id)
        told = outcome_by(taken.decision)
        outcome = told if word is None else outcome_once_resolved(taken, word, tried_before=True)
        await self._settle(taken, outcome, word)

    def _count_post(self, result: str) -> None:
        self._metrics.count("deliveries", source=self._source.name, result=result)

    async def _begun(self, approval: Approval) -> Approval | None:
        """The approval with this attempt counted; None if it cannot be sent now, or not any more."""
        now = self._clock()
        if now >= approval.deadline.at - MARGIN or await self._denied(approval, now):
            return None
        return await self._begin.do(approval)

    async def _begin_all(self, as_read: Sequence[Approval]) -> list[Approval | None]:
        now = self._clock()
        begun = await self._store.approvals.begin_delivery(as_read, now=now, until=now + LEASE)
        by_id = {approval.id: approval for approval in begun}
        return [by_id.get(approval.id) for approval in as_read]

    async def _denied(self, approval: Approval, now: datetime) -> bool:
        """An explicit deny wins over every vote, including votes from before the rule was there."""
        approves = approval.decision and approval.decision.verdict is HITLDecision.APPROVED
        denial = self._policy().rules.denial_of(approval.request) if approves else None
        if denial is None:
            return False
        if await self._store.approvals.void(approval.id, why=f"denied by {denial.name}", at=now):
            log.warning("decision_voided", rule=denial.name)
            self._metrics.count("decision_voided")
        return True

    async def _settle(self, approval: Approval, outcome: Outcome, word: str | None) -> None:
        """The alerts go first: a crash in between repeats the POST, but nothing would repeat these."""
        lost = outcome is Outcome.UNDELIVERABLE
        if lost:
            await self._losses.report(approval, RAN_OUT)
        else:
            await self._losses.over()
        if not await self._end.do((approval, outcome, word)):
            return
        if lost:
            self._losses.settled(approval, RAN_OUT)
        log.info("decision_delivered", outcome=outcome.value, attempts=approval.attempts)
        count_end(self._metrics, approval, outcome)

    async def _end_all(self, ends: Sequence[tuple[Approval, Outcome, str | None]]) -> list[bool]:
        late = {alert.approval_id for alert in await self._store.alerts.open_of(cause=UNDELIVERED)}
        for approval, outcome, word in ends:
            if approval.id in late and outcome is not Outcome.UNDELIVERABLE:
                await self._resolve(approval, outcome, word)
        now, trouble = self._clock(), {Outcome.UNDELIVERABLE: RAN_OUT}
        settled = await self._store.approvals.settle_all(
            [
                End(
                    approval_id=approval.id,
                    was=Stage.DECIDED,
                    outcome=outcome,
                    at=now,
                    platform_word=word,
                    trouble=trouble.get(outcome),
                )
                for approval, outcome, word in ends
            ]
        )
        for approval, outcome, word in ends:
            if approval.trouble and outcome is not Outcome.UNDELIVERABLE:
                await self._resolve(approval, outcome, word)  # it may have been raised in between
        return [approval.id in settled for approval, _, _ in ends]

    async def _resolve(self, approval: Approval, outcome: Outcome, word: str | None) -> None:
        tool, through = quoted_name(approval.request.tool_name), outcome is not Outcome.ELSEWHERE
        how = f"the decision for {tool} was delivered" if through else f"{tool}: {beaten_by(word)}"
        await self._store.alerts.resolve(approval.id, cause=UNDELIVERED, how=how)

    async def _called_resolved(self, approval: Approval, error: Gone) -> None:
        """The first good poll that begins after now shows whether it is resolved."""
        self._let_in()
        now = self._clock()
        wait = sent_again_after(approval.gones + 1)
        if await self._store.approvals.called_resolved(
            approval.id, as_read=approval, at=now, next_try=now + wait
        ):
            log.info("called_resolved", attempt=approval.attempts, reason=str(error))
            self._metrics.count("called_resolved")

    async def _contradicted(self, approval: Approval) -> None:
        """It was sent again as often as makes sense: a poll that misses it settles it, or its deadline does."""
        now = self._clock()
        await self._store.approvals.postpone(
            approval.id, next_try=approval.deadline.at - MARGIN, trouble=CONTRADICTED
        )
        log.error("contradicted", attempts=approval.attempts, left=(approval.deadline.at - now).total_seconds())
        self._metrics.count("contradicted")

    async def _retry(self, approval: Approval, error: Unavailable | Forbidden) -> None:
        now = self._clock()
        if isinstance(error, ShutOut):
            self._shut_out, self._probe_at = str(error), now + PROBE_EVERY
        elif isinstance(error, Forbidden):
            self._let_in()
        left = approval.deadline.at - MARGIN - now
        next_try = now + decision_wait(error, attempts=approval.attempts, left=left)
        told = isinstance(error, Forbidden) or approval.attempts >= len(QUICK_WAITS) or approval.trouble
        await self._store.approvals.postpone(
            approval.id, next_try=next_try, trouble=str(error) if told else None
        )
        wait = round((next_try - now).total_seconds(), 1)
        log.warning("delivery_failed", attempt=approval.attempts, wait=wait, reason=str(error))
        self._metrics.count("delivery_failed")

    async def _hold(self, now: datetime, why: str) -> bool:
        """All wait, and their cards say why; one at a time checks, and each has a last try.

        Returns whether there may be more whose card does not say it yet.
        """
        hand = self._again
        last = await self._due(now, most=hand.room, by=now + MARGIN + LAST_TRY, without=self._not_sent(hand))
        await self._sort_out(last, now, partial(self._send, hand, probes=True))
        if self._probe_at is not None and now >= self._probe_at:
            one = await self._due(now, most=1, without=self._not_sent(hand))
            if one:
                self._probe_at = now + PROBE_EVERY
            await self._sort_out(one, now, partial(self._send, hand, probes=True))
        return await self._store.approvals.hold(now, trouble=why, most=BATCH) == BATCH

    def _let_in(self) -> None:
        """The platform accepts requests again: all waiting decisions are sent."""
        if self._shut_out is not None:
            self._shut_out = self._probe_at = None
            self._ring(Step.DELIVER)

    async def _wait_for_list(self, outlook: Outlook, now: datetime) -> datetime | None:
        """When an Approve has waited too long for a list. Then its card says so, and an operator is alerted.

        Consent is checked before delivery, so it goes on waiting.
        """
        unread = self._polls.unread_since
        if unread is None or not outlook.unlisted:
            return None
        # Time in which this process could not work is not the platform's fault.
        patience_ends = unread + PATIENCE
        if now < patience_ends:
            return patience_ends
        await self._store.approvals.unread(begun_by=now - PATIENCE, trouble=UNREAD, most=BATCH)
        since = await self._store.approvals.unread_since()
        return since + PATIENCE if since else None

    async def _give_up(self, approval: Approval) -> None:
        # A POST may have been accepted and only its answer lost, or someone else was first: the audit knows.
        word = await self._source.word_on(approval.request.request_id)
        if word in {verdict.value for verdict in HITLDecision}:
            outcome = outcome_once_resolved(approval, word, tried_before=approval.may_be_told)
            await self._settle(approval, outcome, word)
            return
        trouble = approval.trouble or "the deadline came first"
        await self._losses.report(approval, trouble)
        if await self._store.approvals.settle(
            approval.id, was=Stage.DECIDED, outcome=Outcome.UNDELIVERABLE, at=self._clock(), trouble=trouble
        ):
            self._losses.settled(approval, trouble)
            log.error("decision_undeliverable", attempts=approval.attempts)
            count_end(self._metrics, approval, Outcome.UNDELIVERABLE)


def _before(deadline: datetime | None, margin: timedelta, *, now: datetime) -> datetime | None:
    """When so much is left; None once that is over."""
    return None if deadline is None or deadline - margin <= now else deadline - margin


@dataclass(frozen=True, slots=True)
class Hand:
    """What was handed over and has not begun: bounded, so that no round reads more than can begin soon."""

    most: int = BATCH
    ids: set[str] = field(default_factory=set)

    @property
    def room(self) -> int:
        """How many more."""
        return max(0, self.most - len(self.ids))


def _confirmed(approval: Approval) -> bool:
    """Whether the list allows sending: after an Approve, and after the platform called it resolved."""
    decision, seen = approval.decision, approval.confirmed_at
    # Strictly later: the store keeps milliseconds, and a poll in the same one may have begun before.
    if approval.gone_at is not None and (seen is None or seen <= approval.gone_at):
        return False
    if decision is None or decision.verdict is not HITLDecision.APPROVED:
        return True
    return seen is not None and seen > decision.at
