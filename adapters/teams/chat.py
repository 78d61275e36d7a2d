"""Teams as a chat of the core: put cards up, change them, speak in threads; and what is not right there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog

from adapters.chat.errors import AppRefused, TooLarge
from adapters.chat.pacing import AT_ONCE, LAST
from adapters.teams.api import INTERVAL, TeamsApi
from adapters.teams.conversations import Identity, account_of, ref_of, split_account
from adapters.teams.elements import Content, Mentioned, spoken
from adapters.teams.notices import notice_content_of, page_content_of, page_summary
from adapters.teams.places import Places
from adapters.teams.posted import PostedMessages
from adapters.teams.render import RenderContext, content_of, digest_content_of, smallest_of
from adapters.teams.replies import Replies
from adapters.teams.rosters import Rosters, watchers_of
from bot.card import Card, Notification, QueueCard
from bot.errors import ConfigError, Forbidden, Gone, Unavailable
from bot.records import Alert
from bot.surface import ConversationRef, Destination, Scope, Surface
from bot.wording import Saying

ADD = "Add the app to that team, chat or person, and check the id (in Teams: Get link to channel)"


async def problems_of(
    api: TeamsApi, places: Places, destinations: Sequence[Destination]
) -> tuple[ConfigError, ...]:
    """Each problem as where, what and how to fix it. Raises Unavailable when Teams cannot be asked."""
    wanted = [place.channel for place in dict.fromkeys(destinations) if place.surface == Surface.TEAMS]
    try:
        found = [(channel, await _problem_in(api, places, channel)) for channel in wanted]
    except AppRefused as error:
        return (ConfigError("MicrosoftAppId", "is refused", str(error)),)
    return tuple(ConfigError(f"teams:{channel}", what, ADD) for channel, what in found if what)


async def troubles_in(api: TeamsApi, places: Places, channels: Sequence[str]) -> Mapping[str, str]:
    """What keeps cards from standing in these conversations; under "" why the bot itself is refused.

    The bot is asked about even without any, or with none that is known. Raises Unavailable only.
    """
    try:
        await _self_check(api, places)
        asked = tuple(dict.fromkeys(channels))
        found = await asyncio.gather(*(_problem_in(api, places, channel) for channel in asked))
    except AppRefused as error:
        return {"": str(error)}
    return {channel: what for channel, what in zip(asked, found, strict=True) if what}


async def _self_check(api: TeamsApi, places: Places) -> None:
    """Raises AppRefused. Teams answers about conversations only; the roster of a personal one is short."""
    for known in sorted(places.every(), key=lambda ref: ref.scope is not Scope.PERSONAL)[:1]:
        try:
            await api.meet(known)
        except AppRefused:
            raise
        except (Forbidden, Gone):
            pass  # that conversation's own trouble


async def _problem_in(api: TeamsApi, places: Places, channel: str) -> str | None:
    try:
        await api.meet(places.resolve(channel))
    except AppRefused:
        raise
    except (Forbidden, Gone) as error:
        return f"Nod cannot post there yet: {error}"
    return None


#: After what is said at once, and before every card: one digest replaces many of them.
SOON = AT_ONCE + timedelta(seconds=1)

#: Where a link to a message begins (msteams-docs, deep-link-teams).
LINKS = "https://teams.microsoft.com/l/message"

log = structlog.get_logger(__name__)


class TeamsChat:
    """Implements `bot.ports.Chat`; a ref is `ref_of` a message, a channel a conversation's id or name."""

    def __init__(
        self,
        *,
        api: TeamsApi,
        places: Places,
        rosters: Rosters,
        posted: PostedMessages,
        replies: Replies,
        identity: Identity,
        open_door: bool,
    ) -> None:
        """With `open_door` every card says that nobody is authenticated."""
        self._api, self._places, self._rosters = api, places, rosters
        self._replies = replies
        self._posted, self._identity, self._open_door = posted, identity, open_door

    @property
    def surface(self) -> Surface:
        """Teams."""
        return Surface.TEAMS

    @property
    def interval(self) -> timedelta:
        """Half a second, which can go on for ever (msteams-docs, bots/how-to/rate-limit)."""
        return timedelta(seconds=INTERVAL)

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        """Put a new card up; notices go first, then digests, then the card with the earliest deadline."""
        place = self._places.resolve(channel)
        context = await self._context_for(card, place, channel)
        before = SOON if isinstance(card, QueueCard) else card.deadline
        try:
            made = await self._api.post(place, _message(card, context), before=before)
        except TooLarge:
            made = await self._api.post(place, _message(card, context, smallest=True), before=before)
        self._posted.put(place.id, made, channel=channel, card=card)
        return ref_of(place.id, made)

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        """Make the message show this card, to everybody: views that single people had of it are over.

        A person who just pressed one of its buttons gets their answer first.
        """
        place, message_id = self._places.of_ref(ref, channel)
        await self._replies.ahead(place.id, message_id)
        context = await self._context_for(card, place, channel)
        before = SOON if isinstance(card, QueueCard) else card.deadline
        try:
            await self._api.change(place, message_id, _message(card, context), before=before)
        except TooLarge:
            await self._api.change(place, message_id, _message(card, context, smallest=True), before=before)
        self._posted.put(place.id, message_id, channel=channel, card=card)

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        """The ref of our message with this mark, where a person's client has fetched it since then.

        Teams gives a bot no history, so there is nothing to search: as a rule this is None, and the card is put
        up a second time. Both resolve to one request. The first look at the lost one shows where it is. A
        person who presses the duplicate is told that it is one; the message itself is left alone, because
        nothing proves what it shows (`adapters.teams.clicks`).
        """
        return self._posted.found(mark, channel, since=since)

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        """Say it in a card's thread, where the place has threads, or without one; returns the ref."""
        place = self._places.of_ref(thread, channel)[0] if thread else self._places.resolve(channel)
        mentioned = await self._mentioned(notice.mentions, place)
        content = notice_content_of(notice, mentioned)
        names = " ".join(f"@{one.name}" for one in mentioned)
        summary: Saying = (f"{names} ", *notice.text) if names else notice.text
        before = LAST if notice.spare else AT_ONCE
        ref = await self.put(content, summary, channel, before=before, thread=thread)
        self._posted.seen(notice.mark, channel, ref)
        return ref

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        """In a turn that no card wants."""
        message = {"summary": spoken(notice.text), "content": notice_content_of(notice, ())}
        place, message_id = self._places.of_ref(ref, channel)
        await self._api.change(place, message_id, message, before=LAST)

    async def put(
        self, content: Content, summary: Saying, channel: str, *, before: datetime, thread: str | None = None
    ) -> str:
        """Post any message of ours; returns the ref."""
        place, root = self._places.of_ref(thread, channel) if thread else (self._places.resolve(channel), None)
        message = {"summary": spoken(summary), "content": content}
        made = await self._api.post(place, message, before=before, thread=root)
        self._posted.words(place.id, made, channel=channel)
        return ref_of(place.id, made)

    async def put_alert(self, alert: Alert, channel: str, *, mark: str) -> str:
        """Post an alert; returns its ref."""
        return await self.put(page_content_of(alert), page_summary(alert), channel, before=AT_ONCE)

    async def change_alert(self, alert: Alert, channel: str, ref: str, *, mark: str) -> None:
        """Bring an alert's message up to date."""
        message = {"summary": spoken(page_summary(alert)), "content": page_content_of(alert)}
        place, message_id = self._places.of_ref(ref, channel)
        await self._api.change(place, message_id, message, before=AT_ONCE)

    async def dm_channel(self, account: str) -> str:
        """The id of the personal chat with this person, opened where it is not yet.

        Raises Unavailable, Gone or Forbidden (no known conversation of their tenant, or they blocked the bot).
        """
        known = await self._places.of_person_kept(account)
        if known is not None:
            return known.id
        tenant, aad = split_account(account)
        near = next((ref for ref in self._places.every() if tenant in (None, ref.tenant)), None)
        if near is None:
            raise Forbidden(
                "Nod is not in any conversation of this tenant yet. Add the app to a team or chat first"
            )
        member = self._rosters.person(account_of(near.tenant, aad))
        user = member.user if member else aad
        bot = near.bot_id or self._identity.bot_id
        room = ConversationRef(
            tenant=near.tenant,
            service_url=near.service_url,
            id=await self._api.open_personal(near, bot=bot, user=user),
            scope=Scope.PERSONAL,
            bot_id=bot,
            person=aad,
            user=member.user if member else None,
        )
        await self._places.remember(room)
        return room.id

    def link(self, channel: str, ref: str) -> str | None:
        """An address that opens this message; None where the conversation is not known."""
        try:
            place, message_id = self._places.of_ref(ref, channel)
        except (Forbidden, Unavailable):
            return None
        base = f"{LINKS}/{quote(place.id, safe='')}/{quote(message_id, safe='')}"
        if place.scope is not Scope.TEAM:
            return f"{base}?context=" + quote('{"contextType":"chat"}', safe="")
        group = f"&groupId={quote(place.team, safe='')}" if place.team else ""
        thread = f"{group}&parentMessageId={quote(message_id, safe='')}"
        return f"{base}?tenantId={quote(place.tenant, safe='')}{thread}"

    async def is_missing(self, channel: str, ref: str) -> bool:
        """False: Teams shows a bot no message, not even its own, without Graph."""
        return False

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        """What keeps cards from standing there, by channel; under "" why Entra refuses the bot.

        Raises Unavailable only: then nothing can be told.
        """
        return await troubles_in(self._api, self._places, channels)

    async def context_of(self, place: ConversationRef, channel: str) -> RenderContext:
        """Where a card is, and which people there get a separate view of it."""
        members = await self._rosters.soon(place)
        watchers = watchers_of(members, self._identity.tenants)
        return RenderContext(channel=channel, watchers=watchers, open_door=self._open_door)

    async def _context_for(self, card: Card | QueueCard, place: ConversationRef, channel: str) -> RenderContext:
        context = await self.context_of(place, channel)
        accounts = card.mentions if isinstance(card, Card) else ()
        return replace(context, mentioned=tuple(await self._mentioned(accounts, place)))

    async def _mentioned(self, accounts: Sequence[str], place: ConversationRef) -> list[Mentioned]:
        """The people that a notice pings, by name, without those who are not there: Teams would refuse it."""
        if not accounts:
            return []
        await self.context_of(place, "")
        there = {member.account: member for member in self._rosters.now(place) or ()}
        absent = [account for account in dict.fromkeys(accounts) if account not in there]
        if absent:
            log.warning("pinged_not_there", conversation=place.id, accounts=absent)
        return [
            Mentioned(id=there[account].user, name=there[account].name)
            for account in dict.fromkeys(accounts)
            if account in there
        ]


def _message(card: Card | QueueCard, context: RenderContext, *, smallest: bool = False) -> dict[str, Any]:
    if isinstance(card, QueueCard):
        content = digest_content_of(card, context)
    else:
        content = smallest_of(card, context) if smallest else content_of(card, context)
    return {"summary": spoken(card.notification), "content": content}
