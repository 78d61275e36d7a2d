"""The life, wired: every step of the flow with what it needs, kept up for as long as the bot runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from bot.errors import Unavailable
from bot.flow import Foreground, Liveness, Round, WakeUps, WorkerPool, keep_up
from bot.flow.alert import PageOut
from bot.flow.amend import Amend
from bot.flow.announce import Announce, Close
from bot.flow.answer import Answer
from bot.flow.batch import Batch
from bot.flow.chat_step import StepDeps
from bot.flow.deliver import Deliver
from bot.flow.escalate import Escalate
from bot.flow.ingest import Ingest
from bot.flow.missed_requests import MissedRequests
from bot.flow.notify import Notify
from bot.flow.reconcile import Expire, Reconcile
from bot.flow.show import Show
from bot.flow.sights import Sights
from bot.flow.undelivered import Losses
from bot.policy import Policy
from bot.ports import Callbacks, Chat, Clock, Metrics, Pager
from bot.records import Ring, Step
from bot.seal import Seal
from bot.store import Store
from bot.surface import Surface

#: What is under way at a stop may take this long to finish, in seconds. The web front has had a second before,
#: and what is closed afterwards needs the rest of `adapters.watch.watchdog.ENDS_WITHIN`.
GRACE = 0.8
#: Pieces of one step under way at once. Decisions have bounds of their own (`bot.flow.deliver`).
POOL_SIZE, UNBOUNDED = 16, (Step.DELIVER,)

#: After a suspension the auditor waits this long, in seconds: what is overdue is attempted first.
WAKING = 3.0
#: A sleep that takes so many seconds longer than asked for was a suspension.
OVERSLEPT = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the steps need of the world."""

    ingests: Sequence[Ingest]  #: one for each source
    store: Store
    chats: Mapping[Surface, Chat]
    pagers: Mapping[str, Pager]
    callbacks: Callbacks
    policy: Callable[[], Policy]
    reach: Callable[[], Policy]  #: the policy for telling people things: nobody decides by it
    seal: Seal
    clock: Clock
    metrics: Metrics
    ring_of: Callable[[str], Ring]  #: wakes the steps of a source
    sights: Sights = field(default_factory=Sights)  #: shared with the desk, like the next
    foreground: Foreground = field(default_factory=Foreground)

    def steps(self, pool: Callable[[Step], WorkerPool]) -> dict[str, dict[Step, Round]]:
        """Every arrow of `bot.approval`, and what keeps people informed.

        Where there are several sources, each has steps of its own under its name: none waits for another.
        """
        store, clock, metrics, policy = self.store, self.clock, self.metrics, self.policy
        missed = MissedRequests(store=store, clock=clock)

        def deps(step: Step, policy: Callable[[], Policy]) -> StepDeps:
            return StepDeps(
                store=store, chats=self.chats, policy=policy, clock=clock, metrics=metrics, pool=pool(step)
            )

        answer = Answer(
            store=store, callbacks=self.callbacks, policy=policy, clock=clock, metrics=metrics,
            pool=pool(Step.ANSWER),
        )  # fmt: skip
        alert = PageOut(
            store=store,
            pagers=self.pagers,
            chats=self.chats,
            clock=clock,
            metrics=metrics,
            pool=lambda: pool(Step.ALERT),
        )
        steps: dict[str, dict[Step, Round]] = {"": {
            Step.ANSWER: answer.round,
            Step.BATCH: Batch(deps(Step.BATCH, policy), seal=self.seal).round,
            Step.SHOW: Show(
                deps(Step.SHOW, policy), seal=self.seal, sights=self.sights, foreground=self.foreground
            ).round,
            # To notify people, it is enough where they were last found; to let them decide, it is not.
            Step.ESCALATE: Escalate(deps(Step.ESCALATE, self.reach)).round,
            Step.ANNOUNCE: Announce(deps(Step.ANNOUNCE, self.reach)).round,
            Step.NOTIFY: Notify(deps(Step.NOTIFY, self.reach), missed=missed).round,
            Step.AMEND: Amend(deps(Step.AMEND, self.reach)).round,
            Step.CLOSE: Close(store=store, metrics=metrics).round,
            Step.ALERT: alert.round,
        }}  # fmt: skip
        for ingest in self.ingests:
            name = ingest.source.name if len(self.ingests) > 1 else ""
            steps.setdefault(name, {}).update(self._of_source(ingest, name, missed, pool))
        return steps

    def _of_source(
        self, ingest: Ingest, name: str, missed: MissedRequests, pool: Callable[[Step], WorkerPool]
    ) -> dict[Step, Round]:
        """What polls, tells and outlives one source."""
        source, store, clock, metrics, about = ingest.source, self.store, self.clock, self.metrics, ingest.about
        losses = Losses(store=store.of(source.name), clock=clock, about=about)
        deliver = Deliver(
            source=source, store=store, policy=self.policy, polls=ingest.polls, clock=clock, metrics=metrics,
            pool=pool(Step.DELIVER), ring=self.ring_of(name), losses=losses, about=about,
            foreground=self.foreground,
        )  # fmt: skip
        expire = Expire(
            source=source, store=store, clock=clock, metrics=metrics, pool=pool(Step.EXPIRE), missed=missed
        )
        reconcile = Reconcile(
            source=source, store=store, polls=ingest.polls, clock=clock, metrics=metrics,
            pool=pool(Step.RECONCILE), losses=losses, missed=missed,
        )  # fmt: skip
        return {
            Step.INGEST: ingest.round,
            Step.DELIVER: deliver.round,
            Step.EXPIRE: expire.round,
            Step.RECONCILE: reconcile.round,
        }


