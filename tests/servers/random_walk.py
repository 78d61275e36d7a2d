"""One random walk past flaky servers, step by step: who is there, what the operator decided, and what runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from bot.approval import Claim, Vote
from bot.flow.desk import FrontDesk
from bot.ladder import Action, Rung
from bot.matching import Match, Pattern
from bot.policy import Person, Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import Route, Rule, Rules
from bot.surface import Destination, Surface
from tests.servers.fake_clock_bot import SEAL, FakeClockBot, open_fake_clock_bot
from tests.servers.flaky import Flakiness, FlakyChat, FlakyOutside, Mishap, ProcessEnds, flaky_outside

SLACK, TEAMS = Surface.SLACK, Surface.TEAMS
#: Requests of one walk.
MOST = 6
EVERYWHERE = (Destination(surface=SLACK, channel="C0FINANCE"), Destination(surface=TEAMS, channel="finance"))
BOARDS = (Destination(surface=TEAMS, channel="board"), Destination(surface=SLACK, channel="C0BOARD"))


def _person(handle: str, *surfaces: Surface, outside: bool = False) -> Person:
    return Person(
        handle=handle, name=handle.title(), accounts={one: f"{one}-{handle}" for one in surfaces},
        outside=frozenset(surfaces if outside else ()),
    )  # fmt: skip


#: Ann and Dee are in both chats, Bob and Cyd in one; Eve can decide once a rung adds her; Gus is a guest.
PEOPLE = {
    one.handle: one
    for one in (
        _person("ann", SLACK, TEAMS),
        _person("bob", SLACK),
        _person("cyd", TEAMS),
        _person("dee", SLACK, TEAMS),
        _person("eve", SLACK, TEAMS),
        _person("gus", SLACK, TEAMS, outside=True),
    )
}
FINANCE = ("ann", "bob", "cyd", "dee", "gus")
LADDER = (
    Rung(action=Action.PING, share=0.5, who=("bob", "cyd")),
    Rung(action=Action.WIDEN, share=0.7, who=("eve",), cards=BOARDS[:1]),
    Rung(action=Action.PAGE, share=0.8, who=("ann",), cards=BOARDS[1:]),
)


def policy_of(
    *, finance: tuple[str, ...] = FINANCE, quorum: int = 2, rules: Rules | None = None, flood: int = 30
) -> Policy:
    """Payments need one of finance, wires a quorum."""
    usual = {"cards": EVERYWHERE, "approvers": ("finance",), "ladder": LADDER}
    wire = Match(tool=Pattern(text="wire"))
    wires = Route(name="wires", match=wire, quorum=quorum, **usual)  # type: ignore[arg-type]
    rest = Route(name="default", match=Match(), **usual)  # type: ignore[arg-type]
    return Policy(
        people=PEOPLE, groups={"finance": finance}, routes=(wires, rest), rules=rules or Rules(), flood=flood
    )


def _rule(tool: str, verdict: HITLDecision) -> tuple[Rule, ...]:
    return (Rule(name=f"{tool}-{verdict}", match=Match(tool=Pattern(text=tool)), verdict=verdict),)


#: What the operator's file may say by turns.
POLICIES = (
    policy_of(),
    policy_of(rules=Rules(deny=_rule("wire", HITLDecision.REJECTED))),
    policy_of(finance=("bob", "cyd", "gus")),
    policy_of(rules=Rules(automatic=_rule("pay", HITLDecision.SKIPPED)), quorum=1),
    policy_of(flood=1, quorum=3),
)


@dataclass
class Walk:
    """The world, the process that runs in it now, and what people achieved."""

    folder: Path
    outside: FlakyOutside = field(default_factory=flaky_outside)
    policy: Policy = POLICIES[0]
    reloaded: bool = False
    was_silent: bool = False
    asked: list[str] = field(default_factory=list)
    counted: list[tuple[Vote | Claim, bool]] = field(default_factory=list)  #: and whether it may have
    process: FakeClockBot | None = None

    @property
    def work(self) -> FakeClockBot:
        """The process that runs now."""
        assert self.process is not None
        return self.process

    def chat(self, surface: Surface) -> FlakyChat:
        """One of the two chats."""
        return self.outside.chat if surface == SLACK else self.outside.teams

    def part(self, name: str) -> Flakiness:
        """One of the four parts that can fail: `slack`, `teams`, `reads` or `answers` of the platform."""
        platform = self.outside.platform
        return {
            "slack": self.outside.chat.flaky, "teams": self.outside.teams.flaky,
            "reads": platform.reads, "answers": platform.answers,
        }[name]  # fmt: skip

    def waiting(self, which: int) -> HITLRequest | None:
        """One of those that the platform waits for."""
        waiting = list(self.outside.platform.waiting.values())
        return waiting[which % len(waiting)] if waiting else None

    @property
    def desk(self) -> FrontDesk:
        """Where clicks come in."""
        work = self.work
        return FrontDesk(
            store=work.store, policy=lambda: work.policy, seal=SEAL, clock=work.clock, metrics=NO_METRICS
        )

    async def live(self, steps: deque[Step]) -> None:
        """One process, until a step ends it or none is left."""
        try:
            async with open_fake_clock_bot(self.folder, self.policy, outside=self.outside) as self.process:
                await self.pass_time(0)
                while steps:
                    await steps.popleft().done(self)
        except* ProcessEnds:
            self.process = None

    async def pass_time(self, seconds: float) -> None:
        """So much time goes by; the platform is polled every few seconds."""
        work = self.work
        work.policy = self.policy
        while seconds > 5:
            await work.run(5)
            seconds -= 5
        await work.run(seconds)

    def calm(self) -> None:
        """From here on nothing goes wrong."""
        platform = self.outside.platform
        for name in ("slack", "teams", "reads", "answers"):
            part = self.part(name)
            part.mishaps.clear()
            part.meanwhile.clear()
        self.outside.chat.trouble = self.outside.teams.trouble = None
        platform.silent = False
        platform.hidden.clear()


@dataclass(frozen=True)
class Step:
    """Something that happens."""

    async def done(self, walk: Walk) -> None:
        """Do it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ask(Step):
    """Agents wait for answers."""

    tool: str
    window: int
    count: int = 1

    async def done(self, walk: Walk) -> None:
        for _ in range(min(self.count, MOST - len(walk.asked))):
            name = f"r{len(walk.asked) + 1}"
            walk.asked.append(name)
            walk.work.ask(name, window=self.window, tool=self.tool)
        await walk.pass_time(0)


@dataclass(frozen=True)
class Wait(Step):
    """Time goes by."""

    seconds: int

    async def done(self, walk: Walk) -> None:
        await walk.pass_time(self.seconds)


@dataclass(frozen=True)
class Trouble(Step):
    """The next calls of one part of the world go wrong, each in its way."""

    part: str
    mishaps: tuple[Mishap, ...]

    async def done(self, walk: Walk) -> None:
        walk.part(self.part).mishaps.extend(self.mishaps)
