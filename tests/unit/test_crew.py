"""The crew does each piece once at a time, and never on the word of a reading that is out of date."""

from __future__ import annotations

import asyncio

from bot.errors import Unavailable
from bot.flow import WorkerPool
from bot.records import Step


async def test_a_piece_that_ended_while_a_round_was_reading_is_not_done_twice() -> None:
    """The round read it as owed, it was paid meanwhile: it is left out, and the end rings for a fresh look."""
    rung: list[Step] = []
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(name)

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(Step.SHOW, size=2, tasks=tasks, ring=rung.append, count=lambda _: None)
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
        pool = WorkerPool(Step.DELIVER, size=1, tasks=tasks, ring=rung.append, count=counted.append)
        pool.look()
        pool.take("a", "r1", work, Unavailable("down"))
        pool.take("b", "r2", work, RuntimeError("broken"))
        pool.take("c", "r3", work, None)

    assert ["piece_put_off", "piece_failed"] == counted
    assert [Step.DELIVER] == rung


async def test_a_piece_that_fell_over_is_known_by_its_key_once() -> None:
    """Not one that had to wait for the store: that was foreseen."""

    async def work(error: Exception | None) -> None:
        if error:
            raise error

    async with asyncio.TaskGroup() as tasks:
        pool = WorkerPool(Step.ESCALATE, size=3, tasks=tasks, ring=lambda _: None, count=lambda _: None)
        pool.look()
        pool.take("waits", "r1", work, Unavailable("down"))
        pool.take("breaks", "r2", work, RuntimeError("broken"))
        pool.take("works", "r3", work, None)

    assert [False, True, False] == [pool.crashed(key) for key in ("waits", "breaks", "works")]
    assert not pool.crashed("breaks")
