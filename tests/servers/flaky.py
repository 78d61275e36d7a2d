"""Flaky chats and a flaky platform for the bot on a fake clock, and processes that end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from bot.card import Card, Notification, QueueCard
from bot.errors import Forbidden, Gone, Unanswered, Unavailable
from bot.ladder import parse_time
from bot.ports import Listing
from bot.protocol import HITLRequest, HITLResponse
from bot.surface import Surface
from tests.fakes import FakePlatform
from tests.servers.fake_clock_bot import BEGIN, Clock, Outside, PaperChat, PaperPager

T = TypeVar("T")

#: A look at the platform takes this long.
TAKES = timedelta(milliseconds=20)


class ProcessEnds(BaseException):
    """A kill -9 at this very point: nothing of the flow may catch it."""


class Mishap(StrEnum):
    """What goes wrong with one call."""

    BUSY = "busy"  #: 429, with a wait
    DOWN = "down"  #: nothing happened
    UNSENT = "unsent"  #: nothing happened, and nobody can tell
    LOST = "lost"  #: it happened, and the answer is lost
    REFUSED = "refused"
    ENDS_BEFORE = "ends_before"  #: the process ends before it happens
    ENDS_AFTER = "ends_after"  #: it happens, and the process ends before it hears of it


@dataclass
class Flakiness:
    """What goes wrong with the next calls of one part of the world, one each."""

    mishaps: list[Mishap] = field(default_factory=list)
    #: Done in the middle of the next call that goes well: it happened, and its answer is still on the way.
    meanwhile: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def through(self, call: Coroutine[Any, Any, T]) -> T:
        """The call, with what goes wrong."""
        await asyncio.sleep(0)
        mishap = self.mishaps.pop(0) if self.mishaps else None
        before: dict[Mishap, BaseException] = {
            Mishap.BUSY: Unavailable("too fast", retry_after=7.0),
            Mishap.DOWN: Unavailable("it is down"),
            Mishap.UNSENT: Unanswered("no answer"),
            Mishap.REFUSED: Forbidden("it says no"),
            Mishap.ENDS_BEFORE: ProcessEnds(),
        }
        if mishap in before:
            call.close()
            raise before[mishap]
        result = await call
        if mishap is Mishap.LOST:
            raise Unanswered("the answer is lost")
        if mishap is Mishap.ENDS_AFTER:
            raise ProcessEnds
        while self.meanwhile:
            await self.meanwhile.pop()()
        return result


@dataclass
class FlakyChat(PaperChat):
    """Slack finds a message by its mark; Teams gives no history, so there a card can come up twice."""

    flaky: Flakiness = field(default_factory=Flakiness)
    deleted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  #: messages that it would not change

    async def post(self, card: Card | QueueCard, channel: str) -> str:
        return await self.flaky.through(super().post(card, channel))

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        if ref in self.deleted:
            raise Gone("somebody deleted it")
        try:
            await self.flaky.through(super().update(card, channel, ref))
        except Forbidden:
            self.refused.add(ref)
            raise

    async def say(self, notice: Notification, channel: str, *, thread: str | None = None) -> str:
        return await self.flaky.through(super().say(notice, channel, thread=thread))

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        await self.flaky.through(super().amend(notice, channel, ref))

    async def find(self, mark: str, channel: str, *, since: datetime, thread: str | None = None) -> str | None:
        found = await super().find(mark, channel, since=since, thread=thread)
        return None if self.surface == Surface.TEAMS or found in self.deleted else found


class FlakyPlatform(FakePlatform):
    """It takes one answer per request, as the real one does, and stops waiting at the deadline."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._clock: Clock = clock
        self.reads, self.answers = Flakiness(), Flakiness()
        self.hidden: set[str] = set()  #: wait, but are not listed
        self.effects: list[tuple[str, str, HITLResponse]] = []  #: id, digest of the call there, our answer
        self.silent = False  #: its audit does not tell

    async def pending(self, *, known: str = "") -> Listing:
        self._clock.now += TAKES  # an Approve needs a listing that began later than the click
        self._stop_waiting()
        listing = await self.reads.through(super().pending())
        listed = tuple(one for one in listing.requests if one.request_id not in self.hidden)
        return replace(listing, requests=listed)

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        self._stop_waiting()
        await self.answers.through(self._decide(request, response))

    async def word_on(self, request_id: str) -> str | None:
        return None if self.silent else self.words.get(request_id)

    async def _decide(self, request: HITLRequest, response: HITLResponse) -> None:
        there = self.waiting.get(request.request_id)
        await super().decide(request, response)
        assert there is not None
        self.effects.append((request.request_id, there.digest, response))

    def _stop_waiting(self) -> None:
        for request_id, request in list(self.waiting.items()):
            until = parse_time(request.timeout_at)
            if until is not None and until <= self._clock():
                del self.waiting[request_id]
                self.words[request_id] = "timeout"


@dataclass
class FlakyOutside(Outside):
    """The same servers, with the flaky ones by their own types."""

    platform: FlakyPlatform
    chat: FlakyChat
    teams: FlakyChat


def flaky_outside() -> FlakyOutside:
    """A world in which nothing has gone wrong yet."""
    clock = Clock(BEGIN)
    return FlakyOutside(
        clock=clock, platform=FlakyPlatform(clock=clock), chat=FlakyChat(clock),
        teams=FlakyChat(clock, surface=Surface.TEAMS), pager=PaperPager(clock),
    )  # fmt: skip
