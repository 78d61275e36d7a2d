"""Two sources that use the same request ids: nothing that is told of the one is told of the other."""

from __future__ import annotations

import pytest

from adapters.store.open import SqlStore
from bot.approval import Outcome, Stage
from bot.card import Button
from bot.desk import Click, Voted
from bot.flow.desk import FrontDesk
from bot.flow.sights import Sights
from bot.matching import Match
from bot.policy import Person, Policy
from bot.ports import NO_METRICS
from bot.protocol import GLAIP, HITLDecision
from bot.records import End, NewApproval
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Surface
from tests.contract.conftest import Eyes
from tests.contract.values import (
    DEADLINE,
    FINANCE,
    NOW,
    a_placement,
    a_request,
    a_vote,
    after,
    an_approval,
    found,
)

EU = "eu"
HERE, THERE = "r1", "eu::r1"
REQUESTS = {one.key: one for one in (a_request(), a_request(source=EU))}


@pytest.fixture
async def both(store: SqlStore) -> SqlStore:
    """The same call under the same id, at two sources."""
    new = [
        NewApproval(approval=an_approval(request=request), placements=[a_placement(f"c-{request.source}", key)])
        for key, request in REQUESTS.items()
    ]
    assert {HERE, THERE} == await store.approvals.insert(new)
    return store


async def decide(store: SqlStore, key: str, verdict: HITLDecision = HITLDecision.REJECTED) -> None:
    vote = a_vote(digest=REQUESTS[key].digest, verdict=verdict, card_id=f"c-{REQUESTS[key].source}")
    await store.approvals.vote(key, vote=vote, needs=1, eligible=None)


async def due(store: SqlStore, source: str) -> list[str]:
    """What would be POSTed to this source now."""
    return [one.id for one in await store.of(source).approvals.deliverable(NOW, after=NOW, most=9)]


async def test_each_is_kept_as_its_source_says_it(both: SqlStore, eyes: Eyes) -> None:
    """And the call of the one is not the call of the other."""
    assert [REQUESTS[key] for key in (HERE, THERE)] == [
        (await found(both, key)).request for key in (HERE, THERE)
    ]
    assert ["r1", "r1"] == [REQUESTS[key].request_id for key in (HERE, THERE)]
    assert REQUESTS[HERE].digest != REQUESTS[THERE].digest
    assert {("r1", "glaip", "r1"), ("eu::r1", "eu", "r1")} == set(
        eyes("SELECT id, source, request_id FROM approvals")
    )
    for source, key in ((GLAIP, HERE), (EU, THERE)):
        assert {key} == both.of(source).approvals.waiting()


async def test_a_poll_that_misses_the_one_says_nothing_of_the_other(both: SqlStore) -> None:
    """It is counted as missing, and looked for as gone, at its own source alone."""
    for number in range(5):
        await both.of(EU).approvals.miss([THERE], began_at=after(number))
    gone = {"believed_after": 5, "asked_after": 9, "by_word": True, "most": 9}
    there = await both.of(EU).approvals.vanished(after(9), **gone)  # type: ignore[arg-type]  # as they are named
    here = await both.approvals.vanished(after(9), **gone)  # type: ignore[arg-type]  # as they are named
    assert ([THERE], []) == ([one.id for one in there], [one.id for one in here])
    assert [0, 5] == [(await found(both, key)).missed for key in (HERE, THERE)]
    assert [1, 1] == [await both.of(source).approvals.untried() for source in (GLAIP, EU)]


async def test_a_poll_of_the_one_confirms_no_approve_of_the_other(both: SqlStore) -> None:
    """Each waits for a list of its own source."""
    for key in (HERE, THERE):
        await decide(both, key, HITLDecision.APPROVED)
    for source, key in ((GLAIP, HERE), (EU, THERE)):
        assert [key] == list(await both.of(source).approvals.awaiting_poll(NOW))
        assert (await both.of(source).approvals.outlook(NOW, late=NOW)).unlisted
    await both.of(EU).approvals.confirm({THERE: REQUESTS[THERE].digest}, began_at=after(1))
    assert ([], [THERE]) == (await due(both, GLAIP), await due(both, EU))
    assert [True, False] == [
        (await both.of(source).approvals.outlook(NOW, late=NOW)).unlisted for source in (GLAIP, EU)
    ]


