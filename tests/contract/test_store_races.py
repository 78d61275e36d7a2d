"""The store's contract, third part: races, cancelled callers, crashes, and who is rung when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.compare_and_set import Move
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.errors import Unanswered, Unavailable
from bot.records import Step
from bot.store import Store
from tests.contract.conftest import PAGERS, Eyes
from tests.contract.values import (
    NOW,
    a_request,
    a_vote,
    admit,
    after,
    begin,
    bring_to,
    decide,
    revise,
    settle,
    wins,
)

ROOT = Path(__file__).parents[2]


async def test_of_fifty_clicks_one_wins(store: Store, eyes: Eyes) -> None:
    """However many people click at once, one decision is kept, and the winner reads that it is theirs."""
    await admit(store)
    notes = [f"click {number}" for number in range(50)]
    won = await asyncio.gather(*(wins(store, a_vote(note, note=note)) for note in notes))
    winners = [note for note, mine in zip(notes, won, strict=True) if mine]
    assert 1 == len(winners)
    assert [(winners[0],)] == eyes("SELECT note FROM decisions")
    assert [("decided", 2)] == eyes("SELECT stage, revision FROM approvals")


async def test_a_changed_request_and_a_click_do_not_mix(store: Store) -> None:
    """Whichever comes first, a decision is valid only for the call that its card showed."""
    for number in range(10):
        approval_id = f"r{number}"
        digest = await admit(store, approval_id)
        new = a_request(approval_id, arguments={"to": "eve"})
        change = revise(store, approval_id, request=new)
        click = wins(store, a_vote(digest=digest), approval_id)
        moves = [change, click] if number % 2 else [click, change]
        one, other = await asyncio.gather(*moves)
        found = await store.approvals.get(approval_id)
        assert found is not None
        assert one is not other
        assert (found.request.digest == digest) is (found.stage is Stage.DECIDED)


async def test_a_click_and_the_deadline_do_not_mix(store: Store) -> None:
    """An approval is either decided or settled as unanswered, never both."""
    for number in range(10):
        approval_id = f"r{number}"
        digest = await admit(store, approval_id)
        click = wins(store, a_vote(digest=digest), approval_id)
        expiry = store.approvals.settle(approval_id, was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP, at=NOW)
        decided, expired = await asyncio.gather(*([click, expiry] if number % 2 else [expiry, click]))
        assert decided is not expired


async def test_one_delivery_at_a_time(store: Store) -> None:
    """Of many who would post the same decision, one may."""
    await bring_to(store, Stage.DECIDED)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(1))
    as_read = await store.approvals.get("r1")
    posts = [begin(store, as_read=as_read) for _ in range(10)]
    taken = [one for one in await asyncio.gather(*posts) if one is not None]
    assert [1] == [one.attempts for one in taken]


async def test_a_void_and_a_delivery_do_not_mix(store: Store) -> None:
    """A decision is either on its way to the platform or taken back, never both."""
    for number in range(10):
        approval_id = f"r{number}"
        await bring_to(store, Stage.DECIDED, approval_id)
        await store.approvals.confirm({approval_id: a_request(approval_id).digest}, began_at=after(1))
        as_read = await store.approvals.get(approval_id)
        void = store.approvals.void(approval_id, why="denied", at=NOW)
        post = begin(store, approval_id, as_read=as_read)
        if number % 2:
            voided, taken = await asyncio.gather(void, post)
        else:
            taken, voided = await asyncio.gather(post, void)
        assert voided is (taken is None)


async def test_a_cancelled_click_leaves_nothing_or_all(url: str) -> None:
    """A caller that goes away in the middle leaves no half transaction and no stuck connection."""
    rings: list[Step] = []
    async with open_store(url, ring=rings.append, pagers=PAGERS) as store:
        for number in range(40):
            digest = await admit(store, f"r{number}")
            rings.clear()
            click = asyncio.create_task(wins(store, a_vote(digest=digest), f"r{number}"))
            await asyncio.sleep(number * 0.000_1)
            click.cancel()
            await asyncio.gather(click, return_exceptions=True)
        await admit(store, "after")
        await decide(store, "after")
    async with open_store(url, ring=rings.append, pagers=PAGERS) as store:
        found = {approval.id: approval for approval in await store.approvals.at(*Stage)}
        assert 41 == len(found)
        assert all((a.stage is Stage.DECIDED) is (a.decision is not None) for a in found.values())
        assert Stage.DECIDED is found["after"].stage
        assert Stage.DECIDED is found["r39"].stage


async def test_a_commit_wakes_even_when_the_caller_is_gone(store: Store, rings: list[Step]) -> None:
    """A decision that became durable is delivered at once, though nobody waits for the click's answer."""
    await admit(store)
    rings.clear()
    click = asyncio.create_task(wins(store, a_vote()))
    await asyncio.sleep(0)
    click.cancel()
    with pytest.raises(asyncio.CancelledError):
        await click
    async with asyncio.timeout(5):
        while not rings:
            await asyncio.sleep(0.005)
    assert [Step.SHOW, Step.DELIVER, Step.INGEST, Step.BATCH] == rings
    found = await store.approvals.get("r1")
    assert found is not None
    assert Stage.DECIDED is found.stage


