"""A test card: a whole life of its own beside the real ones, with everything but the platform.

It goes by the real chats, people and clicks, and through the same steps, to a store of its own in a temporary
folder, with seals and signatures of its own, and a platform that is one object in memory. So nothing of it can
reach the real platform, database or audit, and no press on it can count for a real card, or the reverse: each
desk opens only what its own seal has made. It is not audited.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from adapters.runtime import Runtime, run_steps
from adapters.store.open import SqlStore, open_store
from bot.approval import Approval, Outcome, Stage
from bot.callbacks import FunctionCallbacks
from bot.desk import Acknowledged, Click, Desk, NotCounted, Preview, ReasonForm, Reply, Voted
from bot.errors import ConfigError, Gone, Refusal
from bot.flow import Liveness, WakeUps
from bot.flow.desk import FrontDesk
from bot.flow.ingest import Ingest
from bot.flow.sights import Sights
from bot.matching import Match
from bot.policy import Person, Policy
from bot.ports import NO_METRICS, Chat, Clock, Listing
from bot.protocol import GLAIP, HITLDecision, HITLRequest, HITLResponse
from bot.records import Step
from bot.routing import Route, Rules
from bot.seal import Seal, Signing
from bot.surface import Destination, Surface
from bot.wording import called, listed

#: The tool and the agent that stand on the card, and what is said in the operator's place, in bold.
TOOL, AGENT, AGENT_NAME = "test_card", "nod-test", "Nod test"
WHY = "This is a test: nothing runs, whatever you press."
#: The shortest and longest wait for a decision.
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(hours=1)
#: How often the platform of the test is polled, and every step looks for work unasked.
POLL_EVERY, SWEEP_EVERY = timedelta(milliseconds=300), timedelta(seconds=1)
#: Seconds between two looks at the record, and for the final card once it is decided.
LOOK_EVERY, FINAL_WITHIN = 0.05, 10.0
#: Tests whose buttons are still known as such after their end.
REMEMBERED = 20

OVER = "This test has ended. Nothing was decided."

Tell = Callable[[str], Awaitable[None]]
#: What a person calls a place, such as #approvals.
NameOf = Callable[[Destination], Awaitable[str]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlatform:
    """Implements `bot.ports.Source` without any: nothing ever waits there."""

    clock: Clock
    name: str = GLAIP

    async def pending(self, *, known: str = "") -> Listing:
        """Nothing."""
        return Listing(began_at=self.clock(), requests=())

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Raises Gone: there was no such request."""
        raise Gone(request.request_id)

    async def word_on(self, request_id: str) -> str | None:
        """Nothing is known of any."""
        return None


