"""The steps of an approval's life, and how each keeps up with its work.

A step asks the store what is owed, pays it and moves the record by compare-and-set. Steps never call one
another: they meet in the store. Each is woken by the commit that gave it work, by the moment something
falls due, and by a ticker as a safety net, so a lost wake-up costs lateness and never a debt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVarTuple

import structlog

from bot.errors import Unanswered, Unavailable
from bot.policy import Policy
from bot.ports import Chat, Clock
from bot.records import Ring, Step
from bot.store import Store
from bot.surface import Surface

Args = TypeVarTuple("Args")
Count = Callable[[str], None]  #: counts an event of this name, for the metrics
Round = Callable[[], Awaitable[datetime | None]]  #: pays what is owed; returns when something falls due next

#: After the store could not be read, wait this long, in seconds, before the next look.
STORE_PAUSE = 1.0

#: After a round a step rests for so many times as long as the round took, and at most so many seconds: what
#: rings meanwhile is one ring. Otherwise the looks at a long queue would hold up whatever makes it longer.
REST, LONGEST_REST = 4.0, 0.25

log = structlog.get_logger()


class WakeUps:
    """One wake-up per step. Ringing is cheap, and rings of a busy step add up to one."""

    def __init__(self) -> None:
        self._wake_ups = {step: asyncio.Event() for step in Step}

    def ring(self, step: Step) -> None:
        self._wake_ups[step].set()

    async def wait(self, step: Step, *, at_most: float | None) -> None:
        """Return at the next ring, or after so many seconds."""
        bell = self._wake_ups[step]
        try:
            async with asyncio.timeout(at_most):
                await bell.wait()
        except TimeoutError:
            return
        finally:
            bell.clear()


class Liveness:
    """When each step last did a round; one that hangs, or fails each time, is found by whoever looks here."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is a clock that never goes back."""
        self._seconds = seconds
        self._at = dict.fromkeys(Step, seconds())
        self._trying_since: dict[Step, float] = {}

    def begin(self, step: Step) -> None:
        """A round begins."""
        self._trying_since.setdefault(step, self._seconds())

    def beat(self, step: Step) -> None:
        """A round has done its work. A round that failed is no sign of life."""
        self._at[step] = self._seconds()
        self._trying_since.pop(step, None)

    def stuck(self, age: timedelta) -> tuple[Step, ...]:
        """The steps that have done no round for longer. Polls keep an interval of their own: `admit` is stuck
        when it has tried for longer, in one round or in several that failed.
        """
        now, tried = self._seconds(), self._trying_since
        since = self._at | {Step.INGEST: tried.get(Step.INGEST, now)}
        return tuple(step for step, at in since.items() if now - at > age.total_seconds())


class WorkerPool:
    """Works off what rounds find: each piece once at a time, at most `size` pieces at once; None: any number.

    A round hands over and looks on; a slow piece never holds up the others. When a piece is done its step
    is rung, because the record may have moved on meanwhile.
    """

    def __init__(
        self, step: Step, *, size: int | None, tasks: asyncio.TaskGroup, ring: Ring, count: Count
    ) -> None:
        self._step, self._tasks, self._ring, self._count = step, tasks, ring, count
        self._places = nullcontext() if size is None else asyncio.Semaphore(size)
        self._busy: set[Hashable] = set()
        self._ended: set[Hashable] = set()
        self._fallen: set[Hashable] = set()

    def look(self) -> None:
        """A round begins to read. A piece that ends from here on may be in what it reads as still owed.

        Such a piece must not be done twice: `take` leaves it out, and its end rings for another round.
        """
        self._ended.clear()

    def take(
        self, key: Hashable, approval_id: str, work: Callable[[*Args], Awaitable[None]], *args: *Args
    ) -> None:
        """Do this piece, unless one with the same key is under way, or ended since the last `look`."""
        if key in self._busy or key in self._ended:
            return
        self._busy.add(key)
        piece = self._work_off(key, approval_id, work, *args)
        self._tasks.create_task(piece, name=f"{self._step}:{approval_id}")

    def crashed(self, key: Hashable) -> bool:
        """Whether the last piece under this key failed in a way that nobody foresaw; told once."""
        fell = key in self._fallen
        self._fallen.discard(key)
        return fell

    async def _work_off(
        self, key: Hashable, approval_id: str, work: Callable[[*Args], Awaitable[None]], *args: *Args
    ) -> None:
        with structlog.contextvars.bound_contextvars(step=self._step.value, approval_id=approval_id):
            try:
                async with self._places:
                    await work(*args)
            except Unavailable as error:
                log.warning("piece_put_off", reason=str(error))
                self._count("piece_put_off")
                return  # no ring: the ticker comes back to it, at its own pace
            except Exception:  # one of the two catch-alls: one approval's trouble is its own
                log.exception("piece_failed")
                self._count("piece_failed")
                self._fallen.add(key)
                return
            finally:
                self._busy.discard(key)
                self._ended.add(key)
        self._ring(self._step)


async def keep_up(
    step: Step, round_: Round, *, wake_ups: WakeUps, liveness: Liveness, clock: Clock, count: Count
) -> None:
    """Run a step's rounds for ever: at once, at each ring, and when something falls due."""
    while True:
        due: datetime | None = None
        begun = time.monotonic()
        liveness.begin(step)
        try:
            due = await round_()
            liveness.beat(step)
        except Unavailable as error:
            log.warning("round_failed", step=step.value, reason=str(error))
            count("round_failed")
            await asyncio.sleep(STORE_PAUSE)
        await asyncio.sleep(min(LONGEST_REST, REST * (time.monotonic() - begun)))
        wait = None if due is None else max(0.0, (due - clock()).total_seconds())
        await wake_ups.wait(step, at_most=wait)


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of some moments, of which any may be missing."""
    return min((moment for moment in moments if moment is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDeps:
    """What a step needs that people see."""

    store: Store
    chats: Mapping[Surface, Chat]  #: the surfaces that are set up
    policy: Callable[[], Policy]
    clock: Clock
    count: Count
    pool: WorkerPool


class ChatStep:
    """A step that people see."""

    def __init__(self, deps: StepDeps) -> None:
        self._store, self._chats, self._policy = deps.store, deps.chats, deps.policy
        self._clock, self._count, self._pool = deps.clock, deps.count, deps.pool


async def card_link(approval_id: str, chats: Mapping[Surface, Chat], store: Store) -> str | None:
    """To its card in one of these chats, or to the digest that it stands on; some places have no address."""
    standing = [p for p in await store.placements.of(approval_id) if not p.superseded]
    for placement in standing:
        where = placement.destination
        if where.surface in chats and placement.ref:
            link = chats[where.surface].link(where.channel, placement.ref)
            if link is not None:
                return link
    gathered = {p.destination for p in standing if p.gathered and p.destination.surface in chats}
    for digest in await store.queue_messages.standing(lines=1) if gathered else ():
        if digest.ref and digest.destination in gathered:
            return chats[digest.destination.surface].link(digest.destination.channel, digest.ref)
    return None


def not_delivered(error: Exception, *, before: datetime | None) -> bool:
    """Whether nothing of it can be up: it was the first try (none `before`), and nobody can have taken it."""
    return before is None and not isinstance(error, Unanswered)
