"""What is said of a request that ended without an answer of ours: its word, its alerts, and who is to blame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bot.alerts import UNDELIVERABLE, UNDELIVERED, UNESCALATED, UNSEEN
from bot.approval import Outcome, Stage
from bot.flow import WorkerPool
from bot.flow.missed_requests import QUIET, MissedRequests
from bot.flow.polls import Steadiness
from bot.flow.reconcile import Expire, Reconcile
from bot.flow.undelivered import RAN_OUT
from bot.ports import NO_METRICS
from bot.records import NewApproval, Step
from tests.contract.deliver_rig import Life, open_life
from tests.contract.values import a_placement, a_rung, admit, after, an_approval


class Ends:
    """The steps that end requests, beside a life of the one that delivers."""

    def __init__(self, life: Life) -> None:
        self.life, self.store = life, life.store
        clock = lambda: life.platform.now  # noqa: E731 - the steps' and their parts'
        self.pool = WorkerPool(
            Step.EXPIRE,
            size=None,
            tasks=cast(asyncio.TaskGroup, life.pieces),
            ring=lambda _: None,
            metrics=NO_METRICS,
        )
        missed = MissedRequests(store=life.store, clock=clock)
        self.expire = Expire(
            source=life.platform,
            store=life.store,
            clock=clock,
            metrics=NO_METRICS,
            pool=self.pool,
            missed=missed,
        )
        self.reconcile = Reconcile(
            source=life.platform, store=life.store, polls=life.polls, clock=clock, metrics=NO_METRICS,
            pool=self.pool, losses=life.losses, missed=missed,
        )  # fmt: skip

    async def expires(self, at: float) -> float | None:
        """One round after the deadlines, worked off; when the next is due, in seconds."""
        self.life.platform.now = after(at)
        due = await self.expire.round()
        await self.life.ended()
        return None if due is None else (due - after(0)).total_seconds()

    async def vanishes(self, at: float, *, missed: int = 5) -> None:
        """So many polls miss `r1`, then one round at this second, worked off."""
        for _ in range(missed):
            await self.store.approvals.miss(["r1"], began_at=after(at))
        self.life.platform.now = after(at)
        await self.reconcile.round()
        await self.life.ended()

    async def end(self, key: str = "r1") -> tuple[Stage, Outcome | None, str | None]:
        over = await self.life.get(key)
        return over.stage, over.outcome, over.platform_word

    async def alerts(self) -> set[str]:
        """The causes of those that are open."""
        return {alert.cause for alert in await self.store.alerts.open_of()}


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[Ends]:
    """No request yet."""
    async with open_life(tmp_path) as life:
        yield Ends(life)


@pytest.mark.parametrize(
    ("word", "outcome", "alerts"),
    [
        (None, Outcome.TIMEOUT_SKIP, {UNSEEN, UNESCALATED}),
        ("timeout", Outcome.TIMEOUT_SKIP, {UNSEEN, UNESCALATED}),
        ("approved", Outcome.ELSEWHERE, set()),
    ],
)
async def test_what_ran_out_has_the_word_of_the_platform(
    ends: Ends, word: str | None, outcome: Outcome, alerts: set[str]
) -> None:
    """Where nobody answered although nobody could see it, that is an alert; not where someone did there."""
    await ends.store.approvals.insert(
        [NewApproval(approval=an_approval(deadline=after(60)), rungs=[a_rung(0, due=10)])]
    )
    await admit(ends.store, "r2", deadline=after(90))
    if word:
        ends.life.platform.says["r1"] = word
    assert 90.0 == await ends.expires(60)
    assert (Stage.SETTLED, outcome, word) == await ends.end()
    assert alerts == await ends.alerts()
    ends.life.platform.says["r2"] = "rejected"
    await ends.expires(90)
    assert (60 + QUIET.total_seconds() if alerts else None) == await ends.expires(91)


async def test_a_round_leaves_what_is_under_way_to_its_piece(ends: Ends) -> None:
    """Each is looked up once, however slow the platform is; and again once that is over."""
    for key in ("r1", "r2"):
        await admit(ends.store, key, deadline=after(60))
    ends.life.platform.now = after(60)
    await ends.expire.round()
    assert {"r1", "r2"} == {*ends.pool.busy} == {*ends.pool.without}
    await ends.expire.round()
    assert 2 == len(ends.life.pieces)
    await ends.life.ended()
    assert {Outcome.TIMEOUT_SKIP} == {(await ends.life.get(key)).outcome for key in ("r1", "r2")}


@pytest.mark.parametrize("word", [None, "approved"])
async def test_an_alert_that_it_was_late_ends_with_the_request(ends: Ends, word: str | None) -> None:
    """It says what the platform's audit says; an Approve of ours that was sent is the answer there."""
    await ends.life.decided(deadline=60)
    ends.life.run("UPDATE approvals SET attempts = 1")
    await ends.life.alert()
    await ends.life.alert("r9")
    if word:
        ends.life.platform.says["r1"] = word
    await ends.vanishes(10)
    outcome = Outcome.APPROVED if word else Outcome.ELSEWHERE
    assert (Stage.SETTLED, outcome, word) == await ends.end()
    said = " (its audit says: approved)" if word else ""
    assert [f"pay is no longer pending on the platform{said}", None] == ends.life.resolved()
    assert (await ends.life.get()).trouble is None
    assert [] == ends.life.losses.lost


