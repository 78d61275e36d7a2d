"""The life, wired: every step of the flow with what it needs, kept up for as long as the bot runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from bot.errors import Unavailable
from bot.flow import Beats, Bells, Count, Crew, Round, keep_up
from bot.flow.admit import Admit
from bot.flow.alert import PageOut
from bot.flow.answer import Answer
from bot.flow.deliver import Deliver
from bot.flow.escalate import Escalate
from bot.flow.gather import Gather
from bot.flow.outward import Means
from bot.flow.reconcile import Expire, Reconcile
from bot.flow.say import Say
from bot.flow.show import Show
from bot.flow.sights import Sights
from bot.flow.tell import Close, Tell
from bot.flow.undelivered import Losses
from bot.policy import Policy
from bot.ports import Callbacks, Chat, Clock, Pager, Platform
from bot.records import Ring, Step
from bot.seal import Seal
from bot.store import Store
from bot.surface import Surface

#: What is under way at a stop may take this long to finish, in seconds. The web front has had a second before,
#: and what is closed afterwards needs the rest of `adapters.watch.watchdog.ENDS_WITHIN`.
GRACE = 0.8
#: Pieces of one step under way at once. Decisions have bounds of their own (`bot.flow.retries`).
CREW_SIZE, UNBOUNDED = 16, (Step.DELIVER,)

#: After a suspension the auditor waits this long, in seconds: what is overdue is attempted first.
WAKING = 3.0
#: Whoever sleeps so many seconds longer than she meant to was suspended.
OVERSLEPT = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What the steps need of the world."""

    admit: Admit
    platform: Platform
    store: Store
    chats: Mapping[Surface, Chat]
    pagers: Mapping[str, Pager]
    callbacks: Callbacks
    policy: Callable[[], Policy]
    reach: Callable[[], Policy]  #: the policy for telling people things: nobody decides by it
    seal: Seal
    clock: Clock
    count: Count
    ring: Ring
    sights: Sights = field(default_factory=Sights)  #: shared with the desk

    def steps(self, crew: Callable[[Step], Crew]) -> dict[Step, Round]:
        """Every arrow of `bot.approval`, and what keeps people informed."""
        store, clock, count, policy = self.store, self.clock, self.count, self.policy
        platform, losses = self.platform, Losses(store=store, clock=clock)

        def means(step: Step, policy: Callable[[], Policy]) -> Means:
            return Means(
                store=store, chats=self.chats, policy=policy, clock=clock, count=count, crew=crew(step)
            )

        answer = Answer(
            store=store, callbacks=self.callbacks, policy=policy, clock=clock, count=count,
            crew=crew(Step.ANSWER),
        )  # fmt: skip
        deliver = Deliver(
            platform=platform, store=store, policy=policy, unread_since=lambda: self.admit.unread_since,
            clock=clock, count=count, crew=crew(Step.DELIVER), ring=self.ring, losses=losses,
        )  # fmt: skip
        expire = Expire(platform=platform, store=store, clock=clock, count=count, crew=crew(Step.EXPIRE))
        reconcile = Reconcile(
            platform=platform, store=store, steadiness=lambda: self.admit.steadiness, clock=clock, count=count,
            crew=crew(Step.RECONCILE), losses=losses,
        )  # fmt: skip
        alert = PageOut(
            store=store, pagers=self.pagers, clock=clock, count=count, crew=lambda: crew(Step.ALERT)
        )
        return {
            Step.ADMIT: self.admit.round,
            Step.ANSWER: answer.round,
            Step.GATHER: Gather(means(Step.GATHER, policy), seal=self.seal).round,
            Step.SHOW: Show(means(Step.SHOW, policy), seal=self.seal, sights=self.sights).round,
            Step.DELIVER: deliver.round,
            # Whom to tell goes by where people were last found; who may decide does not.
            Step.ESCALATE: Escalate(means(Step.ESCALATE, self.reach)).round,
            Step.TELL: Tell(means(Step.TELL, self.reach)).round,
            Step.SAY: Say(means(Step.SAY, self.reach)).round,
            Step.CLOSE: Close(store=store, count=count).round,
            Step.EXPIRE: expire.round,
            Step.RECONCILE: reconcile.round,
            Step.ALERT: alert.round,
        }


@asynccontextmanager
async def lived(
    life: Life,
    *,
    bells: Bells,
    beats: Beats,
    chores: Mapping[str, tuple[timedelta, Callable[[], Awaitable[None]]]],
) -> AsyncIterator[None]:
    """Keep every step up with its work while the block runs, and do each chore at its interval.

    At the end the loops stop at once and what is under way gets GRACE; what it owed is still in the store.
    """
    limit = asyncio.timeout(None)
    try:
        async with limit, asyncio.TaskGroup() as tasks:

            def crew(step: Step) -> Crew:
                size = None if step in UNBOUNDED else CREW_SIZE
                return Crew(step, size=size, tasks=tasks, ring=bells.ring, count=life.count)

            loops = [
                tasks.create_task(
                    keep_up(step, round_, bells=bells, beats=beats, clock=life.clock, count=life.count),
                    name=f"step:{step}",
                )
                for step, round_ in life.steps(crew).items()
            ]
            loops += [
                tasks.create_task(
                    _repeat(name, every, chore, clock=life.clock, count=life.count), name=f"chore:{name}"
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
    name: str, every: timedelta, chore: Callable[[], Awaitable[None]], *, clock: Clock, count: Count
) -> None:
    while True:
        try:
            await chore()
        except Unavailable as error:
            log.warning("chore_failed", chore=name, reason=str(error))
            count("chore_failed")
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