@dataclass(slots=True, kw_only=True)
class OneRequest:
    """Implements `bot.ports.Source` with one request, in memory."""

    request: HITLRequest
    until: datetime
    clock: Clock
    answer: HITLResponse | None = None
    withdrawn: bool = False
    name: str = GLAIP

    async def pending(self, *, known: str = "") -> Listing:
        """The request, until it is answered, withdrawn or too late."""
        now = self.clock()
        waits = self.answer is None and not self.withdrawn and now < self.until
        return Listing(began_at=now, requests=(self.request,) if waits else ())

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Take the answer. Nothing runs."""
        self.answer = response

    async def word_on(self, request_id: str) -> str | None:
        """What became of it."""
        if self.answer is not None:
            return self.answer.decision.value
        return "timeout" if self.withdrawn or self.clock() >= self.until else None


@dataclass(slots=True, kw_only=True)
class DeskSwitch:
    """Implements `bot.desk.Desk`: a click goes to the test whose seal made its button, any other to the bot."""

    real: Desk
    tests: dict[Seal, Desk] = field(default_factory=dict)
    over: deque[Seal] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    async def press(self, click: Click) -> Reply:
        """Handle one click where it belongs."""
        return self._over(click) or await self._desk(click).press(click)

    async def preview(self, click: Click) -> Preview | NotCounted:
        """Show one card for one person."""
        return self._over(click) or await self._desk(click).preview(click)

    def _desk(self, click: Click) -> Desk:
        return next((desk for seal, desk in self.tests.items() if seal.open(click.value)), self.real)

    def _over(self, click: Click) -> NotCounted | None:
        sealed = next(filter(None, (seal.open(click.value) for seal in self.over)), None)
        if sealed is None:
            return None
        return NotCounted(card_id=sealed.card_id, code=Refusal.UNKNOWN_CARD, text=OVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingDesk:
    """A desk that says who pressed what."""

    desk: Desk
    policy: Callable[[], Policy]
    tell: Tell

    async def press(self, click: Click) -> Reply:
        """Handle it, and tell of it."""
        reply = await self.desk.press(click)
        person = self.policy().person_behind(click.surface, click.account)
        who, pressed = person.name if person else click.account, click.verb.value.replace("_", " ").capitalize()
        match reply:
            case Voted(vote=vote):
                await self.tell(f"{who} {vote.verdict.value} it in {click.surface.title()}.")
            case Acknowledged():
                await self.tell(f"{who} pressed I'm on it.")
            case ReasonForm(problem=None):
                await self.tell(f"{who} pressed {pressed} and is asked for a reason.")
            case NotCounted(text=text) | ReasonForm(problem=NotCounted(text=text)):
                await self.tell(f"{who} pressed {pressed} and got the reply: {text}")
            case _:
                await self.tell(f"{who} pressed {pressed}.")
        return reply

    async def preview(self, click: Click) -> Preview | NotCounted:
        """A look is no press."""
        return await self.desk.preview(click)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTester:
    """Puts up test cards, one at a time."""

    switch: DeskSwitch
    chats: Mapping[Surface, Chat]
    policy: Callable[[], Policy]
    name_of: NameOf
    has_buttons: Callable[[Destination], bool]  #: whether what is posted there can be pressed
    clock: Clock
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, question: Mapping[str, Any], tell: Tell, gone: asyncio.Event) -> int:
        """What `nod test-card` asks for: 0 for a decision, 1 for none. Raises ConfigError or Unavailable."""
        match question:
            case {
                "ask": "test_card",
                "channel": str() | None as channel,
                "seconds": int() | float() as seconds,
            }:
                window = timedelta(seconds=min(seconds, LONGEST.total_seconds() + 1))
                return 0 if await self.put_up(channel, window=window, tell=tell, withdrawn=gone) else 1
        raise ConfigError("nod", "the running bot does not know this command", "Restart it with this version.")

    async def put_up(
        self, channel: str | None, *, window: timedelta, tell: Tell, withdrawn: asyncio.Event
    ) -> bool:
        """One card, from its post to its last change; whether a person decided. `withdrawn` ends it early.

        Raises ConfigError where it cannot be put up.
        """
        if not SHORTEST <= window <= LONGEST:
            raise ConfigError("--within", "is out of range", "Choose from 10s to 1h.")
        if self.turn.locked():
            raise ConfigError("nod test-card", "another test card is still open", "Wait until that test ends.")
        async with self.turn:
            with structlog.contextvars.bound_contextvars(test_card=True):
                route, place = await self._place(channel)
                await self._check(route, place)
                test = replace(
                    route, match=Match(), cards=(place,), ladder=(), requester=None, why=WHY,
                    mentions_approvers=False,
                )  # fmt: skip
                return await self._live(test, window=window, tell=tell, withdrawn=withdrawn)

    async def _place(self, channel: str | None) -> tuple[Route, Destination]:
        """The route with that channel, by its name, id or place; without one the last route's first.

        Of several routes it takes one whose card has buttons. Raises ConfigError.
        """
        routes = self.policy().routes
        found = [(one, card) for one in routes for card in one.cards if self.has_buttons(card)]
        found.sort(key=lambda pair: not self._approvers(*pair))
        if channel is None and found:
            able = [route for route, card in found if self._approvers(route, card)] or [found[0][0]]
            return next(pair for pair in found if pair[0] is able[-1])
        wanted, names = (channel or "").strip().removeprefix("#").casefold(), []
        for route, card in found:
            name = await self.name_of(card)
            names.append(name)
            if wanted in {str(card).casefold(), card.channel.casefold(), name.removeprefix("#").casefold()}:
                return route, card
        what = (
            f"nod.yaml shows no cards in {channel!r}" if channel else "nod.yaml names no channel with buttons"
        )
        raise ConfigError("CHANNEL", what, f"Choose one of: {', '.join(dict.fromkeys(names)) or 'none'}.")

    def _approvers(self, route: Route, place: Destination) -> tuple[Person, ...]:
        """Who can press there."""
        people = self.policy().members(route.approvers)
        return tuple(person for person in people if place.surface in person.accounts)

    async def _check(self, route: Route, place: Destination) -> None:
        """Raises ConfigError where nobody could press, or the card could not be posted. Raises Unavailable."""
        if not self._approvers(route, place):
            what = f"route {route.name} has no approver with an account in {place.surface.title()}"
            raise ConfigError(str(place), what, "Run nod check: it names the people who were not found.")
        problems = await self.chats[place.surface].problems([place.channel])
        for problem in problems.values():
            raise ConfigError(await self.name_of(place), f"cannot take a card: {problem}", "Then try again.")

    async def _live(self, route: Route, *, window: timedelta, tell: Tell, withdrawn: asyncio.Event) -> bool:
        (place,) = route.cards
        platform = _platform(self.clock, window)
        request_id = platform.request.request_id
        async with _flow(self, route, platform, tell) as store:
            told, settled = False, None
            while True:
                platform.withdrawn = platform.withdrawn or withdrawn.is_set()
                approval = await store.approvals.get(request_id)
                if approval is not None and not told:
                    told = await self._told(store, approval, route, place, tell)
                if approval is not None and approval.stage in (Stage.SETTLED, Stage.CLOSED):
                    settled = settled or asyncio.get_running_loop().time()
                    late = asyncio.get_running_loop().time() - settled > FINAL_WITHIN
                    if approval.stage is Stage.CLOSED or late:
                        await tell(_ended(approval, shown=not late))
                        return approval.outcome in (Outcome.APPROVED, Outcome.REJECTED, Outcome.SKIPPED)
                await asyncio.sleep(LOOK_EVERY)

    async def _told(
        self, store: SqlStore, approval: Approval, route: Route, place: Destination, tell: Tell
    ) -> bool:
        """Whether the card is up, which is told once."""
        up = next((one for one in await store.placements.of(approval.id) if one.ref), None)
        if up is None or up.ref is None:
            return False
        link = self.chats[place.surface].link(place.channel, up.ref)
        people = listed(called(self.policy(), route.approvers, approval), "or")
        who = f"{route.quorum} of {people} must" if route.quorum > 1 else f"{people} can"
        seconds = round((approval.deadline.at - self.clock()).total_seconds())
        await tell(f"The test card is posted in {await self.name_of(place)}{f': {link}' if link else '.'}")
        await tell(f"{who} decide within {seconds} s. {WHY}")
        return True


def _platform(clock: Clock, window: timedelta) -> OneRequest:
    now = clock()
    request = HITLRequest(
        request_id=f"test-{secrets.token_hex(8)}",
        tool_name=TOOL,
        arguments={"purpose": "Test the path from a card to a decision", "runs": "nothing"},
        agent_id=AGENT,
        created_at=now.isoformat(),
        timeout_at=(now + window).isoformat(),
        timeout_seconds=window.total_seconds(),
        platform="test",
    )
    return OneRequest(request=request, until=now + window, clock=clock)


def _ended(approval: Approval, *, shown: bool) -> str:
    card = "The final card is posted." if shown else "The final card could not be shown."
    decision = approval.decision
    if decision is None:
        return f"Nobody decided in time. {card}"
    who = ", ".join([*decision.others, str(decision.actor)])
    what = decision.verdict.value if decision.verdict in HITLDecision else str(approval.outcome)
    return f"Decided: {what} by {who}. {card}"


@asynccontextmanager
async def _flow(cards: CardTester, route: Route, platform: OneRequest, tell: Tell) -> AsyncIterator[SqlStore]:
    """Every step of the bot on a store of its own, and its desk at the switch."""
    secret, wake_ups, sights = secrets.token_hex(32), WakeUps(), Sights()
    seal, clock = Seal(secret), cards.clock

    def policy() -> Policy:
        """People as they are now; nothing automatic, nobody paged."""
        return replace(
            cards.policy(), routes=(route,), rules=Rules(), alerts=(), agents={AGENT: AGENT_NAME}, run_link=None
        )

    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nod-test-card-"))
        url = f"sqlite:///{Path(folder) / 'test.db'}"
        store = await stack.enter_async_context(
            open_store(url, ring=wake_ups.ring, pagers=(), clock=clock, signing=Signing(secret))
        )
        ingest = Ingest(source=platform, store=store, policy=policy, clock=clock, metrics=NO_METRICS)
        runtime = Runtime(
            ingests=(ingest,), store=store, chats=cards.chats, pagers={},
            callbacks=FunctionCallbacks(), policy=policy, reach=policy, seal=seal, clock=clock,
            metrics=NO_METRICS, ring_of=wake_ups.ring_of, sights=sights,
        )  # fmt: skip
        front = FrontDesk(store=store, policy=policy, seal=seal, clock=clock, metrics=NO_METRICS, sights=sights)
        cards.switch.tests[seal] = TellingDesk(desk=front, policy=policy, tell=tell)
        stack.callback(cards.switch.over.append, seal)
        stack.callback(cards.switch.tests.pop, seal)

        async def poll() -> None:
            wake_ups.ring(Step.INGEST)

        async def sweep() -> None:
            for step in Step:
                if step is not Step.INGEST:
                    wake_ups.ring(step)

        chores = {"poll": (POLL_EVERY, poll), "sweep": (SWEEP_EVERY, sweep)}
        await stack.enter_async_context(
            run_steps(runtime, wake_ups=wake_ups, liveness=Liveness(), chores=chores)
        )
        yield store
