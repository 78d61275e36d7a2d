"""Answers without people: their order, and what none of them may approve."""

from __future__ import annotations

from typing import Any

import pytest

from bot.matching import EVERYTHING, Match, Pattern
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import AUTO_APPROVE, LOG_ONLY, Rule, Rules

DENY = Rule(name="deny-1", match=Match(tool=Pattern(text="drop_*")), verdict=HITLDecision.REJECTED)
APPROVE = Rule(name="yes", match=EVERYTHING, verdict=HITLDecision.APPROVED)
REJECT = Rule(name="no", match=EVERYTHING, verdict=HITLDecision.REJECTED)
SKIP = Rule(name="skip", match=EVERYTHING, verdict=HITLDecision.SKIPPED)
ASK = Rule(name="ask", match=EVERYTHING, callback="acme:judge")


def a_request(**more: Any) -> HITLRequest:
    usual: dict[str, Any] = {"request_id": "r1", "tool_name": "read", "agent_id": "a", "arguments": {}}
    return HITLRequest(**(usual | more))


CUT = {"whole": False, "arguments": "{..."}
FLAWED = {"flaw": "a key is given twice"}
DROP = {"tool_name": "drop_db"}


@pytest.mark.parametrize(
    ("situation", "rules", "request_", "name"),
    [
        ("nothing is automatic", Rules(), {}, None),
        ("the first rule wins", Rules(automatic=(REJECT, APPROVE)), {}, "no"),
        ("a rule may skip", Rules(automatic=(SKIP, APPROVE)), {}, "skip"),
        ("a callback is a rule", Rules(automatic=(ASK, APPROVE)), {}, "ask"),
        ("auto-approval comes before rules", Rules(auto_approve=True, automatic=(REJECT,)), {}, AUTO_APPROVE),
        ("auto-approval before log only", Rules(auto_approve=True, log_only=True), {}, AUTO_APPROVE),
        ("log only comes before rules", Rules(log_only=True, automatic=(REJECT,)), {}, LOG_ONLY),
        ("deny comes before a rule", Rules(deny=(DENY,), automatic=(APPROVE,)), DROP, "deny-1"),
        ("deny comes before log only", Rules(deny=(DENY,), log_only=True), DROP, "deny-1"),
        ("deny comes before auto-approval", Rules(deny=(DENY,), auto_approve=True), DROP, "deny-1"),
        ("a deny about something else", Rules(deny=(DENY,), automatic=(APPROVE,)), {}, "yes"),
        ("a cut call is not approved", Rules(automatic=(APPROVE,)), CUT, None),
        ("a cut call goes to the next rule", Rules(automatic=(APPROVE, REJECT)), CUT, "no"),
        ("a cut call may be skipped", Rules(automatic=(SKIP,)), CUT, "skip"),
        ("a callback may see a cut call", Rules(automatic=(ASK,)), CUT, "ask"),
        ("nobody looks under auto-approval", Rules(auto_approve=True), CUT, AUTO_APPROVE),
        ("nobody looks under log only", Rules(log_only=True), CUT, LOG_ONLY),
        ("no canonical form, no rule", Rules(automatic=(APPROVE,)), FLAWED, None),
        ("no canonical form, no auto-approval", Rules(auto_approve=True), FLAWED, None),
        ("no canonical form, no log only", Rules(log_only=True), FLAWED, None),
        ("no canonical form may be rejected", Rules(automatic=(REJECT,)), FLAWED, "no"),
    ],
)
def test_precedence(situation: str, rules: Rules, request_: dict[str, Any], name: str | None) -> None:
    """Deny, auto-approve, log only, rules in order, people (the platform's guide)."""
    rule = rules.rule_for(a_request(**request_))

    assert name == (rule.name if rule else None), situation


def test_a_rule_in_force_is_found_by_its_name() -> None:
    """What a request was admitted under answers it; a rule that left the file is gone."""
    rules = Rules(deny=(DENY,), log_only=True, automatic=(APPROVE,))

    assert DENY == rules.named("deny-1")
    assert APPROVE == rules.named("yes")
    log_only = rules.named(LOG_ONLY)
    assert log_only is not None
    assert HITLDecision.APPROVED is log_only.verdict
    assert rules.named(AUTO_APPROVE) is None
    assert rules.named("gone") is None
