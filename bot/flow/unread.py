"""Pending requests that cannot be read: nobody is asked about them, so an operator is told."""

from __future__ import annotations

import structlog

from bot.flow import Count
from bot.ports import Clock, Listing
from bot.records import Alert
from bot.store import Store

UNREADABLE = "unreadable"  #: the alert's cause

log = structlog.get_logger()


class Unread:
    """Tells when a listing has others of them than the one before, and when it has none any more."""

    def __init__(self, *, store: Store, clock: Clock, count: Count) -> None:
        self._store, self._clock, self._count = store, clock, count
        self._known: tuple[frozenset[str], int] | None = None  #: None: an earlier process may have told of some

    async def report(self, listing: Listing) -> None:
        """Raise or mend the one alert about them. That an item has another place in the list is no news."""
        found = (listing.unread_ids, len(listing.set_aside))
        if found == self._known:
            return
        if listing.set_aside:
            await self._store.alerts.raise_(self._alert(listing))
        else:
            await self._store.alerts.mend("platform", cause=UNREADABLE, how="every pending request can be read")
        self._known = found
        for reason in listing.set_aside:
            log.warning("request_set_aside", reason=reason)
            self._count("request_set_aside")

    def _alert(self, listing: Listing) -> Alert:
        number, why = len(listing.set_aside), listing.set_aside[0]
        what = "1 item" if number == 1 else f"{number} items"
        text = f"{what} of the platform's pending list cannot be read ({why}): nobody is asked about that."
        return Alert(approval_id="platform", cause=UNREADABLE, text=text, raised_at=self._clock())
