"""The steps of an approval's life, and how each keeps up with its work.

A step asks the store for pending work, does it and moves the record by compare-and-set. Steps never call one
another: they meet in the store. Each is woken by the commit that gave it work, by the time at which something
is due, and by a ticker as a safety net. So a lost wake-up costs time but never loses work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Sequence, Set
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar, TypeVarTuple

import structlog

from bot.approval import Approval, Outcome
from bot.errors import NodError, Unanswered, Unavailable
from bot.ports import Clock, Metrics
from bot.records import Ring, Step

Args = TypeVarTuple("Args")
One = TypeVar("One")
Done = TypeVar("Done")
Round = Callable[[], Awaitable[datetime | None]]  #: does the pending work; returns when something is due next

#: A round takes at most so many pieces of work, the most urgent first.
BATCH = 64
#: What a round returns that found more than it could take: the next one begins at once.
AT_ONCE = datetime.min.replace(tzinfo=UTC)

#: Seconds to wait before the next read after the store could not be read.
STORE_PAUSE = 1.0

#: After a round a step rests for this many times the length of the round, up to this many seconds: rings in
#: between become one ring. Otherwise, reading a long queue would delay the work that fills it.
REST, LONGEST_REST = 4.0, 0.25
#: Seconds for which rounds leave alone what failed, and of how many approvals a step remembers that.
LEFT_ALONE, MOST_FAILED = 0.9, 500

#: Seconds for which redraws wait at most, however much goes before them; then they get a round.
HELD_FOR = 1.0

#: Sweeps without a wake-up in between after which it is calm; then every so many of them wakes the steps.
CALM_AFTER, CALM_SWEEP = 5, 15
#: So long between two sweeps means that the machine was asleep, or the clock was set.
SLEPT = timedelta(seconds=3)
#: Seconds after which a piece that failed is tried again.
COME_BACK = 1.0

log = structlog.get_logger()


class WakeUps:
    """One wake-up per step, or one for each source. Ringing is cheap, and several rings become one."""

    def __init__(self) -> None:
        self._wake_ups = {step: {"": asyncio.Event()} for step in Step}
        self._active, self._calm = True, 0
        self._swept_at: datetime | None = None

    def add(self, step: Step, source: str) -> None:
        """This source has a loop of its own for this step."""
        self._wake_ups[step].setdefault(source, asyncio.Event())

    def ring(self, step: Step, *, source: str = "") -> None:
        """Wake a step, that of one source where it is given.

        Which of several platforms is to be polled, a commit does not say: the decision that waits for it does.
        """
        of_step = self._wake_ups[step]
        if source or step is not Step.INGEST or len(of_step) == 1:
            for name, wake_up in of_step.items():
                if not source or name in ("", source):
                    wake_up.set()
        # A poll alone is no work for the others: what it finds is, and its commit rings them.
        self._active |= step is not Step.INGEST

    def ring_of(self, source: str) -> Ring:
        """Wakes the steps of this source."""
        return partial(self.ring, source=source)

    def sweep(self, now: datetime) -> None:
        """Each second: wake every step but the poll, in case a wake-up was lost; rarely while all is calm.

        A machine that was asleep is not calm: what fell due meanwhile is late already.
        """
        slept = self._swept_at is not None and abs(now - self._swept_at) > SLEPT
        self._calm = 0 if self._active or slept else self._calm + 1
        self._active, self._swept_at = False, now
        if self._calm < CALM_AFTER or self._calm % CALM_SWEEP == 0:
            for step in set(Step) - {Step.INGEST}:
                for wake_up in self._wake_ups[step].values():
                    wake_up.set()

    async def wait(self, step: Step, *, at_most: float | None, source: str = "") -> None:
        """Return at the next ring, or after so many seconds."""
        wake_up = self._wake_ups[step][source]
        try:
            async with asyncio.timeout(at_most):
                await wake_up.wait()
        except TimeoutError:
            return
        finally:
            wake_up.clear()


class Foreground:
    """What goes before the redraw of cards: clicks that wait for their answer, decisions that are being sent.

    All share one processor, and a redraw costs as much as the answer to a click.
    """

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._begun: dict[object, float] = {}  #: when each began that is under way, earliest first
        self._held_since: float | None = None

    @contextmanager
    def work(self) -> Iterator[None]:
        """This goes first while the block runs; a POST that hangs, for HELD_FOR."""
        one = object()
        self._begun[one] = self._seconds()
        try:
            yield
        finally:
            del self._begun[one]

    def take_turn(self) -> bool:
        """Whether redraws have a turn now, which is taken then: nothing goes first, or HELD_FOR is over."""
        now = self._seconds()
        latest = next(reversed(self._begun.values()), None)
        if latest is not None and now - latest < HELD_FOR:
            if self._held_since is None or now - self._held_since > 2 * HELD_FOR:  # nobody asked meanwhile
                self._held_since = now
            if now - self._held_since < HELD_FOR:
                return False
        self._held_since = None
        return True


class Liveness:
    """When each step last finished a round; shows a step that hangs or always fails."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._at = dict.fromkeys(((step, "") for step in Step), seconds())
        self._trying_since: dict[tuple[Step, str], float] = {}

    def begin(self, step: Step, source: str = "") -> None:
        """A round begins, of this source if it has a loop of its own."""
        if source:
            self._at.pop((step, ""), None)
            self._at.setdefault((step, source), self._seconds())
        self._trying_since.setdefault((step, source), self._seconds())

    def beat(self, step: Step, source: str = "") -> None:
        """A round has done its work. A failed round is not a sign of life."""
        self._at[step, source] = self._seconds()
        self._trying_since.pop((step, source), None)

    def stuck(self, age: timedelta) -> tuple[str, ...]:
        """The steps that have not finished a round for longer than `age`, each with its source's name.

        Polls have their own interval: `admit` is stuck when it has tried for longer, in one round or in several
        that failed.
        """
        now, tried = self._seconds(), self._trying_since
        since = {
            (step, source): tried.get((step, source), now) if step is Step.INGEST else at
            for (step, source), at in self._at.items()
        }
        late = (one for one, at in since.items() if now - at > age.total_seconds())
        return tuple(f"{step}:{source}" if source else step for step, source in late)


