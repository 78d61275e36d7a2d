"""The store's contract: what is left of a ladder when the call, the deadline or the route is another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.store.open import SqlStore
from bot.alerts import RUNG
from bot.approval import Outcome, Stage
from bot.ladder import Action, Lease
from bot.records import LAST_CALLS, Claimed, DueRung, NewApproval
from bot.store import Store
from bot.surface import Destination, Surface
from tests.contract.conftest import Eyes
from tests.contract.values import (
    BOARD,
    FINANCE,
    a_claim,
    a_deadline,
    a_notice,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    admit,
    after,
    ahead_of,
    an_alert,
    an_approval,
    claim,
    close,
    fire,
    found,
    retime,
    revise,
    settle,
    unfired,
    unsent,
)

ELSEWHERE = Destination(surface=Surface.SLACK, channel="C0ELSEWHERE")


async def due(store: Store) -> list[tuple[int, Action]]:
    """Number and action of the rungs that have not fired."""
    return [(rung.number, rung.action) for rung, _ in await unfired(store, after(9_999))]


async def fired(store: Store, *rungs: DueRung) -> None:
    """Admit an approval with a card and these rungs, which fire."""
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()], rungs=rungs)])
    assert await fire(store, rungs, at=after(1), notices=[a_notice()])


# --- rungs ------------------------------------------------------------------------------------------------


async def test_a_rung_whose_moment_lies_ahead_again_fires_again(store: Store) -> None:
    """A window that grew has a ladder of its own; what is past in it stays as it is."""
    await fired(store, a_rung(0, due=-9), a_rung(1, due=-5))
    assert await retime(store, deadline=a_deadline(after(900)), rungs=[a_rung(0, due=-1), a_rung(1, due=500)])
    assert [(1, Action.PING)] == await due(store)


async def test_another_routes_ladder_is_written_whole(store: Store) -> None:
    """Its numbers mean other rungs than those that fired: one whose moment is past fires too, once."""
    await fired(store, a_rung(0, due=-9), a_rung(1, due=-5))
    assert (await found(store)).escalated_at is not None
    await revise(store, route="wires", rungs=[a_rung(0, due=-1, action=Action.PAGE), a_rung(1, due=40)])
    assert [(0, Action.PAGE), (1, Action.PING)] == await due(store)
    assert (await found(store)).escalated_at is None


async def test_a_page_that_was_taken_back_pages_again(store: SqlStore) -> None:
    """The first one is over; else the second would be taken for it, and wake nobody."""
    page = a_rung(0, due=-1, action=Action.PAGE)
    await fired(store, page)
    alert = an_alert(cause=f"{RUNG}-0")
    assert await store.alerts.raise_(alert)
    assert await retime(store, deadline=a_deadline(after(900)), rungs=[page])
    assert (alert,) == await store.alerts.open_of(approval_id="r1")
    later = replace(a_deadline(), at=after(1_800))
    moved = await store.approvals.retime(
        "r1", was=after(900), route="payments", deadline=later, rungs=[replace(page, due_at=after(500))],
        lease=Lease(until=after(99), last_call=after(90)),
    )  # fmt: skip
    assert moved
    assert () == await store.alerts.open_of(approval_id="r1")
    assert await store.alerts.raise_(alert)


async def test_what_a_rung_says_twice_has_two_marks(store: Store) -> None:
    """The first may have been said: the second is a message of its own, and not lost as a copy."""
    await fired(store, a_rung(0, due=-9))
    first = await unsent(store)
    await store.outbox.sent(first, channel="C1", ref="ts1", at=after(2))
    again = a_rung(0, due=5)
    assert await revise(store, rungs=[again])
    assert await fire(store, [again], at=after(6), notices=[a_notice()])
    marks = [notice.mark for notice in await unsent(store)]
    assert ["c1.rung0", "c1.rung0.2"] == [*(notice.mark for notice in first), *marks]


async def test_an_approval_knows_what_is_ahead_of_it(store: Store) -> None:
    """The first rung that others hear of and that has not fired; nothing once it is answered."""
    first, second = a_rung(1, due=20), a_rung(0, due=50)
    redraw = a_rung(100, due=10, action=Action.REDRAW, who=())
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[second, first, redraw])]
    )
    await admit(store, "r2")
    seen = {one.id: one.ahead for one in await store.approvals.at(Stage.OPEN)}
    assert {"r1": ahead_of(first), "r2": None} == seen
    assert await fire(store, [first], at=after(20))
    assert ahead_of(second) == (await found(store)).ahead
    await store.approvals.vote("r1", vote=a_vote(), needs=1, eligible=None)
    assert (await found(store)).ahead is None


# --- places -----------------------------------------------------------------------------------------------


async def test_people_who_were_let_in_see_the_new_call(store: Store) -> None:
    """A card in each place where a rung had put one, for as often as the call changes; of this route only."""
    widen = a_rung(0, due=-1, action=Action.WIDEN, who=("cfo",), cards=(BOARD,))
    later = a_rung(1, due=99, action=Action.FALLBACK, who=(), cards=(ELSEWHERE,))
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[widen, later])]
    )
    assert await fire(store, [widen], at=after(1), placements=[a_placement("c2", at=BOARD)])
    for number in (1, 2):
        cards = [a_placement(f"new{number}")]
        request = a_request(arguments=number)
        assert await revise(store, request=request, placements=cards, rungs=[widen, later])
        standing = [p for p in await store.placements.of("r1") if not p.superseded]
        assert {FINANCE, BOARD} == {placement.destination for placement in standing}
        assert 2 == len(standing)
    elsewhere = [a_placement("w", at=ELSEWHERE)]
    assert await revise(store, request=a_request(arguments=3), route="wires", placements=elsewhere)
    standing = [p for p in await store.placements.of("r1") if not p.superseded]
    assert [ELSEWHERE] == [placement.destination for placement in standing]


async def test_a_call_that_gets_no_more_cards_gets_none_there_either(store: Store) -> None:
    """It changed too often."""
    widen = a_rung(0, due=-1, action=Action.WIDEN, who=("cfo",), cards=(BOARD,))
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[widen])]
    )
    assert await fire(store, [widen], at=after(1), placements=[a_placement("c2", at=BOARD)])
    assert await revise(store, rungs=[widen])
    assert all(placement.superseded for placement in await store.placements.of("r1"))


@pytest.mark.parametrize("how", ["retimed", "revived"])
async def test_a_request_goes_on_under_another_route(store: Store, how: str) -> None:
    """Its cards stay, the new route's places are added; ladder, widening and claims of the old one are gone."""
    await fired(store, a_rung(0, due=-9, action=Action.WIDEN, who=("cfo",)), a_rung(1, due=-5))
    await claim(store)
    cards, rungs = [a_placement("c8"), a_placement("c9", at=BOARD)], [a_rung(0, due=400)]
    later = a_deadline(after(900))
    if how == "retimed":
        assert await retime(store, route="wires", deadline=later, rungs=rungs, placements=cards)
    else:
        await settle(store)
        assert await store.approvals.revive(
            "r1", route="wires", deadline=later, rungs=rungs, at=after(9), placements=cards
        )
    approval = await found(store)
    assert ("wires", (), (), Stage.OPEN) == (
        approval.route, approval.widened, approval.claims, approval.stage
    )  # fmt: skip
    assert [(0, Action.PING)] == await due(store)
    assert {"c1", "c9"} == {p.card_id for p in await store.placements.of("r1") if not p.superseded}


