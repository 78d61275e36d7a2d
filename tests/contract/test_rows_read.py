"""No step reads everything that is open: its cost follows what is due."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.store.open import SqlStore
from bot.records import Step
from tests.contract.conftest import Eyes
from tests.contract.rows_read import (
    DUE,
    LOOKED_AT,
    MOST_ROWS,
    an_open,
    fill,
    make_due,
    rounds_on,
    rows_counted,
    whole_scans,
)
from tests.contract.values import a_request
from tests.fakes import FakePlatform

#: Steps for which `make_due` has ten due requests that a round must find.
FOUND = {Step.ANSWER, Step.DELIVER, Step.ANNOUNCE, Step.EXPIRE, Step.RECONCILE, Step.ALERT}
#: Pieces of SHOW: cards of two steps that are out of date, and what waits in one channel.
SHOWN = 2 * DUE + 1
#: Steps whose statements go by an index, as the database itself plans them.
INDEXED = {*FOUND, Step.CLOSE}
#: What reads more, with its rows when this was written: a start's first poll compares all that is listed.
STILL_MORE: Mapping[Step, int] = {Step.INGEST: 134}
#: How many a poll lists in the test of polls.
LISTED = 400


async def test_a_round_reads_a_few_rows_of_ten_thousand(store: SqlStore, eyes: Eyes, url: str) -> None:
    """Every step, with ten requests that are due for it."""
    platform = FakePlatform(clock=lambda: LOOKED_AT)
    await fill(store, eyes)
    for step in Step:
        await make_due(store, step, platform)
    steps = rounds_on(store, platform)

    read = {}
    for step, round_ in sorted(steps.rounds.items(), key=lambda one: one[0] is Step.INGEST):
        with rows_counted() as tally:
            await round_()
        read[step] = tally.rows
        if step in INDEXED:
            assert [] == whole_scans(url, tally), step

    assert SHOWN == len(steps.pools[Step.SHOW].taken)
    taken = {step: [one for one in pool.taken if one.startswith(step)] for step, pool in steps.pools.items()}
    found = {step: len(taken[step]) for step in FOUND}
    assert dict.fromkeys(FOUND, DUE) == found
    more = {step: rows for step, rows in read.items() if rows > MOST_ROWS}
    assert set(more) <= set(STILL_MORE), more


async def test_nothing_is_read_while_nothing_waits(store: SqlStore) -> None:
    """By the poll of an empty list."""
    poll = rounds_on(store, FakePlatform(clock=lambda: LOOKED_AT)).rounds[Step.INGEST]
    await poll()
    with rows_counted() as tally:
        await poll()
    assert [] == tally.read


async def test_a_poll_reads_what_changed(store: SqlStore) -> None:
    """Of hundreds that are listed, after the first poll: ten new ones, ten changed ones, one that is gone."""
    platform = FakePlatform(clock=lambda: LOOKED_AT)
    names = [f"r{number}" for number in range(LISTED)]
    requests = {name: a_request(name, timeout_seconds=3_600.0) for name in names}
    await store.approvals.insert([an_open(name, request=requests[name]) for name in names])
    platform.waiting.update(requests)
    poll = rounds_on(store, platform).rounds[Step.INGEST]
    await poll()
    for number in range(DUE):
        platform.waiting[f"new-{number}"] = a_request(f"new-{number}")
        platform.waiting[names[number]] = a_request(names[number], timeout_seconds=3_602.0)
    platform.waiting.pop(names[-1])
    with rows_counted() as tally:
        await poll()
    assert DUE < tally.rows <= MOST_ROWS + DUE * 10
