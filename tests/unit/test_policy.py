"""Who may decide: nobody but the route's approvers, whatever is missing."""

from collections.abc import Callable

import pytest

from bot.approval import LONGEST_NOTE, Surface
from bot.errors import Refusal, Refused
from bot.policy import Policy, approver, approvers_named, check_note
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import Match, ReasonRule, Route

REJECTED = HITLDecision.REJECTED


def test_an_approver_is_named(policy: Policy) -> None:
    """The person behind the account, when the route lists her or a group of hers."""
    assert "ann" == approver(policy, "default", Surface.SLACK, "U0ANN").handle


@pytest.mark.parametrize(
    ("situation", "route", "account"),
    [
        ("not among the approvers", "default", "U0EVE"),
        ("an account that the policy does not name", "default", "U0MALLORY"),
        ("a route with an empty list", "nobody", "U0ANN"),
        ("a route that is gone from the file", "removed", "U0ANN"),
    ],
)
def test_everybody_else_is_refused(policy: Policy, situation: str, route: str, account: str) -> None:
    """No missing value widens who may decide."""
    with pytest.raises(Refused) as refused:
        approver(policy, route, Surface.SLACK, account)

    assert Refusal.NOT_APPROVER is refused.value.code, situation


def test_approvers_in_words(policy: Policy) -> None:
    """Groups by their name; nobody is said to be nobody."""
    assert "finance" == approvers_named(policy, policy.route_named("default"))
    assert "nobody" in approvers_named(policy, policy.route_named("nobody"))
    assert "nobody" in approvers_named(policy, None)


@pytest.mark.parametrize(
    ("rule", "note", "code"),
    [
        (ReasonRule.REQUIRED, None, Refusal.REASON_REQUIRED),
        (ReasonRule.REQUIRED, "because", None),
        (ReasonRule.OPTIONAL, None, None),
        (ReasonRule.NONE, None, None),
        (ReasonRule.OPTIONAL, "x" * LONGEST_NOTE, None),
        (ReasonRule.OPTIONAL, "x" * (LONGEST_NOTE + 1), Refusal.NOTE_TOO_LONG),
    ],
)
def test_reasons(rule: ReasonRule, note: str | None, code: Refusal | None) -> None:
    """A required reason must be there, and no note is longer than an agent should get."""
    route = Route(name="r", match=Match(), cards=(), approvers=(), reason={REJECTED: rule})

    if code is None:
        check_note(route, REJECTED, note)
        return
    with pytest.raises(Refused) as refused:
        check_note(route, REJECTED, note)

    assert code is refused.value.code


def test_rejecting_offers_a_reason_by_default() -> None:
    """Without a rule: Reject may say why, Approve and Skip do not ask."""
    route = Route(name="r", match=Match(), cards=(), approvers=())

    assert [ReasonRule.NONE, ReasonRule.OPTIONAL, ReasonRule.NONE] == [
        route.reason_rule(verdict) for verdict in HITLDecision
    ]


@pytest.mark.parametrize(
    ("tool", "agent", "taken"),
    [
        ("send_email", "x", True),
        ("send_money", "x", True),
        ("Send_email", "x", False),
        ("resend_email", "x", False),
    ],
)
def test_globs_match_whole_names(
    make_request: Callable[..., HITLRequest], tool: str, agent: str, taken: bool
) -> None:
    """A glob is about the whole name, and upper case is not lower case."""
    assert taken == Match(tool="send_*").takes(make_request(tool_name=tool, agent_id=agent))


def test_the_first_matching_route_wins(policy: Policy, make_request: Callable[..., HITLRequest]) -> None:
    """The order in the file is the order of matching; the last takes the rest."""
    assert "nobody" == policy.route_of(make_request(tool_name="forbidden_tool")).name
    assert "default" == policy.route_of(make_request()).name
