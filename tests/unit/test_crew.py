"""The crew does each piece once at a time, and never on the word of a reading that is out of date."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import Unavailable
from bot.flow import CALM_AFTER, CALM_SWEEP, COME_BACK, WakeUps, WorkerPool
from bot.ports import NO_METRICS
from bot.records import Step
from tests.fakes import Counting

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


async def test_a_piece_that_ended_while_a_round_was_reading_is_not_done_twice() -> None:
    """The round read it as due, it was done meanwhile: it is left out, and the end rings for a fresh look."""
    rung: list[Step] = []
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(name)

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(Step.SHOW, size=2, tasks=tasks, ring=rung.append, metrics=NO_METRICS)
        pool.look()
        pool.take("card", "r1", work, "first")
        pool.look()  # a second round begins to read; its reading still has the card
        await asyncio.sleep(0.01)
        pool.take("card", "r1", work, "again")
        await asyncio.sleep(0.01)
        assert ["first"] == done
        assert [Step.SHOW] == rung

        pool.look()
        pool.take("card", "r1", work, "later")

    assert ["first", "later"] == done


async def test_the_trouble_of_one_piece_is_its_own() -> None:
    """A piece that cannot be done, or breaks, is counted; the others go on, and nobody rings in a hot loop."""
    rung: list[Step] = []
    counted: list[str] = []

    async def work(error: Exception | None) -> None:
        if error:
            raise error

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(Step.DELIVER, size=1, tasks=tasks, ring=rung.append, metrics=Counting(counted.append))
        pool.look()
        pool.take("a", "r1", work, Unavailable("down"))
        pool.take("b", "r2", work, RuntimeError("broken"))
        pool.take("c", "r3", work, None)

    assert ["piece_put_off", "piece_failed"] == counted
    assert [Step.DELIVER] == rung


async def test_what_could_not_be_done_is_tried_again() -> None:
    """After a pause, with no sweep."""
    rung: list[Step] = []
    again = asyncio.Event()

    def ring(step: Step) -> None:
        rung.append(step)
        again.set()

    async def work() -> None:
        raise Unavailable("down")

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(Step.NOTIFY, size=1, tasks=tasks, ring=ring, metrics=NO_METRICS)
        pool.look()
        pool.take("a", "r1", work)
    assert [] == rung
    async with asyncio.timeout(2 * COME_BACK):
        await again.wait()
    assert [Step.NOTIFY] == rung


@pytest.mark.parametrize(
    ("before", "seconds", "woken"),
    [(1, 1.0, True), (CALM_AFTER + 1, 1.0, False), (CALM_SWEEP, 1.0, True), (CALM_AFTER + 1, 600.0, True)],
    ids=["something just happened", "calm", "calm for long", "the machine slept"],
)
async def test_a_sweep_wakes_the_steps_while_something_happens(
    before: int, seconds: float, woken: bool
) -> None:
    """Rarely when nothing does: reading nothing over and over costs, too. A poll alone is nothing."""
    wake_ups, now = WakeUps(), NOW
    for number in range(before):
        wake_ups.ring(Step.INGEST)
        if number == 0:
            wake_ups.ring(Step.SHOW)
        wake_ups.sweep(now)
        now += timedelta(seconds=1)
    for step in Step:
        await wake_ups.wait(step, at_most=0)
    wake_ups.sweep(now + timedelta(seconds=seconds))
    waits = asyncio.create_task(wake_ups.wait(Step.NOTIFY, at_most=30))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert woken == waits.done()
    waits.cancel()


async def test_a_piece_that_fell_over_is_known_by_its_key_once() -> None:
    """Not one that had to wait for the store: that was foreseen."""

    async def work(error: Exception | None) -> None:
        if error:
            raise error

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(Step.ESCALATE, size=3, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)
        pool.look()
        pool.take("waits", "r1", work, Unavailable("down"))
        pool.take("breaks", "r2", work, RuntimeError("broken"))
        pool.take("works", "r3", work, None)

    assert [False, True, False] == [pool.crashed(key) for key in ("waits", "breaks", "works")]
    assert not pool.crashed("breaks")
