"""Which routes have too few people who can decide, counted as the desk counts votes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.approval import Approval, Stage
from bot.flow.quorum_check import quorum_shortages, sources_gone, undecidable
from bot.ladder import Action, Deadline, DeadlineSource, Rung
from bot.matching import Match
from bot.policy import Delegation, Person, Policy
from bot.protocol import HITLRequest
from bot.routing import Route
from bot.surface import Destination, Surface

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLACE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
BOTH = {Surface.SLACK: "UANN", Surface.TEAMS: "t/ann"}
ANN, BOB, OLU, EVE, GIL, HAL, IDA = (
    Person(handle="ann", name="Ann", accounts=BOTH, email="ann@acme.example"),
    Person(handle="bob", name="Bob", accounts={Surface.SLACK: "UBOB"}),
    Person(handle="olu", name="Olu"),
    Person(handle="eve", name="Eve", accounts={Surface.SLACK: "UANN"}),  # the same account as Ann
    Person(handle="gil", name="Gil", accounts={Surface.SLACK: "UGIL"}, outside=frozenset({Surface.SLACK})),
    Person(
        handle="hal", name="Hal", accounts={Surface.SLACK: "UHAL", Surface.TEAMS: "t/hal"},
        outside=frozenset({Surface.SLACK}),
    ),
    Person(handle="ida", name="Ida", accounts={Surface.SLACK: "UIDA"}, email="Ann@acme.example"),
)  # fmt: skip
WIDEN, PING = (Rung(action=action, share=0.5, who=("bob",)) for action in (Action.WIDEN, Action.PING))


def lacks(route: Route, *, delegations: tuple[Delegation, ...] = ()) -> str | None:
    """What the one route of a policy lacks."""
    people = {person.handle: person for person in (ANN, BOB, OLU, EVE, GIL, HAL, IDA)}
    policy = Policy(people=people, groups={"team": ("ann", "bob")}, routes=(route,), delegations=delegations)
    return quorum_shortages(policy, {}, now=NOW).get(route.name)


def a_route(
    *approvers: str, quorum: int = 1, outsiders: tuple[str, ...] = (), ladder: tuple[Rung, ...] = ()
) -> Route:
    return Route(
        name="pay",
        match=Match(),
        cards=(PLACE,),
        approvers=approvers,
        quorum=quorum,
        outsiders=outsiders,
        ladder=ladder,
    )


def away(giver: str, taker: str, *, until: datetime = NOW + timedelta(days=1)) -> tuple[Delegation, ...]:
    return (Delegation(giver=giver, taker=taker, until=until),)


@pytest.mark.parametrize(
    ("route", "lack"),
    [
        (a_route("ann"), None),
        (a_route("team", quorum=2), None),
        (a_route(), None),  # on purpose
        (a_route("olu"), "no approver who can be found"),
        (a_route("nobody"), "no approver who can be found"),
        (a_route("gil", "olu"), "only guests and external users"),
        (a_route("gil", outsiders=("gil",)), None),
        (a_route("ann", "olu", quorum=2), "needs 2 approvals, but only 1 person can"),
        (a_route("ann", "gil", quorum=2), "needs 2 approvals"),
        (a_route("ann", "eve", quorum=2), "needs 2 approvals"),  # one account is one person
        (a_route("ann", "ida", quorum=2), "needs 2 approvals"),  # and so is one address
        (a_route("hal"), None),  # an outsider in one chat, and not in the other
        (a_route("team", "olu", quorum=3), "but only 2 people can"),
        (a_route("ann", quorum=2, ladder=(WIDEN,)), None),  # until then a Reject is possible
        (a_route("ann", quorum=2, ladder=(PING,)), "needs 2 approvals"),  # being called gives no say
        (a_route("olu", ladder=(WIDEN,)), "no approver who can be found"),
    ],
)  # fmt: skip
def test_what_a_route_lacks(route: Route, lack: str | None) -> None:
    """Nobody to be found, guests alone, or fewer distinct people than its quorum."""
    found = lacks(route)
    assert found == lack if lack is None else lack in (found or "")


def test_whoever_takes_a_place_counts_for_it_and_not_beside_it() -> None:
    """As long as it is delegated; giver and taker have one vote."""
    assert lacks(a_route("olu"), delegations=away("olu", "bob")) is None
    assert lacks(a_route("olu"), delegations=away("olu", "bob", until=NOW)) is not None
    assert lacks(a_route("ann", quorum=2), delegations=away("ann", "bob")) is not None
    assert lacks(a_route("ann", "olu", quorum=2), delegations=away("olu", "bob")) is None
    assert lacks(a_route("team", quorum=2), delegations=away("bob", "ann")) is None  # each their own
    # Olu is no approver here and cannot delegate.
    assert lacks(a_route("ann", quorum=2), delegations=away("olu", "bob")) is not None


def test_requests_of_a_route_that_left_the_file_have_nobody() -> None:
    """Whatever people there are: none of them may decide there."""
    policy = Policy(people={"ann": ANN}, groups={}, routes=(a_route("ann"),))
    found = quorum_shortages(policy, {"pay": 9, "old": 1, "older": 2}, now=NOW)
    assert {
        "old": "Route old was removed from nod.yaml while 1 request is pending, so nobody can decide.",
        "older": "Route older was removed from nod.yaml while 2 requests are pending, so nobody can decide.",
    } == found
    assert {
        "eu": "The source eu was removed from nod.yaml while 2 requests are pending, "
        "so nobody can decide and Nod delivers nothing there."
    } == sources_gone({"eu": 2})
    renamed = replace(policy, routes=(replace(policy.routes[0], name="old"),))
    assert ["pay"] == list(quorum_shortages(renamed, {"pay": 1, "old": 1}, now=NOW))


def asked_by(requester: object, *approvers: str, quorum: int = 1, **more: Any) -> str | None:
    """What keeps a request from being approved that says so who asked for it."""
    route = replace(a_route(*approvers, quorum=quorum), requester="arguments.by", **more)
    people = {person.handle: person for person in (ANN, BOB, OLU, EVE)}
    policy = Policy(people=people, groups={"team": ("ann", "bob")}, routes=(route,))
    arguments: Any = {"by": requester}
    approval = Approval(
        request=HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments=arguments),
        route="pay",
        stage=Stage.OPEN,
        first_seen=NOW,
        deadline=Deadline(at=NOW + timedelta(minutes=3), source=DeadlineSource.TIMEOUT_AT),
    )
    alert = undecidable(policy, approval, now=NOW)
    return alert.text if alert else None


@pytest.mark.parametrize(
    ("requester", "approvers", "more", "why"),
    [
        ("bob", ("ann",), {}, None),
        ("carol", ("ann",), {}, None),
        ("ann", ("team",), {}, None),
        ("ann", ("ann",), {"self_approval": True}, None),
        ("ann", ("ann",), {"ladder": (WIDEN,)}, None),
        ("ann", (), {}, None),
        ("ann", ("olu",), {}, None),  # the route has too few, whichever person asks
        (
            "ann",
            ("ann",),
            {},
            "pay: nobody can approve it, because Ann may have asked for it. It needs 1 person, and",
        ),
        (
            "ann",
            ("team",),
            {"quorum": 2},
            "because Ann may have asked for it. It needs 2 people, and only 1 can decide",
        ),
        (["ann", "bob"], ("team",), {}, "Ann, Bob may have asked"),
        ("x\u200bz", ("team",), {}, "because Nod cannot read who asked for it"),
    ],
)
def test_what_nobody_can_approve_is_known_at_once(
    requester: object, approvers: tuple[str, ...], more: dict[str, Any], why: str | None
) -> None:
    """Because those who could have asked for it themselves, or may have."""
    found = asked_by(requester, *approvers, **more)

    assert why is None if found is None else why is not None and why in found
