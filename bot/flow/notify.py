"""Sends pending notifications, once, in a card's thread or to one person; delayed ones are combined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.approval import Outcome, Stage
from bot.errors import Forbidden, Gone, Unavailable
from bot.flow import BATCH
from bot.flow.chat_step import ChatStep, StepDeps, card_link, not_delivered
from bot.flow.missed_requests import MissedRequests
from bot.notifications import is_told_by_card, notification_for
from bot.ports import Chat
from bot.records import DueNotice, Lane, NotificationKind, OutboxItem
from bot.retry import NOTIFICATION_REFUSED, chat_wait
from bot.surface import Destination, Surface

#: More threads of one channel than this do not get single messages: one message in the channel says it.
CROWD = 5
#: The mark of such a message begins with this, so that a later check looks for it in the right place.
MANY = "many."
#: Notifications that one message covers.
MOST_TOGETHER = 500
#: If more is due than one round takes, it reads so many places whole.
LANES = 8
#: A card or a queue message is reposted this many times because its thread is gone. After that the notification
#: of an outcome is dropped, and one of a pending request stays queued until the end.
GONE_TRIES = 5
#: If a card does not show the outcome for this long, a message below it says so; otherwise none is needed.
SHOWN_WITHIN, ON_CARD = timedelta(seconds=60), "the card shows the outcome"
#: An outcome is no longer news after this long.
STALE_AFTER = timedelta(hours=1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a notification goes: into a thread, or to a person."""

    surface: Surface
    channel: str | None = None
    thread: str | None = None
    person: str | None = None
    thread_of_many: bool = False  #: notifications of several requests are combined there

    @property
    def lane(self) -> tuple[Surface, str | None, str | None]:
        """What takes one message at a time."""
        return self.surface, self.channel, self.person