@asynccontextmanager
async def run_steps(
    runtime: Runtime,
    *,
    wake_ups: WakeUps,
    liveness: Liveness,
    chores: Mapping[str, tuple[timedelta, Callable[[], Awaitable[None]]]],
) -> AsyncIterator[None]:
    """Keep every step up with its work while the block runs, and do each chore at its interval.

    At the end the loops stop at once and work under way gets GRACE; the store keeps what was not finished.
    """
    limit = asyncio.timeout(None)
    try:
        async with limit, asyncio.TaskGroup() as tasks:

            def pool(step: Step) -> WorkerPool:
                size = None if step in UNBOUNDED else POOL_SIZE
                return WorkerPool(step, size=size, tasks=tasks, ring=wake_ups.ring, metrics=runtime.metrics)

            loops = [
                tasks.create_task(
                    keep_up(
                        step,
                        round_,
                        wake_ups=wake_ups,
                        liveness=liveness,
                        clock=runtime.clock,
                        metrics=runtime.metrics,
                        source=source,
                    ),
                    name=f"step:{step}:{source}" if source else f"step:{step}",
                )
                for source, steps in runtime.steps(pool).items()
                for step, round_ in steps.items()
            ]
            loops += [
                tasks.create_task(
                    _repeat(name, every, chore, clock=runtime.clock, metrics=runtime.metrics),
                    name=f"chore:{name}",
                )
                for name, (every, chore) in chores.items()
            ]
            yield
            for loop in loops:
                loop.cancel()
            limit.reschedule(asyncio.get_running_loop().time() + GRACE)
    except TimeoutError:
        if not limit.expired():
            raise
        log.warning("pieces_cut_short")


async def _repeat(
    name: str, every: timedelta, chore: Callable[[], Awaitable[None]], *, clock: Clock, metrics: Metrics
) -> None:
    while True:
        try:
            await chore()
        except Unavailable as error:
            log.warning("chore_failed", chore=name, reason=str(error))
            metrics.count("chore_failed")
        await rest(every.total_seconds(), clock=clock)


async def rest(seconds: float, *, clock: Clock) -> None:
    """Sleep; after a sleep of process or machine so much longer that the steps had time to catch up first.

    While the process is stopped both clocks go on; while the machine sleeps, only the wall clock does.
    """
    begun, since = clock(), time.monotonic()
    await asyncio.sleep(seconds)
    gone = max((clock() - begun).total_seconds(), time.monotonic() - since)
    if gone > seconds + OVERSLEPT:
        await asyncio.sleep(WAKING)
