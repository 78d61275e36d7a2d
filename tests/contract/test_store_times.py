"""The store's contract: deadlines that move, and requests that come back, on each kind of database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.approval import Outcome, Stage
from bot.ladder import Action, Deadline, DeadlineSource
from bot.records import NewApproval, NotificationKind, Standing, Step
from bot.store import Store
from tests.contract.conftest import Eyes
from tests.contract.values import (
    BOARD,
    DEADLINE,
    NOW,
    a_deadline,
    a_notice,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    admit,
    after,
    ahead_of,
    all_lagging,
    an_approval,
    bring_to,
    claim,
    close,
    fire,
    found,
    retime,
    settle,
    unfired,
    unsent,
    wins,
)

LATER = Deadline(at=after(900), source=DeadlineSource.TIMEOUT_SECONDS, doubt="created_at is in the future")
WOKEN = [Step.SHOW, Step.BATCH, Step.ESCALATE, Step.EXPIRE]


async def due(store: Store) -> list[int]:
    """The numbers of the rungs that have not fired."""
    return [rung.number for rung, _ in await unfired(store, after(9_999))]


async def test_a_poll_is_compared_with_what_stands(store: Store) -> None:
    """Which call it is, since when and until when, and how often it was missed."""
    digest = await admit(store)
    expected = Standing(stage=Stage.OPEN, digest=digest, missed=0, first_seen=NOW, deadline=DEADLINE)
    assert {"r1": expected} == dict(await store.approvals.standing(["r1"]))


# --- another deadline -------------------------------------------------------------------------------------


async def test_a_deadline_moves_with_its_rungs(store: Store, rings: list[Step]) -> None:
    """A fired rung stays fired while its moment is past; all others are due again; the card shows it."""
    rungs = [a_rung(number, due=number - 2) for number in range(3)]
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()], rungs=rungs)])
    await fire(store, rungs[:2], at=after(1))
    before = await found(store)
    rings.clear()
    anew = [a_rung(0, due=-1), a_rung(1, due=500)]
    assert await retime(store, deadline=LATER, rungs=anew)
    assert [*WOKEN, Step.ALERT] == rings
    assert replace(before, deadline=LATER, revision=3, ahead=ahead_of(anew[1])) == await found(store)
    assert anew[1:] == [rung for rung, _ in await unfired(store, after(9_999))]
    assert not await retime(store, deadline=a_deadline(), rungs=rungs)
    assert LATER == (await found(store)).deadline


@pytest.mark.parametrize("stage", Stage)
async def test_a_deadline_moves_while_somebody_waits(store: Store, stage: Stage) -> None:
    """As long as the platform has not been told; a decision stays what it was."""
    await bring_to(store, stage)
    before = await found(store)
    moved = await retime(store, deadline=LATER, rungs=[a_rung()])
    assert moved is (stage in (Stage.OPEN, Stage.DECIDED))
    ahead = ahead_of(a_rung()) if stage is Stage.OPEN else None
    now = replace(before, deadline=LATER, revision=before.revision + 1, ahead=ahead) if moved else before
    assert now == await found(store)


async def test_of_two_who_move_a_deadline_one_does(store: Store) -> None:
    """Each had read the same one."""
    await admit(store)
    ends = [a_deadline(after(seconds)) for seconds in (300, 400)]
    done = await asyncio.gather(*(retime(store, deadline=end, rungs=()) for end in ends))
    assert [False, True] == sorted(done)
    assert ends[done.index(True)] == (await found(store)).deadline


async def test_who_is_on_it_stays_on_it(store: Store) -> None:
    """Ann's last call follows from the lease, not from the ladder that is written again."""
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=[a_rung(0, due=50)])])
    await claim(store)
    assert await retime(store, deadline=LATER, rungs=[a_rung(1, due=500)])
    assert ["ann"] == [one.person for one in (await found(store)).claims]
    assert [1, 200, 201] == await due(store)


# --- listed again -----------------------------------------------------------------------------------------


async def vanished(store: Store) -> None:
    """Admit an approval with all that can belong to one, which then vanishes from the list."""
    rungs = [a_rung(0, due=1, action=Action.WIDEN, who=("cfo",)), a_rung(1, due=2)]
    await store.approvals.insert(
        [
            NewApproval(
                approval=an_approval(), placements=[a_placement("c1"), a_placement("c2", at=BOARD)], rungs=rungs
            )
        ]
    )
    await fire(store, rungs[:1], at=after(1))
    await claim(store)
    await store.approvals.vote("r1", vote=a_vote(), needs=2, eligible=None)
    await store.placements.shown("c1", ref="ts1", revision=1)
    await store.placements.postpone("c2", next_try=after(99))
    await store.placements.give_up("c2")
    await store.approvals.miss(["r1"], began_at=after(1))
    await store.approvals.settle(
        "r1", was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=after(5), platform_word="timeout", trouble="gone"
    )
    await store.approvals.told({"r1": [a_notice("c1.outcome", news=NotificationKind.OUTCOME)]})


