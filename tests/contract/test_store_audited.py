"""The store's contract: what the auditor asks: which requests nobody can see, and on which routes they wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.records import NewApproval
from bot.store import Store
from tests.contract.values import NOW, a_placement, after, an_approval, revise, settle


async def unseen(store: Store, *, at: float = 50) -> Sequence[str]:
    """The ids of what nobody can see, so many seconds from NOW, once a quarter of the window is gone."""
    found, then = await store.approvals.unseen(after(at), share=0.25)
    assert then is None
    return [one.id for one in found]


async def test_open_requests_are_counted_by_route(store: Store) -> None:
    """Those that wait for people: not what a rule answers, nor what is over."""
    for number in range(4):
        await store.approvals.insert([NewApproval(approval=an_approval(f"r{number}"))])
    ruled = replace(an_approval("r4"), rule="reads")
    other = replace(an_approval("r5"), route="wires")
    for approval in (ruled, other):
        await store.approvals.insert([NewApproval(approval=approval)])
    await settle(store, "r0")
    assert {("glaip", "payments"): 3, ("glaip", "wires"): 1} == dict(await store.approvals.open_by_route())


async def with_card(store: Store) -> None:
    """r1 with its card c1, which ends in 100 s."""
    await store.approvals.insert(
        [NewApproval(approval=an_approval(deadline=after(100)), placements=[a_placement()])]
    )


async def test_a_request_without_a_card_is_unseen_from_its_share_on(store: Store) -> None:
    """Not a millisecond before; and a card that is up anywhere ends it."""
    await with_card(store)
    assert [] == await unseen(store, at=24.999)
    assert ["r1"] == await unseen(store, at=25)
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert [] == await unseen(store)


async def test_a_card_of_an_earlier_call_shows_nobody_the_new_one(store: Store) -> None:
    """What is superseded asks about something else."""
    await with_card(store)
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert await revise(store, placements=[a_placement("c2")])
    assert ["r1"] == await unseen(store)


async def test_a_digest_tells_of_what_stood_on_it_when_it_was_read(store: Store) -> None:
    """Of what joined it after that it tells nothing."""
    await with_card(store)
    assert 1 == await store.queue_messages.batch(["c1"])  # at NOW, by the store's clock
    (digest,) = await store.queue_messages.standing(lines=1)
    assert ["r1"] == await unseen(store)
    await store.queue_messages.shown(digest.digest_id, ref="ts9", shown="x", at=after(-0.001))
    assert ["r1"] == await unseen(store)
    await store.queue_messages.shown(digest.digest_id, ref="ts9", shown="x", at=NOW)
    assert [] == await unseen(store)
    await store.queue_messages.lost(digest.digest_id)
    assert ["r1"] == await unseen(store)


async def test_what_waits_for_its_turn_is_not_unseen_before_its_share(store: Store) -> None:
    """After so long a card counts that was begun; the one behind it only once posts in their channel fail."""
    for number in (1, 2):
        card = a_placement(f"c{number}", f"r{number}")
        await store.approvals.insert(
            [NewApproval(approval=an_approval(f"r{number}", deadline=after(3600)), placements=[card])]
        )

    async def soon() -> list[str]:
        found, _ = await store.approvals.unseen(after(20), share=0.25, within=timedelta(seconds=20))
        return [approval.id for approval in found]

    assert [] == await soon()
    await store.placements.attempt("c1", at=NOW)
    assert ["r1"] == await soon()
    await store.placements.postpone("c1", next_try=after(30), begun=False)
    assert ["r1", "r2"] == await soon()
    await store.placements.shown("c1", ref="ts1", revision=1)
    assert [] == await soon()
    assert ["r2"] == await unseen(store, at=900)


async def test_what_has_no_place_for_a_card_is_found_in_portions(store: Store) -> None:
    """Each look goes on where the last one ended; what has a card that is not up is found by each."""
    for number in range(5):
        approval = an_approval(f"r{number}", deadline=after(100 + number))
        await store.approvals.insert([NewApproval(approval=approval)])
    placed = NewApproval(approval=an_approval("r9", deadline=after(109)), placements=[a_placement("c9", "r9")])
    await store.approvals.insert([placed])
    looks, then = list[list[str]](), None
    for _ in range(3):
        found, then = await store.approvals.unseen(after(50), share=0.25, after=then, most=2)
        looks.append([one.id for one in found])
    assert [["r0", "r1", "r9"], ["r2", "r3", "r9"], ["r4", "r9"]] == looks
    found, then = await store.approvals.unseen(after(50), share=0.25, after=then, most=2)
    assert (["r9"], None) == ([one.id for one in found], then)

    some, then = await store.approvals.portion(after=None, most=4)
    assert ["r0", "r1", "r2", "r3"] == [one.id for one in some]
    rest, then = await store.approvals.portion(after=then, most=4)
    assert (["r4", "r9"], None) == ([one.id for one in rest], then)