async def test_each_decision_is_for_its_own_source(both: SqlStore) -> None:
    """The other can be shut out, late or settled: this one neither waits nor ends with it."""
    for key in (HERE, THERE):
        await decide(both, key)
    assert ([HERE], [THERE]) == (await due(both, GLAIP), await due(both, EU))
    assert 1 == await both.of(EU).approvals.hold(after(1), trouble="shut out", most=9)
    assert (None, "shut out") == ((await found(both, HERE)).trouble, (await found(both, THERE)).trouble)
    assert await both.approvals.first_late() is None
    assert [0, 1] == [(await both.of(source).approvals.outlook(NOW, late=NOW)).late for source in (GLAIP, EU)]
    end = End(approval_id=THERE, was=Stage.DECIDED, outcome=Outcome.UNDELIVERABLE, at=after(1))
    assert {THERE} == await both.of(EU).approvals.settle_all([end])
    assert [0, 1] == [await both.of(source).approvals.lost_since(NOW) for source in (GLAIP, EU)]
    assert (Stage.DECIDED, Stage.SETTLED) == ((await found(both, HERE)).stage, (await found(both, THERE)).stage)
    assert ([HERE], []) == (await due(both, GLAIP), await due(both, EU))
    late = await both.of(EU).approvals.overdue(DEADLINE, by=DEADLINE, most=9)
    assert [] == list(late)


async def test_each_expires_by_its_own_source(both: SqlStore) -> None:
    """Whose audit is asked."""
    for source, key in ((GLAIP, HERE), (EU, THERE)):
        expired = await both.of(source).approvals.expired(DEADLINE, most=9)
        assert [key] == [one.id for one in expired]
        assert DEADLINE.replace(microsecond=123_000) == await both.of(source).approvals.next_deadline(after=NOW)


async def test_a_vote_on_the_call_of_the_one_is_none_on_the_other(both: SqlStore) -> None:
    """What was shown was another call, though it has the same id and the same words."""
    await both.approvals.vote(HERE, vote=a_vote(digest=REQUESTS[THERE].digest), needs=1, eligible=None)
    assert [Stage.OPEN, Stage.OPEN] == [(await found(both, key)).stage for key in (HERE, THERE)]


@pytest.mark.parametrize("put", ["source = 'glaip', request_id = 'r2'", "source = 'us'", "request_id = 'r9'"])
async def test_a_record_that_was_moved_to_another_source_is_sent_to_none(
    both: SqlStore, eyes: Eyes, put: str
) -> None:
    """Until a poll of its source has taken it in again."""
    await decide(both, THERE)
    eyes(f"UPDATE approvals SET {put} WHERE id = 'eu::r1' RETURNING id")
    for source in (GLAIP, EU, "us"):
        for one in await both.of(source).approvals.deliverable(NOW, after=NOW, most=9):
            assert HERE == one.id or one.forged
    assert (await both.of(EU).approvals.standing([THERE]))[THERE].forged


@pytest.mark.parametrize("under", [GLAIP, EU])
@pytest.mark.parametrize("call", [HERE, THERE])
async def test_a_seal_of_the_one_opens_nothing_at_the_other(both: SqlStore, under: str, call: str) -> None:
    """Neither a button of the other card, nor one with the call of the other: only a card's own counts."""
    seal, person = Seal("s" * 32), Person(handle="ann", name="Ann", accounts={Surface.SLACK: "U-ann"})
    route = Route(name="payments", match=Match(), cards=(FINANCE,), approvers=("ann",))
    policy = Policy(people={"ann": person}, groups={}, routes=(route,))
    desk = FrontDesk(
        store=both,
        policy=lambda: policy,
        seal=seal,
        clock=lambda: after(1),
        metrics=NO_METRICS,
        sights=Sights(),
    )
    for key, request in REQUESTS.items():
        await both.placements.shown(f"c-{request.source}", ref=f"m-{key}", revision=1, digest=request.digest)
    value = seal.value(card_id=f"c-{under}", verb="approve", digest=REQUESTS[call].digest)
    reply = await desk.press(
        Click(
            surface=Surface.SLACK, account="U-ann", home=True, value=value, channel=FINANCE.channel,
            ref=f"m-{HERE}", verb=Button.APPROVE,
        )
    )  # fmt: skip
    own = under == GLAIP and call == HERE
    assert own == isinstance(reply, Voted)
    stages = [(await found(both, key)).stage for key in (HERE, THERE)]
    assert [Stage.DECIDED if own else Stage.OPEN, Stage.OPEN] == stages


async def test_what_waits_of_a_source_that_is_gone_is_counted(both: SqlStore) -> None:
    """By what this process knows, at no cost."""
    assert {} == await both.approvals.waiting_elsewhere((GLAIP, EU), now=NOW)
    assert {EU: 1} == await both.approvals.waiting_elsewhere((GLAIP,), now=NOW)
    assert {} == await both.approvals.waiting_elsewhere((GLAIP,), now=(await found(both, THERE)).deadline.at)
