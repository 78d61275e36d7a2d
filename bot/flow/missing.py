"""Finds deleted messages, one by one, the earliest deadlines first, and posts them again.

Nothing tells a bot that its card was deleted. Without this, Nod notices only at the next change of the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.errors import Forbidden, Gone, Unavailable
from bot.ports import Chat, Clock, Metrics
from bot.records import Up
from bot.store import Store
from bot.surface import Surface

#: One look each second, so 60 a minute at most, however many are up.
LOOK_EVERY = timedelta(seconds=1)
#: The earliest ones, this many, are each checked again after this long; the later ones get the looks that are
#: left.
FIRST, AGAIN_AFTER = 50, timedelta(seconds=55)
#: A message that has just been posted is not checked yet: the chat may not know of it everywhere.
FRESH = timedelta(seconds=2)
#: Cards that are considered at all, and how long the list of them is used.
MOST, READ_EVERY = 1_000, timedelta(seconds=5)

log = structlog.get_logger()


class Missing:
    """Checks one message at a time. A deleted one is marked lost, and the flow posts it again."""

    def __init__(
        self, *, store: Store, chats: Mapping[Surface, Chat], clock: Clock, metrics: Metrics, first: int = FIRST
    ) -> None:
        self._store, self._chats, self._first = store, chats, first
        self._clock, self._metrics = clock, metrics
        self._next: dict[tuple[str, str], datetime] = {}  #: when to check each message, by mark and ref
        self._up: list[Up] = []
        self._cards: frozenset[str] = frozenset()  #: which of them are cards
        self._read_at: datetime | None = None

    async def round(self) -> None:
        """One look. Raises Unavailable when the store is in trouble."""
        now = self._clock()
        if self._read_at is None or not timedelta() <= now - self._read_at < READ_EVERY:
            await self._read(now)
        one = self._due(self._up, now)
        if one is None:
            return
        self._next[_key(one)] = now + AGAIN_AFTER
        try:
            missing = await self._chats[one.destination.surface].is_missing(one.destination.channel, one.ref)
        except (Unavailable, Forbidden, Gone) as error:  # others report trouble with a chat or channel
            log.info("card_not_looked_at", channel=one.destination.channel, reason=str(error))
            return
        if missing:
            is_card = one.mark in self._cards
            lost = self._store.placements.lost if is_card else self._store.queue_messages.lost
            if await lost(one.mark, ref=one.ref):
                log.warning("card_missing", channel=one.destination.channel)
                self._metrics.count("card_missing")

    async def _read(self, now: datetime) -> None:
        """What is up. A message that ended since is looked at for nothing; a new one is left alone at first."""
        cards, digests = await self._store.placements.up(most=MOST), await self._store.queue_messages.up()
        self._up = sorted((*cards, *digests), key=lambda one: (one.deadline, one.mark))
        self._cards = frozenset(one.mark for one in cards)
        self._next = {_key(one): self._next.get(_key(one), now + FRESH) for one in self._up}
        self._read_at = now

    def _due(self, up: list[Up], now: datetime) -> Up | None:
        """The earliest due deadline of the first ones; else, of the rest, the one that has waited longest."""
        there = [one for one in up if one.destination.surface in self._chats]
        for one in there[: self._first]:
            if self._next[_key(one)] <= now:
                return one
        behind = min(there[self._first :], key=lambda one: self._next[_key(one)], default=None)
        return behind if behind and self._next[_key(behind)] <= now else None


def _key(one: Up) -> tuple[str, str]:
    return one.mark, one.ref
