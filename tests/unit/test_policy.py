"""Who may decide: nobody but the route's approvers, whatever is missing, and in whose place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.approval import LONGEST_NOTE
from bot.errors import Refusal, Refused
from bot.ladder import Action, Rung
from bot.matching import Match, Pattern
from bot.notifications import mentioned
from bot.policy import (
    DOUBTED,
    NO_OTHER,
    ROUTE_GONE,
    SOURCE_GONE,
    Delegation,
    Person,
    Policy,
    approvers_named,
    approvers_of,
    check_note,
    either_of,
    eligibility_of,
    eligible,
    kept_out,
    named_for,
    requesters_of,
)
from bot.protocol import GLAIP, HITLDecision, HITLRequest
from bot.routing import ReasonRule, RejectionRule, Route
from bot.surface import Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.approval import Approval

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REJECTED = HITLDecision.REJECTED
SLACK = Surface.SLACK


def person(handle: str, **more: Any) -> Person:
    usual: dict[str, Any] = {
        "name": handle.title(),
        "email": f"{handle}@acme.example",
        "accounts": {SLACK: f"U0{handle.upper()}"},
    }
    return Person(handle=handle, **(usual | more))


def route(name: str, **more: Any) -> Route:
    usual: dict[str, Any] = {"match": Match(), "cards": (), "approvers": ("finance",)}
    return Route(name=name, **(usual | more))


PEOPLE = (
    person("ann"),
    person("bob"),
    person("eve"),
    person("lin", accounts={}),
    person("gus", outside=frozenset({SLACK})),
)
POLICY = Policy(
    people={one.handle: one for one in PEOPLE},
    groups={"finance": ("ann", "bob", "lin"), "none": ()},
    routes=(
        route("nobody", match=Match(tool=Pattern(text="forbidden_*")), approvers=()),
        route("empty-group", approvers=("none",)),
        route("own", requester="arguments.by"),
        route("own-run", requester="run_id"),
        route("self", requester="arguments.by", self_approval=True),
        route("guests", approvers=("gus", "ann"), outsiders=("gus",)),
        route("no-guests", approvers=("gus", "ann")),
        route("two", quorum=2),
        route("default"),
    ),
)


def delegated(giver: str, taker: str, *, hours: float = 1) -> Policy:
    one = Delegation(giver=giver, taker=taker, until=NOW + timedelta(hours=hours))
    return replace(POLICY, delegations=(one,))


AWAY = delegated("ann", "eve")
TWO_AWAY = replace(AWAY, delegations=(*AWAY.delegations, *delegated("bob", "eve").delegations))
SEATS: list[tuple[str, Policy, str, str, bool, dict[str, Any], str]] = [
    ("an approver by her group", POLICY, "default", "U0ANN", True, {}, "ann"),
    ("an approver by name", POLICY, "no-guests", "U0ANN", True, {}, "ann"),
    ("not among the approvers", POLICY, "default", "U0EVE", True, {}, "not-approver"),
    ("an account that nobody has", POLICY, "default", "U0MALLORY", True, {}, "not-approver"),
    ("an empty account", POLICY, "default", "", True, {}, "not-approver"),
    ("a route with no approvers", POLICY, "nobody", "U0ANN", True, {}, "not-approver"),
    ("a route with an empty group", POLICY, "empty-group", "U0ANN", True, {}, "not-approver"),
    ("a route that is gone from the file", POLICY, "removed", "U0ANN", True, {}, "not-approver"),
    ("a click from another workspace", POLICY, "default", "U0ANN", False, {}, "outsider"),
    ("a guest", POLICY, "no-guests", "U0GUS", True, {}, "outsider"),
    ("a guest whom the route names", POLICY, "guests", "U0GUS", True, {}, "gus"),
    ("a named guest, from another workspace", POLICY, "guests", "U0GUS", False, {}, "gus"),
    ("somebody else from another workspace", POLICY, "guests", "U0ANN", False, {}, "outsider"),
    ("the requester by handle", POLICY, "own", "U0ANN", True, {"by": "ann"}, "self-approval"),
    ("the requester by address", POLICY, "own", "U0ANN", True, {"by": " ANN@acme.example "}, "self-approval"),
    ("the requester by account", POLICY, "own", "U0ANN", True, {"by": "u0ann"}, "self-approval"),
    ("the requester by name", POLICY, "own", "U0ANN", True, {"by": "Ann"}, "self-approval"),
    ("somebody else than the requester", POLICY, "own", "U0BOB", True, {"by": "ann"}, "bob"),
    ("a requester whom nobody knows", POLICY, "own", "U0ANN", True, {"by": "agent-7"}, "ann"),
    ("a requester in doubt", POLICY, "own", "U0BOB", True, {"By": "eve"}, "self-approval"),
    ("a requester in doubt, not an approver", POLICY, "own", "U0EVE", True, {"By": "eve"}, "not-approver"),
    ("a taker for the requester and another", TWO_AWAY, "own", "U0EVE", True, {"by": "ann"}, "eve for bob"),
    ("no requester in the call", POLICY, "own", "U0ANN", True, {}, "ann"),
    ("the requester, allowed", POLICY, "self", "U0ANN", True, {"by": "ann"}, "ann"),
    ("a taker", delegated("ann", "eve"), "default", "U0EVE", True, {}, "eve for ann"),
    ("a taker after the end", delegated("ann", "eve", hours=0), "default", "U0EVE", True, {}, "not-approver"),
    ("a taker of nobody's place", delegated("gus", "eve"), "default", "U0EVE", True, {}, "not-approver"),
    ("a taker who is an approver", delegated("ann", "bob"), "default", "U0BOB", True, {}, "bob"),
    ("a taker for the requester", AWAY, "own", "U0EVE", True, {"by": "ann"}, "self-approval"),
    ("a taker who is the requester", AWAY, "own", "U0EVE", True, {"by": "eve"}, "self-approval"),
    ("a taker who is a guest", delegated("ann", "gus"), "default", "U0GUS", True, {}, "outsider"),
    ("the giver still counts", delegated("ann", "eve"), "default", "U0ANN", True, {}, "ann"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "account", "arguments", "said"),
    [
        ("default", "U0EVE", {}, "Only Ann or Bob can decide this."),
        ("nobody", "U0ANN", {}, "Nobody can decide this in the chat. Ask the Nod admin."),
        ("own", "U0ANN", {"by": "ann"}, "You asked for this yourself; Bob must decide."),
        ("alone", "U0ANN", {"by": "ann"}, NO_OTHER),
        ("all", "U0MALLORY", {}, "Only Ann, Bob, Eve or 3 others can decide this."),
        ("removed", "U0ANN", {}, ROUTE_GONE),
        ("default of eu", "U0ANN", {}, SOURCE_GONE),
        ("alone", "U0ANN", {"By": "eve"}, DOUBTED),
    ],
)
def test_a_refusal_names_the_people(
    make_approval: Callable[..., Approval],
    make_request: Callable[..., HITLRequest],
    name: str,
    account: str,
    arguments: dict[str, Any],
    said: str,
) -> None:
    """By name, the people who can press the button; of many the first ones."""
    more = (person("hal"), person("ida"), person("jon"))
    everybody = ("ann", "bob", "eve", "hal", "ida", "jon")
    routes = (route("alone", approvers=("ann",), requester="arguments.by"), route("all", approvers=everybody))
    people = {one.handle: one for one in (*PEOPLE, *more)}
    policy = replace(POLICY, routes=(*POLICY.routes, *routes), people=people)
    name, _, source = name.partition(" of ")
    request = replace(make_request(arguments=arguments), source=source or GLAIP)
    approval = make_approval(request=request, route=name)
    with pytest.raises(Refused) as refused:
        eligibility_of(policy, approval, surface=SLACK, account=account, home=True, now=NOW)
    assert said == str(refused.value)


@pytest.mark.parametrize(
    ("policy", "name", "account", "home", "arguments", "expected"),
    [row[1:] for row in SEATS],
    ids=[row[0] for row in SEATS],
)
def test_seats(
    make_approval: Callable[..., Approval],
    make_request: Callable[..., HITLRequest],
    policy: Policy,
    name: str,
    account: str,
    home: bool,
    arguments: dict[str, Any],
    expected: str,
) -> None:
    """The default is no: no missing value widens who may decide."""
    approval = make_approval(request=make_request(arguments=arguments), route=name)
    try:
        eligibility = eligibility_of(policy, approval, surface=SLACK, account=account, home=home, now=NOW)
        found = eligibility.person.handle + (f" for {eligibility.acting_for}" if eligibility.acting_for else "")
    except Refused as refused:
        found = refused.code.value

    assert expected == found


def test_the_run_may_name_its_requester(make_request: Callable[..., HITLRequest]) -> None:
    """By the run's own id, where the platform puts a person there."""
    own = POLICY.route_named("own-run")
    assert own is not None
    assert frozenset({"bob"}) == requesters_of(POLICY, own, make_request(run_id="bob"))
    assert frozenset() == requesters_of(POLICY, own, make_request(run_id=None))


