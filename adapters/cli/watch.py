"""`nod watch`: the pending requests, live; with `--interactive` you read and answer each call.

It goes straight to the platform with its API key, as `nod approve` does, and needs no running bot.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Group
from rich.text import Text

from adapters.cli.pending import Shown, read_shown, the_one
from adapters.platform.hitl import HITLClient
from adapters.settings import read_environment
from adapters.terminal import Keys, Screen, Sheet, at_a_terminal, board, page, unread
from adapters.terminal.prompt import TICK, response_of
from bot.approval import Outcome
from bot.errors import ConfigError, NodError, Refused, Unavailable
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, utc_now
from bot.posting import Client, post_until
from bot.prompting import Unchanged
from bot.protocol import HITLDecision, HITLRequest
from bot.wording import name_of


@dataclass(kw_only=True)
class Known:
    """What is pending, and until when."""

    listing: Listing | None = None  #: the last good poll; None before the first
    requests: dict[str, HITLRequest] = field(default_factory=dict)
    deadlines: dict[str, datetime] = field(default_factory=dict)
    trouble: str | None = None  #: why the last poll failed
    answered: set[str] = field(default_factory=set)  #: here; a poll that began before can still list them

    def listed(self, listing: Listing, *, now: datetime) -> None:
        """Take over a good poll. A deadline starts when its request was first seen."""
        self.trouble, self.listing = None, listing
        self.requests = {one.request_id: one for one in listing.requests if one.request_id not in self.answered}
        self.deadlines = {
            one: self.deadlines.get(one) or deadline_of(request, first_seen=now, default=USUAL_WINDOW).at
            for one, request in self.requests.items()
        }

    def over(self, request_id: str) -> None:
        """It was answered, and is not shown again."""
        self.answered.add(request_id)
        self.requests.pop(request_id, None)

    def unread(self, request_id: str) -> bool:
        """Whether it is still pending but unreadable."""
        return self.listing is not None and request_id in self.listing.unread_ids

    def in_order(self, *, now: datetime, under_way: Container[str] = ()) -> list[str]:
        """Ids, the earliest deadline first; last those with an answer being sent, and those that have ended."""
        return sorted(
            self.requests, key=lambda one: (self.deadlines[one] <= now, one in under_way, self.deadlines[one])
        )


CHANGED = "The call has changed, and nothing was sent. Read the new call."


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The result of an answer."""

    request: HITLRequest
    note: str
    words: str  #: for the person
    over: bool  #: the request is no longer pending here
    ours: bool  #: the platform took this answer, and it was the first


