"""`nod watch`: what waits on the platform, live; with `--interactive` each call to read and answer.

It goes straight to the platform by its API key, as `nod approve` does, and needs no running bot.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Group
from rich.text import Text

from adapters.app import utc_now
from adapters.platform import HITLClient
from adapters.settings import read_environment
from adapters.terminal import Keys, Screen, Sheet, at_a_terminal, board, page
from adapters.terminal.prompt import TICK, response_of
from bot.approval import Outcome
from bot.errors import ConfigError, NodError, Unavailable
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.posting import post_until
from bot.protocol import HITLDecision, HITLRequest
from bot.redaction import Redaction
from bot.wording import name_of

#: Seconds between two polls.
POLL_EVERY = 1.0
#: Rows of the table's own head and of what stands below it.
_AROUND_TABLE = 7

CHANGED = "The call has changed meanwhile. It is shown anew; nothing was sent."
VANISHED = "It no longer waits; nothing was sent."


async def watch(*, interactive: bool) -> int:
    """Show what waits until q (0) or Ctrl-C (130). Raises ConfigError without a terminal, or a NodError."""
    environment = read_environment()
    if not at_a_terminal():
        fix = "For scripts there is `nod pending --json`; TERM and TTY_COMPATIBLE must not say that it is none."
        raise ConfigError("nod watch", "needs a terminal that it can draw on", fix)
    key = environment.aip_api_key.get_secret_value()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(HITLClient(base_url=environment.aip_api_url, api_key=key))
        keys = await stack.enter_async_context(Keys())
        screen = stack.enter_context(Screen())
        return await _Watch(client, keys, screen, interactive=interactive).run()


@dataclass(kw_only=True)
class _Known:
    """What waits by the last good poll, and until when."""

    requests: dict[str, HITLRequest] = field(default_factory=dict)
    deadlines: dict[str, datetime] = field(default_factory=dict)
    trouble: str | None = None
    answered: set[str] = field(default_factory=set)  #: here; a poll that began before may still list them

    def listed(self, requests: tuple[HITLRequest, ...], *, now: datetime) -> None:
        """Take over a good poll. A deadline counts from when its request was first seen."""
        self.trouble = None
        self.requests = {one.request_id: one for one in requests if one.request_id not in self.answered}
        self.deadlines = {
            one: self.deadlines.get(one) or deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
            for one, request in self.requests.items()
        }

    def over(self, request_id: str) -> None:
        """It was answered, and is not shown again."""
        self.answered.add(request_id)
        self.requests.pop(request_id, None)

    def in_order(self) -> list[str]:
        """Ids, the earliest deadline first."""
        return sorted(self.requests, key=lambda one: self.deadlines[one])


class _Watch:
    """The picture, the keys, and the one answer that may be on its way."""

    def __init__(self, client: HITLClient, keys: Keys, screen: Screen, *, interactive: bool) -> None:
        self._client, self._keys, self._screen, self._interactive = client, keys, screen, interactive
        self._known = _Known()
        self._sheet: Sheet | None = None
        self._interrupted = False  #: a call left the screen while its note was being written
        self._said: str | None = None
        self._sending: asyncio.Task[str] | None = None

    async def run(self) -> int:
        polling = asyncio.create_task(self._poll())
        try:
            while True:
                if polling.done():
                    polling.result()
                self._settle()
                self._screen.draw(self._picture)
                pressed = await self._keys.next(TICK)
                writing = self._sheet is not None and self._sheet.writing
                if pressed == "end" or (pressed == "q" and not writing):
                    return 0
                if pressed is not None:
                    self._press(pressed)
        finally:
            tasks = [task for task in (polling, self._sending) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            try:
                self._known.listed(await self._client.list_pending(), now=utc_now())
            except Unavailable as error:
                self._known.trouble = str(error)
            await asyncio.sleep(POLL_EVERY)

    def _settle(self) -> None:
        """The call on the screen waits, and is the one that is listed; an answer that was sent is told."""
        if self._sending is not None and self._sending.done():
            self._said, self._sending, self._sheet = self._sending.result(), None, None
        if not self._interactive or self._sending is not None:
            return
        if self._sheet is not None:
            was = self._sheet.request
            listed = self._known.requests.get(was.request_id)
            if listed is not None and listed.digest == was.digest:
                return
            self._interrupted |= self._sheet.writing
            self._said, self._sheet = (CHANGED if listed else VANISHED), None
            if listed is not None:
                self._open(listed.request_id)
                return
        if order := self._known.in_order():
            self._open(order[0])

    def _open(self, request_id: str) -> None:
        request = self._known.requests[request_id]
        deadline = self._known.deadlines[request_id]
        self._sheet = Sheet(
            request,
            redaction=Redaction(),
            shown_at=utc_now(),
            deadline=deadline,
            interrupted=self._interrupted,
        )

    def _picture(self, width: int, height: int) -> Group:
        said = self._known.trouble or self._said
        if self._sheet is not None:
            others = max(0, len(self._known.requests) - 1)
            return page(self._sheet, now=utc_now(), width=width, height=height, others=others, said=said)
        waiting = [(self._known.requests[one], self._known.deadlines[one]) for one in self._known.in_order()]
        table = board(waiting, now=utc_now(), redaction=Redaction(), most=max(1, height - _AROUND_TABLE))
        return Group(table, Text(""), Text("q quit", style="dim"), Text(said or "", style="bold"))

    def _press(self, key: str) -> None:
        sheet = self._sheet
        if sheet is None or self._sending is not None:
            return
        self._said = None
        if key == "\t" and not sheet.writing:
            order = self._known.in_order()
            at = order.index(sheet.request.request_id) if sheet.request.request_id in order else -1
            if order:
                self._open(order[(at + 1) % len(order)])
            return
        verdict = sheet.press(key, now=utc_now())
        self._interrupted &= sheet.writing
        if verdict is not None:
            sheet.said = f"Sending {verdict.value} …"
            self._sending = asyncio.create_task(self._send(sheet, verdict))

    async def _send(self, sheet: Sheet, verdict: HITLDecision) -> str:
        """Tell the platform; what came of it, in words. An Approve needs a poll that lists the same call."""
        request = sheet.request
        named = f"{name_of(request.tool_name)} ({name_of(request.request_id)})"
        try:
            if verdict is HITLDecision.APPROVED and (objection := await self._objection(request)):
                return objection
            ended = await post_until(
                self._client,
                request,
                response_of(verdict, note=sheet.note),
                deadline=sheet.deadline,
                clock=utc_now,
                pause=asyncio.sleep,
            )
        except NodError as error:
            return f"Not {verdict.value}: {named}. {error}"
        self._known.over(request.request_id)
        return (
            f"Somebody else was first: {named}." if ended is Outcome.ELSEWHERE else f"{ended.value}: {named}."
        )

    async def _objection(self, request: HITLRequest) -> str | None:
        listed = {one.request_id: one for one in await self._client.list_pending()}
        again = listed.get(request.request_id)
        if again is None:
            return VANISHED
        return None if again.digest == request.digest else CHANGED
