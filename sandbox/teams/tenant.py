"""The local Teams in one object: its state, and what a person, an administrator or a forger can do in it."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from adapters.http import trusted
from sandbox.slack.changes import Changes
from sandbox.teams.activities import Writer
from sandbox.teams.api import Call
from sandbox.teams.connector import Connector
from sandbox.teams.conversations import Conversations
from sandbox.teams.delivery import ANSWER_SECONDS, Delivery, DeliveryResult
from sandbox.teams.errors import CannotDo
from sandbox.teams.events import Events
from sandbox.teams.fields import Filled
from sandbox.teams.forgery import Forger
from sandbox.teams.identity import Identity, TokenEndpoint
from sandbox.teams.keys import Key, KeyRing, new_keys
from sandbox.teams.messages import Message
from sandbox.teams.pace import Pace
from sandbox.teams.people import Bot, Place, cast, places
from sandbox.teams.tokens import Entra, Minter
from sandbox.teams.user_actions import Dialog, UserActions, Wanted


class Teams:
    """A tenant with one bot in it. Made by `open_teams`."""

    def __init__(
        self,
        *,
        bot: Bot,
        http: httpx.AsyncClient,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        limited: bool,
        answer_seconds: float,
        keys: tuple[Key, Key],
    ) -> None:
        """See `open_teams`, which closes what this needs."""
        self.bot = bot
        self.monotonic = monotonic
        self.wall = wall
        self.people = dict(cast())
        self.changes = Changes()
        self.conversations = Conversations(people=self.people, places=places(), wall=wall)
        self.pace = Pace(monotonic=monotonic, limited=limited)
        self.connector = Connector(bot=bot, conversations=self.conversations, pace=self.pace)
        self.ring = KeyRing(keys[0])
        # Making a key takes long. The forger's two are the Connector's and Entra's under other names.
        unendorsed = replace(self.ring.signing, kid="connector-webchat", endorsements=("webchat",))
        self.ring.publish(unendorsed)
        self.identity = Identity(ring=self.ring)
        self.entra = Entra(bot=bot, key=keys[1], wall=wall)
        stranger = replace(self.entra.key, kid="stranger")
        self.tokens = TokenEndpoint(entra=self.entra)
        minter = Minter(bot=bot, ring=self.ring, wall=wall)
        self.delivery = Delivery(http=http, minter=minter, answer_seconds=answer_seconds)
        self.forger = Forger(minter=minter, entra=self.entra, stranger=stranger, unendorsed=unendorsed)
        self.writer = Writer(bot=bot, service_url=lambda: self.service_url, wall=wall)
        self._user_actions = UserActions(
            people=self.people, conversations=self.conversations, delivery=self.delivery, writer=self.writer
        )
        self.events = Events(
            bot=bot,
            people=self.people,
            conversations=self.conversations,
            delivery=self.delivery,
            writer=self.writer,
            changed=self.changes.bump,
        )
        #: Where the bot reaches this Teams; set by the server.
        self.base_url = ""
        self.calls: list[Call] = []

    @property
    def request_url(self) -> str | None:
        """The bot's messaging endpoint (`/api/messages`)."""
        return self.delivery.request_url

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        self.delivery.request_url = url

    @property
    def service_url(self) -> str:
        """`serviceUrl` of every activity: the Connector's base address, with a slash as the real one has."""
        return f"{self.base_url}/teams/"

    @property
    def openid_url(self) -> str:
        """The OpenID metadata document."""
        return f"{self.base_url}/teams/openid/v1/.well-known/openidconfiguration"

    @property
    def token_url(self) -> str:
        """The token endpoint of the bot's tenant."""
        return f"{self.base_url}/teams/login/{self.bot.tenant}/oauth2/v2.0/token"

    def note(self, **call: Any) -> None:
        """Keep what the bot called, and wake the watchers when it may have changed something."""
        self.calls.append(Call(at=self.monotonic(), **call))
        if call["status"] < 300 and call["operation"] in ("create", "send", "reply", "update", "delete"):
            self.changes.bump()

    def called(self, operation: str) -> list[Call]:
        """The calls of one operation: create, send, reply, update, delete, members, member, page, channels."""
        return [call for call in self.calls if call.operation == operation]

    def messages(self, place: str) -> list[Message]:
        """All messages of a place, those in threads too, oldest first."""
        return self.conversations.messages(place)

    def cards_in(self, place: str) -> list[Message]:
        """The bot's messages with a card at the top of a place, oldest first."""
        return [m for m in self.messages(place) if m.card is not None and m.author is None and m.root is None]

    def thread_of(self, message: Message) -> list[Message]:
        """The replies in a message's thread, oldest first."""
        return [m for m in self.messages(message.place) if m.root == message.id]

    def dm_of(self, person: str) -> list[Message]:
        """The messages in the bot's personal chat with this person, oldest first."""
        return self.messages(self.personal(person).id)

    def personal(self, person: str) -> Place:
        """The personal chat of the bot with someone."""
        return self.conversations.personal(self.people[person])

    def now(self, message: Message) -> Message:
        """The current version of a message. Raises CannotDo when it was deleted."""
        for kept in self.messages(message.place):
            if kept.id == message.id:
                return kept
        raise CannotDo(f"there is no message {message.id}")

    def dialog(self, person: str) -> Dialog | None:
        """The dialog that is open in front of someone."""
        return self._user_actions.dialogs.get(person)

    async def press(
        self,
        person: str,
        message: Message,
        verb: str | None = None,
        inputs: Filled | None = None,
        *,
        title: str | None = None,
        index: int | None = None,
        version: int | None = None,
        old_client: bool = False,
    ) -> DeliveryResult:
        """A person presses a button of a card as they see it, after filling in `inputs` by id.

        The button is named by `verb`, `title` or `index` among all actions. `version` presses an earlier look
        of an updated message (0 = as first posted), what a sleeping client does; `old_client` its fallback.
        Raises CannotDo.
        """
        now = self.now(message)
        looks = (*now.history, now)
        if version is not None and version not in range(len(looks)):
            raise CannotDo(f"message {message.id} never had a version {version}")
        look = now if version is None else looks[version]
        card = look.seen_by(person)
        if card is None:
            raise CannotDo(f"message {message.id} has no card")
        result = await self._user_actions.press(
            now,
            person=person,
            wanted=Wanted(verb=verb, title=title, index=index),
            filled=inputs or {},
            old_client=old_client,
            card=card,
        )
        self.changes.bump()
        return result

    async def refresh(self, person: str, message: Message, *, automatic: bool = True) -> DeliveryResult | None:
        """The client refreshes a card for someone, or they ask it to; None when the card does not want it."""
        trigger = "automatic" if automatic else "manual"
        result = await self._user_actions.refresh(self.now(message), person=person, trigger=trigger)
        self.changes.bump()
        return result

    async def submit(
        self, person: str, inputs: Filled | None = None, *, title: str | None = None, index: int | None = None
    ) -> DeliveryResult:
        """A person submits the dialog in front of them. Raises CannotDo."""
        wanted = Wanted(title=title, index=index)
        result = await self._user_actions.submit(person=person, wanted=wanted, filled=inputs or {})
        self.changes.bump()
        return result

    def close(self, person: str) -> None:
        """A person closes the dialog in front of them; the bot does not hear of it."""
        self._user_actions.dialogs.pop(person, None)
        self.changes.bump()

    async def forge(self, kind: str, activity: Mapping[str, Any]) -> DeliveryResult:
        """Send an activity as a forger would, by one of the kinds of `forgery.FORGERIES`."""
        false, authorization = self.forger.forge(kind, activity)
        return await self.send_raw(false, authorization)

    async def send_raw(self, activity: Mapping[str, Any], headers: Mapping[str, str]) -> DeliveryResult:
        """Send any activity with any headers beside the usual ones, and nobody's client reads the answer."""
        sent = self.delivery.pack(activity, {**self.delivery.headers(None), **headers})
        return await self.delivery.send(sent)

    async def replay(self) -> DeliveryResult:
        """Send the last request once more, byte for byte. Raises LookupError when there was none."""
        return await self.delivery.replay()


@asynccontextmanager
async def open_teams(
    *,
    bot: Bot | None = None,
    request_url: str | None = None,
    limited: bool = True,
    answer_seconds: float = ANSWER_SECONDS,
    keys: tuple[Key, Key] | None = None,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Teams]:
    """A new local Teams for as long as the block runs.

    `request_url`: the bot's messaging endpoint (may be set later). `limited=False`: no rate limits.
    `answer_seconds`: how long the client waits for the answer to an invoke. `keys`: those of the Connector
    and of Entra, where many tenants share them to save the time.
    """
    async with httpx.AsyncClient(trust_env=False, verify=trusted({})) as http:
        teams = Teams(
            bot=bot or Bot(),
            http=http,
            wall=wall,
            monotonic=monotonic,
            limited=limited,
            answer_seconds=answer_seconds,
            keys=keys or new_keys(),
        )
        teams.request_url = request_url
        yield teams
