"""Requests that are too many for a channel go on one queue message, so no request delays another.

A chat takes about one new message a second and channel. Cards that would come later than a tenth of their
window, and those of an agent that asks for more than its share, go on the queue message; *Next* opens them one
by one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from bot.alerts import FLOOD, alert_of, over
from bot.card import QueueCard, queue_card_of
from bot.errors import Forbidden, Gone, Unavailable
from bot.flow import earliest
from bot.flow.chat_step import ChatStep, StepDeps
from bot.records import Line, QueueMessage, Waiting
from bot.retry import chat_wait
from bot.seal import Seal
from bot.surface import Destination
from bot.wording import name_of, quoted_name

#: A card is planned within this share of its window after the request was first seen. The promise is a tenth;
#: the rest is for the queue message itself, and for a chat that is slower than its rate limit.
LATEST = 0.08
#: A single extra card becomes a card and no queue message; a queue message that is up takes one more without a
#: message.
FEWEST = 2
#: Lines of a queue message.
LINES = 10
#: A request that joins a queue message older than this gets a new message.
RENEWED_AFTER = timedelta(minutes=10)
#: A queue message is updated this often at most: a chat allows about 50 updates a minute.
REDRAWN_EVERY = timedelta(seconds=3)
#: A card that left a queue message and gets no turn within the first time goes back. Then nothing leaves that
#: message for the second time.
FREE_WITHIN, NOT_FREE_FOR = timedelta(seconds=6), timedelta(seconds=60)
#: A request that has just joined a queue message is late for a card, so it does not wait long.
JOINED_EVERY = timedelta(seconds=1.2)

#: New cards of which it is noted at once by when they have to be up.
MET_AT_ONCE = 500

EMPTY = "empty"  #: the fingerprint of a queue message with no requests

log = structlog.get_logger()


class Batch(ChatStep):
    """Decides what goes on queue messages, and keeps each of them up to date."""

    def __init__(self, deps: StepDeps, *, seal: Seal) -> None:
        super().__init__(deps)
        self._seal = seal
        self._freed: dict[str, datetime] = {}  #: by when those that left a queue message have to be up, by id
        self._busy: dict[Destination, datetime] = {}  #: until when nothing leaves a queue message

    async def round(self) -> datetime | None:
        self._pool.look()
        flood = self._policy().flood
        flooding = await self._store.approvals.open_by_agent(at_least=flood + 1)
        lines = await self._store.queue_messages.lines()
        due = await self._sort(lines, flooding, flood=flood)
        await self._name(flooding, flood=flood)
        now = self._clock()
        for digest in await self._store.queue_messages.standing(lines=0):
            again = _again(digest)
            if again and again > now:
                due = earliest(due, again)
            elif digest.destination.surface in self._chats:
                await self._take(digest.digest_id, flooding, now)
            head = lines.get(digest.destination)
            due = earliest(due, await self._free(digest, head.deadline if head else None, flooding, now))
        return due

    async def _take(self, digest_id: str, flooding: Mapping[str, int], now: datetime) -> None:
        """Hand a queue message over if it says something else by now."""
        digest = await self._store.queue_messages.get(digest_id, lines=LINES, agents=flooding)
        if digest is None:
            return
        agents = tuple(sorted(digest.agents))
        card = queue_card_of(digest, policy=self._policy(), seal=self._seal, now=now, flooding=agents)
        if fingerprint(card) != digest.shown or _is_from_before(digest):
            self._pool.take(digest.digest_id, digest.digest_id, self._show, digest, card, now)

    async def _sort(
        self, lines: Mapping[Destination, Line], flooding: Mapping[str, int], *, flood: int
    ) -> datetime | None:
        """When the first card of a queue is late; the cards behind it are found late before that."""
        now, due = self._clock(), None
        self._freed = {id_: by for id_, by in self._freed.items() if by + NOT_FREE_FOR > now}
        first = await self._meet(lines, now)
        standing = await self._store.queue_messages.standing(lines=0) if lines else ()
        up = {digest.destination: digest for digest in standing if digest.ref}
        for destination, line in lines.items():
            chat, digest = self._chats.get(destination.surface), up.get(destination)
            if chat is None:
                continue
            late = earliest(first, line.up_by)
            if not flooding and late and now + chat.interval * line.count <= late:
                due = earliest(due, late if digest else None)
                continue
            queue = await self._store.queue_messages.waiting(destination)
            over = too_much(
                [(card, card.up_by or latest(card, now)) for card in queue],
                now=now,
                interval=chat.interval,
                flooding=flooding,
                flood=flood,
                fewest=1 if digest and digest.count else FEWEST,
            )
            if over:
                if not self._freed.keys().isdisjoint(over):  # the channel is busy after all
                    self._busy[destination] = now + NOT_FREE_FOR
                await self._batch(over, destination, digest)
            elif digest and queue and (by := queue[0].up_by) and by > now:
                due = earliest(due, by)
        return due

    async def _meet(self, lines: Mapping[Destination, Line], now: datetime) -> datetime | None:
        """Note by when new cards have to be up; the earliest of these moments."""
        first = None
        while any(line.unmet for line in lines.values()):
            unmet = await self._store.queue_messages.unmet(most=MET_AT_ONCE)
            met = {card.card_id: self._freed.get(card.card_id) or latest(card, now) for card in unmet}
            if met:
                await self._store.queue_messages.meet(met)
            first = earliest(first, *met.values())
            if len(unmet) < MET_AT_ONCE:
                break
        return first

    async def _batch(self, over: Sequence[str], destination: Destination, digest: QueueMessage | None) -> None:
        if digest and digest.attempted_at and self._clock() - digest.attempted_at >= RENEWED_AFTER:
            # It is far up by now: a message below announces what joins it.
            await self._store.queue_messages.lost(digest.digest_id)
        gathered = await self._store.queue_messages.batch(over)
        log.warning("cards_gathered", channel=destination.channel, cards=gathered)
        self._metrics.count("cards_gathered")

    async def _free(
        self, digest: QueueMessage, head: datetime | None, flooding: Mapping[str, int], now: datetime
    ) -> datetime | None:
        """The channel's next turn is for the earliest deadline, on the queue message or not: it gets a card.

        Not while the queue message itself cannot be updated, nor for an agent that asks for more than its
        share. The freed card waits at the head of the line, so the next one leaves when it is up. `head` is the
        earliest deadline that waits there for a turn.
        """
        where = digest.destination
        busy = self._busy.get(where)
        if digest.ref is None or digest.next_try or not digest.count or where.surface not in self._chats:
            return None
        if busy and busy > now:
            return busy
        first = await self._store.queue_messages.earliest(digest.digest_id, without=flooding)
        if first is None or (head is not None and head <= first.deadline):
            return None
        by = self._freed[first.card_id] = now + FREE_WITHIN
        if await self._store.queue_messages.release(first.card_id, up_by=by):
            log.info("card_freed", channel=where.channel)
            self._metrics.count("card_freed")
        return by

    async def _name(self, flooding: Mapping[str, int], *, flood: int) -> None:
        alerts, now = self._store.alerts, self._clock()
        for agent, open_now in flooding.items():
            facts = {"agent": quoted_name(agent), "count": open_now, "flood": flood}
            await alerts.raise_(alert_of(FLOOD, _key(agent), facts, at=now))
        flooding_now = {_key(agent) for agent in flooding}
        for alert in await alerts.open_of(cause=FLOOD):
            if alert.approval_id not in flooding_now:
                await alerts.resolve(alert.approval_id, cause=FLOOD, how=over(FLOOD, flood=flood))

    async def _show(self, digest: QueueMessage, card: QueueCard, read_at: datetime) -> None:
        """The card shows the state at the moment it was read, however long the chat takes to post it."""
        chat, channel = self._chats[digest.destination.surface], digest.destination.channel
        digests, shown = self._store.queue_messages, fingerprint(card)
        if digest.ref is None or (digest.shown == EMPTY and digest.count):
            # An old queue message without requests is far up by now, where nobody looks.
            if digest.ref is not None:
                await digests.lost(digest.digest_id)
            await self._post(digest, card, read_at)
            return
        try:
            await chat.update(card, channel, digest.ref)
        except Gone:
            await digests.lost(digest.digest_id)
            log.warning("digest_gone", channel=channel)
        except (Unavailable, Forbidden) as error:
            await self._put_off(digest, error)
        else:
            await digests.shown(digest.digest_id, ref=digest.ref, shown=shown, at=read_at)
            log.info("digest_updated", channel=channel, requests=card.count)

    async def _post(self, digest: QueueMessage, card: QueueCard, read_at: datetime) -> None:
        chat, channel = self._chats[digest.destination.surface], digest.destination.channel
        digests, begun = self._store.queue_messages, digest.attempted_at if digest.ref is None else None
        if digest.count == 0 and begun is None:
            return  # it was never up, and has no requests
        await digests.attempt(digest.digest_id, at=self._clock())
        try:
            found = await chat.find(digest.digest_id, channel, since=begun) if begun else None
            ref = found or await chat.post(card, channel)
        except (Unavailable, Forbidden, Gone) as error:
            await self._put_off(digest, error)
            return
        shown = None if found else fingerprint(card)
        await digests.shown(digest.digest_id, ref=ref, shown=shown, at=read_at)
        log.info("digest_shown", channel=channel, requests=card.count)
        self._metrics.count("digest_shown")

    async def _put_off(self, digest: QueueMessage, error: Exception) -> None:
        wait = chat_wait(error, tries=digest.tries)
        await self._store.queue_messages.postpone(digest.digest_id, next_try=self._clock() + wait)
        channel, seconds = digest.destination.channel, wait.total_seconds()
        log.warning("digest_put_off", channel=channel, wait=seconds, reason=str(error))
        self._metrics.count("digest_put_off")


def too_much(
    queue: Sequence[tuple[Waiting, datetime]],
    *,
    now: datetime,
    interval: timedelta,
    flooding: Mapping[str, int],
    flood: int,
    fewest: int = FEWEST,
) -> tuple[str, ...]:
    """The cards of one channel that do not get messages of their own.

    `queue` has the earliest deadline first, each with the time by which it has to be up. The first of them goes
    up next, so it is late only after that time, and then only a queue message that is up already helps it
    (`fewest` is 1): a new one would take its turn. Fewer late cards than `fewest` stay in the queue.
    """
    waiting = Counter(card.agent_id for card, _ in queue)
    room = {agent: flood - (open_now - waiting[agent]) for agent, open_now in flooding.items()}
    late, flooded, kept = [], [], 0
    for card, by in queue:
        if card.agent_id in room and room[card.agent_id] <= 0:
            flooded.append(card.card_id)
            continue
        if (now + interval * (kept + 1) if kept else now) > by and (kept or fewest == 1):
            late.append(card.card_id)
            continue
        kept += 1
        if card.agent_id in room:
            room[card.agent_id] -= 1
    return (*flooded, *(late if len(late) + len(flooded) >= fewest else ()))


def latest(card: Waiting, met: datetime) -> datetime:
    """When a card has to be up: after a tenth of its window or, if Nod found it later, of what was left.

    The second applies to cards that come late by nature: in a channel that a step added, or reposted.
    """
    by = card.first_seen + (card.deadline - card.first_seen) * LATEST
    return by if by > met else met + (card.deadline - met) * LATEST


def fingerprint(card: QueueCard) -> str:
    """A fingerprint of the text of a queue message."""
    if card.earliest is None:
        return EMPTY
    said = repr((card.count, card.first, card.flooding))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_from_before(digest: QueueMessage) -> bool:
    """Whether a request joined it since. If one only replaced another, the same text is sent again."""
    return bool(digest.joined_at and digest.shown_at and digest.joined_at > digest.shown_at)


def _again(digest: QueueMessage) -> datetime | None:
    """No update before this moment."""
    if digest.next_try is not None or digest.shown_at is None:
        return digest.next_try
    return digest.shown_at + (JOINED_EVERY if _is_from_before(digest) else REDRAWN_EVERY)


def _key(agent: str) -> str:
    """The subject of the alert; an agent's name can have any length."""
    return f"agent:{name_of(agent)}"
