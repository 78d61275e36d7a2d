"""Routes: which requests go where. The first that matches wins; the last, `default`, matches all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.approval import Surface
from bot.ladder import Rung
from bot.protocol import HITLDecision, HITLRequest


class ReasonRule(StrEnum):
    """Whether a person must say why."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Destination:
    """A place where a card can stand: a surface and a channel of it, by the surface's own id."""

    surface: Surface
    channel: str

    def __str__(self) -> str:
        return f"{self.surface.value}:{self.channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a route takes: globs over the tool and the agent, case-sensitive."""

    tool: str = "*"
    agent: str = "*"

    def takes(self, request: HITLRequest) -> bool:
        return fnmatchcase(request.tool_name, self.tool) and fnmatchcase(request.agent_id, self.agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a card shows, who may decide, and who is pinged: three separate lists."""

    name: str
    match: Match
    cards: tuple[Destination, ...]
    approvers: tuple[str, ...]  #: people and groups; empty means nobody
    ladder: tuple[Rung, ...] = ()
    reason: Mapping[HITLDecision, ReasonRule] = field(default_factory=dict)
    why: str | None = None  #: why such a call is risky, in the operator's own words

    def reason_rule(self, verdict: HITLDecision) -> ReasonRule:
        """Rejecting asks for a reason that may be left empty, unless the route says otherwise."""
        usual = ReasonRule.OPTIONAL if verdict is HITLDecision.REJECTED else ReasonRule.NONE
        return self.reason.get(verdict, usual)


def route_for(request: HITLRequest, routes: tuple[Route, ...]) -> Route:
    """The first route that takes the request; the settings guarantee a last one that takes all."""
    return next(route for route in routes if route.match.takes(request))
