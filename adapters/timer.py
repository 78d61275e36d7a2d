"""The ticker. It rings bells and nothing else: deadlines live in the store, never in a scheduler."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

#: A wall clock that moved so many seconds more, or less, than time went by was set.
SET = 0.1


@asynccontextmanager
async def open_timer(jobs: Mapping[str, tuple[timedelta, Callable[[], None]]]) -> AsyncIterator[None]:
    """Call each job at its interval until closed, whatever happens to the wall clock.

    In memory, never catching up one by one after a pause (`coalesce`), never dropping a late tick
    (`misfire_grace_time=None`): a job only says "look again", so once is enough and late is fine.
    """
    scheduler = _Ticker(
        timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    for name, (every, ring) in jobs.items():
        scheduler.add_job(_on_the_loop(ring), "interval", seconds=every.total_seconds(), id=name)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


class _Ticker(AsyncIOScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Wakes by the loop's clock, which only goes on, and lets what is due next move with the wall clock.

    APScheduler keeps moments of the wall clock, so after a step back of an hour it would not tick for one.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self._apart = _wall_apart()

    def _process_jobs(self) -> object:
        apart = _wall_apart()
        moved, self._apart = apart - self._apart, apart
        if abs(moved) > SET:
            for job in self.get_jobs():
                if job.next_run_time is not None:
                    self.modify_job(job.id, next_run_time=job.next_run_time + timedelta(seconds=moved))
        return super()._process_jobs()


def _wall_apart() -> float:
    """How far the wall clock is from the one that only goes on, in seconds."""
    return time.time() - time.monotonic()


def _on_the_loop(ring: Callable[[], None]) -> Callable[[], object]:
    # A plain function would run in APScheduler's thread pool, and an asyncio.Event is not thread-safe.
    async def tick() -> None:
        ring()

    return tick
