"""What Teams is told after the answer: a word in a personal chat, a card that was shown twice. None of it
decides.

A client without Action.Execute shows no answer to a press, so what it would have shown goes to the person's own
chat with the bot; pressed there, it counts for the card that it was opened from.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from adapters.chat.background import BackgroundTasks
from adapters.chat.pacing import AT_ONCE
from adapters.teams.api import TeamsApi
from adapters.teams.chat import TeamsChat
from adapters.teams.conversations import THREAD, base_of, ref_of, split_ref
from adapters.teams.elements import Content, content, spoken, words
from adapters.teams.modals import PRESS_AGAIN
from adapters.teams.notices import place_lines, told_content
from adapters.teams.payloads import Arrived, Press
from adapters.teams.places import Places
from adapters.teams.posted import PostedMessage, PostedMessages
from adapters.teams.render import NO_CARD
from bot.surface import ConversationRef, Scope

TWICE = "This card was posted twice after an outage. Decide on the other one: both are for the same request."
FOR_YOU = "Nod has an answer for you"

WELCOME, HELP_TITLE = "Nod is here", "Nod posts approval requests here"
#: Seconds between two answers to `help` in one conversation: they must not take the turns of cards.
HELPS_EVERY = 10.0
#: Seconds in which Teams has told all of an arrival: the name of a chat comes with the second event.
TOLD_WITHIN = 1.0
#: Behind every card that waits.
LAST = datetime.max.replace(tzinfo=UTC)

log = structlog.get_logger(__name__)


class FollowUps:
    """Each call begins an errand and returns at once; what goes wrong costs the person another press."""

    def __init__(
        self,
        *,
        api: TeamsApi,
        chat: TeamsChat,
        places: Places,
        posted: PostedMessages,
        background: BackgroundTasks,
        seconds: Callable[[], float] = time.monotonic,
        told_within: float = TOLD_WITHIN,
    ) -> None:
        """`seconds` is a clock that never goes back."""
        self._told_within = told_within
        self._api, self._chat, self._places = api, chat, places
        self._posted, self._background, self._seconds = posted, background, seconds
        self._helped: dict[str, float] = {}  #: where help was given, and when

    def tell(self, press: Press, shown: Content) -> None:
        """Send it to the person alone."""
        self._background.repeat(lambda: self._tell(press, shown), name="whisper")

    def press_again(self, account: str) -> None:
        """Tell a person in their personal chat that their press got no answer: it failed, or takes too long."""
        self._background.repeat(lambda: self._press_again(account), name="press_again")

    def welcome(self, ref: ConversationRef) -> None:
        """Say in a team or chat that the app came to how nod.yaml names it."""
        self._background.repeat(lambda: self._welcomed(ref), name="welcome")

    def help(self, arrived: Arrived) -> None:
        """Answer `help` where it was asked, once in a while."""
        now, place = self._seconds(), base_of(arrived.conversation)
        self._helped = {each: at for each, at in self._helped.items() if now - at < HELPS_EVERY}
        if place not in self._helped:
            self._helped[place] = now
            self._background.repeat(lambda: self._help(arrived), name="help")

    def mark_duplicate(self, press: Press) -> None:
        """Say on the message itself that it is not the one that counts: it is known to show that card."""
        self._background.send(self._mark(press), name="mark_duplicate")

    async def _tell(self, press: Press, shown: Content) -> None:
        room = await self._chat.dm_channel(press.account)
        ref = await self._chat.put(shown, (FOR_YOU,), room, before=datetime.now(UTC))
        of = self._posted.at(press.conversation, press.ref)
        if of is None:
            named = self._places.named_by(press.data.channel, press.conversation)
            channel = press.data.channel if named else press.conversation
            of = PostedMessage(channel=channel, ref=ref_of(press.conversation, press.ref), card=None)
        self._posted.elsewhere(room, split_ref(ref)[1], of)

    async def _press_again(self, account: str) -> None:
        room = await self._chat.dm_channel(account)
        said = content([words(PRESS_AGAIN)], fallbackText=NO_CARD)
        await self._chat.put(said, (PRESS_AGAIN,), room, before=datetime.now(UTC))

    async def _welcomed(self, ref: ConversationRef) -> None:
        await asyncio.sleep(self._told_within)
        known = self._places.known(ref.id)  # by its name now
        if known is not None:
            await self._say_where(known, WELCOME, every=True)

    async def _help(self, arrived: Arrived) -> None:
        ref = self._places.known(arrived.conversation)
        if ref is not None:
            root = arrived.conversation.partition(THREAD)[2] or None
            await self._say_where(ref, HELP_TITLE, thread=root)

    async def _say_where(
        self, ref: ConversationRef, title: str, *, every: bool = False, thread: str | None = None
    ) -> None:
        places = self._places.of_team(ref) if every and ref.scope is Scope.TEAM else (ref,)
        lines = place_lines(ref, [self._places.called(one) for one in places])
        message = {"summary": spoken((f"{title}. {lines[0]}",)), "content": told_content(title, lines)}
        await self._api.post(ref, message, before=LAST, thread=thread)  # cards go first

    async def _mark(self, press: Press) -> None:
        place = self._places.known(press.conversation)
        if place is None:
            return
        message: dict[str, Any] = {
            "summary": spoken((TWICE,)),
            "content": content([words(TWICE)], fallbackText=NO_CARD),
        }
        await self._api.change(place, press.ref, message, before=AT_ONCE)
        self._posted.drop(press.conversation, press.ref)
        log.info("duplicate_marked", conversation=place.id)
