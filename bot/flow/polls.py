"""What polls tell of the platform itself: that it can be read, and what time it has there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.errors import Forbidden, Unavailable
from bot.ports import WORST_SKEW, Clock, Listing
from bot.records import Alert
from bot.store import Store

#: When polls have failed for so long, operators are told; the alert's cause.
BLIND_AFTER, BLIND = timedelta(seconds=30), "platform-unreadable"

#: Our clock and the platform's are further apart than `WORST_SKEW`.
SKEWED = "clock-skew"

PLATFORM = "platform"  #: what these alerts are about, in place of an approval


Heard = Callable[[timedelta | None], timedelta | None]


class Polls:
    """Raises the alerts that no single request is about, and mends them."""

    def __init__(self, *, store: Store, clock: Clock, heard: Heard = lambda skew: skew) -> None:
        """`heard` is told how far our clock is ahead of the platform's; it says how far this machine's is."""
        self._alerts, self._clock, self._heard = store.alerts, clock, heard
        self._failing_since: datetime | None = None
        self.unread_since: datetime | None = None  #: since when it is asked in vain, if it is
        self.last_good: datetime | None = None  #: when the last poll began that was good, and taken in

    def begins(self) -> None:
        """A poll is about to be sent."""
        self.unread_since = self.unread_since or self._clock()

    async def failed(self, error: Unavailable | Forbidden) -> None:
        """One failed poll is weather; when they go on failing, nobody is asked any more, and that pages."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since >= BLIND_AFTER:
            text = f"The platform's pending requests cannot be read ({error}): nobody is asked about new ones."
            alert = Alert(approval_id=PLATFORM, cause=BLIND, text=text, raised_at=now)
            await self._alerts.raise_(alert)

    def taken_in(self, listing: Listing) -> None:
        """All that it lists is in the store. A poll that could be read and not kept helps nobody."""
        self.last_good = listing.began_at

    async def good(self, listing: Listing) -> None:
        """It can be read. Deadlines are moments of its clock, so one that is far from ours makes them wrong."""
        self.unread_since = None
        if self._failing_since is not None or self.last_good is None:  # or an earlier process raised it
            self._failing_since = None
            await self._alerts.mend(PLATFORM, cause=BLIND, how="the platform can be read again")
        skew = self._heard(listing.skew)
        if skew is None:
            return
        if abs(skew) > WORST_SKEW:
            seconds = round(skew.total_seconds())
            side = "ahead of" if seconds > 0 else "behind"
            text = f"Nod's clock is {abs(seconds)} s {side} the platform's."
            alert = Alert(approval_id=PLATFORM, cause=SKEWED, text=text, raised_at=self._clock())
            await self._alerts.raise_(alert)
        elif abs(skew) < WORST_SKEW / 2:
            await self._alerts.mend(PLATFORM, cause=SKEWED, how="the clocks agree again")
