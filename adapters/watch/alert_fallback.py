"""The alert fallback: with the database gone, alerts go to the spool, the log and straight to the pagers.

While anything is spooled, `/healthz` is red. Once the database answers again it is raised there too, under the
same key, with what each pager has heard of it: the others are told from there, and all hear how it came right.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from adapters.watch.spool import Key, Spool, key_of
from adapters.watch.watchdog import NOD
from bot.alerts import SCHEDULER_DEAD, STORE_DOWN, over
from bot.errors import NodError, Unavailable
from bot.ports import Clock, Metrics, Pager
from bot.records import Alert, Heard, PendingPage
from bot.retry import PAGE, Backoff
from bot.store import Alerts

log = structlog.get_logger()


class FallbackPager:
    """Each alert to each pager, tried until it is accepted or no longer wanted. Its maker closes it."""

    def __init__(
        self,
        *,
        pagers: Mapping[str, Pager],
        clock: Clock,
        metrics: Metrics,
        backoff: Backoff = PAGE,
    ) -> None:
        """`pagers` is read at each alert, so it may still be filled."""
        self._pagers, self._clock, self._metrics, self._backoff = pagers, clock, metrics, backoff
        self._under_way: set[asyncio.Task[None]] = set()
        self._heard: dict[Key, dict[str, Heard]] = {}

    def heard(self, alert: Alert) -> Mapping[str, Heard]:
        """What each pager has of it, by name."""
        return dict(self._heard.get(key_of(alert), {}))

    def page(self, alert: Alert, *, wanted: Callable[[], bool]) -> None:
        """Begin at once, in the background; `wanted` is asked before each try."""
        self._heard[key_of(alert)] = {}
        for name, pager in self._pagers.items():
            paging = self._until_taken(name, pager, alert, wanted)
            task = asyncio.create_task(paging, name=f"emergency:{name}:{alert.cause}")
            self._under_way.add(task)
            task.add_done_callback(self._over)

    async def close(self) -> None:
        """Stop trying."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _until_taken(self, name: str, pager: Pager, alert: Alert, wanted: Callable[[], bool]) -> None:
        tries, attempted_at = 0, None
        heard = self._heard[key_of(alert)]
        while wanted():
            began = self._clock()
            heard[name] = Heard(taken=False, attempted_at=attempted_at or began)
            try:
                ref = await pager.page(alert, ref=None, attempted_at=attempted_at)
            except NodError as error:
                pause = self._backoff.after(tries, error)
                log.error("page_failed", pager=name, cause=alert.cause, wait=pause, reason=str(error))
                self._metrics.count("page_failed")
                attempted_at = attempted_at or began
                await asyncio.sleep(pause)
                tries += 1
            else:
                heard[name] = Heard(taken=True, ref=ref)
                log.warning("alert_paged", pager=name, cause=alert.cause, resolved=False)
                self._metrics.count("alert_paged")
                return

    def _over(self, task: asyncio.Task[None]) -> None:
        """A pager that breaks harms no other; the store owes it the alert later."""
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("emergency_page_crashed", task=task.get_name(), exc_info=error)
            self._metrics.count("emergency_page_crashed")


#: Seconds that the database gets to take an alert; one that hangs is as good as gone.
PATIENCE = 3.0
#: Seconds that a process must have lived until the end of the one before it counts as resolved.
PROVEN = 60.0


