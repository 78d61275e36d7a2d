"""Steps work in batches: what is ready at the same time is done in one go, and a full batch goes on at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from bot.errors import Unavailable
from bot.flow import AT_ONCE, BATCH, Liveness, Together, WakeUps, WorkerPool, keep_up
from bot.ports import NO_METRICS, utc_now
from bot.records import Step


class Goes:
    """Doubles numbers, and keeps what came together."""

    def __init__(self, *, bad: frozenset[int] = frozenset(), error: Exception | None = None) -> None:
        self.goes: list[list[int]] = []
        self.together = Together(self._work)
        self._bad, self._error = bad, error
        self.free = asyncio.Event()
        self.free.set()

    async def _work(self, some: Sequence[int]) -> list[int]:
        await self.free.wait()
        self.goes.append(list(some))
        if self._error and self._bad & set(some):
            raise self._error
        return [2 * one for one in some]

    async def do(self, *numbers: int) -> list[object]:
        """All at once."""
        return list(await asyncio.gather(*map(self.together.do, numbers), return_exceptions=True))


async def test_what_is_ready_together_is_done_in_one_go() -> None:
    """And what comes while one go is under way makes up the next."""
    goes = Goes()
    goes.free.clear()
    first = asyncio.create_task(goes.do(1, 2))
    await asyncio.sleep(0.01)
    later = asyncio.create_task(goes.do(3, 4, 5))
    await asyncio.sleep(0.01)
    goes.free.set()
    assert ([2, 4], [6, 8, 10]) == (await first, await later)
    assert [[1, 2], [3, 4, 5]] == goes.goes


async def test_a_go_is_bounded() -> None:
    """By as many as a round takes."""
    goes = Goes()
    assert [2 * one for one in range(BATCH + 1)] == await goes.do(*range(BATCH + 1))
    assert [BATCH, 1] == [len(go) for go in goes.goes]


async def test_one_that_cannot_be_done_does_not_keep_the_others() -> None:
    """They are done one by one."""
    goes = Goes(bad=frozenset({2}), error=ValueError("two"))
    done = await goes.do(1, 2, 3)
    assert ([2, 6], "two") == ([done[0], done[2]], str(done[1]))


async def test_when_the_store_is_away_all_hear_of_it() -> None:
    """Nobody tries again here: the step does."""
    goes = Goes(bad=frozenset({2}), error=Unavailable("away"))
    assert ["away"] * 3 == [str(one) for one in await goes.do(1, 2, 3)]
    assert 1 == len(goes.goes)


async def test_a_caller_who_leaves_takes_nothing_from_the_others() -> None:
    """Its own part is done or not, like theirs."""
    goes = Goes()
    goes.free.clear()
    leaver, stayer = (asyncio.create_task(goes.together.do(one)) for one in (1, 2))
    await asyncio.sleep(0.01)
    leaver.cancel()
    await asyncio.sleep(0)
    goes.free.set()
    with pytest.raises((asyncio.CancelledError, Unavailable)):
        await leaver
    result = (await asyncio.gather(stayer, return_exceptions=True))[0]
    assert result == 4 or isinstance(result, Unavailable)


async def test_a_caller_comes_to_a_result_behind_many_who_left() -> None:
    """What they wanted can fill whole goes before its own."""
    goes = Goes()
    goes.free.clear()
    first = asyncio.create_task(goes.together.do(0))
    await asyncio.sleep(0.01)
    leavers = [asyncio.create_task(goes.together.do(one)) for one in range(1, BATCH + 1)]
    await asyncio.sleep(0.01)
    for leaver in leavers:
        leaver.cancel()
    await asyncio.wait(leavers)
    stayer = asyncio.create_task(goes.together.do(BATCH + 1))
    goes.free.set()
    async with asyncio.timeout(1):
        assert [0, 2 * (BATCH + 1)] == await asyncio.gather(first, stayer)


async def test_a_full_batch_goes_on_at_once() -> None:
    """Without the rest that follows other rounds, and without a ring."""
    rounds = turns = 0

    async def round_() -> object:
        nonlocal rounds
        rounds += 1
        time.sleep(0.001)  # a rest is four times as long as its round: hundreds of turns of the loop
        return AT_ONCE if rounds < 50 else None

    async with asyncio.timeout(5):
        loop = asyncio.create_task(
            keep_up(
                Step.CLOSE, round_, wake_ups=WakeUps(), liveness=Liveness(), clock=utc_now, metrics=NO_METRICS
            )  # type: ignore[arg-type]
        )
        while rounds < 50:
            turns += 1
            await asyncio.sleep(0)
        assert turns <= 2 * rounds
        loop.cancel()


async def test_what_failed_fills_no_batch() -> None:
    """A round leaves it alone for a moment, and finds it again after that."""
    now = 0.0

    async def fails() -> None:
        raise Unavailable("no")

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(
            Step.EXPIRE, size=1, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS, seconds=lambda: now
        )
        assert pool.take("r1", "r1", fails)
        assert (["r1"], BATCH - 1) == (list(pool.without), pool.room)
        assert not pool.take("r1", "r1", fails)
    assert (["r1"], BATCH) == (list(pool.without), pool.room)
    now = 1.0
    assert [] == list(pool.without)
