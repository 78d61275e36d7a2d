"""The story that `nod demo --script` plays: every way a request can end, through the real adapters.

People press the real buttons of the cards in the sandbox's channels; each press travels signed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from sandbox.platform import CAST, Line, RiskyTool
from sandbox.servers import Sandbox
from sandbox.slack.messages import Message

APPROVALS, FINANCE, ALERTS = "C0APPROVALS", "C0FINANCE", "C0ALERTS"
IN_TEAMS = "19:approvals00000000000000000000001@thread.tacv2"
ANN, BOB, EVE = "U0ANN", "U0BOB", "U0EVE"
_AGENTS = {agent.name: agent for agent in CAST}

#: A card must be up so soon after the agent's pause, and the agent must know so soon after the click.
CARD_WITHIN, AGENT_WITHIN = 2.0, 1.0


class Missed(Exception):
    """A step of the story did not happen in its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of the table."""

    what: str
    took: float  #: seconds
    within: float  #: seconds it was given
    happened: bool


class Story:
    """Plays the story on a sandbox with a bot behind it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._told = sandbox, list[Told]()

    async def play(self) -> bool:
        """Play every chapter and print the table; False when a step did not happen."""
        chapters = (self._approve, self._reject, self._skip, self._teams, self._expire, self._outage)
        good = True
        for chapter in chapters:
            try:
                await chapter()
            except Missed:
                good = False
        self._print()
        return good

    async def _approve(self) -> None:
        run, card = await self._ask("mail_agent", APPROVALS)
        async with self._step("Eve is not an approver: only Eve reads the refusal", 1):
            await self._press(EVE, card, "nod_approve")
            await self._until(lambda: self._whispered(EVE, "Only "))
        async with self._step("Ann approves: the agent sends the e-mail", AGENT_WITHIN):
            await self._press(ANN, card, "nod_approve")
            await self._until(lambda: self._agent(run, "approved") and self._agent(run, "tool"))
        await self._card_says("its card says who", card, "by Ann Albers")
        async with self._step("Bob clicks late and reads who decided", 1):
            await self._press(BOB, card, "nod_approve", version=0)
            await self._until(lambda: self._whispered(BOB, "Ann Albers approved it"))

    async def _reject(self) -> None:
        run, card = await self._ask("treasury_agent", FINANCE)
        async with self._step("Bob presses Reject: a form asks why", 2):
            await self._press(BOB, card, "nod_reject")
            await self._until(lambda: bool(self._sandbox.workspace.views(BOB)))
        async with self._step("Bob rejects with a reason: the agent is told", AGENT_WITHIN):
            view = self._sandbox.workspace.views(BOB)[-1]
            await self._sandbox.workspace.submit(
                user=BOB, view_id=view.id, values={"nod_note": "The order was cancelled."}
            )
            await self._until(lambda: self._agent(run, "rejected"))
        await self._card_says("its card says why", card, "The order was cancelled.")

    async def _skip(self) -> None:
        run, card = await self._ask("hr_agent", APPROVALS)
        async with self._step("Ann skips: the agent continues without this step", AGENT_WITHIN):
            await self._press(ANN, card, "nod_skip")
            await self._until(lambda: self._agent(run, "skipped"))
        await self._card_says("its card says so", card, "by Ann Albers")

    async def _teams(self) -> None:
        teams = self._sandbox.teams
        if teams is None:
            return
        seen = {message.id for message in teams.cards_in(IN_TEAMS)}
        run, card = await self._ask("ops_agent", APPROVALS)
        async with self._step("the same card is in Teams", CARD_WITHIN):
            await self._until(lambda: any(m.id not in seen for m in teams.cards_in(IN_TEAMS)))
        there = next(message for message in teams.cards_in(IN_TEAMS) if message.id not in seen)
        async with self._step('Ann says "I\'m on it" in Slack', 1):
            await self._press(ANN, card, "nod_more", option="I'm on it")
        await self._card_says("its card says so", card, "Ann has this until")
        async with self._step("Bob approves in Teams: the agent goes on", AGENT_WITHIN):
            await teams.press("bob", there, "nod_approve")
            await self._until(lambda: self._agent(run, "approved"))
        await self._card_says("its card in Slack says who", card, "by Bob Brandt")

    async def _expire(self) -> None:
        run, card = await self._ask("sprint_agent", APPROVALS, window=8)
        async with self._step("nobody answers: at half time people are pinged", 6):
            await self._until(lambda: self._replied(card, "<@U0OLU>"))
        async with self._step("the request expires: timeout_skip", 6):
            await self._until(lambda: self._agent(run, "timeout_skip"))
        await self._card_says("its card says that nobody answered", card, "Nobody answered", within=3)

    async def _outage(self) -> None:
        run, card = await self._ask("mail_agent", APPROVALS)
        self._sandbox.faults.add(method="POST", path="/agents/hitl/decision", times=3, status=503)
        async with self._step("the platform fails three times: operators are alerted", 8):
            await self._press(ANN, card, "nod_approve")
            await self._until(lambda: self._said(ALERTS, "Not delivered yet"))
        async with self._step("the decision is delivered after all", 6):
            await self._until(lambda: self._agent(run, "approved"))
        async with self._step("the alert says so", 4):
            await self._until(lambda: self._said(ALERTS, "was delivered"))

    async def _ask(self, agent: str, channel: str, *, window: float = 60) -> tuple[str, Message]:
        seen = {message.ts for message in self._sandbox.workspace.messages(channel)}
        run = self._sandbox.platform.start(agent, timeout_seconds=window)
        await self._until(lambda: self._agent(run, "waits"), within=5)
        asked_for = next(step.tool for step in _AGENTS[agent].steps if isinstance(step, RiskyTool))
        found: list[Message] = []
        async with self._step(f"{agent} pauses: a card appears", CARD_WITHIN):
            await self._until(lambda: bool(found) or self._new_card(channel, seen, asked_for, found))
        return run, found[0]

    def _new_card(self, channel: str, seen: set[str], tool: str, found: list[Message]) -> bool:
        """Whether a card about this tool is new there; the last chapter's agent may ask again meanwhile."""
        new = [m for m in self._sandbox.workspace.messages(channel) if m.ts not in seen and not m.thread_ts]
        found += [message for message in new if tool in _text(message)]
        return bool(found)

    async def _press(
        self, user: str, card: Message, button: str, *, option: str | None = None, version: int | None = None
    ) -> None:
        await self._sandbox.workspace.click(
            user=user, channel=card.channel, ts=card.ts, action_id=button, option=option, version=version
        )

    async def _card_says(self, what: str, card: Message, text: str, *, within: float = 2) -> None:
        async with self._step(what, within):
            await self._until(lambda: text in _text(self._now(card)))

    def _now(self, card: Message) -> Message:
        return next(m for m in self._sandbox.workspace.messages(card.channel) if m.ts == card.ts)

    def _said(self, channel: str, text: str) -> bool:
        return any(text in _text(message) for message in self._sandbox.workspace.messages(channel))

    def _replied(self, card: Message, text: str) -> bool:
        replies = [m for m in self._sandbox.workspace.messages(card.channel) if m.thread_ts == card.ts]
        return any(text in _text(message) for message in replies)

    def _whispered(self, user: str, text: str) -> bool:
        return any(text in _text(message) for message in self._sandbox.workspace.ephemerals(user))

    def _agent(self, run: str, kind: str) -> bool:
        lines: tuple[Line, ...] = self._sandbox.platform.transcript()
        return any(line.run_id == run and line.kind == kind for line in lines)

    async def _until(self, true: Callable[[], bool], *, within: float = 30) -> None:
        async with asyncio.timeout(within):
            while not true():  # noqa: ASYNC110 - it watches two places, of which only one can be awaited
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def _step(self, what: str, within: float) -> AsyncIterator[None]:
        """Time a step; Missed when it takes longer than it may."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(within):
                yield
        except (TimeoutError, LookupError) as error:
            self._told.append(Told(what=what, took=time.monotonic() - began, within=within, happened=False))
            raise Missed(what) from error
        self._told.append(Told(what=what, took=time.monotonic() - began, within=within, happened=True))

    def _print(self) -> None:
        table = Table("", "step", "took", "of", header_style="bold", title="Nod's story")
        for told in self._told:
            mark = "[green]✓[/]" if told.happened else "[red]✗[/]"
            table.add_row(mark, told.what, f"{told.took:.2f} s", f"{told.within:.0f} s")
        Console(width=100).print(table)
        missed = sum(not told.happened for told in self._told)
        print(f"{len(self._told) - missed} of {len(self._told)} steps happened.")


def _text(message: Message) -> str:
    """Everything a message says, as one string to look in."""
    said: str = message.text
    return said + json.dumps(list(message.blocks), ensure_ascii=False)
