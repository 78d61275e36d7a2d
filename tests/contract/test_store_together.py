"""The store's contract: many pieces of work in one transaction. Each fails alone; none is told too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import psycopg
import pytest
import structlog
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import group_commit
from adapters.store.compare_and_set import Move, append
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.audit import Fact, first_break
from bot.canonical import NotCanonical
from bot.errors import Unanswered
from bot.records import Counted, NewApproval, Step
from tests.contract.conftest import Eyes
from tests.contract.values import NOW, a_vote, admit, after, an_approval, decide

IDS = [f"r{number}" for number in range(8)]


@contextmanager
def commits_counted() -> Iterator[list[object]]:
    """Each transaction that is committed in the block."""
    seen: list[object] = []

    def note(connection: object) -> None:
        seen.append(connection)

    event.listen(Engine, "commit", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", note)


def however_slow(store: SqlStore) -> None:
    """What waits is one transaction on a busy machine, too."""
    store.database._commits.takes_for = 60.0


async def votes_at_once(store: SqlStore, ids: list[str]) -> list[asyncio.Task[Counted]]:
    """A vote on each of these, all of them waiting for the same transaction."""
    digests = [await admit(store, one) for one in ids]
    return [
        asyncio.create_task(
            store.approvals.vote(one, vote=a_vote(digest=digest), needs=1, eligible=None), name=one
        )
        for one, digest in zip(ids, digests, strict=True)
    ]


async def test_clicks_at_once_are_one_commit_and_one_chain(store: SqlStore, eyes: Eyes) -> None:
    """However many wait, the disk is asked once, and the audit goes on from row to row."""
    however_slow(store)
    votes = await votes_at_once(store, IDS)
    with commits_counted() as commits:
        assert [Counted.DECIDED] * len(IDS) == await asyncio.gather(*votes)
    assert 1 == len(commits)
    assert [(len(IDS),)] == eyes("SELECT count(*) FROM decisions")
    assert await is_whole(store)


async def test_a_piece_that_fails_harms_no_other(store: SqlStore, rings: list[Step], eyes: Eyes) -> None:
    """Whatever it wrote is undone, its audit row too; the others count, and only they ring."""

    async def fails(connection: AsyncConnection) -> bool:
        await connection.exec_driver_sql("UPDATE approvals SET route = 'broken'")
        await append(connection, Fact(kind="broken", at=NOW, body={}))
        raise LookupError("a mistake of ours")

    async def is_no_fact(connection: AsyncConnection) -> bool:
        await connection.exec_driver_sql("UPDATE approvals SET route = 'broken'")
        await append(connection, Fact(kind="broken", at=NOW, body={"odd": float("nan")}))
        return True

    however_slow(store)
    first, *others = await votes_at_once(store, IDS)
    rings.clear()
    with commits_counted() as commits:
        results = await asyncio.gather(
            first,
            store.database.write(Move.SETTLE, fails),
            *others,
            store.database.write(Move.SETTLE, is_no_fact),
            return_exceptions=True,
        )
    assert 1 == len(commits)
    assert {LookupError, NotCanonical} == {type(one) for one in results if isinstance(one, Exception)}
    assert len(IDS) == results.count(Counted.DECIDED)
    assert {("payments", "decided")} == set(eyes("SELECT route, stage FROM approvals"))
    assert [(0,)] == eyes("SELECT count(*) FROM audit WHERE kind = 'broken'")
    assert Step.ANNOUNCE not in rings
    assert await is_whole(store)


async def test_a_mistake_after_the_commit_is_heard_by_its_own_caller(store: SqlStore, eyes: Eyes) -> None:
    """What was committed counts for all the others, and they hear so."""
    however_slow(store)

    async def works(_: AsyncConnection) -> bool:
        return True

    def mistaken(_: bool, __: Exception | None) -> None:
        raise LookupError("a mistake of ours")

    digests = [await admit(store, one) for one in IDS[:2]]
    ours = asyncio.create_task(store.database.write(Move.VOTE, works, ended=mistaken))
    votes = [store.approvals.vote(one, vote=a_vote(digest=digest), needs=1, eligible=None)
             for one, digest in zip(IDS, digests, strict=False)]  # fmt: skip
    heard = await asyncio.gather(ours, *votes, return_exceptions=True)
    assert isinstance(heard[0], LookupError)
    assert [Counted.DECIDED] * 2 == heard[1:]
    assert [(2,)] == eyes("SELECT count(*) FROM decisions")


async def test_a_commit_that_fails_is_unanswered_for_all(store: SqlStore, rings: list[Step]) -> None:
    """Nobody reads that it is valid, and nobody that it is not; no step is rung."""
    however_slow(store)
    gone: list[str] = []
    store.database.watch(lambda: gone[0] if gone else None)

    async def lose_the_file(_: AsyncConnection) -> bool:
        gone.append("the file is gone")
        return True

    digests = [await admit(store, one) for one in IDS]
    rings.clear()
    lost = asyncio.create_task(store.database.write(Move.PROBE, lose_the_file))
    votes = [
        store.approvals.vote(one, vote=a_vote(digest=digest), needs=1, eligible=None)
        for one, digest in zip(IDS, digests, strict=True)
    ]
    results = await asyncio.gather(lost, *votes, return_exceptions=True)
    assert {Unanswered} == {type(one) for one in results}
    assert [] == rings
    gone.clear()
    known = [await store.approvals.get(one) for one in IDS]
    assert [()] * len(IDS) == [one.forged for one in known if one]


async def test_a_server_lost_in_the_commit_is_unanswered_for_all(postgres_url: str) -> None:
    """It may have happened: each of them has to look."""
    async with open_store(postgres_url, ring=lambda _: None, pagers=()) as store:

        async def lose_the_server(connection: AsyncConnection) -> bool:
            mine = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute(f"SELECT pg_terminate_backend({mine}, 2000)")
            return True

        quiet = [store.database.write(Move.PROBE, nothing) for _ in range(3)]
        lost = store.database.write(Move.PROBE, lose_the_server)
        results = await asyncio.gather(*quiet, lost, return_exceptions=True)
        assert [Unanswered] * 4 == [type(one) for one in results]


async def nothing(_: AsyncConnection) -> bool:
    """Work that is done."""
    return True


async def test_a_caller_who_leaves_takes_nothing_with_them(
    store: SqlStore, rings: list[Step], eyes: Eyes
) -> None:
    """Their vote counts like the others', rings, and is known as their last."""
    votes = await votes_at_once(store, IDS)
    rings.clear()
    await asyncio.sleep(0)
    votes[3].cancel()
    results = await asyncio.gather(*votes, return_exceptions=True)
    assert 1 == sum(isinstance(one, asyncio.CancelledError) for one in results)
    assert [(len(IDS),)] == eyes("SELECT count(*) FROM decisions")
    assert len(IDS) == rings.count(Step.DELIVER)
    lives = {repr(store.approvals._proofs.known_of(one)) for one in IDS}
    assert 1 == len(lives)
    assert "'ann': 2" in lives.pop()


