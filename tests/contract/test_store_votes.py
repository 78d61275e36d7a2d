"""The store's contract: votes of several people, answers by rules, and calls that change under their cards."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.store.open import SqlStore
from bot.approval import Approval, Stage
from bot.protocol import HITLDecision
from bot.records import Counted, NewApproval, Placement
from bot.store import Store
from tests.contract.conftest import Eyes
from tests.contract.values import (
    DEADLINE,
    NOW,
    a_placement,
    a_request,
    a_rules_vote,
    a_vote,
    admit,
    after,
    all_lagging,
    an_approval,
    begin,
    bring_to,
    close,
    decide,
    decision_of,
    revise,
    settle,
    wins,
)


async def get(store: Store, approval_id: str = "r1") -> Approval:
    """An approval that is there."""
    found = await store.approvals.get(approval_id)
    assert found is not None
    return found


async def test_a_quorum_takes_distinct_people(store: Store) -> None:
    """The vote that brings its verdict to enough people decides; the others are named in their order."""
    await admit(store)
    votes = [a_vote("cid", at=after(1)), a_vote("ann", at=after(2)), a_vote("bob", at=after(3))]
    counted = [await store.approvals.vote("r1", vote=vote, needs=3, eligible=None) for vote in votes]
    assert [Counted.WAITING, Counted.WAITING, Counted.DECIDED] == counted
    found = await get(store)
    decision = decision_of(votes[2], "Cid <cid@acme.example>", "Ann <ann@acme.example>")
    assert (Stage.DECIDED, 4, tuple(votes)) == (found.stage, found.revision, found.votes)
    assert decision == found.decision


async def test_one_person_has_one_vote(store: Store, eyes: Eyes) -> None:
    """Voting twice counts once, and a later verdict takes the place of the earlier."""
    await admit(store)
    for note in ("first", "second"):
        assert (
            await store.approvals.vote("r1", vote=a_vote(note=note), needs=2, eligible=None) is Counted.WAITING
        )
    changed = a_vote(verdict=HITLDecision.REJECTED, at=after(1))
    assert await store.approvals.vote("r1", vote=changed, needs=2, eligible=None) is Counted.WAITING
    assert await store.approvals.vote("r1", vote=a_vote("bob"), needs=2, eligible=None) is Counted.WAITING
    assert [(2,)] == eyes("SELECT count(*) FROM votes")
    assert {a_vote("bob"), changed} == set((await get(store)).votes)


async def test_verdicts_are_counted_apart(store: Store) -> None:
    """One Reject ends it where one is enough, despite earlier approvals; only that person is named."""
    await admit(store)
    assert await store.approvals.vote("r1", vote=a_vote("ann"), needs=2, eligible=None) is Counted.WAITING
    no = a_vote("bob", verdict=HITLDecision.REJECTED)
    assert await store.approvals.vote("r1", vote=no, needs=1, eligible=None) is Counted.DECIDED
    assert decision_of(no) == (await get(store)).decision


async def test_two_names_of_one_account_are_one_person(store: Store) -> None:
    """A person with two handles in the policy has one vote, and is named once."""
    await admit(store)
    ann = a_vote("ann")
    twin = replace(a_vote("annie", at=after(1)), actor=ann.actor)
    for vote in (ann, twin):
        assert await store.approvals.vote("r1", vote=vote, needs=2, eligible=None) is Counted.WAITING
    bob = a_vote("bob", at=after(2))
    assert await store.approvals.vote("r1", vote=bob, needs=2, eligible=None) is Counted.DECIDED
    assert decision_of(bob, "Ann <ann@acme.example>") == (await get(store)).decision


async def test_a_seat_has_one_vote(store: Store) -> None:
    """Ann and then Ann's stand-in are not two people; nor are two stand-ins for Ann."""
    await admit(store)
    for person, eligibility in (("ann", None), ("dan", "ann"), ("eve", "ann")):
        vote = a_vote(person, acting_for=eligibility)
        assert await store.approvals.vote("r1", vote=vote, needs=2, eligible=None) is Counted.WAITING
    bob = a_vote("bob", acting_for="cid")
    assert await store.approvals.vote("r1", vote=bob, needs=2, eligible=None) is Counted.DECIDED


