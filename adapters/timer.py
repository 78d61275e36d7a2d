"""The ticker. It rings bells and nothing else: deadlines live in the store, never in a scheduler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler


@asynccontextmanager
async def open_timer(jobs: Mapping[str, tuple[timedelta, Callable[[], None]]]) -> AsyncIterator[None]:
    """Call each job at its interval until closed.

    In memory, never catching up one by one after a pause (`coalesce`), never dropping a late tick
    (`misfire_grace_time=None`): a job only says "look again", so once is enough and late is fine.
    """
    scheduler = AsyncIOScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
    )
    for name, (every, ring) in jobs.items():
        scheduler.add_job(_on_the_loop(ring), "interval", seconds=every.total_seconds(), id=name)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


def _on_the_loop(ring: Callable[[], None]) -> Callable[[], object]:
    # A plain function would run in APScheduler's thread pool, and an asyncio.Event is not thread-safe.
    async def tick() -> None:
        ring()

    return tick