@pytest.mark.parametrize("move", ["begin_delivery", "settle", "void"])
async def test_what_a_commit_means_is_known_though_its_caller_left(store: SqlStore, move: str) -> None:
    """What was answered, or listed, before does not count any more: nobody else would note that."""
    digest = await admit(store)
    await decide(store)
    await store.approvals.confirm({"r1": digest}, began_at=after(1))
    read = await store.approvals.get("r1")
    assert read is not None
    approvals, proofs = store.approvals, store.approvals._proofs
    moves: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "begin_delivery": lambda: approvals.begin_delivery([read], now=after(2), until=after(22)),
        "settle": lambda: approvals.settle("r1", was=Stage.DECIDED, outcome=Outcome.ELSEWHERE, at=after(2)),
        "void": lambda: approvals.void("r1", why="denied", at=after(2)),
    }
    caller = asyncio.create_task(moves[move]())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    await store.database.write(Move.PROBE, nothing)  # behind it
    life = repr(proofs.known_of("r1"))
    assert {
        "begin_delivery": proofs.listed_at("r1", digest=digest) is None,
        "settle": not proofs.waits("r1"),
        "void": "since=3" in life,
    }[move], life


async def test_what_was_not_admitted_does_not_wait(store: SqlStore) -> None:
    """Whatever went wrong with the transaction: the same request is new once more, and its rule answers it."""
    however_slow(store)

    async def breaks_the_commit(connection: AsyncConnection) -> bool:
        await append(connection, Fact(kind=cast("str", None), at=NOW, body={}))
        return True

    new = NewApproval(approval=replace(an_approval(), rule="reads"))
    heard = await asyncio.gather(
        store.approvals.insert([new]),
        store.database.write(Move.PROBE, breaks_the_commit),
        return_exceptions=True,
    )
    assert [IntegrityError] * 2 == [type(one) for one in heard]
    assert set() == store.approvals.waiting()
    assert {"r1"} == await store.approvals.insert([new])
    assert ["reads"] == [one.rule for one in await store.approvals.at(Stage.OPEN)]
    assert set() == store.approvals.doubted()


async def test_a_long_piece_holds_up_few(store: SqlStore) -> None:
    """What has been done when a transaction has taken long is committed and told; the rest comes next."""
    order: list[str] = []

    async def long(_: AsyncConnection) -> bool:
        await asyncio.sleep(group_commit.TAKES_FOR * 1.2)
        return True

    async def last(_: AsyncConnection) -> bool:
        order.append("the last begins")
        return True

    async def told(work: object) -> None:
        await store.database.write(Move.PROBE, work)  # type: ignore[arg-type]
        order.append("told")

    await asyncio.gather(told(nothing), told(long), told(last))
    assert ["told", "told", "the last begins", "told"] == order


async def test_a_transaction_that_hangs_is_passed_where_there_can_be_two(postgres_url: str) -> None:
    """PostgreSQL has other connections: a silent one delays a click by half a second."""
    async with open_store(postgres_url, ring=lambda _: None, pagers=()) as store:
        begun, answered = asyncio.Event(), asyncio.Event()

        async def hangs(_: AsyncConnection) -> bool:
            begun.set()
            await answered.wait()
            return True

        hung = asyncio.create_task(store.database.write(Move.PROBE, hangs))
        await begun.wait()
        try:
            async with asyncio.timeout(20):
                await asyncio.gather(*await votes_at_once(store, ["r1", "r2"]))
            assert not hung.done()
        finally:
            answered.set()
        assert await hung


async def test_each_piece_logs_as_its_caller_would(store: SqlStore) -> None:
    """What a transaction has in common is not whose work it is."""
    seen: list[object] = []

    async def logs(_: AsyncConnection) -> bool:
        seen.append(structlog.contextvars.get_contextvars().get("approval_id"))
        return True

    async def by(approval_id: str) -> None:
        with structlog.contextvars.bound_contextvars(approval_id=approval_id):
            await store.database.write(Move.PROBE, logs)

    await asyncio.gather(by("r1"), by("r2"))
    assert ["r1", "r2"] == seen


async def is_whole(store: SqlStore) -> bool:
    """Whether the chain has no break."""
    head = await store.journal.head()
    rows = [await store.journal.row(number) for number in range(1, head.number + 1)] if head else []
    return first_break([row for row in rows if row]) is None
