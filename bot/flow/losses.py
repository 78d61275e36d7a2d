"""Decisions that never reached the platform: one alert, which counts them, until decisions reach it again."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.approval import Approval
from bot.flow.polls import PLATFORM
from bot.ports import Clock
from bot.records import UNDELIVERABLE, UNDELIVERED, Alert
from bot.store import Store
from bot.wording import name_of

#: The count on the alert is brought up to date this often at most.
RETOLD_EVERY = timedelta(seconds=10)


class Losses:
    """One for all steps that find that a decision came too late. Each request's card says so by itself."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._alerts, self._clock = store, store.alerts, clock
        self._open: bool | None = None  #: whether the alert is; None: an earlier process may have raised it
        self._last: tuple[Approval, str] | None = None  #: the last one that the count leaves out
        self._retold_at: datetime | None = None

    async def report(self, approval: Approval, why: str) -> None:
        """Alert that it is lost, in place of that it is late.

        Before the approval is settled: afterwards nothing would bring anybody back here after a crash.
        """
        self._open = True
        tool = name_of(approval.request.tool_name)
        text = f"{tool}: the decision could not be delivered before the deadline ({why})."
        alert = Alert(approval_id=PLATFORM, cause=UNDELIVERABLE, text=text, raised_at=self._clock())
        await self._alerts.raise_(alert)
        over = "it is over: the decision could not be delivered in time"
        await self._alerts.mend(approval.id, cause=UNDELIVERED, how=over)

    def settled(self, approval: Approval, why: str) -> None:
        """It is lost for good, and counts."""
        self._last = (approval, why)

    async def count(self) -> datetime | None:
        """Bring the alert's count up to date; returns when to look again."""
        if self._last is None:
            return None
        now = self._clock()
        if self._retold_at is not None and now < self._retold_at + RETOLD_EVERY:
            return self._retold_at + RETOLD_EVERY
        (approval, why), self._last = self._last, None
        if (number := await self._number()) > 1:
            self._retold_at = now
            text = (
                f"{number} decisions could not be delivered before their deadlines; "
                f"the last one: {name_of(approval.request.tool_name)} ({why})."
            )
            await self._alerts.retell(PLATFORM, cause=UNDELIVERABLE, text=text)
        return None

    async def over(self) -> None:
        """The platform took a decision: what was lost before is one matter, which has ended."""
        if self._open is False:
            return
        number = await self._number()
        lost = f"; {number} were lost" if number > 1 else ""
        await self._alerts.mend(PLATFORM, cause=UNDELIVERABLE, how=f"decisions reach the platform again{lost}")
        self._open, self._last = False, None

    async def _number(self) -> int:
        """How many were lost since the alert was raised; 0 without one."""
        open_ = await self._alerts.open_of(approval_id=PLATFORM, cause=UNDELIVERABLE)
        return await self._store.approvals.lost_since(open_[0].raised_at) if open_ else 0
