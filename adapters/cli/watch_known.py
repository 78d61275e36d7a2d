"""What waits on the platform, as `nod watch` knows it from its last good poll."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime

from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing
from bot.protocol import HITLRequest


@dataclass(kw_only=True)
class Known:
    """What waits, and until when."""

    listing: Listing | None = None  #: the last good poll; None before the first
    requests: dict[str, HITLRequest] = field(default_factory=dict)
    deadlines: dict[str, datetime] = field(default_factory=dict)
    trouble: str | None = None  #: why the last poll was in vain
    answered: set[str] = field(default_factory=set)  #: here; a poll that began before may still list them

    def listed(self, listing: Listing, *, now: datetime) -> None:
        """Take over a good poll. A deadline counts from when its request was first seen."""
        self.trouble, self.listing = None, listing
        self.requests = {one.request_id: one for one in listing.requests if one.request_id not in self.answered}
        self.deadlines = {
            one: self.deadlines.get(one) or deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
            for one, request in self.requests.items()
        }

    def over(self, request_id: str) -> None:
        """It was answered, and is not shown again."""
        self.answered.add(request_id)
        self.requests.pop(request_id, None)

    def unread(self, request_id: str) -> bool:
        """Whether it still waits, but cannot be read."""
        return self.listing is not None and request_id in self.listing.unread_ids

    def in_order(self, *, now: datetime, under_way: Container[str] = ()) -> list[str]:
        """Ids, the earliest deadline first; behind them what has an answer on its way, and what is over."""
        return sorted(
            self.requests, key=lambda one: (self.deadlines[one] <= now, one in under_way, self.deadlines[one])
        )
