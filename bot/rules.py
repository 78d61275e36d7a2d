"""Decisions without people: explicit denials first, then auto-approval, then rules in order. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.matching import Match
from bot.protocol import HITLDecision, HITLRequest

AUTO_APPROVE = "auto-approve"  #: the name of the rule behind GLAIP_HITL_AUTO_APPROVE
LOG_ONLY = "log-only"  #: the name of the rule behind `log_only`


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One automatic answer: a verdict, or a callback that gives one."""

    name: str
    match: Match
    verdict: HITLDecision | None = None
    callback: str | None = None  #: `module:function`, when the verdict is not fixed
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that answers in place of people, in its order of precedence (the platform's guide)."""

    deny: tuple[Rule, ...] = ()
    auto_approve: bool = False
    log_only: bool = False
    automatic: tuple[Rule, ...] = ()

    def named(self, name: str) -> Rule | None:
        """A rule that an approval was admitted under; None when it is no longer in force."""
        return next((rule for rule in self._in_force() if rule.name == name), None)

    def denial_of(self, request: HITLRequest) -> Rule | None:
        """An explicit deny: it wins over every other rule and every vote. In doubt it denies."""
        return next((rule for rule in self.deny if rule.match.takes(request, in_doubt=True)), None)

    def rule_for(self, request: HITLRequest) -> Rule | None:
        """The rule that answers this request; None leaves it to people.

        In doubt a rule rejects or skips, and never approves or calls; then no later rule does either, since the
        one in doubt may be there to keep it from that. What has no canonical form is never approved.
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
