"""A card names those whose votes were enough, by their names as they are."""

from __future__ import annotations

from dataclasses import replace

from bot.approval import Actor, Outcome
from bot.status import status_of
from bot.surface import Surface
from bot.wording import CardState
from tests.render.cards import NOW, decision, policy, settled, vote


def test_a_name_is_told_whole_and_without_its_address() -> None:
    """A name may hold what an address is set in; nothing is cut out of it."""
    bob = Actor(surface=Surface.SLACK, account="U0BOB", name="Bob <ops> Brandt", email="bob@acme.example")
    by_two = replace(decision(), others=(str(bob),))
    over = settled(Outcome.APPROVED, by_two, votes=(vote(person="bob", actor=bob), vote()))
    (who, *_) = status_of(over, CardState.APPROVED, policy=policy(), now=NOW)
    assert f"by Bob <ops> Brandt and {by_two.actor.name}, " == who[0]
