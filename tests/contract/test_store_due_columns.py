"""The store's contract: what is due and does not say so is found in portions, and put right."""

from __future__ import annotations

import pytest

from adapters.store import due_columns
from adapters.store.open import SqlStore
from bot.alerts import RUNG
from bot.approval import Stage
from bot.records import Alert, NewApproval, Step
from bot.surface import Surface
from tests.contract.conftest import Eyes
from tests.contract.values import NOW, a_notice, a_placement, a_rung, after, an_approval, fire, settle

KINDS = [one.named for one in due_columns.DUE_COLUMNS]
#: As a move would leave them that forgot the column.
FORGOTTEN = {"pings": "UPDATE notices SET outdated = FALSE", "pages": "UPDATE pages SET owed = FALSE"}


async def due_of_each(store: SqlStore, approval_id: str = "r1") -> None:
    """A ping that is out of date, and pages that nobody has taken."""
    rung = a_rung(approval_id=approval_id)
    card = a_placement(f"c-{approval_id}", approval_id)
    new = NewApproval(approval=an_approval(approval_id), placements=[card], rungs=[rung])
    await store.approvals.insert([new])
    notice = a_notice(f"ping-{approval_id}", approval_id, person="ann")
    assert await fire(store, [rung], at=after(60), notices=[notice])
    await store.outbox.sent([notice], channel="D1", ref=f"m-{approval_id}", at=after(61))
    await settle(store, approval_id)
    await store.alerts.raise_(Alert(approval_id=approval_id, cause=RUNG, text="", raised_at=NOW))


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_left_out_is_found_and_put_right(
    store: SqlStore, eyes: Eyes, rings: list[Step], kind: str
) -> None:
    """It is due again, and the steps are rung; what says that it is due is no fault."""
    await due_of_each(store)
    assert {} == await store.due_columns.repair()
    eyes(FORGOTTEN[kind])
    rings.clear()

    assert [kind] == list(await store.due_columns.repair())

    assert {Step.AMEND, Step.ALERT} <= set(rings)
    assert {} == await store.due_columns.repair()
    assert 1 == len(await store.outbox.outdated(Surface.SLACK, most=9))
    assert 2 == len(await store.alerts.due(after(99), most=9))


async def test_a_look_takes_the_next_portion(store: SqlStore, eyes: Eyes) -> None:
    """And begins again at the end."""
    for number in range(5):
        await due_of_each(store, f"r{number}")
    eyes(FORGOTTEN["pings"])
    assert [2, 2, 1, 0] == [(await store.due_columns.repair(portion=2)).get("pings", 0) for _ in range(4)]
    eyes(FORGOTTEN["pings"])
    assert [2, 1, 2] == [(await store.due_columns.repair(portion=2))["pings"] for _ in range(3)]


async def test_what_is_well_stays_as_it_is(store: SqlStore, eyes: Eyes) -> None:
    """A ping about an open request, and a page that was taken, are not due."""
    await due_of_each(store)
    rung = a_rung(approval_id="r2")
    await store.approvals.insert([NewApproval(approval=an_approval("r2"), rungs=[rung])])
    notice = a_notice("ping-r2", "r2", person="ann")
    assert await fire(store, [rung], at=after(60), notices=[notice])
    await store.outbox.sent([notice], channel="D1", ref="m-r2", at=after(61))
    for page in await store.alerts.due(after(99), most=9):
        await store.alerts.taken(page, ref=None)
    assert {} == await store.due_columns.repair()
    assert [(False,)] == eyes("SELECT DISTINCT owed FROM pages")
    assert Stage.OPEN is (await store.approvals.get("r2")).stage  # type: ignore[union-attr]
