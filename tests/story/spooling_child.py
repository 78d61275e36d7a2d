"""Run as a program: raises one alert with the database gone and no pager there, says `spooled`, and waits.

`spooling_child SPOOL PAGER_URL`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from adapters.pagers.services import open_pagers
from adapters.watch import AlertFallback, Spool, open_alert_fallback
from bot.errors import Unavailable
from bot.ports import NO_METRICS, Clock
from bot.records import Alert, Heard, PendingPage
from bot.retry import Backoff
from bot.store import Alerts
from tests.servers.pagers import WEBHOOK_SECRET

GONE = Alert(
    approval_id="nod",
    cause="database-gone",
    text="The database failed (OperationalError).",
    raised_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Fickle:
    """`bot.store.Alerts` over other ones, which are `down` or `hang` as a test likes."""

    def __init__(self, real: Alerts | None = None, *, down: bool = False) -> None:
        self._real, self.down, self.hangs = real, down, False
        self.tries = 0  #: of raising

    async def _up(self) -> Alerts:
        if self.hangs:
            await asyncio.sleep(30)
        if self.down or self._real is None:
            raise Unavailable("the database failed (OperationalError)")
        return self._real

    async def raise_(self, alert: Alert, *, heard: Mapping[str, Heard] | None = None) -> bool:
        self.tries += 1
        return await (await self._up()).raise_(alert, heard=heard)

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        await (await self._up()).resolve(approval_id, cause=cause, how=how)

    async def open_of(self, *, approval_id: str | None = None, cause: str | None = None) -> tuple[Alert, ...]:
        return await (await self._up()).open_of(approval_id=approval_id, cause=cause)

    async def unacknowledged(self, raised_before: datetime) -> int:
        return await (await self._up()).unacknowledged(raised_before)

    async def due(self, now: datetime, *, most: int) -> tuple[PendingPage, ...]:
        return await (await self._up()).due(now, most=most)

    async def next_due(self, *, after: datetime) -> datetime | None:
        return await (await self._up()).next_due(after=after)

    async def attempt(self, page: PendingPage, *, at: datetime) -> None:
        await (await self._up()).attempt(page, at=at)

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        await (await self._up()).taken(page, ref=ref)

    async def postpone(self, page: PendingPage, *, next_try: datetime) -> None:
        await (await self._up()).postpone(page, next_try=next_try)


@asynccontextmanager
async def open_exit(
    alerts: Alerts, spool: Path, pager_url: str, *, clock: Clock = utc_now, proven: float = 60.0
) -> AsyncIterator[AlertFallback]:
    """An emergency exit with one webhook, whose waits are short."""
    async with (
        open_pagers(
            [("webhook", f"{pager_url}/hooks/x")],
            webhook_secret=WEBHOOK_SECRET,
            urls=dict.fromkeys(("pagerduty", "opsgenie"), "http://127.0.0.1:9"),
            clock=clock,
        ) as pagers,
        open_alert_fallback(
            alerts=alerts, spool=Spool(spool), pagers=pagers, clock=clock, metrics=NO_METRICS,
            patience=2.0, backoff=Backoff(first=0.05, last=60), proven=proven,
        ) as alert_fallback,
    ):  # fmt: skip
        yield alert_fallback


async def main(spool: Path, pager_url: str) -> None:
    """Until it is killed."""
    async with open_exit(Fickle(down=True), spool, pager_url) as alert_fallback:
        await alert_fallback.raise_(GONE)
        print("spooled", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