class WorkerPool:
    """Works off what rounds find: each piece once at a time, at most `size` pieces at once; None: any number.

    A round hands work over and continues; a slow piece never delays the others. When a piece is done its step
    is rung, because the record may have changed meanwhile.
    """

    def __init__(
        self,
        step: Step,
        *,
        size: int | None,
        tasks: asyncio.TaskGroup,
        ring: Ring,
        metrics: Metrics,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._step, self._tasks, self._ring, self._metrics = step, tasks, ring, metrics
        self._places = nullcontext() if size is None else asyncio.Semaphore(size)
        self._busy: dict[Hashable, str] = {}
        self._failed: dict[str, float] = {}  #: until when they are left alone, by approval
        self._ended: set[Hashable] = set()
        self._fallen: set[Hashable] = set()

    def look(self) -> None:
        """A round begins to read. What it reads may still show a piece as pending that ends after this.

        Such a piece must not be done twice: `take` skips it, and its end rings for another round.
        """
        self._ended.clear()

    def take(
        self, key: Hashable, approval_id: str, work: Callable[[*Args], Awaitable[None]], *args: *Args
    ) -> bool:
        """Do this piece, unless one with the same key is under way, or ended since the last `look`."""
        if key in self._busy or key in self._ended:
            return False
        self._busy[key] = approval_id
        piece = self._work_off(key, approval_id, work, *args)
        self._tasks.create_task(piece, name=f"{self._step}:{approval_id}")
        return True

    @property
    def room(self) -> int:
        """How many pieces a round can hand over; what is under way counts."""
        return max(0, BATCH - len(self._busy))

    @property
    def without(self) -> Collection[str]:
        """What a round does not look for: approvals with a piece under way, or one that failed just now.

        Else a few that cannot be worked on would fill every batch.
        """
        return {*self._busy.values(), *self.failed}

    @property
    def failed(self) -> Collection[str]:
        """Approvals with a piece that failed just now."""
        now = self._seconds()
        self._failed = {one: until for one, until in self._failed.items() if until > now}
        return self._failed

    @property
    def busy(self) -> Set[Hashable]:
        """The keys of the pieces that are under way or wait for a place."""
        return self._busy.keys()

    def crashed(self, key: Hashable) -> bool:
        """Whether the last piece under this key failed with an unforeseen error; returns True once."""
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
                self._metrics.count("piece_put_off")
                self.leave_alone(approval_id)
                return
            except Exception:  # one of the two catch-alls: an error in one approval must not stop the others
                log.exception("piece_failed")
                self._metrics.count("piece_failed")
                self._fallen.add(key)
                self.leave_alone(approval_id)
                return
            finally:
                del self._busy[key]
                self._ended.add(key)
        self._ring(self._step)

    def leave_alone(self, approval_id: str) -> None:
        """Rounds do not look for it for a moment: at once would try again without a pause."""
        if len(self._failed) < MOST_FAILED:
            self._failed[approval_id] = self._seconds() + LEFT_ALONE
        asyncio.get_running_loop().call_later(COME_BACK, self._ring, self._step)


class Together(Generic[One, Done]):
    """Does in one go what several callers want at the same time, such as their writes in one transaction.

    Nobody waits for others to come: what comes while one go is under way makes up the next.
    """

    def __init__(self, work: Callable[[Sequence[One]], Awaitable[Sequence[Done]]]) -> None:
        """`work` returns a result for each."""
        self._work, self._turn = work, asyncio.Lock()
        self._waiting: list[tuple[One, asyncio.Future[Done]]] = []

    async def do(self, one: One) -> Done:
        """The result for this one. Raises what `work` raises."""
        result: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, result))
        await asyncio.sleep(0)  # callers that are ready in this turn of the loop come along
        async with self._turn:
            while not result.done():  # what earlier callers wanted, who left, can fill whole goes
                await self._go()
        return await result

    async def _go(self) -> None:
        some, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        try:
            await self._try(some)
        except asyncio.CancelledError:
            for _, result in some:
                _fail(result, Unanswered("stopped"))
            raise

    async def _try(self, some: Sequence[tuple[One, asyncio.Future[Done]]]) -> None:
        try:
            results = await self._work([one for one, _ in some])
        except NodError as error:
            for _, result in some:
                _fail(result, error)
        except Exception as error:  # noqa: BLE001 - each caller hears it
            if len(some) == 1:
                _fail(some[0][1], error)
                return
            for one in some:  # what is wrong with one does not keep the others
                await self._try([one])
        else:
            for (_, result), value in zip(some, results, strict=True):
                if not result.done():
                    result.set_result(value)


