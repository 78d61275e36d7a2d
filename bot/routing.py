"""Routes and rules: which requests go where, and which are answered automatically. Pure."""

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
    """How many people it takes to end a request without running its tool."""

    ANY = "any"  #: one Reject or Skip ends it
    QUORUM = "quorum"  #: as many as for Approve


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a card is shown, who can decide, and who is pinged: three separate lists."""

    name: str
    match: Match
    cards: tuple[Destination, ...]
    approvers: tuple[str, ...]  #: people and groups; empty means nobody
    quorum: int = 1  #: how many distinct people must approve
    rejection: RejectionRule = RejectionRule.ANY
    self_approval: bool = False  #: whether the requester can decide, if the run names one
    requester: str | None = None  #: which field names the requester: `arguments.requested_by`, `run_id`, …
    outsiders: tuple[str, ...] = ()  #: people who can decide although they are guests or external
    ladder: tuple[Rung, ...] = ()
    claim: float = 0.2  #: a claim lasts for this share of the time that is left
    reason: Mapping[HITLDecision, ReasonRule] = field(default_factory=dict)
    presets: tuple[str, ...] = ()  #: reasons for rejecting, to pick from
    why: str | None = None  #: why such a call is risky, in the operator's own words
    mentions_approvers: bool = False  #: the first card pings those who can decide

    def reason_rule(self, verdict: HITLDecision) -> ReasonRule:
        """Rejecting asks for a reason that can be left empty, unless the route says otherwise."""
        usual = ReasonRule.OPTIONAL if verdict is HITLDecision.REJECTED else ReasonRule.NONE
        return self.reason.get(verdict, usual)

    def needs(self, verdict: HITLDecision) -> int:
        """How many people it takes for this verdict."""
        if verdict is HITLDecision.APPROVED or self.rejection is RejectionRule.QUORUM:
            return self.quorum
        return 1


def route_for(request: HITLRequest, routes: tuple[Route, ...], *, people: Callable[[Route], int]) -> Route:
    """The first route that takes the request; the settings guarantee a last one that takes all.

    Earlier routes whose conditions are in doubt may be meant as well, and nobody can tell which. The result is
    then the strictest of these and the one that takes it, so doubt never leads to a laxer route. `people` says
    how many can decide on a route.
    """
    candidates: list[Route] = []
    for route in routes:
        told = route.match.told(request)
        if told is not False:
            candidates.append(route)
        if told:
            break
    return max(candidates, key=lambda route: (not route.approvers, route.quorum, -people(route)))


AUTO_APPROVE = "auto-approve"  #: the name of the rule behind GLAIP_HITL_AUTO_APPROVE
LOG_ONLY = "log-only"  #: the name of the rule behind `log_only`


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One automatic answer: a verdict, or a callback that gives one."""

    name: str
    match: Match
    verdict: HITLDecision | None = None
    callback: str | None = None  #: `module:function`, if the verdict is not fixed
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that answers instead of people, in its order of precedence (the platform's guide)."""

    deny: tuple[Rule, ...] = ()
    auto_approve: bool = False
    log_only: bool = False
    automatic: tuple[Rule, ...] = ()

    def named(self, name: str) -> Rule | None:
        """A rule that an approval was admitted under; None if it is no longer in force."""
        return next((rule for rule in self._in_force() if rule.name == name), None)

    def denial_of(self, request: HITLRequest) -> Rule | None:
        """An explicit deny: it wins over every other rule and every vote. In doubt it denies."""
        return next((rule for rule in self.deny if rule.match.takes(request, in_doubt=True)), None)

    def rule_for(self, request: HITLRequest) -> Rule | None:
        """The rule that answers this request; None leaves it to people.

        In doubt a rule rejects or skips, and never approves or calls. Then no later rule approves or calls
        either, because the doubtful one may exist to prevent that. A call without a canonical form is never
        approved.
        """
        doubt = False
        for rule in self._in_force():
            told = rule.match.told(request)
            if told is False:
                continue
            if rule.verdict in (HITLDecision.REJECTED, HITLDecision.SKIPPED):
                return rule
            if told is None:
                doubt = True
            elif not doubt and (rule.verdict is None or self._approvable(request, rule)):
                return rule
        return None

    def _approvable(self, request: HITLRequest, rule: Rule) -> bool:
        unseen = rule.name in (AUTO_APPROVE, LOG_ONLY)  # nobody looks, so a cut call is no worse
        return request.approvable or (unseen and request.flaw is None)

    def _in_force(self) -> tuple[Rule, ...]:
        everything = Match()
        standing = [
            Rule(name=name, match=everything, verdict=HITLDecision.APPROVED, note=note)
            for name, on, note in (
                (AUTO_APPROVE, self.auto_approve, "auto-approval is on: nobody was asked"),
                (LOG_ONLY, self.log_only, "log only: everything is approved and recorded, nobody was asked"),
            )
            if on
        ]
        return (*self.deny, *standing, *self.automatic)
