"""DECIDED -> SETTLED: deliver the decision at once, with retries as long as the platform waits.

A person's decision is never turned into another verdict. An Approve is sent only after a poll that began after
the click listed exactly the same call; Reject and Skip need no such proof. A request that the platform calls
resolved (404, 409) is settled by a poll (`reconcile`), or sent again if it is still listed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count

import structlog

from bot.alerts import UNDELIVERED
from bot.approval import Approval, Outcome, Stage, outcome_by, outcome_once_resolved
from bot.errors import Forbidden, Gone, ShutOut, Unavailable
from bot.flow import Count, WorkerPool, earliest
from bot.flow.polls import Polls
from bot.flow.undelivered import CONTRADICTED, RAN_OUT, UNREAD, Losses, Undelivered
from bot.policy import Policy
from bot.ports import Clock, Platform
from bot.protocol import HITLDecision
from bot.records import Ring, Step
from bot.retry import LAST_TRY, MARGIN, MOST_SENT_AGAIN, QUICK_WAITS, decision_wait, sent_again_after
from bot.store import Store
from bot.wording import beaten_by, quoted_name

#: One POST takes at most this long; nobody else can send it meanwhile. More than the client's total timeout.
LEASE = timedelta(seconds=20)
#: An Approve that waits this long for a fresh list is in trouble, and an operator is alerted.
PATIENCE = timedelta(seconds=6)
#: While the platform refuses everything from Nod, one decision is tried this often.
PROBE_EVERY = timedelta(seconds=15)

log = structlog.get_logger()


class Deliver:
    """Delivers each decision to the platform, so that it takes effect once."""

    def __init__(
        self,
        *,
        platform: Platform,
        store: Store,
        policy: Callable[[], Policy],
        polls: Polls,
        clock: Clock,
        count: Count,
        pool: WorkerPool,
        ring: Ring,
        losses: Losses,
    ) -> None:
        """`polls` knows since when the platform's list cannot be read."""
        self._platform, self._store, self._policy = platform, store, policy
        self._polls = polls
        self._clock, self._count, self._pool, self._ring = clock, count, pool, ring
        self._ways, self._losses, self._late = Ways(), losses, Undelivered(alerts=store.alerts, clock=clock)
        self._hung: set[str] = set()  #: their last POST got no prompt answer
        self._shut_out: str | None = None  #: why the platform refuses everything from Nod
        self._probe_at: datetime | None = None

    async def round(self) -> datetime | None:
        self._pool.look()
        now, due = self._clock(), None
        decided = await self._store.approvals.at(Stage.DECIDED)
        self._hung &= {approval.id for approval in decided}
        for approval in decided:
            late = approval.deadline.at - MARGIN
            if approval.forged:
                self._ring(Step.INGEST)  # the next poll reads it again: this answer belongs to nobody
            elif approval.next_try and approval.next_try > now:
                due = earliest(due, approval.next_try)
            elif now >= late and approval.deadline.made_up:
                self._ring(Step.INGEST)  # what is still listed gets another one
            elif now >= late:
                self._pool.take(approval.id, approval.id, self._give_up, approval)
            elif not _confirmed(approval):
                self._ring(Step.INGEST)  # for a fresh list, now rather than at the next poll
                due = earliest(due, late, self._wait_for_list(approval, now))
            elif approval.gones > MOST_SENT_AGAIN:
                self._pool.take(approval.id, approval.id, self._contradicted, approval)
            elif self._shut_out is None:
                self._pool.take(approval.id, approval.id, self._deliver, approval, False)
            elif self._may_probe(approval, now):
                self._pool.take(approval.id, approval.id, self._deliver, approval, True)
            else:
                due = earliest(due, self._probe_at, self._hold(approval))
        return earliest(due, await self._late.report(decided), await self._losses.count())

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
            try:
                await self._platform.decide(taken.request, taken.decision.response)
            except Gone as error:
                await self._called_resolved(taken, error)
                return
            except (Unavailable, Forbidden) as error:
                await self._retry(taken, error)
                return
        self._let_in()
        # A 200 is no proof that ours was the first answer: the audit has the last word.
        word = await self._platform.word_on(taken.id)
        told = outcome_by(taken.decision)
        outcome = told if word is None else outcome_once_resolved(taken, word, tried_before=True)
        await self._settle(taken, outcome, word)

    async def _begun(self, approval: Approval) -> Approval | None:
        """The approval with this attempt counted; None if it cannot be sent now, or not any more."""
        now = self._clock()
        if now >= approval.deadline.at - MARGIN or await self._denied(approval, now):
            return None
        return await self._store.approvals.begin_delivery(
            approval.id, now=now, until=now + LEASE, as_read=approval
        )

    async def _denied(self, approval: Approval, now: datetime) -> bool:
        """An explicit deny wins over every vote, including votes from before the rule was there."""
        approves = approval.decision and approval.decision.verdict is HITLDecision.APPROVED
        denial = self._policy().rules.denial_of(approval.request) if approves else None
        if denial is None:
            return False
        if await self._store.approvals.void(approval.id, why=f"denied by {denial.name}", at=now):
            log.warning("decision_voided", rule=denial.name)
            self._count("decision_voided")
        return True

    async def _settle(self, approval: Approval, outcome: Outcome, word: str | None) -> None:
        lost = outcome is Outcome.UNDELIVERABLE
        # The alerts go first: a crash in between repeats the POST, but nothing would repeat these.
        if lost:
            await self._losses.report(approval, RAN_OUT)
        else:
            await self._losses.over()
            tool, through = quoted_name(approval.request.tool_name), outcome is not Outcome.ELSEWHERE
            how = f"the decision for {tool} was delivered" if through else f"{tool}: {beaten_by(word)}"
            await self._store.alerts.resolve(approval.id, cause=UNDELIVERED, how=how)
        if not await self._store.approvals.settle(
            approval.id,
            was=Stage.DECIDED,
            outcome=outcome,
            at=self._clock(),
            platform_word=word,
            trouble=RAN_OUT if lost else None,
        ):
            return
        if lost:
            self._losses.settled(approval, RAN_OUT)
        log.info("decision_delivered", outcome=outcome.value, attempts=approval.attempts)
        self._count(f"settled_{outcome.value}")

    async def _called_resolved(self, approval: Approval, error: Gone) -> None:
        """The first good poll that begins after now shows whether it is resolved."""
        self._let_in()
        now = self._clock()
        wait = sent_again_after(approval.gones + 1)
        if await self._store.approvals.called_resolved(
            approval.id, as_read=approval, at=now, next_try=now + wait
        ):
            log.info("called_resolved", attempt=approval.attempts, reason=str(error))
            self._count("called_resolved")

    async def _contradicted(self, approval: Approval) -> None:
        """It was sent again as often as makes sense: a poll that misses it settles it, or its deadline does."""
        now = self._clock()
        await self._store.approvals.postpone(
            approval.id, next_try=approval.deadline.at - MARGIN, trouble=CONTRADICTED
        )
        log.error("contradicted", attempts=approval.attempts, left=(approval.deadline.at - now).total_seconds())
        self._count("contradicted")

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
        self._count("delivery_failed")

    def _may_probe(self, approval: Approval, now: datetime) -> bool:
        """One decision at a time checks whether the platform still refuses Nod; each also has a last try."""
        if now >= approval.deadline.at - MARGIN - LAST_TRY:
            return True
        if self._probe_at is None or now < self._probe_at:
            return False
        self._probe_at = now + PROBE_EVERY
        return True

    def _hold(self, approval: Approval) -> datetime:
        """It waits with the others, and its card says why; it is due again for its last try."""
        if approval.trouble != self._shut_out:
            self._pool.take(approval.id, approval.id, self._held, approval)
        return approval.deadline.at - MARGIN - LAST_TRY

    async def _held(self, approval: Approval) -> None:
        await self._store.approvals.postpone(approval.id, next_try=self._clock(), trouble=self._shut_out)

    def _let_in(self) -> None:
        """The platform accepts requests again: all waiting decisions are sent."""
        if self._shut_out is not None:
            self._shut_out = self._probe_at = None
            self._ring(Step.DELIVER)

    def _wait_for_list(self, approval: Approval, now: datetime) -> datetime | None:
        """When it has waited too long for a list. After that its card says so, and an operator is alerted."""
        since = self._polls.unread_since
        if approval.trouble is not None or since is None:
            return None
        begun = approval.next_try or (approval.decision.at if approval.decision else approval.first_seen)
        # Time in which this process could not work is not the platform's fault.
        patience_ends = max(begun, since) + PATIENCE
        if now >= patience_ends:
            self._pool.take(approval.id, approval.id, self._unread, approval)
        return patience_ends

    async def _unread(self, approval: Approval) -> None:
        """Without a fresh list an Approve waits: consent is checked before delivery."""
        await self._store.approvals.postpone(approval.id, next_try=self._clock(), trouble=UNREAD)

    async def _give_up(self, approval: Approval) -> None:
        # A POST may have been accepted and only its answer lost, or someone else was first: the audit knows.
        word = await self._platform.word_on(approval.id)
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
            self._count("settled_undeliverable")