def count_end(metrics: Metrics, approval: Approval, outcome: Outcome) -> None:
    """One more request that ended like this."""
    metrics.count(f"settled_{outcome.value}")
    metrics.count("outcomes", route=approval.route, outcome=outcome.value)


def _fail(result: asyncio.Future[Done], error: Exception) -> None:
    if not result.done():
        result.set_exception(error)
        result.exception()  # its caller may be gone


async def keep_up(
    step: Step,
    round_: Round,
    *,
    wake_ups: WakeUps,
    liveness: Liveness,
    clock: Clock,
    metrics: Metrics,
    source: str = "",
) -> None:
    """Run a step's rounds forever: at once, at each ring, and when something is due.

    With a `source` it is the loop of that one alone, and everything that it logs says so.
    """
    wake_ups.add(step, source)
    if source:
        structlog.contextvars.bind_contextvars(source=source)
    while True:
        due: datetime | None = None
        begun = time.monotonic()
        liveness.begin(step, source)
        try:
            due = await round_()
            liveness.beat(step, source)
        except Unavailable as error:
            log.warning("round_failed", step=step.value, reason=str(error))
            metrics.count("round_failed")
            await asyncio.sleep(STORE_PAUSE)
            due = clock()
        if due == AT_ONCE:
            await asyncio.sleep(0)
            continue
        await asyncio.sleep(min(LONGEST_REST, REST * (time.monotonic() - begun)))
        wait = None if due is None else max(0.0, (due - clock()).total_seconds())
        await wake_ups.wait(step, at_most=wait, source=source)


def earliest(*moments: datetime | None) -> datetime | None:
    """The earliest of several moments, any of which can be missing."""
    return min((moment for moment in moments if moment is not None), default=None)
