"""`nod audit verify` is content with every move that Nod itself makes, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.cli.audit import verify
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.ladder import Action
from bot.records import Counted, NewApproval
from tests.contract.conftest import PAGERS
from tests.contract.values import (
    NOW,
    SIGNING,
    a_deadline,
    a_placement,
    a_request,
    a_rules_vote,
    a_rung,
    a_vote,
    after,
    an_approval,
    begin,
    close,
    fire,
    found,
    retime,
    revise,
    settle,
)


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    """An open store, whose secret the tests know."""
    async with open_store(
        url, ring=lambda _: None, pagers=PAGERS, clock=lambda: NOW, signing=SIGNING
    ) as opened:
        yield opened


async def test_every_move_of_nods_own_holds(store: SqlStore, url: str) -> None:
    """Changed, retimed to another route, widened, voted, voided, sent, refused, settled, closed, met again."""
    approvals = store.approvals
    ladder = [a_rung(action=Action.WIDEN, who=("bob",)), a_rung(1, due=9e5)]
    later, call = a_deadline(after(600)), a_request(arguments=1)

    async def admit() -> object:
        new_approval = NewApproval(approval=an_approval(), placements=[a_placement()], rungs=ladder)
        return await approvals.insert([new_approval])

    async def vote(person: str, needs: int) -> bool:
        one = a_vote(person, digest=call.digest, at=NOW - timedelta(minutes=1))
        return await approvals.vote("r1", vote=one, needs=needs, eligible=None) is not Counted.LOST

    async def listed() -> bool:
        await approvals.confirm({"r1": call.digest}, began_at=after(1))
        return True

    async def refused() -> object:
        as_read = await found(store)
        return await approvals.called_resolved("r1", as_read=as_read, at=after(2), next_try=after(3))

    async def postponed() -> bool:
        await approvals.postpone("r1", next_try=NOW, trouble="it answers 503")
        return True

    async def settled() -> object:
        return await approvals.settle("r1", was=Stage.DECIDED, outcome=Outcome.APPROVED, at=after(9))

    steps: list[Callable[[], Awaitable[object]]] = [
        admit,
        lambda: fire(store, ladder[:1], at=after(60)),
        lambda: retime(store, deadline=later, route="lax"),
        lambda: revise(store, request=call, route="lax", deadline=later),
        lambda: vote("ann", 2),
        lambda: vote("bob", 2),
        lambda: approvals.void("r1", why="denied", at=after(1)),
        lambda: vote("ann", 1),
        listed,
        lambda: begin(store, now=after(2), until=after(3)),
        refused,
        postponed,
        settled,
        lambda: close(store),
    ]
    for step in steps:
        assert await step()
        assert 0 == await verify(url, signing=SIGNING), step


async def test_what_is_met_again_or_answered_by_a_rule_holds(store: SqlStore, url: str) -> None:
    """Vanished, closed, listed again by another route; and a rule that leaves, or answers."""
    approvals = store.approvals
    for name, rule in (("r1", None), ("r2", "reads"), ("r3", "reads")):
        assert await approvals.insert([NewApproval(approval=replace(an_approval(name), rule=rule))])
    await settle(store)
    assert 0 == await verify(url, signing=SIGNING)
    assert await close(store)
    assert await approvals.revive("r1", route="lax", deadline=a_deadline(after(99)), rungs=(), at=after(1))
    assert 0 == await verify(url, signing=SIGNING)
    assert await approvals.ask_people("r2")
    vote = a_rules_vote("r3")
    assert await approvals.vote("r3", vote=vote, needs=1, eligible=None) is Counted.DECIDED
    assert 0 == await verify(url, signing=SIGNING)
