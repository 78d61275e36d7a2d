"""Nod's Teams adapter against the local Teams, over real HTTP with signed tokens, with a desk to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.clouds import PUBLIC, Cloud
from adapters.teams import ConversationRef, Teams, open_teams
from adapters.teams.conversations import account_of, split_ref
from bot.desk import Desk
from sandbox.faults import Faults
from sandbox.serve import serve
from sandbox.teams.delivery import DeliveryResult
from sandbox.teams.messages import Message
from sandbox.teams.people import APPROVALS, TENANT, cast
from sandbox.teams.tenant import Teams as System
from tests.contract.slack_rig import FakeDesk
from tests.fakes import Counting
from tests.servers.teams import serve_teams

ANN = account_of(TENANT, cast()["ann"].aad)
BOB = account_of(TENANT, cast()["bob"].aad)
STRANGER = account_of(TENANT, "99999999-0000-4000-8000-000000000009")
#: As the policy calls the channel.
CHANNEL = "approvals"
HOSTS = ("127.0.0.1",)


@dataclass
class Kept:
    """A `Conversations` in memory."""

    refs: dict[str, ConversationRef] = field(default_factory=dict)

    async def put(self, ref: ConversationRef) -> None:
        """Keep it."""
        self.refs[ref.id] = ref

    async def get(self, conversation_id: str) -> ConversationRef | None:
        """The one with this id."""
        return self.refs.get(conversation_id)

    async def of_person(self, account: str) -> ConversationRef | None:
        """A person's personal chat with the bot."""
        found = (
            ref for ref in self.refs.values() if ref.person and account_of(ref.tenant, ref.person) == account
        )
        return next(found, None)

    async def drop(self, conversation_id: str) -> None:
        """Forget it."""
        self.refs.pop(conversation_id, None)

    async def all(self) -> Sequence[ConversationRef]:
        """Everything."""
        return tuple(self.refs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What a test holds in its hands."""

    system: System
    teams: Teams
    desk: FakeDesk
    faults: Faults
    kept: Kept
    counted: Counter[str]
    fails: Any  #: see `tests.servers.teams.TeamsServer.fails`

    async def card_up(self, channel: str = CHANNEL) -> Message:
        """Post the desk's card; returns its message."""
        ref = await self.teams.chat.post(self.desk.card, channel)
        return self.message(ref)

    def message(self, ref: str, place: str = APPROVALS) -> Message:
        """A message as it is now."""
        return next(message for message in self.system.messages(place) if message.id == split_ref(ref)[1])

    async def press(
        self, verb: str, *, person: str = "ann", message: Message | None = None, **more: Any
    ) -> DeliveryResult:
        """One person presses one button of a card that is up."""
        return await self.system.press(person, message or await self.card_up(), f"nod_{verb}", **more)


def cloud_of(system: System, *, hosts: tuple[str, ...] = HOSTS) -> Cloud:
    """Microsoft's public cloud with this system in place of its services."""
    endpoint, keys = system.token_url, system.openid_url
    return replace(PUBLIC, token_endpoint=endpoint, openid_url=keys, service_hosts=hosts)


@asynccontextmanager
async def open_rig(
    *,
    desk: Desk | None = None,
    announced: bool = True,
    answer_seconds: float = 5.0,
    service_hosts: tuple[str, ...] = HOSTS,
    **more: Any,
) -> AsyncIterator[Rig]:
    """Everything connected, and the bot told where it is installed. `more` goes to the adapter."""
    fake, kept, counted = FakeDesk(), Kept(), Counter[str]()
    async with serve_teams(answer_seconds=answer_seconds) as served:
        bot = served.teams.bot
        usual: dict[str, Any] = {
            "app_id": bot.app_id,
            "app_password": bot.password,
            "tenant_id": bot.tenant,
            "desk": desk or fake,
            "clock": lambda: datetime.now(UTC),
            "metrics": Counting(lambda name: counted.update([name])),
            "conversations": kept,
            "cloud": cloud_of(served.teams, hosts=service_hosts),
        }
        async with open_teams(**{**usual, **more}) as teams, serve(endpoint(teams)) as front:
            served.teams.request_url = f"{front}/api/messages"
            if announced:
                await served.teams.events.announce()
            yield Rig(
                system=served.teams,
                teams=teams,
                desk=fake,
                faults=served.faults,
                kept=kept,
                counted=counted,
                fails=served.fails,
            )


def endpoint(teams: Teams) -> Starlette:
    """The bot's messaging endpoint."""

    async def receive(http: Request) -> Response:
        status, headers, body = await teams.receive(http.headers, await http.body())
        return Response(body, status, headers)

    return Starlette(routes=[Route("/api/messages", receive, methods=["POST"])])


def texts(node: Any, kind: str = "TextRun") -> list[str]:
    """The texts of all elements of one type in a card, in order."""
    if isinstance(node, list):
        return [text for inner in node for text in texts(inner, kind)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if node.get("type") == kind and isinstance(node.get("text"), str) else []
    return own + [text for inner in node.values() for text in texts(inner, kind)]


def verbs(card: Any) -> list[str]:
    """The verbs of a card's buttons, those in an unfolded form too."""
    found = []
    for action in card.get("actions", []):
        inner = verbs(action["card"]) if action["type"] == "Action.ShowCard" else [action["verb"]]
        found += inner
    for element in card["body"]:
        found += verbs({"body": [], "actions": element["actions"]}) if element["type"] == "ActionSet" else []
    return [verb.removeprefix("nod_") for verb in found]
