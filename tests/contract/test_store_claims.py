"""The store's contract: "I'm on it", on each kind of database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.approval import Claim, Stage
from bot.ladder import Action
from bot.records import LAST_CALLS, Claimed, DueRung, NewApproval, Step
from bot.store import Store
from tests.contract.conftest import Eyes
from tests.contract.values import (
    DEADLINE,
    NOW,
    a_claim,
    a_notice,
    a_placement,
    a_rung,
    a_vote,
    admit,
    after,
    ahead_of,
    all_lagging,
    an_approval,
    bring_to,
    claim,
    decide,
    fire,
    found,
    revise,
    unfired,
    wins,
)


async def last_calls(store: Store) -> list[tuple[int, tuple[str, ...]]]:
    """Number and people of the last calls that have not fired."""
    due = [rung for rung, _ in await unfired(store, after(9_999))]
    return [(rung.number, rung.who) for rung in due if rung.action is Action.LAST_CALL]


async def test_a_claim_shows_and_brings_its_last_call(store: Store, rings: list[Step]) -> None:
    """It reads back wherever the approval is read; its last call is a rung behind the ladder."""
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[a_rung(due=10)])]
    )
    rings.clear()
    assert Claimed.YES is await claim(store)
    assert [Step.SHOW, Step.ESCALATE] == rings
    rung = a_rung(due=10)
    expected = replace(an_approval(), claims=(a_claim(),), ahead=ahead_of(rung), revision=2)
    assert expected == await found(store)
    assert (expected,) == await store.approvals.at(Stage.OPEN)
    assert [expected] == [approval for _, approval in await all_lagging(store)]
    last = DueRung(approval_id="r1", number=LAST_CALLS, due_at=after(25), action=Action.LAST_CALL, who=("ann",))
    over = replace(last, number=LAST_CALLS + 1, due_at=after(30), action=Action.REDRAW)
    expected_due = [(rung, expected), (last, expected), (over, expected)]
    assert expected_due == list(await unfired(store, after(60)))


async def test_one_at_a_time_is_on_it(store: Store, rings: list[Step]) -> None:
    """While a lease runs nobody else gets one; once it ends another person can, but not the same one."""
    await admit(store)
    assert Claimed.YES is await claim(store)
    rings.clear()
    assert Claimed.TAKEN is await claim(store, a_claim("bob", at=after(29.999)))
    assert Claimed.BEFORE is await claim(store, a_claim("ann", at=after(30)))
    assert [] == rings
    assert Claimed.YES is await claim(store, a_claim("bob", at=after(30)))
    assert ["ann", "bob"] == [one.person for one in (await found(store)).claims]
    assert 3 == (await found(store)).revision
    assert [(LAST_CALLS, ("ann",)), (LAST_CALLS + 2, ("bob",))] == await last_calls(store)


LOST = {
    "another call": ({"digest": "0" * 64}, a_claim()),
    "at the deadline": ({}, a_claim(at=DEADLINE)),
    "nobody's": ({"approval_id": "r9"}, a_claim()),
}


@pytest.mark.parametrize("why", LOST)
async def test_a_claim_is_about_a_call_that_waits(store: Store, why: str) -> None:
    """One about another call, or that comes at the deadline, leaves no trace."""
    await admit(store)
    how, one = LOST[why]
    assert Claimed.LOST is await claim(store, one, **how)
    assert an_approval() == await found(store)
    assert [] == await last_calls(store)


@pytest.mark.parametrize("stage", [Stage.DECIDED, Stage.SETTLED, Stage.CLOSED])
async def test_what_is_answered_is_not_claimed(store: Store, stage: Stage) -> None:
    """The record tells what is true."""
    await bring_to(store, stage)
    before = await found(store)
    assert Claimed.LOST is await claim(store)
    assert before == await found(store)


async def test_what_a_rule_answers_is_not_claimed(store: Store) -> None:
    """Until it is left to people."""
    await store.approvals.insert([NewApproval(approval=replace(an_approval(), rule="reads"))])
    assert Claimed.LOST is await claim(store)
    await store.approvals.ask_people("r1")
    assert Claimed.YES is await claim(store)


async def test_of_many_one_is_on_it(store: Store) -> None:
    """However many claim it at once; a person who claims twice at once is there once."""
    await admit(store)
    people = [f"p{number}" for number in range(8)]
    said = await asyncio.gather(*(claim(store, a_claim(person)) for person in people))
    assert sorted([Claimed.YES, *[Claimed.TAKEN] * 7]) == sorted(said)
    await admit(store, "r2")
    said = await asyncio.gather(*(claim(store, a_claim(), "r2") for _ in range(8)))
    assert sorted([Claimed.YES, *[Claimed.BEFORE] * 7]) == sorted(said)
    assert (1, 2) == (len((await found(store, "r2")).claims), (await found(store, "r2")).revision)


async def test_a_claim_and_a_decision_do_not_mix(store: Store) -> None:
    """Who claims what is decided in the same moment is told so, or was first."""
    for number in range(10):
        name = f"r{number}"
        await admit(store, name)
        moves = [decide(store, name), claim(store, approval_id=name)]
        done = await asyncio.gather(*(moves if number % 2 else reversed(moves)))
        said = next(one for one in done if isinstance(one, Claimed))
        approval = await found(store, name)
        assert Stage.DECIDED is approval.stage
        assert (said is Claimed.YES) is bool(approval.claims)


async def test_a_changed_call_is_claimed_anew(store: Store, eyes: Eyes) -> None:
    """A claim was about the call that its card showed: it goes, with a last call that has not come yet."""
    await admit(store)
    assert Claimed.YES is await claim(store)
    assert await revise(store)
    assert () == (await found(store)).claims
    assert [] == await last_calls(store)
    changed = (await found(store)).request.digest
    assert Claimed.YES is await claim(store, digest=changed)
    await fire(
        store,
        [rung for rung, _ in await unfired(store, after(99))],
        at=after(25),
        notices=[a_notice("ann.last", person="ann")],
    )
    assert await revise(store, request=replace(an_approval().request, arguments=2))
    again = (await found(store)).request.digest
    assert Claimed.YES is await claim(store, digest=again)
    numbers = [(LAST_CALLS,), (LAST_CALLS + 1,), (LAST_CALLS + 2,)]
    assert numbers == eyes("SELECT number FROM rungs ORDER BY number")


async def test_a_claim_outlives_a_decision_that_was_taken_back(store: Store) -> None:
    """It is the same call, and the claim is still valid."""
    await admit(store)
    await claim(store)
    assert await wins(store, a_vote("bob"))
    assert await store.approvals.void("r1", why="denied", at=NOW)
    assert (a_claim(),) == (await found(store)).claims


async def test_a_name_that_no_database_keeps_claims_all_the_same(store: Store) -> None:
    """NUL in a handle or an id is replaced, and the claim is found again."""
    await admit(store, "r\0")
    odd = Claim(person="a\0", name="A\0nn", at=NOW, until=after(9))
    assert Claimed.YES is await claim(store, odd, "r\0")
    assert Claimed.BEFORE is await claim(store, odd, "r\0")
    assert ["A\ufffdnn"] == [one.name for one in (await found(store, "r\0")).claims]


async def test_votes_and_claims_stand_side_by_side(store: Store) -> None:
    """Reading the one does not lose the other."""
    digest = await admit(store)
    await claim(store)
    vote = a_vote("bob", digest=digest)
    await store.approvals.vote("r1", vote=vote, needs=2, eligible=None)
    approval = await found(store)
    assert ((vote,), (a_claim(),), 3) == (approval.votes, approval.claims, approval.revision)