@pytest.mark.parametrize(
    ("by", "able"),
    [("eve", {"ann", "bob"}), ("ann", {"bob"}), ("bob", {"ann", "eve"}), ("carol", {"ann", "bob", "eve"})],
)
def test_who_asked_counts_in_nobody_elses_place(
    make_approval: Callable[..., Approval], make_request: Callable[..., HITLRequest], by: str, able: set[str]
) -> None:
    """Eve takes the place of Ann: not if Eve asked, and not if Ann did. The field may be anywhere."""
    own = route("own", requester="arguments.run.by")
    approval = make_approval(request=make_request(arguments={"run": {"by": by}}), route="own")
    assert able == eligible(replace(AWAY, routes=(own,)), own, approval, now=NOW)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", ""),
        ("Ann", "Ann"),
        ("Ann Bob", "Ann or Bob"),
        ("Ann Bob Cy Di", "Ann, Bob, Cy or Di"),
        ("Ann Bob Cy Di Eve", "Ann, Bob, Cy or 2 others"),
    ],
)
def test_either_of_some(names: str, said: str) -> None:
    """Four by name, of more the first three."""
    assert said == either_of(names.split())


def test_a_step_lets_in_whom_the_file_still_names(make_approval: Callable[..., Approval]) -> None:
    """After the route's own; a step that only pings them lets in nobody."""
    steps = (Rung(action=Action.WIDEN, share=0.5, who=("eve", "ann")), Rung(share=0.7, who=("gus",)))
    widened = make_approval(widened=("eve", "gus", "ann", "mallory"))
    assert ("finance", "eve", "ann") == approvers_of(route("default", ladder=steps), widened)
    assert ("finance",) == approvers_of(route("default"), widened)