class AlertFallback:
    """`bot.store.Alerts` in front of the store's own, with a way out for what those cannot take.

    Opened by `open_alert_fallback`. Only raising survives the loss of the database; the rest is passed on.
    """

    def __init__(
        self,
        *,
        alerts: Alerts,
        spool: Spool,
        direct: FallbackPager,
        metrics: Metrics,
        patience: float = PATIENCE,
        proven: float = PROVEN,
    ) -> None:
        """`patience` and `proven` are in seconds."""
        self._alerts, self._spool, self._direct, self._metrics = alerts, spool, direct, metrics
        self._patience, self._proven = patience, proven
        self._waiting: dict[Key, Alert] = {}
        self._disk = asyncio.Lock()
        self._unproven_since: float | None = None  #: by the monotonic clock; None: nothing to prove

    async def raise_(self, alert: Alert, *, heard: Mapping[str, Heard] | None = None) -> bool:
        """Write it for every pager, or keep it and tell them; False if it was raised already.

        Never raises Unavailable.
        """
        if key_of(alert) in self._waiting:
            return False
        if alert.cause == STORE_DOWN:  # a store in trouble may take this and nothing else
            return await self._keep(alert, alert.text)
        try:
            return await self._stored(alert, heard or {})
        except Unavailable as error:
            return await self._keep(alert, str(error))

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        """As the store does; what is spooled is raised first, so that it does not stay open for ever."""
        if (approval_id, cause) in self._waiting:
            await self._drain(also=cause)
        await self._alerts.resolve(approval_id, cause=cause, how=how)

    async def reword(self, approval_id: str, *, cause: str, text: str) -> None:
        """The store's; what is spooled says what it said."""
        await self._alerts.reword(approval_id, cause=cause, text=text)

    async def open_of(
        self, *, approval_id: str | Sequence[str] | None = None, cause: str | Collection[str] | None = None
    ) -> tuple[Alert, ...]:
        """The store's; what is spooled is raised first, so that what is then resolved includes it."""
        ids = [approval_id] if approval_id is None or isinstance(approval_id, str) else approval_id
        causes = [cause] if cause is None or isinstance(cause, str) else cause
        if any({None, about} & {*ids} and {None, why} & {*causes} for about, why in self._waiting):
            await self.drain()
        return await self._alerts.open_of(approval_id=approval_id, cause=cause)

    async def unacknowledged(self, raised_before: datetime) -> int:
        """The store's."""
        return await self._alerts.unacknowledged(raised_before)

    async def due(self, now: datetime, *, most: int) -> tuple[PendingPage, ...]:
        """The store's."""
        return await self._alerts.due(now, most=most)

    async def next_due(self, *, after: datetime) -> datetime | None:
        """The store's."""
        return await self._alerts.next_due(after=after)

    async def attempt(self, page: PendingPage, *, at: datetime) -> None:
        """The store's."""
        await self._alerts.attempt(page, at=at)

    async def taken(self, page: PendingPage, *, ref: str | None) -> None:
        """The store's."""
        await self._alerts.taken(page, ref=ref)

    async def postpone(self, page: PendingPage, *, next_try: datetime) -> None:
        """The store's."""
        await self._alerts.postpone(page, next_try=next_try)

    async def drain(self) -> bool:
        """Raise in the store what is spooled, and forget it after the commit; whether nothing is left.

        Called before each round of the self-check. Does not raise when the store is still gone. A process
        that has lived long enough thereby resolves the alert about the end of the one before.

        That the store is down stays spooled until it is resolved: so long `/healthz` is red, whatever the store
        takes meanwhile.
        """
        return await self._drain(also=None)

    async def _drain(self, *, also: str | None) -> bool:
        drained = []
        try:
            for alert in tuple(self._waiting.values()):
                if alert.cause == STORE_DOWN and also != STORE_DOWN:
                    continue
                await self._stored(alert, self._direct.heard(alert))
                drained.append(alert)
            if self._is_proven():
                await self._alerts.resolve(NOD, cause=SCHEDULER_DEAD, how=over(SCHEDULER_DEAD))
                self._unproven_since = None
        except Unavailable:
            pass  # the next round tries again
        for alert in drained:
            self._waiting.pop(key_of(alert), None)
        if drained:
            async with self._disk:
                await asyncio.to_thread(self._spool.clear, drained)
            log.warning("spool_drained", alerts=len(drained), left=len(self._waiting))
            self._metrics.count("spool_drained")
        return not self._waiting

    def problems(self) -> list[str]:
        """What makes `/healthz` red, in words."""
        if not self._waiting:
            return []
        causes = ", ".join(sorted({alert.cause for alert in self._waiting.values()}))
        return [f"{len(self._waiting)} alerts could not be stored in the database ({causes})"]

    async def resume(self) -> None:
        """At the start: what an earlier process left in the spool is raised now."""
        self._unproven_since = time.monotonic()
        for alert in await asyncio.to_thread(self._spool.entries):
            self._waiting[key_of(alert)] = alert
        if not await self._drain(also=STORE_DOWN):
            for alert in self._waiting.values():
                self._page(alert)

    async def _stored(self, alert: Alert, heard: Mapping[str, Heard]) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                return await self._alerts.raise_(alert, heard=heard)
        except TimeoutError:
            raise Unavailable(f"the database did not answer within {self._patience:g} s") from None

    async def _keep(self, alert: Alert, reason: str) -> bool:
        if key_of(alert) in self._waiting:
            return False
        self._waiting[key_of(alert)] = alert
        log.error(
            "alert_spooled", approval_id=alert.approval_id, cause=alert.cause, text=alert.text, reason=reason
        )
        self._metrics.count("alert_spooled")
        self._page(alert)
        async with self._disk:
            if self._waiting.get(key_of(alert)) is alert:  # it may be in the store by now
                await asyncio.to_thread(self._spool.put, alert)
        return True

    def _page(self, alert: Alert) -> None:
        """Until it is in the store, which then owes it to every pager."""
        self._direct.page(alert, wanted=lambda: self._waiting.get(key_of(alert)) is alert)

    def _is_proven(self) -> bool:
        since = self._unproven_since
        return since is not None and time.monotonic() - since >= self._proven


@asynccontextmanager
async def open_alert_fallback(
    *,
    alerts: Alerts,
    spool: Spool,
    pagers: Mapping[str, Pager],
    clock: Clock,
    metrics: Metrics,
    patience: float = PATIENCE,
    backoff: Backoff = PAGE,
    proven: float = PROVEN,
) -> AsyncIterator[AlertFallback]:
    """An AlertFallback that has taken up what an earlier process left, and pages while the block runs.

    `pagers` is read at each alert, so it may still be filled. What is spooled at the end is there for the next
    start. `patience` and `proven` are in seconds.
    """
    direct = FallbackPager(pagers=pagers, clock=clock, metrics=metrics, backoff=backoff)
    alert_fallback = AlertFallback(
        alerts=alerts, spool=spool, direct=direct, metrics=metrics, patience=patience, proven=proven
    )
    try:
        await alert_fallback.resume()
        yield alert_fallback
    finally:
        await direct.close()