@pytest.mark.parametrize("closed", [False, True], ids=["settled", "closed"])
async def test_what_is_listed_again_waits_again(store: Store, rings: list[Step], closed: bool) -> None:
    """Nothing is left of its end; people are asked again, on its cards, by the rungs still ahead."""
    await vanished(store)
    if closed:
        await store.outbox.sent([a_notice("c1.outcome")], channel="C1", ref="ts2", at=after(6))
        await store.placements.shown("c1", ref="ts1", revision=99)
        assert await close(store)
    before = await found(store)
    rings.clear()
    anew = [a_rung(0, due=400), a_rung(1, due=500)]
    assert await store.approvals.revive("r1", route="payments", deadline=LATER, rungs=anew, at=after(9))
    assert [*WOKEN, Step.ANSWER, Step.ALERT] == rings
    fresh = replace(an_approval(), deadline=LATER, escalated_at=after(1), widened=("cfo",))
    fresh = replace(fresh, ahead=ahead_of(anew[0]))
    assert replace(fresh, revision=before.revision + 1) == await found(store)
    assert [0, 1] == await due(store)
    lagging = {placement.card_id: placement for placement, _ in await all_lagging(store)}
    assert {"c2"} | (set() if closed else {"c1"}) == set(lagging)
    assert (0, None) == (lagging["c2"].tries, lagging["c2"].next_try)
    assert [] == await unsent(store)
    assert await wins(store, a_vote())


async def test_its_second_end_is_told_like_the_first(store: Store) -> None:
    """Under the same marks: what was said of the first end is true no more."""
    await vanished(store)
    assert await store.approvals.revive("r1", route="payments", deadline=LATER, rungs=(), at=after(9))
    await settle(store)
    assert (await found(store),) == await store.approvals.untold(most=9)
    outcome = a_notice("c1.outcome", news=NotificationKind.OUTCOME)
    assert await store.approvals.told({"r1": [outcome]})
    assert [outcome] == await unsent(store)


@pytest.mark.parametrize("stage", Stage)
async def test_what_was_decided_does_not_come_back(store: Store, stage: Stage) -> None:
    """Nor does what is still open."""
    await bring_to(store, stage)
    before = await found(store)
    assert not await store.approvals.revive("r1", route="payments", deadline=LATER, rungs=[a_rung()], at=NOW)
    assert before == await found(store)
    assert [] == await due(store)


@pytest.mark.parametrize(
    ("outcome", "comes_back"),
    [(Outcome.ELSEWHERE, True), (Outcome.TIMEOUT_SKIP, True), (Outcome.SKIPPED, False)],
)
async def test_what_nobody_answered_comes_back(store: Store, outcome: Outcome, comes_back: bool) -> None:
    """What was believed to be answered elsewhere, or to have run out of time; nothing else."""
    await admit(store)
    assert await store.approvals.settle("r1", was=Stage.OPEN, outcome=outcome, at=NOW)
    revived = await store.approvals.revive("r1", route="payments", deadline=LATER, rungs=(), at=NOW)
    assert comes_back is revived
    assert (None if comes_back else outcome) is (await found(store)).outcome


async def test_a_decision_that_ended_elsewhere_does_not_come_back(store: Store) -> None:
    """A person decided it in Nod, and the platform took another answer."""
    await bring_to(store, Stage.DECIDED)
    assert await store.approvals.settle("r1", was=Stage.DECIDED, outcome=Outcome.ELSEWHERE, at=NOW)
    assert not await store.approvals.revive("r1", route="payments", deadline=LATER, rungs=(), at=NOW)


async def test_it_comes_back_once(store: Store, eyes: Eyes) -> None:
    """However many find it listed at once."""
    await vanished(store)
    tries = [store.approvals.revive("r1", route="payments", deadline=LATER, rungs=(), at=NOW) for _ in range(6)]
    assert 1 == sum(await asyncio.gather(*tries))
    assert [(1,)] == eyes("SELECT count(*) FROM audit WHERE kind = 'revived'")


async def test_an_old_card_says_what_it_said(store: Store) -> None:
    """A card that was superseded before the request vanished gets no update when it comes back."""
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement("old")])])
    await store.placements.give_up("old")
    new = a_request(arguments=1)
    await store.approvals.revise(
        "r1", was=Stage.OPEN, request=new, route="payments", deadline=a_deadline(),
        placements=[a_placement("new")], rungs=(),
    )  # fmt: skip
    await settle(store)
    assert await store.approvals.revive("r1", route="payments", deadline=LATER, rungs=(), at=NOW)
    assert ["new"] == [placement.card_id for placement, _ in await all_lagging(store)]
