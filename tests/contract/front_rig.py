"""A bot with every door that it can have, over real HTTP, and how Slack and Teams knock there."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sandbox.slack.signing import signed_headers
from sandbox.teams.people import APPROVALS
from tests.servers.system import EVE, open_system, until

TOKEN = "5f0c2d9ab81e4736" * 2
FORM = "application/x-www-form-urlencoded"
#: Eve cannot decide, so whatever is made of Eve's presses, the request stays open.
POLICY = """
poll_every: 200ms
people: {ann: {email: ann@acme.example}}
routes:
  - name: default
    match: {}
    cards: [slack:C0APPROVALS, teams:approvals]
    approvers: [ann]
"""

Json = dict[str, Any]
Knock = tuple[bytes, dict[str, str]]  #: body and headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The bot's front, and a true press of each chat."""

    url: str
    payload: Json  #: of Slack
    activity: Json  #: of Teams
    signing_secret: str
    bearer: str  #: what the Bot Connector sends along

    def by_slack(self, body: object, *, kind: str) -> Knock:
        """This, signed as Slack signs; a form's payload may be given as the object that it is."""
        if kind == FORM and isinstance(body, Mapping):
            fields = {name: v if isinstance(v, str) else json.dumps(v) for name, v in body.items()}
            raw = urlencode(fields, errors="surrogatepass").encode()
        else:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = signed_headers(secret=self.signing_secret, timestamp=str(int(time.time())), body=raw)
        return raw, signed | {"Content-Type": kind}


@asynccontextmanager
async def open_front(folder: Path) -> AsyncIterator[Front]:
    """A bot with both chats and a relay's token, and one request whose card is up in both."""
    settings = {"policy": POLICY, "NOD_RELAY_TOKEN": TOKEN}
    async with open_system(folder, with_teams=True, post_burst=None, **settings) as system:
        teams, slack = system.sandbox.teams, system.sandbox.workspace
        assert teams is not None
        assert system.nod is not None
        await until(lambda: bool(teams.called("page")), within=10, what="the bot to know where it is")
        system.ask(timeout_seconds=3600)
        await until(lambda: bool(teams.cards_in(APPROVALS)), within=10, what="a card in Teams")
        pressed = await system.press(EVE, await system.shown(), "approve")
        await teams.press("eve", teams.cards_in(APPROVALS)[-1], index=0)
        sent = teams.delivery.sent[-1]
        yield Front(
            url=system.nod.address,
            payload=json.loads(json.dumps(pressed.payload)),
            activity=json.loads(json.dumps(sent.activity)),
            signing_secret=slack.app.signing_secret,
            bearer=sent.headers["Authorization"],
        )