class Sending:
    """One task for each answer, so that a retry delays no other answer."""

    def __init__(self, client: Client) -> None:
        """Starts without any answer."""
        self._client = client
        self._tasks: dict[asyncio.Task[Sent], str] = {}  #: with what they send, in words

    def __bool__(self) -> bool:
        """Whether an answer is being sent."""
        return bool(self._tasks)

    @property
    def under_way(self) -> frozenset[str]:
        """Ids of the requests whose answers are being sent."""
        return frozenset(task.get_name() for task in self._tasks)

    @property
    def words(self) -> tuple[str, ...]:
        """What is being sent, for the person."""
        return tuple(self._tasks.values())

    def words_on(self, request_id: str) -> str | None:
        """What is being sent for this request, for the person."""
        return next((words for task, words in self._tasks.items() if task.get_name() == request_id), None)

    def start(self, sheet: Sheet, verdict: HITLDecision) -> None:
        """Send it to the platform; returns at once. An Approve needs a poll that lists the same call."""
        task = asyncio.create_task(self._send(sheet, verdict), name=sheet.request.request_id)
        self._tasks[task] = f"{verdict.value} for {_named(sheet.request)}"

    def ended(self) -> list[Sent]:
        """The results of answers that have ended; each is returned once."""
        done = [task for task in self._tasks if task.done() and not task.cancelled()]
        for task in done:
            del self._tasks[task]
        return [task.result() for task in done]

    async def stop(self) -> None:
        """Send nothing more. What remains in `words` had not ended and can have arrived."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, sheet: Sheet, verdict: HITLDecision) -> Sent:
        request, note, platform = sheet.request, sheet.note, Unchanged(self._client, self._client)
        ended = None
        try:
            ended = await post_until(
                platform,
                request,
                response_of(verdict, note=note),
                deadline=sheet.deadline,
                clock=utc_now,
                pause=asyncio.sleep,
            )
        except Refused as error:
            words = CHANGED if platform.latest else str(error)
        except NodError as error:
            words = f"Not {verdict.value}: {_named(request)}. {error}"
        else:
            words = f"{ended.value}: {_named(request)}."
            if ended is Outcome.ELSEWHERE:
                words = f"Already decided by someone else, or expired: {_named(request)}."
        ours = ended is not None and ended is not Outcome.ELSEWHERE
        # A list can lag behind: a request missing once is shown again when it comes back.
        missed = not ours and verdict is HITLDecision.APPROVED and platform.latest is None
        over = ended is not None and not missed
        return Sent(request=request, note=note, words=words, over=over, ours=ours)


def _named(request: HITLRequest) -> str:
    return f"{name_of(request.tool_name)} ({name_of(request.request_id)})"


#: Seconds between two polls.
POLL_EVERY = 1.0
#: Seconds that `q` waits for an answer that is being delivered.
PARTING = 10.0
#: Rows for the table's head and for what is below it.
_AROUND_TABLE = 9

ASKING = "Asking the platform …"
VANISHED = "The request is no longer pending; nothing was sent."
UNREADABLE = "The request can no longer be read; nothing was sent."
PERHAPS = "Nod was still sending this answer, and it may have arrived"


async def watch(*, interactive: bool, source: str | None = None) -> int:
    """Show pending requests until q or Ctrl-C; then say how the last answer ended, and what is being sent.

    0 after q, 1 when an answer that was being sent then was not delivered. Raises ConfigError, for an unusable
    policy or without a terminal, or another NodError.
    """
    environment = read_environment()
    if not at_a_terminal():
        fix = "In scripts use `nod pending --json`; at a terminal check TERM and TTY_COMPATIBLE."
        raise ConfigError("nod watch", "needs a terminal that it can draw on", fix)
    shown = read_shown(environment)
    address = the_one(environment, source)
    client = HITLClient(base_url=address.url, api_key=address.key.get_secret_value())
    watching = _Watch(client, shown=shown, interactive=interactive)
    try:
        async with client, Keys() as keys:
            with Screen() as screen:
                return await watching.run(keys, screen)
    finally:
        watching.say_last_words()


class _Watch:
    """The picture, the call on it, and the answers that are being sent."""

    def __init__(self, client: HITLClient, *, shown: Shown, interactive: bool) -> None:
        self._client, self._shown, self._interactive = client, shown, interactive
        self._known, self._sending = Known(), Sending(client)
        self._sheet: Sheet | None = None
        self._interrupted = False  #: a call left the screen while its note was being written
        self._said: str | None = None
        self._parting = False  #: q was pressed
        self._last: Sent | None = None
        self._glimpses: dict[str, str] = {}  #: a long call takes half a second to read, a picture a fifth
        self._unsent: dict[str, str] = {}  #: notes of answers that were not delivered, by the call's digest

    async def run(self, keys: Keys, screen: Screen) -> int:
        polling = asyncio.create_task(self._poll())
        try:
            while True:
                if polling.done():
                    polling.result()
                self._settle()
                screen.draw(self._picture)
                pressed = await keys.next(TICK)
                writing = self._sheet is not None and self._sheet.writing
                if pressed == "end" or (pressed in ("q", "Q") and not writing):
                    return await self._part(keys, screen)
                if pressed is not None:
                    self._press(pressed)
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            await self._sending.stop()
            for sent in self._sending.ended():
                self._take(sent)

    def say_last_words(self) -> None:
        """Print what must not vanish with the screen."""
        if self._last is not None:
            print(self._last.words, file=sys.stdout if self._last.ours else sys.stderr)
        for words in self._sending.words:
            print(f"{PERHAPS}: {words}", file=sys.stderr)

    async def _part(self, keys: Keys, screen: Screen) -> int:
        """Wait for answers that are being sent, for at most PARTING seconds; the exit code."""
        self._parting, delivered, loop = True, True, asyncio.get_running_loop()
        until = loop.time() + PARTING
        while self._sending and loop.time() < until:
            self._said = f"Waiting for the platform: {'; '.join(self._sending.words)}"
            screen.draw(self._picture)
            await keys.next(TICK)
            for sent in self._sending.ended():
                self._take(sent)
                delivered &= sent.ours
        return 0 if delivered and not self._sending else 1

    async def _poll(self) -> None:
        while True:
            try:
                self._known.listed(await self._client.pending(), now=utc_now())
            except Unavailable as error:
                self._known.trouble = str(error)
            await asyncio.sleep(POLL_EVERY)

    def _settle(self) -> None:
        """Close the call on the screen if it is no longer pending or has changed; say how an answer ended."""
        for sent in self._sending.ended():
            self._take(sent)
        if not self._interactive:
            return
        if self._sheet is not None:
            was = self._sheet.request
            listed = self._known.requests.get(was.request_id)
            same = listed is not None and listed.digest == was.digest
            if same or was.request_id in self._sending.under_way:
                return
            self._interrupted |= self._sheet.writing
            gone = UNREADABLE if self._known.unread(was.request_id) else VANISHED
            self._said, self._sheet = (CHANGED if listed else gone), None
            if listed is not None:
                self._open(listed.request_id)
                return
        if order := self._order():
            self._open(order[0])

    def _take(self, sent: Sent) -> None:
        self._last, self._said = sent, sent.words
        if sent.over:
            self._known.over(sent.request.request_id)
        else:
            self._unsent[sent.request.digest] = sent.note
        if self._sheet is not None and self._sheet.request.request_id == sent.request.request_id:
            self._sheet = None

    def _order(self) -> list[str]:
        return self._known.in_order(now=utc_now(), under_way=self._sending.under_way)

    def _open(self, request_id: str) -> None:
        request = self._known.requests[request_id]
        self._sheet = Sheet(
            request,
            redaction=self._shown.redaction,
            shown_at=utc_now(),
            deadline=self._known.deadlines[request_id],
            interrupted=self._interrupted and request_id not in self._sending.under_way,
            note=self._unsent.pop(request.digest, ""),
        )

    def _picture(self, width: int, height: int) -> Group:
        said, sheet, now = self._known.trouble or self._said, self._sheet, utc_now()
        if sheet is not None:
            sending = self._sending.words_on(sheet.request.request_id)
            others = max(0, len(self._known.requests) - 1)
            if sending and not self._parting:
                said = f"Sending {sending} …"
            return page(
                sheet, now=now, width=width, height=height, others=others, said=said, agents=self._shown.agents
            )
        waiting = [(self._known.requests[one], self._known.deadlines[one]) for one in self._order()]
        listing = self._known.listing
        table = board(
            waiting,
            now=now,
            redaction=self._shown.redaction,
            agents=self._shown.agents,
            most=max(1, height - _AROUND_TABLE),
            besides=unread(listing) if listing else (ASKING,),
            glimpses=self._glimpses,
        )
        return Group(table, Text(""), Text("q quit", style="dim"), Text(said or "", style="bold"))

    def _press(self, key: str) -> None:
        sheet = self._sheet
        if sheet is None:
            return
        self._said, order = None, self._order()
        if key == "\t" and not sheet.writing and order:
            at = order.index(sheet.request.request_id) if sheet.request.request_id in order else -1
            self._open(order[(at + 1) % len(order)])
        elif sheet.request.request_id not in self._sending.under_way:
            verdict = sheet.press(key, now=utc_now())
            self._interrupted &= sheet.writing
            if verdict is not None:
                self._sending.start(sheet, verdict)
