"""A Workflows webhook on this machine: it takes messages with Adaptive Cards, at an address that is secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serve import serve
from tests.render.teams_parts import checked, nodes, runs

SIGNATURE = "c2lnbmF0dXJl-secret"


@dataclass(slots=True)
class Flow:
    """What the workflow was told, and how it answers: 202 when it has taken a message (Power Automate)."""

    url: str = ""
    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[dict[str, Any]] = field(default_factory=list)
    _checked: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self, http: Request) -> Response:
        """Take one message, or refuse it with `status`."""
        if http.query_params.get("sig") != SIGNATURE:
            return Response(status_code=401)
        if self.status == 202:
            self.taken.append(await http.json())
        return Response(status_code=self.status, headers=self.headers)

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards, each checked once against what Teams takes: a test that waits looks every 10 ms."""
        new = self.taken[len(self._checked) :]
        self._checked += [checked(message["attachments"][0]["content"]) for message in new]
        return self._checked

    @property
    def told(self) -> list[str]:
        """What each message begins with."""
        return [runs(card)[0] for card in self.cards]

    def says(self, text: str) -> int:
        """How many messages say this anywhere."""
        return sum(text in json.dumps(card, ensure_ascii=False) for card in self.cards)

    @property
    def actions(self) -> list[dict[str, Any]]:
        """Whatever could be pressed, or would ping a person."""
        parts = [node for card in self.cards for node in nodes(card) if node["type"].startswith("Action")]
        pings = [entity for card in self.cards for entity in card.get("msteams", {}).get("entities", ())]
        return parts + pings


@asynccontextmanager
async def open_flow() -> AsyncIterator[Flow]:
    """The workflow, and its address with the signature."""
    flow = Flow()
    app = Starlette(routes=[Route("/workflows/{id}/run", flow.receive, methods=["POST"])])
    async with serve(app) as url:
        flow.url = f"{url}/workflows/1/run?api-version=1&sig={SIGNATURE}"
        yield flow