async def test_the_word_of_the_audit_is_not_ours_where_nothing_was_sent(ends: Ends) -> None:
    """Then somebody else gave the same answer."""
    await ends.life.decided(deadline=60)
    ends.life.platform.says["r1"] = "approved"
    await ends.vanishes(10)
    assert (Stage.SETTLED, Outcome.ELSEWHERE, "approved") == await ends.end()


async def test_a_decision_that_ran_out_there_is_lost(ends: Ends) -> None:
    """That is an alert of its own, in place of the one that it was late."""
    await ends.life.decided(deadline=60)
    await ends.life.alert()
    ends.life.platform.says["r1"] = "timeout"
    await ends.vanishes(10)
    assert (Stage.SETTLED, Outcome.UNDELIVERABLE, "timeout") == await ends.end()
    assert RAN_OUT == (await ends.life.get()).trouble
    assert [("r1", RAN_OUT)] == ends.life.losses.lost
    (text,) = await ends.life.open_alerts(UNDELIVERABLE)
    assert RAN_OUT in text
    assert ["the decision on pay was not delivered before its deadline"] == ends.life.resolved()


@pytest.mark.parametrize(
    ("at", "word", "up", "alerts"),
    [
        (14.999, None, False, set()),
        (15.0, None, False, {UNSEEN}),
        (15.0, None, True, set()),
        (15.0, "rejected", False, set()),
        (10.0, "timeout", False, {UNSEEN, UNESCALATED}),
    ],
)
async def test_what_vanished_and_nobody_had_seen_is_an_alert(
    ends: Ends, at: float, word: str | None, up: bool, alerts: set[str]
) -> None:
    """From a quarter of its window on, since a run that ends takes its requests along; a timeout always is."""
    new = NewApproval(
        approval=an_approval(deadline=after(60)), placements=[a_placement()], rungs=[a_rung(0, due=5)]
    )
    await ends.store.approvals.insert([new])
    if up:
        await ends.store.placements.shown("c1", ref="m1", revision=1)
    if word:
        ends.life.platform.says["r1"] = word
    await ends.vanishes(at)
    assert Stage.SETTLED is (await ends.end())[0]
    assert alerts == await ends.alerts()


async def test_a_silent_audit_is_asked_once_for_each_poll_that_misses_it(ends: Ends) -> None:
    """Until the polls are believed without it; the platform's own 404 is believed after two."""
    await ends.life.decided(deadline=60)
    await ends.vanishes(1, missed=2)
    assert Stage.DECIDED is (await ends.end())[0]
    assert [(2,)] == ends.life.run("SELECT asked FROM approvals")
    await ends.vanishes(2, missed=0)
    assert {*ends.pool.busy} == set()
    approval = await ends.life.get()
    await ends.store.approvals.called_resolved("r1", as_read=approval, at=after(3), next_try=after(4))
    await ends.vanishes(4, missed=2)
    assert Stage.SETTLED is (await ends.end())[0]


@pytest.mark.parametrize("steady", [False, True])
async def test_while_requests_come_back_a_404_proves_nothing(ends: Ends, steady: bool) -> None:
    """Then as many polls have to miss it as any other; the audit is asked once. Later it proves it again."""
    await ends.life.decided(deadline=60)
    ends.life.polls.steadiness.note(after(0), listed=5, came_back=1)
    assert ends.life.polls.steadiness.flaps
    approval = await ends.life.get()
    await ends.store.approvals.called_resolved("r1", as_read=approval, at=after(3), next_try=after(4))
    await ends.vanishes(4, missed=2)
    await ends.reconcile.round()
    assert [] == ends.life.pieces
    assert Stage.DECIDED is (await ends.end())[0]
    if steady:
        ends.life.polls.steadiness = Steadiness()
    await ends.vanishes(5, missed=0 if steady else 40)
    assert Stage.SETTLED is (await ends.end())[0]


async def test_an_alert_of_a_decision_in_trouble_ends_too(ends: Ends) -> None:
    """Once, with the same words."""
    await ends.life.decided(deadline=60)
    await ends.store.approvals.postpone("r1", next_try=after(5), trouble="503")
    await ends.life.alert()
    await ends.vanishes(10)
    assert set() == {alert.cause for alert in await ends.store.alerts.open_of(cause=UNDELIVERED)}
    assert ["pay is no longer pending on the platform"] == ends.life.resolved()


async def test_what_vanishes_together_is_settled_together(ends: Ends) -> None:
    """Each in a piece of its own; none is begun twice."""
    for key in ("r1", "r2"):
        await admit(ends.store, key, deadline=after(60))
        await ends.store.approvals.miss([key], began_at=after(1))
        ends.life.platform.says[key] = "rejected"
    for _ in range(4):
        await ends.store.approvals.miss(["r1", "r2"], began_at=after(1))
    await ends.reconcile.round()
    assert {"r1", "r2"} == {*ends.pool.busy} == {*ends.pool.without}
    await ends.reconcile.round()
    assert 2 == len(ends.life.pieces)
    await ends.life.ended()
    assert {Stage.SETTLED} == {(await ends.end(key))[0] for key in ("r1", "r2")}