async def test_handles_of_one_account_and_delegates_of_one_person_are_two(store: Store) -> None:
    """A quorum of three is not reached by two handles of one account and two who take one place."""
    await admit(store)
    ann = a_vote("ann")
    votes = [
        ann,
        replace(a_vote("annie", at=after(1)), actor=ann.actor),
        a_vote("dan", acting_for="cid", at=after(2)),
        a_vote("eve", acting_for="cid", at=after(3)),
    ]
    for vote in votes:
        assert await store.approvals.vote("r1", vote=vote, needs=3, eligible=None) is Counted.WAITING
    bob = a_vote("bob", acting_for="fay", at=after(4))
    assert await store.approvals.vote("r1", vote=bob, needs=3, eligible=None) is Counted.DECIDED


async def test_a_vote_of_somebody_who_left_does_not_count(store: Store) -> None:
    """Those who may vote now are counted, and the one who votes just now; the others are not named either."""
    await admit(store)
    left = frozenset({"bob", "cid"})
    for vote in (a_vote("ann"), a_vote("bob", at=after(1))):
        assert await store.approvals.vote("r1", vote=vote, needs=2, eligible=left) is Counted.WAITING
    dan = a_vote("dan", at=after(2))
    assert await store.approvals.vote("r1", vote=dan, needs=2, eligible=left) is Counted.DECIDED
    assert decision_of(dan, "Bob <bob@acme.example>") == (await get(store)).decision


async def test_odd_handles_count_as_they_are_kept(store: Store) -> None:
    """A handle with a character that no database keeps is found again among those who count."""
    await admit(store)
    odd, ann = a_vote("o\0dd"), a_vote("ann")
    eligible = frozenset({"o\0dd", "ann"})
    assert await store.approvals.vote("r1", vote=odd, needs=2, eligible=eligible) is Counted.WAITING
    again = replace(odd, acting_for="o\0dd")
    assert await store.approvals.vote("r1", vote=again, needs=2, eligible=eligible) is Counted.WAITING
    assert await store.approvals.vote("r1", vote=ann, needs=2, eligible=eligible) is Counted.DECIDED


async def test_two_people_at_once_are_both_counted(store: Store) -> None:
    """Of two votes at the same moment each sees the other: the quorum of two is reached, every time."""
    for number in range(10):
        approval_id = f"r{number}"
        digest = await admit(store, approval_id)
        both = (a_vote(person, digest=digest) for person in ("ann", "bob"))
        counted = await asyncio.gather(
            *(store.approvals.vote(approval_id, vote=one, needs=2, eligible=None) for one in both)
        )
        assert {Counted.WAITING, Counted.DECIDED} == set(counted)
        assert Stage.DECIDED is (await get(store, approval_id)).stage


async def test_of_fifty_votes_at_once_one_decides(store: Store, eyes: Eyes) -> None:
    """With a quorum of twenty, twenty votes count, one decision is made, and thirty come too late."""
    await admit(store)
    votes = [a_vote(f"p{number}") for number in range(50)]
    counted = await asyncio.gather(
        *(store.approvals.vote("r1", vote=one, needs=20, eligible=None) for one in votes)
    )
    told = {word: counted.count(word) for word in Counted}
    assert {Counted.WAITING: 19, Counted.DECIDED: 1, Counted.LOST: 30} == told
    assert [(1, 20)] == eyes("SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM votes)")
    decision = (await get(store)).decision
    assert decision is not None
    assert 19 == len(decision.others)


async def test_a_rule_answers_in_place_of_people(store: Store) -> None:
    """While a rule is to answer, no person's vote is valid; the rule's is, and it is named."""
    approval = replace(an_approval(), rule="reads")
    await store.approvals.insert([NewApproval(approval=approval)])
    assert approval == await get(store)
    assert not await wins(store, a_vote())
    assert await wins(store, a_rules_vote())
    assert "rule reads" == str((await get(store)).decision.actor)  # type: ignore[union-attr]  # just decided


