"""A served local Teams, a tiny bot that listens to it, and a client with the bot's token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serve import serve
from sandbox.teams.limits import CARD_TYPE
from sandbox.teams.messages import Message
from sandbox.teams.people import APPROVALS
from sandbox.teams.tenant import Teams
from tests.servers.teams import TeamsServer, serve_teams

Json = dict[str, Any]
SCOPE = "https://api.botframework.com/.default"


def execute(verb: str, **more: Any) -> Json:
    return {
        "type": "Action.Execute",
        "title": verb.title(),
        "verb": verb,
        "data": {"seal": f"v1.{verb}"},
        **more,
    }


def card(*body: Json, **more: Any) -> Json:
    """A card with a text, or with these elements."""
    text = {"type": "TextBlock", "text": "Approve send_email?", "wrap": True}
    return {"type": "AdaptiveCard", "version": "1.5", "body": list(body) or [text], **more}


REASON = card(
    {"type": "Input.Text", "id": "reason", "isRequired": True, "maxLength": 20},
    actions=[execute("reject")],
)
del REASON["version"]
OPEN = card(
    actions=[
        execute(
            "approve", fallback={"type": "Action.Submit", "title": "Approve", "data": {"seal": "v1.approve"}}
        ),
        {"type": "Action.ShowCard", "title": "Reject…", "card": REASON},
        {"type": "Action.Submit", "title": "View all", "data": {"msteams": {"type": "task/fetch"}, "look": 1}},
    ]
)
DONE = card({"type": "TextBlock", "text": "Approved by Ann"})


def message(content: Json | None = None, **more: Any) -> Json:
    """A message activity with a card, or whatever `more` says."""
    attachments = [{"contentType": CARD_TYPE, "content": content}] if content else []
    return {"type": "message", "attachments": attachments, **more}


def answered(kind: str, value: Any, code: int = 200) -> Json:
    """The answer to `adaptiveCard/action`."""
    return {"statusCode": code, "type": kind, "value": value}


@dataclass
class FakeBot:
    """Keeps what comes, with the raw headers, and answers what it is told to."""

    answer: Any = None
    status: int = 200
    delay: float = 0.0
    came: list[tuple[Json, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.came.append((json.loads(await request.body()), dict(request.headers)))
        await asyncio.sleep(self.delay)
        body = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return Response("" if self.answer is None else body, self.status, media_type="application/json")

    @property
    def last(self) -> Json:
        return self.came[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A served local Teams with a bot."""

    server: TeamsServer
    teams: Teams
    bot: FakeBot
    client: httpx.AsyncClient  #: carries the bot's token; its paths begin at the service URL

    async def post(self, content: Json = OPEN, place: str = APPROVALS, **more: Any) -> Message:
        """A card that the bot posts."""
        reply = await self.client.post(f"v3/conversations/{place}/activities", json=message(content, **more))
        assert 201 == reply.status_code, reply.text
        return self.teams.messages(place.partition(";")[0])[-1]

    async def put(self, old: Message, content: Json) -> httpx.Response:
        """The bot replaces a card."""
        path = f"v3/conversations/{old.place}/activities/{old.id}"
        return await self.client.put(path, json=message(content))

    async def token(self, **changed: str) -> httpx.Response:
        """One request for a token; `changed` fields differ from those of the registered bot."""
        bot = self.teams.bot
        form = {
            "grant_type": "client_credentials",
            "client_id": bot.app_id,
            "client_secret": bot.password,
            "scope": SCOPE,
        }
        async with httpx.AsyncClient() as http:
            return await http.post(changed.pop("url", self.teams.token_url), data={**form, **changed})


@asynccontextmanager
async def open_rig(**more: Any) -> AsyncIterator[Rig]:
    """`more` goes to `open_teams`."""
    bot = FakeBot()
    app = Starlette(routes=[Route("/api/messages", bot.__call__, methods=["POST"])])
    async with serve_teams(**more) as server, serve(app) as url:
        teams = server.teams
        teams.request_url = f"{url}/api/messages"
        token = teams.entra.outbound()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=teams.service_url, headers=headers) as client:
            yield Rig(server=server, teams=teams, bot=bot, client=client)
