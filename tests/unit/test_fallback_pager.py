"""Alerts straight to the pagers: the waits between tries, and what each is told of the tries before it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from adapters.watch.alert_fallback import FallbackPager
from bot.errors import NodError, Unavailable
from bot.ports import NO_METRICS
from bot.records import Alert
from bot.retry import Backoff
from tests.servers.system import until

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ALERT = Alert(approval_id="r1", cause="undelivered", text="t", raised_at=NOW)


@dataclass
class Refusing:
    """A `bot.ports.Pager` that refuses its first tries, and then takes what comes."""

    refuses: list[NodError]
    name: str = "refusing"
    at: list[float] = field(default_factory=list)  #: by the monotonic clock, of each try
    before: list[datetime | None] = field(default_factory=list)  #: what each was told of an earlier one

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        self.at.append(time.monotonic())
        self.before.append(attempted_at)
        if self.refuses:
            raise self.refuses.pop(0)
        return None


class Leaving:
    """A pager that hangs, and takes a moment to end when it is told to."""

    name = "leaving"

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), False

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            self.ended = True
        return None


def pages(pager: Refusing | Leaving, *, first_wait: float) -> FallbackPager:
    ticks = iter(range(100))
    return FallbackPager(
        pagers={"p": pager}, clock=lambda: NOW + timedelta(seconds=next(ticks)), metrics=NO_METRICS,
        backoff=Backoff(first=first_wait, last=60),
    )  # fmt: skip


async def paged(pager: Refusing, *, first_wait: float) -> list[float]:
    """It takes the alert in the end; the waits between its tries, in seconds."""
    direct, tries = pages(pager, first_wait=first_wait), len(pager.refuses) + 1
    direct.page(ALERT, wanted=lambda: True)
    await until(lambda: len(pager.at) == tries, within=20, what="the last try")
    await direct.close()
    return [later - earlier for earlier, later in pairwise(pager.at)]


async def test_each_wait_is_twice_the_one_before() -> None:
    """A pager in trouble is not made more of it."""
    waits = await paged(Refusing([Unavailable("down")] * 4), first_wait=0.05)
    assert [True] * 4 == [wait >= 0.05 * 2**number for number, wait in enumerate(waits)]


async def test_a_pager_that_asks_for_time_gets_it() -> None:
    """Where that is longer than the wait would be."""
    (wait,) = await paged(Refusing([Unavailable("429", retry_after=0.5)]), first_wait=0.01)
    assert wait >= 0.5


async def test_each_try_knows_since_when_one_may_have_arrived() -> None:
    """That is the first of them, however many came after it."""
    pager = Refusing([Unavailable("no answer")] * 3)
    await paged(pager, first_wait=0.01)
    assert [None, NOW, NOW, NOW] == pager.before


async def test_closing_waits_for_what_is_under_way() -> None:
    """It is told to end, and has ended then."""
    pager = Leaving()
    direct = pages(pager, first_wait=1)
    direct.page(ALERT, wanted=lambda: True)
    await pager.begun.wait()
    await direct.close()
    assert pager.ended