async def test_people_are_asked_when_the_rule_is_gone(store: Store) -> None:
    """Then their votes are valid, the card is redrawn, and a second call does no harm."""
    await store.approvals.insert([NewApproval(approval=replace(an_approval(), rule="reads"))])
    assert await store.approvals.ask_people("r1")
    assert replace(an_approval(), revision=2) == await get(store)
    assert await store.approvals.ask_people("r1")
    assert await wins(store, a_vote())
    assert not await store.approvals.ask_people("r1")
    assert not await store.approvals.ask_people("nobody")


async def test_thousands_of_approvals_come_with_their_votes(store: SqlStore) -> None:
    """Each with its own, in a few statements, however many there are."""
    for number in range(30):
        digest = await admit(store, f"r{number}")
        if number % 3:
            await store.approvals.vote(f"r{number}", vote=a_vote(digest=digest), needs=2, eligible=None)
    found = await store.approvals.at(Stage.OPEN)
    assert {f"r{number}": int(number % 3 > 0) for number in range(30)} == {a.id: len(a.votes) for a in found}


# --- a call that changes ----------------------------------------------------------------------------------


async def with_card_up(store: Store) -> None:
    """An approval whose card shows it."""
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()])])
    await store.placements.shown("c1", ref="ts1", revision=1, digest=a_request().digest)


async def lagging(store: Store) -> list[str]:
    """The ids of the cards that lag."""
    return [placement.card_id for placement, _ in await all_lagging(store)]


async def test_a_changed_call_gets_new_cards(store: Store) -> None:
    """The old card lags until it was given up, the new one until it shows the new call."""
    await with_card_up(store)
    await store.placements.postpone("c1", next_try=after(60))
    await store.approvals.vote("r1", vote=a_vote(), needs=2, eligible=None)
    assert await revise(store, placements=[a_placement("c2")])
    assert () == (await get(store)).votes
    old = Placement(
        **{
            **{name: getattr(a_placement(), name) for name in ("card_id", "approval_id", "destination")},
            "ref": "ts1",
            "shown_revision": 1,
            "digest": a_request().digest,
            "superseded": True,
        }
    )
    assert (old, a_placement("c2")) == await store.placements.of("r1")
    assert ["c1", "c2"] == await lagging(store)
    new = (await get(store)).request.digest
    await store.placements.shown("c1", ref="ts1", revision=3, digest=new)
    await store.placements.shown("c2", ref="ts2", revision=3, digest=new)
    assert ["c1"] == await lagging(store)
    await settle(store)
    assert not await close(store)
    await store.placements.shown("c2", ref="ts2", revision=4, digest=new)
    await store.placements.give_up("c1")
    assert await close(store)


async def test_a_superseded_card_that_was_given_up_stays_so(store: Store) -> None:
    """A channel that refuses us is not tried again because the call changed."""
    await with_card_up(store)
    await store.placements.give_up("c1")
    assert await revise(store, placements=[a_placement("c2")])
    assert ["c2"] == await lagging(store)


async def test_a_lost_card_forgets_what_it_showed(store: Store) -> None:
    """A message that was deleted shows no call."""
    await with_card_up(store)
    await store.placements.lost("c1")
    assert a_placement() == await store.placements.get("c1")


async def test_a_decision_that_was_not_sent_yet_is_void(store: Store, eyes: Eyes) -> None:
    """The call changed before the platform heard: nothing of the answer is left, and people are asked again."""
    await bring_to(store, Stage.DECIDED)
    await store.approvals.postpone("r1", next_try=after(9), trouble="not read again")
    assert await revise(store, was=Stage.DECIDED, placements=[a_placement("c2")])
    found = await get(store)
    assert (Stage.OPEN, None, (), None, None) == (
        found.stage,
        found.decision,
        found.votes,
        found.trouble,
        found.next_try,
    )
    assert [(0, 0)] == eyes("SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM votes)")
    assert not await wins(store, a_vote())
    assert await wins(store, a_vote(digest=found.request.digest))


