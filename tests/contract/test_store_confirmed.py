"""Whether a listing confirms an Approve is asked twice: of the row, and of what this very process has seen."""

from __future__ import annotations

import pytest

from adapters.store.open import SqlStore
from tests.contract.conftest import Eyes
from tests.contract.values import NOW, admit, after, begin, decide, found


@pytest.mark.parametrize(("later", "goes_out"), [(0.0, False), (0.001, True)])
async def test_the_row_must_be_later_than_the_decision(store: SqlStore, later: float, goes_out: bool) -> None:
    """Whatever this process says that it saw: the same millisecond is not later."""
    digest = await admit(store)
    await decide(store)
    await store.approvals.confirm({"r1": digest}, began_at=after(later))
    store.approvals._proofs.listed("r1", digest=digest, began_at=after(5))
    assert goes_out is (await begin(store, now=NOW, as_read=await found(store)) is not None)


@pytest.mark.parametrize(("later", "goes_out"), [(0.0, False), (0.0009, False), (0.001, True)])
async def test_this_process_must_have_seen_it_later(
    store: SqlStore, eyes: Eyes, later: float, goes_out: bool
) -> None:
    """Whatever the row says."""
    digest = await admit(store)
    await decide(store)
    await store.approvals.confirm({"r1": digest}, began_at=after(later))
    eyes("UPDATE approvals SET confirmed_at = confirmed_at + 1000")
    assert goes_out is (await begin(store, now=NOW, as_read=await found(store)) is not None)
    assert int(goes_out) == (await found(store)).attempts


async def test_a_start_forgets_whose_turn_it_was(store: SqlStore) -> None:
    """The process that had a POST under way is gone, and its lease with it: the next one sends it at once."""
    digest = await admit(store)
    await decide(store)
    await store.approvals.confirm({"r1": digest}, began_at=after(0.001))
    assert await begin(store, now=NOW, until=after(20)) is not None
    await store.approvals.confirm({"r1": digest}, began_at=after(0.002))
    assert await begin(store, now=after(1), until=after(21)) is None
    await store.approvals.resume()
    assert (await found(store)).next_try is None
    assert await begin(store, now=after(1), until=after(21)) is not None


async def test_a_resume_changes_nothing_else(store: SqlStore) -> None:
    """What is open, and what nobody tried yet, is as it was."""
    await admit(store)
    await admit(store, "r2")
    await decide(store, "r2")
    before = [await found(store, name) for name in ("r1", "r2")]
    await store.approvals.resume()
    assert before == [await found(store, name) for name in ("r1", "r2")]


async def test_what_was_listed_before_the_decision_confirms_nothing(store: SqlStore) -> None:
    """Although it looks later: the clock was set back an hour between the poll and the click."""
    digest = await admit(store)
    await store.approvals.miss(["r1"], began_at=after(-1))
    await store.approvals.confirm({"r1": digest}, began_at=after(3600))
    await decide(store)
    assert await begin(store, now=after(1), as_read=await found(store)) is None
    await store.approvals.confirm({"r1": digest}, began_at=after(-2))  # a poll from before the click comes in
    assert await begin(store, now=after(1), as_read=await found(store)) is None
    await store.approvals.confirm({"r1": digest}, began_at=after(2))
    assert await begin(store, now=after(3), as_read=await found(store)) is not None
