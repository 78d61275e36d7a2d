"""The whole system under test: the sandbox over real HTTP, and the bot on its real adapters."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.app import Nod, open_nod
from adapters.settings import Environment
from sandbox.servers import Sandbox, open_sandbox
from sandbox.slack.delivery import DeliveryResult
from sandbox.slack.messages import Message
from tests.render.slack_parts import reach
from tests.servers.fair_time import FairTime
from tests.servers.sqlite_template import lay_database

APPROVALS, FINANCE, ALERTS = "C0APPROVALS", "C0FINANCE", "C0ALERTS"
ANN, BOB, EVE, OLU = "U0ANN", "U0BOB", "U0EVE", "U0OLU"

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  olu: {email: olu@acme.example}
groups: {approvers: [ann, bob]}
routes:
  - name: payments
    match: {tool: "pay_*"}
    cards: [slack:C0FINANCE]
    approvers: [approvers]
    reason: {rejected: required}
  - name: nobody
    match: {tool: "forbidden_*"}
    cards: [slack:C0APPROVALS]
    approvers: []
  - name: default
    match: {}
    cards: [slack:C0APPROVALS]
    approvers: [approvers]
    ladder: [{at: 50%, do: ping, who: [olu]}]
alerts: [slack:C0ALERTS]
"""


@dataclass(kw_only=True)
class System:
    """Controls and eyes of a story test."""

    sandbox: Sandbox
    folder: Path
    nod: Nod | None = None

    def ask(self, **request: Any) -> str:
        """An agent waits for approval; returns the request's id."""
        request.setdefault("arguments", {"to": "jane@example.com", "body": "Hello"})
        return self.sandbox.platform.ask(**request)

    def cards(self, channel: str = APPROVALS) -> list[Message]:
        return [m for m in self.sandbox.workspace.messages(channel) if m.thread_ts is None]

    def card(self, request_id: str, channel: str = APPROVALS) -> Message | None:
        found = self.cards_of(request_id, channel)
        return found[0] if found else None

    def cards_of(self, request_id: str, channel: str = APPROVALS) -> list[Message]:
        """All cards for one request: their run id is the request's only mark in a test."""
        return [m for m in self.cards(channel) if request_id in said(m)]

    def replies(self, card: Message) -> list[Message]:
        return [m for m in self.sandbox.workspace.messages(card.channel) if m.thread_ts == card.ts]

    async def shown(self, channel: str = APPROVALS, *, count: int = 1, within: float = 5) -> Message:
        """The last of `count` cards in a channel, once they are up."""
        await until(lambda: len(self.cards(channel)) >= count, within=within)
        return self.cards(channel)[count - 1]

    async def says(self, card: Message, text: str, *, within: float = 5) -> Message:
        """The card, once it says this."""
        await until(lambda: text in said(self.now(card)), within=within, what=f"card to say {text!r}")
        return self.now(card)

    def now(self, card: Message) -> Message:
        return next(m for m in self.sandbox.workspace.messages(card.channel) if m.ts == card.ts)

    async def press(self, user: str, card: Message, button: str, **more: Any) -> DeliveryResult:
        return await self.sandbox.workspace.click(
            user=user, channel=card.channel, ts=card.ts, **reach(card.blocks, button), **more
        )

    async def whispered(self, user: str, text: str, *, within: float = 3) -> None:
        workspace = self.sandbox.workspace
        await until(
            lambda: any(text in said(m) for m in workspace.ephemerals(user)),
            within=within,
            what=f"{user} to be told {text!r}; was told {[said(m) for m in workspace.ephemerals(user)]}",
        )

    def effects(self, request_id: str) -> list[str]:
        """The decisions that the platform took for a request."""
        posts = self.sandbox.platform.decisions
        return [p.decision for p in posts if p.request_id == request_id and p.status == 200]

    def posts(self, request_id: str) -> list[int]:
        """The platform's answers to every decision POST for a request."""
        return [p.status for p in self.sandbox.platform.decisions if p.request_id == request_id]

    def audit(self) -> list[dict[str, Any]]:
        """The audit's rows, their bodies parsed."""
        with closing(sqlite3.connect(f"file:{self.folder / 'nod.db'}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT number, kind, approval_id, body FROM audit ORDER BY number")
            return [{"number": n, "kind": k, "approval": a, "body": json.loads(b)} for n, k, a, b in rows]

    def alerts(self) -> list[str]:
        return [said(message) for message in self.sandbox.workspace.messages(ALERTS)]


def said(message: Message) -> str:
    """Everything a message says."""
    return message.text + json.dumps(list(message.blocks), ensure_ascii=False)


def buttons(message: Message) -> list[str]:
    """The action ids of a card's buttons."""
    return [
        element["action_id"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


async def until(true: Callable[[], bool], *, within: float = 5, what: str = "it") -> None:
    """Wait for something to become true; AssertionError names what did not.

    What others do on the machine is not counted (tests/servers/fair_time.py).
    """
    time = FairTime(within)
    while not true():
        assert not time.is_over, f"waited {within} s for {what}"
        await asyncio.sleep(0.01)


def environment(sandbox: Sandbox, folder: Path, **more: str) -> dict[str, str]:
    """The settings of a bot on this sandbox, with its files in `folder`."""
    policy = folder / "nod.yaml"
    if not policy.exists():
        policy.write_text(more.pop("policy", POLICY))
    settings = {
        **sandbox.environment(),
        "NOD_CONFIG": str(policy),
        "NOD_DATABASE_URL": f"sqlite:///{folder / 'nod.db'}",
        "NOD_SECRET": "5f0c2d9ab81e4736" * 2,
        "NOD_PORT": "0",
        "NOD_AUDIT_KEY": str(folder / "nod-audit.key"),
        "NOD_AUDIT_CHECKPOINTS": str(folder / "nod-checkpoints.jsonl"),
        **more,
    }
    return {name: value for name, value in settings.items() if value}  # an empty one takes a setting out


@asynccontextmanager
async def open_system(
    folder: Path,
    *,
    post_burst: int | None = 4,
    updates_a_minute: int | None = None,
    with_teams: bool = False,
    **more: str,
) -> AsyncIterator[System]:
    """The sandbox, with a bot running on it; with Teams, once the bot was told where it is installed."""
    async with open_sandbox(
        post_burst=post_burst, updates_a_minute=updates_a_minute, with_teams=with_teams
    ) as sandbox:
        system = System(sandbox=sandbox, folder=folder)
        async with open_bot(system, folder, **more):
            yield system


@asynccontextmanager
async def open_bot(system: System, folder: Path, **more: str) -> AsyncIterator[Nod]:
    """A bot on a sandbox; clicks are sent to it while it runs."""
    if "NOD_DATABASE_URL" not in more:
        lay_database(folder)
    settings = Environment.model_validate(environment(system.sandbox, folder, **more))
    async with open_nod(settings) as nod:
        system.nod = nod
        system.sandbox.workspace.request_url = f"{nod.address}/slack/events"
        if system.sandbox.teams is not None:
            system.sandbox.teams.request_url = f"{nod.address}/api/messages"
            await system.sandbox.teams.events.announce()
        yield nod