async def test_a_decision_that_may_have_been_sent_stands(store: Store) -> None:
    """Once a POST was begun the platform may have the answer: it is not taken back."""
    await bring_to(store, Stage.DECIDED)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(1))
    await begin(store)
    before = await get(store)
    assert not await revise(store, was=Stage.DECIDED)
    assert not await store.approvals.void("r1", why="denied", at=after(19.999))
    assert before == await get(store)


async def test_the_same_call_is_no_change(store: Store) -> None:
    """Two replicas that notice one change ask people once."""
    await admit(store)
    new = a_request(arguments=1)
    taken = await asyncio.gather(
        *(revise(store, request=new, placements=[a_placement(card)]) for card in ("c1", "c2"))
    )
    assert [False, True] == sorted(taken)
    assert 1 == len(await store.placements.of("r1"))


async def test_a_changed_call_is_for_people(store: Store) -> None:
    """A rule matched the old call; it does not answer a new one, and the route is looked up again."""
    await store.approvals.insert([NewApproval(approval=replace(an_approval(), rule="reads"))])
    assert await revise(store, route="wires")
    found = await get(store)
    assert (None, "wires") == (found.rule, found.route)


@pytest.mark.parametrize("posted", [False, True])
async def test_a_decision_is_taken_back(store: Store, eyes: Eyes, posted: bool) -> None:
    """People are asked again about the same call, even after an attempt that ended without an answer."""
    await with_card_up(store)
    await decide(store)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=NOW)
    await store.approvals.postpone("r1", next_try=after(9), trouble="503")
    if posted:
        await begin(store, now=after(10), until=after(20))
    assert await store.approvals.void("r1", why="denied by no-wires", at=after(20 if posted else 0))
    assert replace(an_approval(), revision=4) == await get(store)
    assert [(0, 0)] == eyes("SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM votes)")
    assert ["c1"] == await lagging(store)
    assert await wins(store, a_vote("bob"))


async def test_what_a_rule_answered_is_left_to_people(store: Store) -> None:
    """Once its answer was taken back, the rule does not answer again."""
    await store.approvals.insert([NewApproval(approval=replace(an_approval(), rule="reads"))])
    assert await wins(store, a_rules_vote())
    assert await store.approvals.void("r1", why="denied", at=NOW)
    assert (await get(store)).rule is None
    assert await wins(store, a_vote())


@pytest.mark.parametrize("was", [Stage.SETTLED, Stage.CLOSED])
async def test_what_is_over_is_not_asked_anew(store: Store, was: Stage) -> None:
    """Nothing leads back from the end."""
    await bring_to(store, was)
    before = await get(store)
    assert not await revise(store, was=was)
    assert before == await get(store)


async def test_a_vote_for_the_old_call_never_counts_for_the_new(store: Store) -> None:
    """Votes and a change at once: in any order, no vote is counted for a call that its voter did not see."""
    for number in range(10):
        approval_id = f"r{number}"
        digest = await admit(store, approval_id, deadline=DEADLINE)
        await store.approvals.vote(approval_id, vote=a_vote("ann", digest=digest), needs=2, eligible=None)
        change = revise(store, approval_id)
        vote = store.approvals.vote(approval_id, vote=a_vote("bob", digest=digest), needs=2, eligible=None)
        if number % 2:
            changed, counted = await asyncio.gather(change, vote)
        else:
            counted, changed = await asyncio.gather(vote, change)
        found = await get(store, approval_id)
        assert changed is (counted is Counted.LOST)
        assert all(one.digest == found.request.digest for one in found.votes)


async def test_the_decided_card_knows_who_voted(store: Store) -> None:
    """Cards that lag and rungs that are due come with the votes as well."""
    await with_card_up(store)
    vote = await decide(store)
    ((_, approval),) = await all_lagging(store)
    assert (vote,) == approval.votes
