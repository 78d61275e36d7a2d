"""How many people some votes are: never more than there are, and as many where each votes once, for herself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.approval import Actor, Vote, distinct_people
from bot.protocol import HITLDecision
from bot.surface import Surface

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PLACES = (Surface.SLACK, Surface.TEAMS)


def vote(
    handle: str,
    *,
    account: str | None = None,
    acting_for: str | None = None,
    email: str | None = None,
    place: Surface = Surface.SLACK,
) -> Vote:
    """An approval by a handle, through the account of the same name unless another is given."""
    actor = Actor(surface=place, account=account or f"U-{handle}", name=handle, email=email)
    return Vote(
        person=handle,
        verdict=HITLDecision.APPROVED,
        actor=actor,
        at=NOON,
        card_id="c1",
        digest="d",
        acting_for=acting_for,
    )


ANN, BOB = vote("ann"), vote("bob")
CASES: dict[str, tuple[int, tuple[Vote, ...]]] = {
    "nobody": (0, ()),
    "one": (1, (ANN,)),
    "two, each for herself": (2, (ANN, BOB)),
    "one of them in the place of somebody absent": (2, (ANN, vote("bob", acting_for="cem"))),
    "both in the places of two who are absent": (
        2,
        (vote("ann", acting_for="cem"), vote("bob", acting_for="dan")),
    ),
    "somebody, and who takes her place": (1, (ANN, vote("bob", acting_for="ann"))),
    "two who take one place": (1, (vote("ann", acting_for="cem"), vote("bob", acting_for="cem"))),
    "two handles of one account": (1, (ANN, vote("annie", account="U-ann"))),
    "two accounts of one handle": (1, (ANN, vote("ann", account="T-ann", place=Surface.TEAMS))),
    "two of the same id on two surfaces": (2, (ANN, vote("bob", account="U-ann", place=Surface.TEAMS))),
    "two handles of one address": (
        1,
        (vote("ann", email="ann@acme.example"), vote("annie", email="Ann@acme.example")),
    ),
    "an account and a place between them": (
        1,
        (ANN, vote("bob", acting_for="ann"), vote("bobby", account="U-bob")),
    ),
    "two handles of one account, in two places": (
        2,
        (
            vote("ann", account="U1", acting_for="cem"),
            vote("annie", account="U1", acting_for="dan"),
            vote("bob", acting_for="cem"),
            vote("eve"),
        ),
    ),
    # As many accounts as places, and more of both than people: {U1: x1, x2}, and bob and eve for one.
    "handles of one account beside delegates of one person": (
        2,
        (
            vote("x1", account="U1"),
            vote("x2", account="U1"),
            vote("bob", acting_for="cem"),
            vote("eve", acting_for="cem"),
        ),
    ),
}


@pytest.mark.parametrize(("people", "votes"), CASES.values(), ids=CASES.keys())
def test_so_many_people_are_so_many(people: int, votes: tuple[Vote, ...]) -> None:
    """Whatever the order in which they voted."""
    assert {people} == {distinct_people(order) for order in permutations(votes)}


@dataclass(frozen=True, slots=True)
class Person:
    """A real person: either several handles of one account, or one handle with an account on each surface."""

    handles: tuple[str, ...]
    accounts: tuple[tuple[Surface, str], ...]


@st.composite
def people(draw: st.DrawFn) -> list[Person]:
    """A world of up to six people."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        places = tuple((place, f"U{number}") for place in PLACES)
        many = tuple(f"p{number}.{name}" for name in range(draw(st.integers(1, 3))))
        found.append(Person(many, places[:1]) if draw(st.booleans()) else Person(many[:1], places))
    return found


@given(st.data())
def test_never_more_than_there_are(data: st.DataObject) -> None:
    """With whatever handles, accounts and delegations: at most one for each person, account and mandate."""
    rig = data.draw(people())
    handles = [handle for person in rig for handle in person.handles]
    cast: dict[str, tuple[Person, Vote]] = {}
    for person in data.draw(st.lists(st.sampled_from(rig), max_size=12)):
        handle = data.draw(st.sampled_from(person.handles))
        place, account = data.draw(st.sampled_from(person.accounts))
        eligibility = data.draw(st.none() | st.sampled_from(handles))
        cast[handle] = person, vote(handle, account=account, acting_for=eligibility, place=place)
    votes = [one for _, one in cast.values()]

    counted = distinct_people(votes)

    assert counted <= len({person for person, _ in cast.values()})
    assert counted <= len({(one.actor.surface, one.actor.account) for one in votes})
    assert counted <= len({one.acting_for or one.person for one in votes})
    assert bool(votes) == bool(counted)


@given(st.permutations(range(8)), st.integers(1, 8), st.integers(0, 8))
def test_honest_people_all_count(order: list[int], voters: int, delegated: int) -> None:
    """People with one account each, some in the places of different people who are absent: each is one."""
    votes = [
        vote(f"p{number}", acting_for=f"away{number}" if number < delegated else None)
        for number in order[:voters]
    ]
    assert voters == distinct_people(votes)


@given(st.data())
def test_a_vote_more_is_one_more_at_most(data: st.DataObject) -> None:
    """And it can make of two people one, when it turns out that they are."""
    few = st.sampled_from(["a", "b", "c", "d"])
    votes = [
        vote(data.draw(few), account=data.draw(few), acting_for=data.draw(st.none() | few))
        for _ in range(data.draw(st.integers(1, 6)))
    ]
    assert distinct_people(votes) <= distinct_people(votes[:-1]) + 1
