"""Requests without a card: one alert for each channel, which counts them and resolves when none is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.alerts import CARD_REFUSED, NO_CARD, ONE, SEVERAL, alert_of, alert_text, over
from bot.approval import Approval
from bot.ports import Clock
from bot.records import Alert, Lack
from bot.store import Store
from bot.surface import Destination
from bot.wording import quoted_name

#: How often to check whether an alert has ended.
LOOK_EVERY = timedelta(seconds=1)
#: The count on an alert is updated this often at most.
RETOLD_EVERY = timedelta(seconds=10)

ROUTE = "route:"  #: for an alert about a request without any place for a card; the self-check resolves it


@dataclass
class _Told:
    """What an operator knows of one alert."""

    why: str
    count: int
    at: datetime


class NoCard:
    """Raises the alerts, updates their counts, and resolves them, whichever step or process raised them."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._told: dict[tuple[str, str], _Told] = {}
        self._look_at: datetime | None = None

    async def report(self, where: Destination, approval: Approval, error: Exception, *, cause: str) -> None:
        """A card could not be posted there: nobody sees the request (NO_CARD), or people see it elsewhere."""
        key, now = (str(where), cause), self._clock()
        if (told := self._told.get(key)) is not None:
            told.why = str(error)
            return
        lacks = {lack.destination: lack for lack in await self._store.placements.lacking()}
        count = max(1, _count(lacks.get(where), cause))
        facts = {"count": count, "where": where, "why": error, "tool": quoted_name(approval.request.tool_name)}
        variant = SEVERAL if count > 1 else ONE
        await self._store.alerts.raise_(alert_of(cause, key[0], facts, at=now, variant=variant))
        self._told[key] = _Told(str(error), count, now)

    async def look(self) -> None:
        """Resolve what has ended and count the rest; called each round, looks once a second at most."""
        now = self._clock()
        if self._look_at is not None and now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        alerts = self._store.alerts
        found = await alerts.open_of(cause={NO_CARD, CARD_REFUSED})
        open_ = [alert for alert in found if not alert.approval_id.startswith(ROUTE)]
        if not open_:
            self._told.clear()
            return
        lacks = {str(lack.destination): lack for lack in await self._store.placements.lacking()}
        for alert in open_:
            await self._follow(alert, lacks.get(alert.approval_id), now)

    async def _follow(self, alert: Alert, lack: Lack | None, now: datetime) -> None:
        key = about, cause = alert.approval_id, alert.cause
        if lack is None or not (lack.in_vain if cause == NO_CARD else lack.elsewhere):
            self._told.pop(key, None)
            await self._store.alerts.resolve(about, cause=cause, how=over(cause, where=about))
            return
        told, count = self._told.get(key), _count(lack, cause)
        if told and count > told.count and now >= told.at + RETOLD_EVERY:
            told.count, told.at = count, now
            text = alert_text(cause, SEVERAL, count=count, where=about, why=told.why)
            await self._store.alerts.reword(about, cause=cause, text=text)


def _count(lack: Lack | None, cause: str) -> int:
    """If some are unseen, those that wait behind them are included; a working channel only has a queue."""
    if lack is None:
        return 0
    return lack.unseen if cause == NO_CARD else lack.elsewhere