class Notify(ChatStep):
    """Sends pending notifications. Nothing else in the flow posts text in a thread or channel."""

    def __init__(self, deps: StepDeps, *, missed: MissedRequests) -> None:
        super().__init__(deps)
        self._missed = missed

    async def round(self) -> datetime | None:
        self._pool.look()
        now = self._clock()
        useless: defaultdict[str, list[DueNotice]] = defaultdict(list)
        on_card: list[DueNotice] = []
        together: dict[tuple[_Place, str | None, str | None], list[DueNotice]] = {}
        due = await self._due(now)
        crowded = _crowded(due)
        for item in due:
            if why := self._too_late(item, now=now):
                useless[why].append(item)
            elif (until := self._shows_until(item)) and until > now:
                on_card.append(item)
            elif (place := self._place(item, crowded)) is not None:
                together.setdefault((place, item.notice.sent_as, _alone(item, place)), []).append(item)
        for why, items in useless.items():
            self._pool.take(("drop", why), items[0].approval.id, self._drop, items, why)
        await self._leave_to_card(on_card)
        for (place, _, _), items in together.items():
            # One at a time for each channel and person: a busy channel does not hold the places of the others.
            first = items[:MOST_TOGETHER]
            self._pool.take(("say", place.lane), first[0].approval.id, self._say, first, place)
        return await self._store.outbox.next_due(after=now)

    async def _due(self, now: datetime) -> Sequence[DueNotice]:
        """The most urgent ones. If there are more, all of a few places: what is combined is read together."""
        outbox, news_since = self._store.outbox, now - STALE_AFTER
        due = await outbox.due(now, surfaces=self._chats, news_since=news_since, most=BATCH)
        if len(due) == BATCH:
            lanes = list(dict.fromkeys(one.lane for one in due))
            free = [lane for lane in lanes if ("say", _lane_of(lane)) not in self._pool.busy]
            due = await outbox.due(
                now,
                surfaces=self._chats,
                news_since=news_since,
                most=MOST_TOGETHER,
                lanes=free[:LANES] or lanes[:1],
            )
        # Pending requests go first.
        return sorted(due, key=lambda one: one.notice.news is NotificationKind.OUTCOME)

    async def _leave_to_card(self, items: Sequence[DueNotice]) -> None:
        """The card shows these outcomes, or will in a moment."""
        shown = [
            one for one in items if one.placement and one.placement.shown_revision >= one.approval.revision
        ]
        if shown:
            self._pool.take(ON_CARD, shown[0].approval.id, self._drop, shown, ON_CARD)
        waiting = defaultdict[datetime, list[OutboxItem]](list)
        for one in items:
            if one not in shown:
                waiting[one.notice.owed_since + SHOWN_WITHIN].append(one.notice)
        for until, notices in waiting.items():
            await self._store.outbox.hold(notices, until=until)

    async def _say(self, items: list[DueNotice], place: _Place) -> None:
        notices, now = [one.notice for one in items], self._clock()
        in_channel = place.channel is not None and place.thread is None
        new = f"{MANY}{notices[0].mark}" if in_channel else notices[0].mark
        chat, mark = self._chats[place.surface], notices[0].sent_as or new
        link = (
            await card_link(items[0].approval.id, {place.surface: chat}, self._store) if place.person else None
        )
        text = notification_for(
            [(one.notice, one.approval) for one in items], mark=mark, policy=self._policy(), now=now, link=link
        )
        try:
            channel = place.channel or await self._room(place, chat)
            if not await self._store.outbox.attempt(notices, sent_as=mark, at=now):
                return  # a later step replaced one of them: the next round finds that one
            since, ref = notices[0].attempted_at, None
            if since:  # an earlier try may have posted it, with its answer lost
                ref = await chat.find(mark, channel, since=since, thread=place.thread)
            ref = ref or await chat.say(text, channel, thread=place.thread)
        except (Unavailable, Gone, Forbidden) as error:
            await self._put_off(items, place, error)
        else:
            await self._store.outbox.sent(notices, channel=channel, ref=ref, at=self._clock())
            log.info("notice_said", news=notices[0].news.value, together=len(notices))
            self._metrics.count("notice_said")

    async def _room(self, place: _Place, chat: Chat) -> str:
        person = self._policy().people.get(place.person or "")
        account = person.accounts.get(place.surface) if person else None
        if account is None:
            raise Unavailable(
                "Nod does not know now where to reach the person", retry_after=NOTIFICATION_REFUSED.first
            )
        return await chat.dm_channel(account)

    def _shows_until(self, item: DueNotice) -> datetime | None:
        """Until when the card alone shows the outcome; None if a message has to say it as well."""
        notice, placement = item.notice, item.placement
        if (
            notice.news is not NotificationKind.OUTCOME
            or placement is None
            or placement.gathered
            or notice.attempted_at
        ):
            return None
        told = is_told_by_card(item.approval, policy=self._policy())
        return notice.owed_since + SHOWN_WITHIN if told else None

    def _place(self, item: DueNotice, crowded: Set[tuple[NotificationKind, Destination]]) -> _Place | None:
        notice, placement = item.notice, item.placement
        if notice.person:
            return _Place(surface=notice.surface, person=notice.person)
        ref = item.digest_ref or (placement.ref if placement else None)
        if placement is None or ref is None:
            return None
        where, on_digest = placement.destination, item.digest_ref is not None
        begun_together = notice.sent_as is not None and notice.sent_as.startswith(MANY)
        if not on_digest and (begun_together or (notice.sent_as is None and (notice.news, where) in crowded)):
            return _Place(surface=notice.surface, channel=where.channel, thread_of_many=True)
        return _Place(surface=notice.surface, channel=where.channel, thread=ref, thread_of_many=on_digest)

    def _too_late(self, item: DueNotice, *, now: datetime) -> str | None:
        """Why it is no longer useful; None while it is."""
        notice, approval, placement = item.notice, item.approval, item.placement
        if notice.surface not in self._chats:
            return "the chat is not set up"
        if notice.news is NotificationKind.OUTCOME:
            return "the outcome is too old to report" if now - notice.owed_since >= STALE_AFTER else None
        if approval.stage is not Stage.OPEN:
            over = approval.outcome is Outcome.TIMEOUT_SKIP
            return "it expired" if over else "it was answered before"
        if placement is not None and placement.superseded:
            return "the call changed"
        if notice.news is NotificationKind.LAST_CALL and notice.person not in {
            claim.person for claim in approval.claims
        }:
            return "the claim is void"
        return None

    async def _put_off(
        self, items: list[DueNotice], place: _Place, error: Unavailable | Gone | Forbidden
    ) -> None:
        """Try later: what a chat refuses now it may accept then (the bot is invited back, a proxy repaired).

        It is retried until the request ends, or until it is no longer news.
        """
        notices = [one.notice for one in items]
        tries = notices[0].tries
        if isinstance(error, Gone) and tries < GONE_TRIES:
            await self._post_anew(items, place)
        elif isinstance(error, Gone) and notices[0].news is NotificationKind.OUTCOME:
            await self._drop(items, "the card is gone")
            return
        wait = chat_wait(error, tries=tries, refused=NOTIFICATION_REFUSED)
        begun = not not_delivered(error, before=notices[0].attempted_at)
        await self._store.outbox.postpone(notices, next_try=self._clock() + wait, begun=begun)
        seconds = wait.total_seconds()
        log.warning("notice_put_off", news=notices[0].news.value, wait=seconds, reason=str(error))
        self._metrics.count("notice_put_off")

    async def _post_anew(self, items: list[DueNotice], place: _Place) -> None:
        """The card or the queue message was deleted; pending requests need one that people can see."""
        digests = set[str]()
        for one in items:
            placement = one.placement
            if one.approval.stage is not Stage.OPEN or placement is None:
                continue
            if one.digest_id and one.digest_ref == place.thread:
                digests.add(one.digest_id)
            elif placement.ref == place.thread and not placement.gathered:
                await self._store.placements.lost(placement.card_id)
        for digest_id in digests:
            await self._store.queue_messages.lost(digest_id)

    async def _drop(self, items: Sequence[DueNotice], why: str) -> None:
        notices, now = [one.notice for one in items], self._clock()
        for one in items:
            # A card that never went up is handled by the step that shows cards.
            placement = one.placement
            had_place = placement is None or placement.ref is not None or placement.gathered
            if one.notice.news is NotificationKind.RUNG and had_place:
                # The alert goes first: once the notification is dropped, nothing would come back here after a
                # crash.
                await self._missed.unsent(one.approval, tried=one.notice.tries > 0, at=now)
        await self._store.outbox.drop(notices, why=why, at=now)
        log.info("notice_dropped", news=notices[0].news.value, why=why)
        self._metrics.count("notice_dropped")


def _lane_of(lane: Lane) -> tuple[Surface, str | None, str | None]:
    surface, person, channel = lane
    return surface, channel or None, person or None


def _alone(item: DueNotice, place: _Place) -> str:
    """What may be combined there has the same word."""
    notice = item.notice
    many = notice.news is NotificationKind.RUNG or (
        place.thread_of_many and notice.news is NotificationKind.OUTCOME
    )
    return notice.news.value if many else notice.mark


def _crowded(due: Sequence[DueNotice]) -> Set[tuple[NotificationKind, Destination]]:
    """Channels in which too many threads wait for the same kind of message to read them one by one.

    What was begun in a thread is finished there: a later check looks for it there by its mark.
    """
    threads: defaultdict[tuple[NotificationKind, Destination], set[str]] = defaultdict(set)
    for one in due:
        placement, notice = one.placement, one.notice
        if placement is not None and placement.ref and not placement.gathered and notice.sent_as is None:
            threads[notice.news, placement.destination].add(placement.card_id)
    return {where for where, cards in threads.items() if len(cards) > CROWD}
