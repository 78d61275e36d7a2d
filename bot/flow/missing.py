"""Messages that somebody deleted: asked about one by one, the earliest deadlines first, and put up again.

Nothing tells a bot that its card was deleted. Without this it is noticed at the next change of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.errors import Forbidden, Gone, Unavailable
from bot.flow import Count
from bot.ports import Chat, Clock
from bot.records import Up
from bot.store import Store
from bot.surface import Surface

#: One look each second, so 60 a minute at most, whatever is up.
LOOK_EVERY = timedelta(seconds=1)
#: The earliest so many are each looked at again after so long; what is behind them has the looks that are left.
FIRST, AGAIN_AFTER = 50, timedelta(seconds=55)
#: A message that has just come up is not looked at yet: the chat may not know of it everywhere.
FRESH = timedelta(seconds=2)
#: Cards that are thought of at all.
MOST = 1_000

log = structlog.get_logger()


class Missing:
    """Looks at one message at a time. What it finds deleted is lost, and the flow puts it up again."""

    def __init__(
        self, *, store: Store, chats: Mapping[Surface, Chat], clock: Clock, count: Count, first: int = FIRST
    ) -> None:
        self._store, self._chats, self._first = store, chats, first
        self._clock, self._count = clock, count
        self._next: dict[tuple[str, str], datetime] = {}  #: when to look at each message, by mark and ref

    async def round(self) -> None:
        """One look. Raises Unavailable when the store is in trouble."""
        now = self._clock()
        cards, digests = await self._store.placements.up(most=MOST), await self._store.queue_messages.up()
        up = sorted((*cards, *digests), key=lambda one: (one.deadline, one.mark))
        self._next = {_key(one): self._next.get(_key(one), now + FRESH) for one in up}
        one = self._due(up, now)
        if one is None:
            return
        self._next[_key(one)] = now + AGAIN_AFTER
        try:
            missing = await self._chats[one.destination.surface].is_missing(one.destination.channel, one.ref)
        except (Unavailable, Forbidden, Gone) as error:  # what ails the chat or the channel is found elsewhere
            log.info("card_not_looked_at", channel=one.destination.channel, reason=str(error))
            return
        if missing:
            lost = self._store.placements.lost if one in cards else self._store.queue_messages.lost
            if await lost(one.mark, ref=one.ref):
                log.warning("card_missing", channel=one.destination.channel)
                self._count("card_missing")

    def _due(self, up: list[Up], now: datetime) -> Up | None:
        """Of the first the earliest deadline that is due; else, behind them, what has waited for longest."""
        there = [one for one in up if one.destination.surface in self._chats]
        for one in there[: self._first]:
            if self._next[_key(one)] <= now:
                return one
        behind = min(there[self._first :], key=lambda one: self._next[_key(one)], default=None)
        return behind if behind and self._next[_key(behind)] <= now else None


def _key(one: Up) -> tuple[str, str]:
    return one.mark, one.ref
