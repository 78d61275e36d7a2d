"""Routes: which requests go where. The first that matches wins, in doubt the strictest; the last, `default`,
matches all. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.ladder import Rung
from bot.matching import Match
from bot.protocol import HITLDecision, HITLRequest
from bot.surface import Destination


class ReasonRule(StrEnum):
    """Whether a person must say why."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


class RejectionRule(StrEnum):
    """How many people it takes to end a request without its tool."""

    ANY = "any"  #: one Reject or Skip ends it
    QUORUM = "quorum"  #: as many as for Approve


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a card shows, who may decide, and who is pinged: three separate lists."""

    name: str
    match: Match
    cards: tuple[Destination, ...]
    approvers: tuple[str, ...]  #: people and groups; empty means nobody
    quorum: int = 1  #: how many distinct people must approve
    rejection: RejectionRule = RejectionRule.ANY
    self_approval: bool = False  #: whether the requester may decide, where the run names one
    requester: str | None = None  #: which field names the requester: `arguments.requested_by`, `run_id`, …
    outsiders: tuple[str, ...] = ()  #: people who may decide although they are guests or from elsewhere
    ladder: tuple[Rung, ...] = ()
    claim: float = 0.2  #: "I'm on it" holds for this share of the time that is left
    reason: Mapping[HITLDecision, ReasonRule] = field(default_factory=dict)
    presets: tuple[str, ...] = ()  #: reasons for rejecting, to pick from
    why: str | None = None  #: why such a call is risky, in the operator's own words

    def reason_rule(self, verdict: HITLDecision) -> ReasonRule:
        """Rejecting asks for a reason that may be left empty, unless the route says otherwise."""
        usual = ReasonRule.OPTIONAL if verdict is HITLDecision.REJECTED else ReasonRule.NONE
        return self.reason.get(verdict, usual)

    def needs(self, verdict: HITLDecision) -> int:
        """How many people it takes for this verdict."""
        if verdict is HITLDecision.APPROVED or self.rejection is RejectionRule.QUORUM:
            return self.quorum
        return 1


def route_for(request: HITLRequest, routes: tuple[Route, ...], *, people: Callable[[Route], int]) -> Route:
    """The first route that takes the request; the settings guarantee a last one that takes all.

    Routes before it whose conditions are in doubt may be meant as well, and nobody can tell which: then it is
    the strictest of them and the one that takes it, so that doubt never leads to a laxer one. `people` says how
    many may decide on a route.
    """
    candidates: list[Route] = []
    for route in routes:
        told = route.match.told(request)
        if told is not False:
            candidates.append(route)
        if told:
            break
    return max(candidates, key=lambda route: (not route.approvers, route.quorum, -people(route)))
