"""The Connector as the rest of this package calls it: paced, with the errors of the core.

Statuses: msteams-docs, "Status codes from bot conversational APIs", and rate-limit (412, 502 and 504 are to be
tried again, like 429, after a wait that grows, with jitter).

bots/how-to/rate-limit: per bot and thread 7 messages a second, 8 in two, 60 in 30, 1,800 an hour.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Protocol

from adapters.chat.errors import AppRefused, Throttled, TooLarge
from adapters.chat.labels import A_BUG
from adapters.chat.pacing import Cooldown, RateLimiter, Windows
from adapters.teams.conversations import threaded
from bot.errors import Forbidden, Gone, NodError, Unanswered, Unavailable
from bot.surface import ConversationRef

WINDOWS: Windows = ((7, 1.0), (8, 2.0), (60, 30.0), (1_800, 3_600.0))
#: Seconds by which each is taken longer: on their way messages come closer together.
MARGIN = 0.1
#: Seconds between two new messages that can go on for ever: 60 in 30, and 1,800 in 3,600.
INTERVAL = 0.5
#: Seconds that a message waits here for its turn, which lets the shortest window pass. What would wait longer
#: is put off: a waiting message holds a place that cards of other conversations, and of Slack, need.
PATIENCE = 1.2
#: A wait is longer by up to this share of itself.
JITTER = 0.25

#: What an operator does about a refusal that waiting does not fix.
REMEDIES: Mapping[int, str] = {
    400: A_BUG,
    401: "Set MicrosoftAppId and MicrosoftAppPassword to the values in the bot's app registration",
    403: "Add the app to the conversation, or ask the person to unblock it",
    404: "Choose a conversation that has the app",
    413: A_BUG,
}


def turns_of(monotonic: Callable[[], float], *, windows: Windows = WINDOWS) -> RateLimiter:
    """Messages within Teams' windows for a conversation. One counts from when it has reached Teams for sure."""
    return RateLimiter(
        monotonic=monotonic, windows=windows, margin=MARGIN, patience=PATIENCE, until_answered=True
    )


def cooldown_of(monotonic: Callable[[], float]) -> Cooldown:
    """Which conversation may not be spoken in yet, because Teams said so."""
    return Cooldown(chat="Teams", monotonic=monotonic, jitter=JITTER)


class Unreadable(Exception):
    """The SDK could not read what came or write what we gave; only its class is told."""


def meaning(status: int, what: str, *, posts: bool, asked: str | None) -> NodError | None:
    """The error that a status means; None for a success. With `posts`, a 5xx means that it may have happened.

    403 and 404 of a post are final for the place; 404 of anything else is about what was addressed.
    """
    if 200 <= status < 300:
        return None
    said = f"Teams answered {what} with HTTP {status}"
    if status in (412, 429):
        return Throttled(said, asked=asked)
    if status >= 500 or status == 408:
        return (Unanswered if posts else Unavailable)(said, retry_after=None)
    if status == 404 and not posts:
        return Gone(said)
    remedy = REMEDIES.get(status, "Look up this status in the Bot Connector's documentation")
    return _FINAL.get(status, Forbidden)(f"{said}. {remedy}")


_FINAL: Mapping[int, type[Forbidden]] = {401: AppRefused, 413: TooLarge}


@contextmanager
def translated(what: str, *, posts: bool = False) -> Iterator[None]:
    """Around one call of the Connector. With `posts`, an answer that got lost means that it may have happened.

    Raises:
        Unavailable: too fast (`Throttled`), Teams in trouble, no connection.
        Unanswered: a post may be up.
        Gone: what was addressed is not there any more.
        Forbidden: every other refusal; `TooLarge` when only the size is wrong.
    """
    try:
        yield
    except Unanswered as error:
        lost = Unanswered if posts else Unavailable
        raise lost(f"{what}: {error}", retry_after=error.retry_after) from error
    except Unreadable as error:
        raise (Unanswered if posts else Unavailable)(f"Teams' answer to {what} could not be read") from error


#: Pages of one roster; with 200 to a page more people than may see a card.
PAGES = 50


class Wire(Protocol):
    """The calls of `adapters.teams.sdk.Connector`, so that nothing else imports the SDK."""

    async def send(
        self, service_url: str, conversation: str, message: Mapping[str, Any], *, bot: str
    ) -> str: ...

    async def update(
        self, service_url: str, conversation: str, ref: str, message: Mapping[str, Any], *, bot: str
    ) -> None: ...

    async def open_personal(self, service_url: str, *, bot: str, user: str, tenant: str) -> str: ...

    async def members(
        self, service_url: str, conversation: str, *, after: str | None = None
    ) -> tuple[list[Any], str | None]: ...

    async def member(self, service_url: str, conversation: str, user: str) -> Any: ...

    async def channels(self, service_url: str, team: str) -> list[Any]: ...


class TeamsApi:
    """One bot's calls. Every method raises Unavailable (`Unanswered`), Gone or Forbidden."""

    def __init__(self, *, wire: Wire, turns: RateLimiter, cooling: Cooldown) -> None:
        """The wire must repeat nothing by itself: the store knows what is still to send, and repeats it."""
        self._wire, self._turns, self._cooling = wire, turns, cooling

    async def post(
        self, ref: ConversationRef, message: Mapping[str, Any], *, before: datetime, thread: str | None = None
    ) -> str:
        """A new message, in turn; in a channel's thread where one is named. Unanswered when it may be up."""
        where = threaded(ref, thread) if thread else ref.id
        async with self._spoken(ref, "a message", posts=True, before=before):
            return await self._wire.send(ref.service_url, where, message, bot=ref.bot_id)

    async def change(
        self, ref: ConversationRef, message_id: str, message: Mapping[str, Any], *, before: datetime
    ) -> None:
        """Another message in place of the one that is there, in turn. Raises Gone when none is."""
        async with self._spoken(ref, "an update", posts=False, before=before):
            await self._wire.update(ref.service_url, ref.id, message_id, message, bot=ref.bot_id)

    async def open_personal(self, near: ConversationRef, *, bot: str, user: str) -> str:
        """The id of the personal chat with a person of `near`'s tenant. A second call opens no second chat."""
        with translated("opening a conversation"):
            return await self._wire.open_personal(near.service_url, bot=bot, user=user, tenant=near.tenant)

    async def roster(self, ref: ConversationRef) -> list[Any]:
        """The members of a conversation, as they came."""
        found: list[Any] = []
        after: str | None = None
        with translated("a roster"):
            for _ in range(PAGES):
                page, after = await self._wire.members(ref.service_url, ref.id, after=after)
                found += page
                if after is None:
                    break
        return found

    async def meet(self, ref: ConversationRef) -> None:
        """Prove that the bot is taken there, by one page of the roster: that of thousands takes seconds."""
        with translated("a roster"):
            await self._wire.members(ref.service_url, ref.id)

    async def member(self, ref: ConversationRef, user: str) -> Any:
        """One member, by `29:` id or Entra object id, as it came. Raises Gone if that is no member."""
        with translated("a member"):
            return await self._wire.member(ref.service_url, ref.id, user)

    async def channels(self, ref: ConversationRef, team: str) -> list[Any]:
        """A team's channels, as they came."""
        with translated("the list of channels"):
            return await self._wire.channels(ref.service_url, team)

    @asynccontextmanager
    async def _spoken(
        self, ref: ConversationRef, what: str, *, posts: bool, before: datetime
    ) -> AsyncIterator[None]:
        self._cooling.check(ref.id)
        async with self._turns.turn(ref.id, before=before):
            with self._cooling.around(ref.id), translated(what, posts=posts):
                yield
