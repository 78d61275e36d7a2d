"""Retention: what is old and over goes, and what stays can still be verified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.cli.audit import examine, verify
from adapters.store.audit import BATCH, open_audit_reader
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.audit import Fact, Row
from bot.records import Claimed, NewApproval
from tests.contract.conftest import PAGERS, Eyes
from tests.contract.values import (
    NOW,
    a_claim,
    a_notice,
    a_placement,
    a_rung,
    a_vote,
    after,
    an_alert,
    an_approval,
    claim,
    close,
    fire,
    wins,
)

TABLES = (
    "approvals", "votes", "decisions", "placements", "rungs", "claims", "notices", "alerts", "pages",
)  # fmt: skip


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hand() -> Hand:
    """The store's clock."""
    return Hand()


@pytest.fixture
async def store(url: str, hand: Hand) -> AsyncIterator[SqlStore]:
    """An open store whose clock the test sets."""
    async with open_store(url, ring=lambda step: None, pagers=PAGERS, clock=hand) as opened:
        yield opened


async def live(store: SqlStore, hand: Hand, approval_id: str, *, day: int, until: Stage = Stage.CLOSED) -> None:
    """An approval with everything that can belong to one, on a day counted from NOW."""
    hand.now = NOW + timedelta(days=day)
    approval = an_approval(approval_id, deadline=hand.now + timedelta(hours=1))
    await store.approvals.insert(
        [
            NewApproval(
                approval=replace(approval, first_seen=hand.now),
                placements=[a_placement(f"c-{approval_id}", approval_id)],
                rungs=[a_rung(approval_id=approval_id)],
            )
        ]
    )
    await store.placements.shown(f"c-{approval_id}", ref="ts", revision=99)
    notice = a_notice(f"{approval_id}.ann", approval_id, person="ann")
    assert await fire(store, [a_rung(approval_id=approval_id)], at=hand.now, notices=[notice])
    assert Claimed.YES is await claim(store, a_claim(at=hand.now), approval_id)
    await store.alerts.raise_(an_alert(approval_id, raised_at=hand.now))
    if until is Stage.OPEN:
        return
    assert await wins(store, a_vote(digest=approval.request.digest, at=hand.now), approval_id)
    outcome = Outcome.APPROVED
    assert await store.approvals.settle(approval_id, was=Stage.DECIDED, outcome=outcome, at=hand.now)
    assert await close(store, approval_id)


async def believed(_: Row) -> None:
    """Signs nothing."""


async def holds(url: str) -> bool:
    """Whether what is left of the chain holds."""
    async with open_audit_reader(url) as audit_reader:
        return (await examine(audit_reader)).broken is None


async def test_what_is_old_and_closed_goes_without_a_trace(
    store: SqlStore, hand: Hand, url: str, eyes: Eyes
) -> None:
    """Its rows, votes, decision, cards, rungs, messages and alerts; the newer stay, and the chain holds."""
    await live(store, hand, "r1", day=0)
    await live(store, hand, "r2", day=50)
    hand.now = NOW + timedelta(days=91)
    assert 9 == await store.journal.retire(NOW + timedelta(days=1), vouch=believed)
    assert await holds(url)
    assert [(1,)] * len(TABLES[:7]) == [eyes(f"SELECT count(*) FROM {table}")[0] for table in TABLES[:7]]
    assert [("r2",)] == eyes("SELECT id FROM approvals")
    assert [(10, "admitted")] == eyes("SELECT number, kind FROM audit ORDER BY number LIMIT 1")
    assert [("retired",)] == eyes("SELECT kind FROM audit ORDER BY number DESC LIMIT 1")
    assert 0 == await store.journal.retire(NOW + timedelta(days=1), vouch=believed)


async def test_an_approval_that_is_not_closed_keeps_its_past(
    store: SqlStore, hand: Hand, url: str, eyes: Eyes
) -> None:
    """Nothing of it goes, nor anything behind it, however old."""
    await live(store, hand, "r1", day=0)
    await live(store, hand, "r2", day=1, until=Stage.OPEN)
    await live(store, hand, "r3", day=2)
    hand.now = NOW + timedelta(days=91)
    assert 9 == await store.journal.retire(NOW + timedelta(days=80), vouch=believed)
    assert await holds(url)
    assert [("r2",), ("r3",)] == eyes("SELECT id FROM approvals ORDER BY id")
    found = await store.approvals.get("r2")
    assert found is not None
    assert Stage.OPEN is found.stage


async def test_retention_may_remove_everything_and_go_on(
    store: SqlStore, hand: Hand, url: str, eyes: Eyes
) -> None:
    """A chain with no row left but that of the retention goes on with the next number, again and again."""
    await live(store, hand, "r1", day=0)
    for day in (100, 200):
        hand.now = NOW + timedelta(days=day)
        await store.journal.note(Fact(kind="refused", at=hand.now, body={}))
        hand.now += timedelta(days=50)
        await store.journal.retire(hand.now, vouch=believed)
        assert await holds(url)
    assert [(0,)] * len(TABLES) == [eyes(f"SELECT count(*) FROM {table}")[0] for table in TABLES]
    assert [(13, "retired")] == eyes("SELECT number, kind FROM audit")
    assert [(10,), (12,)] == eyes("SELECT number FROM audit_anchor ORDER BY number")


async def test_much_goes_in_small_transactions(store: SqlStore, hand: Hand, url: str, eyes: Eyes) -> None:
    """However much there is, a click waits for one piece of it at most, and after each the chain holds."""
    count = 2 * BATCH + 7
    for number in range(count):
        await store.journal.note(Fact(kind="refused", at=NOW, body={"n": number}))
    hand.now = after(60)
    assert count == await store.journal.retire(after(30), vouch=believed)
    assert 3 == len(eyes("SELECT number FROM audit_anchor"))
    assert await holds(url)


async def test_a_cut_that_retention_did_not_make_is_found(
    store: SqlStore, hand: Hand, url: str, eyes: Eyes, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the anchor is moved by hand and the rows before it are deleted, no row records that."""
    await live(store, hand, "r1", day=0)
    eyes("INSERT INTO audit_anchor (number, hash, at) SELECT number, hash, 1 FROM audit WHERE number = 3")
    eyes("DELETE FROM audit WHERE number <= 3")
    assert 1 == await verify(url)
    assert "✗ row 4: no row says that retention removed the rows before it\n" == capsys.readouterr().out


async def test_a_time_to_come_removes_no_more_than_there_is(store: SqlStore, hand: Hand, url: str) -> None:
    """An age below nothing is an age of nothing."""
    await live(store, hand, "r1", day=0)
    hand.now += timedelta(days=1)
    assert 9 == await store.journal.retire(hand.now + timedelta(days=9), vouch=believed)
    assert await holds(url)
