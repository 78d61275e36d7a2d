"""The store's contract: an approval that changes while it is read was not tampered with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Executable
from sqlalchemy.engine import RowMapping
from structlog.testing import capture_logs

from adapters.store.database import Given
from adapters.store.open import SqlStore
from adapters.store.whole import READINGS, approvals_decided, whole_of
from bot.approval import Approval, Stage
from bot.store import Store
from tests.contract.values import a_vote, admit, after, decide, revise, settle

Change = Callable[[Store], Awaitable[object]]


async def _settled(store: Store) -> None:
    await settle(store, was=Stage.DECIDED)


async def _taken_back(store: Store) -> None:
    assert await store.approvals.void("r1", why="the platform asks again", at=after(5))


async def _revised(store: Store) -> None:
    assert await revise(store)


async def _voted_anew(store: Store) -> None:
    await store.approvals.vote("r1", vote=a_vote("ann", at=after(6), note="again"), needs=3, eligible=None)


async def _voted(store: Store) -> None:
    await store.approvals.vote("r1", vote=a_vote("ann", at=after(1)), needs=3, eligible=None)


async def read(store: SqlStore, change: Change, *, after_statement: int) -> tuple[Approval, list[Any]]:
    """Read r1 while it changes, once this many statements have answered; and what was logged."""
    database, proofs, statements = store.approvals._database, store.approvals._proofs, 0

    async def fetch(statement: Executable, given: Given | None = None) -> Sequence[RowMapping]:
        nonlocal statements
        rows = await database.fetch(statement, given)
        statements += 1
        if statements == after_statement:
            await change(store)
        return rows

    with capture_logs() as logs:
        rows = await fetch(approvals_decided())
        (approval,) = await whole_of(rows, fetch, proofs)
    return approval, [entry for entry in logs if entry["event"] == "record_tampered"]


@pytest.mark.parametrize("after_statement", [1, 2, 3])
@pytest.mark.parametrize(
    ("before", "change", "stage"),
    [
        (decide, _settled, Stage.SETTLED),
        (decide, _taken_back, Stage.OPEN),
        (_voted, _voted_anew, Stage.OPEN),
        (_voted, _revised, Stage.OPEN),
    ],
)
async def test_what_changes_while_it_is_read_is_not_called_tampered(
    store: SqlStore, before: Change, change: Change, stage: Stage, after_statement: int
) -> None:
    """It is read again, in its new state; no alert says that the record was tampered with."""
    await admit(store)
    await before(store)
    approval, tampered = await read(store, change, after_statement=after_statement)
    assert not approval.forged
    assert not tampered
    assert not any(standing.forged for standing in (await store.approvals.standing(["r1"])).values())
    now = await store.approvals.get("r1")
    assert now is not None
    assert now.stage is stage


async def test_what_never_stops_changing_counts_as_tampered(store: SqlStore) -> None:
    """Nobody waits for ever, and what cannot be judged does not count."""
    await admit(store)
    await decide(store)
    proofs, votes = store.approvals._proofs, iter(range(1, 10 * READINGS))

    async def fetch(statement: Executable, given: Given | None = None) -> Sequence[RowMapping]:
        rows = await store.approvals._database.fetch(statement, given)
        proofs.counted("r1", "ann", revision=100 + next(votes))
        return rows

    with capture_logs() as logs:
        (approval,) = await whole_of(await fetch(approvals_decided()), fetch, proofs)
    assert approval.forged
    assert [entry["event"] for entry in logs] == ["record_tampered"]