def test_a_person_is_told_from_others_by_address() -> None:
    """Where they have one."""
    assert "Ann <ann@acme.example>" == str(person("ann"))
    assert "Ann" == str(person("ann", email=None))


def test_approvers_in_words(make_approval: Callable[..., Approval]) -> None:
    """Groups by their name, people by theirs; nobody is said to be nobody."""

    def named(name: str) -> str:
        return approvers_named(POLICY, POLICY.route_named(name), make_approval(route=name))

    assert "finance" == named("default")
    assert "Gus, Ann" == named("guests")
    assert "nobody" in named("nobody")
    assert "nobody" in named("empty-group")
    assert "nobody" in approvers_named(POLICY, None, make_approval())


def test_who_asked_is_named_nowhere_as_one_who_decides(
    make_approval: Callable[..., Approval], make_request: Callable[..., HITLRequest]
) -> None:
    """Neither in the list on the card, nor among those who are pinged or let in, nor in what is counted."""
    pay = route("pay", approvers=("ann", "finance", "eve"), requester="arguments.by", quorum=2)
    policy = replace(POLICY, routes=(pay,))

    def named(by: Any) -> str:
        return approvers_named(
            policy, pay, make_approval(request=make_request(arguments={"by": by}), route="pay")
        )

    approval = make_approval(request=make_request(arguments={"by": "ann"}), route="pay")
    assert "Ann, finance, Eve" == named("carol")
    assert "finance without Ann, Eve" == named("ann")
    assert "Ann, finance without Bob, Eve" == named(["bob"])
    assert "Eve" == named(["ann", "bob", "lin"])
    assert "nobody (the only approvers asked for it)" == named("x​z")
    assert "Bob" == named_for(policy, ("ann", "bob"), approval)
    assert "" == named_for(policy, ("ann",), approval)
    assert {"bob", "eve"} == eligible(policy, pay, approval, now=NOW)
    assert {"ann"} == kept_out(policy, approval)
    assert frozenset() == kept_out(policy, replace(approval, route="removed"))
    who = [("finance", approval), ("ann", approval), ("eve", approval)]
    assert ("U0BOB", "U0EVE") == mentioned(policy, who, SLACK)