def _confirmed(approval: Approval) -> bool:
    """Whether the list allows sending: after an Approve, and after the platform called it resolved."""
    decision, seen = approval.decision, approval.confirmed_at
    # Strictly later: the store keeps milliseconds, and a poll in the same one may have begun before.
    if approval.gone_at is not None and (seen is None or seen <= approval.gone_at):
        return False
    if decision is None or decision.verdict is not HITLDecision.APPROVED:
        return True
    return seen is not None and seen > decision.at


#: Decisions that wait for a prompt answer at once.
PLACES = 16
#: A POST without an answer after so many seconds gives its place back and continues without one.
HANGS_AFTER = 1.0
#: This many can continue without a place.
MOST_HANGING = 256
#: A first try waits this long for a place, in seconds, and then starts without one.
FIRST_WAITS = 0.5


class Places:
    """Like a semaphore, but the earliest deadline goes first."""

    def __init__(self, size: int) -> None:
        """At most `size` callers hold a place at once."""
        self._free = size
        self._numbers = count()
        self._waiting: list[tuple[datetime, int, asyncio.Future[None]]] = []

    async def take(self, deadline: datetime) -> None:
        """Returns when the caller has a place."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (deadline, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place had just been passed on
                self.give_back()
            raise

    def give_back(self) -> None:
        """Pass a place on."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Ways:
    """Who can POST to the platform now.

    Hung POSTs never hold back a first try. Retries of hung POSTs go one at a time.
    """

    def __init__(self) -> None:
        self._prompt, self._again = Places(PLACES), Places(1)
        self._all = Places(PLACES + MOST_HANGING)

    @asynccontextmanager
    async def way(
        self, *, deadline: datetime, first: bool, hung: bool, hangs: Callable[[], object]
    ) -> AsyncIterator[None]:
        """Hold a way while the block runs; `hangs` is called when the block has taken HANGS_AFTER."""
        held: list[Places] = []

        def give_back() -> None:
            while held:
                held.pop().give_back()

        def stands_aside() -> None:
            give_back()
            hangs()

        try:
            if hung:
                await self._again.take(deadline)
                held.append(self._again)
            if await _taken(self._prompt, deadline, within=FIRST_WAITS if first else None):
                held.append(self._prompt)
            await self._all.take(deadline)
            timer = asyncio.get_running_loop().call_later(HANGS_AFTER, stands_aside)
            try:
                yield
            finally:
                timer.cancel()
                self._all.give_back()
        finally:
            give_back()


async def _taken(places: Places, deadline: datetime, *, within: float | None) -> bool:
    try:
        async with asyncio.timeout(within):
            await places.take(deadline)
    except TimeoutError:
        return False
    return True