# --- leases -----------------------------------------------------------------------------------------------


async def test_a_nearer_deadline_cuts_a_lease(store: Store) -> None:
    """With its last call and its end; one that is short enough stays as it is."""
    await admit(store)
    await claim(store)
    near = Lease(until=after(12), last_call=after(9))
    assert await retime(store, deadline=a_deadline(after(60)), lease=near)
    assert [a_claim(until=after(12))] == list((await found(store)).claims)
    moments = [(rung.action, rung.due_at) for rung, _ in await unfired(store, after(99))]
    assert [(Action.LAST_CALL, after(9)), (Action.REDRAW, after(12))] == moments
    far = Lease(until=after(20), last_call=after(15))
    assert await store.approvals.retime(
        "r1", was=after(60), route="payments", deadline=a_deadline(after(99)), rungs=(), lease=far
    )
    assert [a_claim(until=after(12))] == list((await found(store)).claims)


async def test_who_votes_is_on_it_no_more(store: Store) -> None:
    """A person who votes gives up the claim: others are pinged again and can claim it; no last call follows."""
    await admit(store)
    await claim(store)
    await store.approvals.vote("r1", vote=a_vote("bob"), needs=3, eligible=None)
    assert after(30) == (await found(store)).claims[0].until
    await store.approvals.vote("r1", vote=a_vote(at=after(10)), needs=3, eligible=None)
    assert after(10) == (await found(store)).claims[0].until
    assert [] == await due(store)
    assert Claimed.YES is await claim(store, a_claim("bob", at=after(10)))
    assert [(LAST_CALLS, Action.LAST_CALL), (LAST_CALLS + 1, Action.REDRAW)] == await due(store)


async def test_a_vote_after_a_lease_leaves_it_as_it_was(store: Store) -> None:
    """Its end is not moved."""
    await admit(store)
    await claim(store)
    await store.approvals.vote("r1", vote=a_vote(at=after(40)), needs=2, eligible=None)
    assert after(30) == (await found(store)).claims[0].until


# --- the end ----------------------------------------------------------------------------------------------


async def test_only_what_is_owed_nothing_is_closed(store: Store, eyes: Eyes) -> None:
    """Not while a card lags, nor while a person is still to be notified; so a round writes nothing in vain."""
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()])])
    await store.placements.shown("c1", ref="ts1", revision=1)
    await store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=after(1))
    await store.approvals.told({"r1": ()})
    assert () == await store.approvals.closable(most=9)
    await store.placements.shown("c1", ref="ts1", revision=9)
    assert ("r1",) == await store.approvals.closable(most=9)
    assert await close(store)
    assert () == await store.approvals.closable(most=9)
    assert [("closed",)] == eyes("SELECT stage FROM approvals")