async def test_a_step_that_is_rung_finds_its_work(url: str, eyes: Eyes) -> None:
    """Nobody is rung inside a transaction: what the ring is about can be seen from outside."""
    seen: list[tuple[Step, str]] = []
    async with open_store(
        url, ring=lambda step: seen.append((step, eyes("SELECT stage FROM approvals")[0][0])), pagers=PAGERS
    ) as store:
        await bring_to(store, Stage.SETTLED)
    admitted = [(step, "open") for step in (Step.SHOW, Step.BATCH, Step.ESCALATE, Step.EXPIRE)]
    decided = [(step, "decided") for step in (Step.SHOW, Step.DELIVER, Step.INGEST, Step.BATCH)]
    settled = [(step, "settled") for step in (Step.SHOW, Step.ANNOUNCE, Step.CLOSE, Step.BATCH, Step.AMEND)]
    assert admitted + decided + settled == seen


async def test_the_primary_key_has_the_last_word(store: Store, rings: list[Step], eyes: Eyes) -> None:
    """Even if a record said otherwise, a request that has its decision never gets a second one."""
    await admit(store)
    rings.clear()
    eyes(
        "INSERT INTO decisions (approval_id, verdict, surface, account, name, at, card_id)"
        " VALUES ('r1', 'rejected', 'slack', 'U2', 'Bob', 1, 'c1')"
    )
    assert not await wins(store, a_vote())
    assert [("open", 1)] == eyes("SELECT stage, revision FROM approvals")
    assert [("rejected",)] == eyes("SELECT verdict FROM decisions")
    assert [] == rings


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_was_acknowledged_survives_a_kill(request: pytest.FixtureRequest, kind: str) -> None:
    """A process killed at any moment has lost none of the decisions that it reported as committed."""
    url = request.getfixturevalue(f"{kind}_url")
    reported: list[str] = []
    for _ in range(2):
        reported += await asyncio.to_thread(_decide_until_killed, url)
    async with open_store(url, ring=lambda step: None, pagers=()) as store:
        decided = {approval.id: approval for approval in await store.approvals.at(Stage.DECIDED)}
    assert 20 <= len(reported)
    assert set() == set(reported) - set(decided)


def _decide_until_killed(url: str) -> list[str]:
    child = [sys.executable, "-m", "tests.contract.deciding_child", url]
    with subprocess.Popen(child, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = [process.stdout.readline().strip() for _ in range(15)]
        process.kill()
        rest = process.stdout.read()
    # A line that the kill cut short was not reported.
    return first + rest[: rest.rfind("\n") + 1].split()


async def test_a_busy_database_is_unavailable_and_recovers(store: SqlStore, url: str, eyes: Eyes) -> None:
    """When the database fails, the caller hears that nothing happened, and the next try goes through."""
    await admit(store)
    if url.startswith("sqlite"):
        eyes("ALTER TABLE decisions RENAME TO hidden")
    else:
        eyes("ALTER DATABASE postgres SET default_transaction_read_only = on")
        eyes("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nod-%'")
    try:
        with pytest.raises(Unavailable, match=r"database|the server accepts no writes"):
            await wins(store, a_vote())
    finally:  # the tests after this one share the server
        if url.startswith("sqlite"):
            eyes("ALTER TABLE hidden RENAME TO decisions")
        else:
            eyes("SET transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only")
            eyes("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nod-%'")
    await decide(store)
    await settle(store, was=Stage.DECIDED)


async def test_readers_that_go_away_leave_no_connection_behind(store: Store) -> None:
    """More cancelled reads than there are connections, and the next read is answered."""
    await admit(store)
    for _ in range(30):
        reading = asyncio.create_task(store.approvals.get("r1"))
        await asyncio.sleep(0)
        reading.cancel()
    async with asyncio.timeout(5):
        assert await store.approvals.get("r1") is not None


async def test_a_full_disk_loses_nothing_that_was_acknowledged(sqlite_url: str) -> None:
    """What does not fit is not acknowledged and leaves no trace; once there is room, the same click counts."""
    rings: list[Step] = []
    async with open_store(sqlite_url, ring=rings.append, pagers=()) as store:
        await admit(store)
        rings.clear()
        await _limit_pages(store, "1")
        long = a_vote(note="x" * 100_000)
        with pytest.raises(Unavailable):
            await wins(store, long)
        found = await store.approvals.get("r1")
        assert found is not None
        assert (Stage.OPEN, []) == (found.stage, rings)
        await _limit_pages(store, "1000000")
        assert await wins(store, long)


async def _limit_pages(store: SqlStore, pages: str) -> None:
    """How large the file may grow; never below what it holds (sqlite.org/pragma.html, max_page_count)."""

    async def work(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await store.approvals._database.write(Move.CLOSE, work)


async def test_a_commit_that_was_not_answered_may_have_happened(postgres_url: str) -> None:
    """When the server goes away in the middle of a commit, the caller is told to look before repeating."""
    async with open_store(postgres_url, ring=lambda step: None, pagers=()) as store:

        async def lose_the_server(connection: AsyncConnection) -> bool:
            mine = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute(f"SELECT pg_terminate_backend({mine}, 2000)")
            return True

        with pytest.raises(Unanswered):
            await store.approvals._database.write(Move.DECIDE, lose_the_server)
        await admit(store)