def test_the_vote_of_somebody_who_became_a_guest_does_not_count(make_approval: Callable[..., Approval]) -> None:
    """Nor a vote without an account. A guest whom the route names, or who is at home elsewhere, can vote."""
    teams = {Surface.SLACK: "U0EVE", Surface.TEAMS: "tenant/eve"}
    people = {**POLICY.people, "eve": person("eve", accounts=teams, outside=frozenset({SLACK}))}
    policy = replace(POLICY, people=people)
    for named, expected in (((), {"ann", "eve"}), (("gus",), {"ann", "eve", "gus"})):
        two = route("two", approvers=("gus", "ann", "lin", "eve"), outsiders=named, quorum=2)
        assert expected == eligible(replace(policy, routes=(two,)), two, make_approval(route="two"), now=NOW)


def test_a_person_in_two_groups_counts_once() -> None:
    """In the order of the file."""
    policy = replace(POLICY, groups={"a": ("ann", "bob"), "b": ("bob", "eve")})

    assert ("ann", "bob", "eve") == policy.handles(("a", "b", "ann"))
    assert ["ann"] == [one.handle for one in policy.members(("ann", "stranger"))]


@pytest.mark.parametrize(
    ("rejection", "needs"), [(RejectionRule.ANY, [2, 1, 1]), (RejectionRule.QUORUM, [2, 2, 2])]
)
def test_how_many_it_takes(rejection: RejectionRule, needs: list[int]) -> None:
    """One person ends it, unless the route says otherwise; to approve always takes the quorum."""
    two = route("two", quorum=2, rejection=rejection)

    assert needs == [two.needs(verdict) for verdict in HITLDecision]


@pytest.mark.parametrize(
    ("rule", "note", "code"),
    [
        (ReasonRule.REQUIRED, None, Refusal.REASON_REQUIRED),
        (ReasonRule.REQUIRED, "", Refusal.REASON_REQUIRED),
        (ReasonRule.REQUIRED, "because", None),
        (ReasonRule.OPTIONAL, None, None),
        (ReasonRule.NONE, None, None),
        (ReasonRule.OPTIONAL, "x" * LONGEST_NOTE, None),
        (ReasonRule.OPTIONAL, "x" * (LONGEST_NOTE + 1), Refusal.NOTE_TOO_LONG),
    ],
)
def test_reasons(rule: ReasonRule, note: str | None, code: Refusal | None) -> None:
    """A required reason must be there, and no note is longer than an agent should get."""
    asked = route("r", reason={REJECTED: rule})

    if code is None:
        check_note(asked, REJECTED, note)
        return
    with pytest.raises(Refused) as refused:
        check_note(asked, REJECTED, note)

    assert code is refused.value.code


def test_rejecting_offers_a_reason_by_default() -> None:
    """Without a rule: Reject may say why, Approve and Skip do not ask."""
    usual = [ReasonRule.NONE, ReasonRule.OPTIONAL, ReasonRule.NONE]

    assert usual == [route("r").reason_rule(verdict) for verdict in HITLDecision]


def test_the_first_matching_route_wins(make_request: Callable[..., HITLRequest]) -> None:
    """The order in the file is the order of matching; a cut call is held by the first that may be about it."""
    big = Match(arguments=(("amount", Pattern(text=">= 1000")),))
    policy = replace(POLICY, routes=(route("big", match=big), route("default")))

    assert "nobody" == POLICY.route_of(make_request(tool_name="forbidden_tool")).name
    assert "default" == policy.route_of(make_request(arguments={"amount": 5})).name
    assert "big" == policy.route_of(make_request(arguments={"amount": 5000})).name
    assert "big" == policy.route_of(make_request(arguments={"amount": "lots"})).name
    assert "big" == policy.route_of(make_request(arguments="{...", whole=False)).name
