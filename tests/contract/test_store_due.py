"""Whether a card is due is in its own row, whatever changes its request, and is found by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from sqlalchemy import Engine, event, make_url

from adapters.store.open import SqlStore
from bot.approval import Outcome, Stage
from bot.ladder import Deadline, Lease
from bot.records import NewApproval
from bot.surface import Surface
from tests.contract.conftest import Eyes
from tests.contract.values import (
    BOARD,
    FINANCE,
    NOW,
    a_deadline,
    a_placement,
    a_request,
    a_vote,
    after,
    all_lagging,
    all_waiting,
    an_approval,
    revise,
    wins,
)

LATE = after(3_600)


async def admitted(store: SqlStore, *, rule: str | None = None) -> None:
    """One request, with a card in a channel."""
    approval = replace(an_approval(), rule=rule)
    await store.approvals.insert([NewApproval(approval=approval, placements=[a_placement()])])


async def test_a_row_follows_every_move(store: SqlStore, eyes: Eyes) -> None:
    """Whatever happens to the request, its cards' rows say the same as its own."""
    await admitted(store, rule="reads")
    moves = [
        store.approvals.ask_people("r1"),
        store.approvals.retime(
            "r1", was=an_approval().deadline.at, route="default", deadline=a_deadline(after(200)), rungs=(),
            lease=Lease(until=after(100), last_call=after(80)),
        ),
        revise(store, request=a_request(arguments={"to": "bob"}), placements=[a_placement("c2", at=BOARD)]),
    ]  # fmt: skip
    for move in moves:
        assert await move
        assert agrees(eyes), move
    digest = a_request(arguments={"to": "bob"}).digest
    assert await wins(store, a_vote(digest=digest, at=after(1)))
    assert agrees(eyes)
    await store.approvals.postpone("r1", next_try=after(2), trouble="it is down")
    assert agrees(eyes)
    assert await store.approvals.void("r1", why="deny", at=after(3))
    assert agrees(eyes)
    assert await store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=after(4))
    assert agrees(eyes)
    assert await store.approvals.revive(
        "r1", route="default", deadline=a_deadline(after(300)), rungs=(), at=after(5)
    )
    assert agrees(eyes)


def agrees(eyes: Eyes) -> bool:
    """Whether every card's row says of its request what the request's own row says."""
    wrong = (
        "p.revision <> a.revision OR p.deadline <> a.deadline"
        " OR p.asked <> (a.stage IN ('open', 'decided') OR a.rule IS NOT NULL)"
        " OR p.for_people <> (a.stage = 'open' AND a.rule IS NULL)"
    )
    return not eyes(
        f"SELECT p.card_id FROM placements p JOIN approvals a ON a.id = p.approval_id WHERE {wrong}"
    )


async def test_what_was_written_past_nod_is_found_and_repaired(store: SqlStore, eyes: Eyes) -> None:
    """A card that nobody would look at is looked at again, whichever portion it is in."""
    await admitted(store)
    await store.approvals.insert(
        [NewApproval(approval=an_approval("r2"), placements=[a_placement("c2", "r2", at=BOARD)])]
    )
    eyes("UPDATE placements SET asked = false, for_people = false, revision = 0 WHERE card_id = 'c2'")
    assert ["c1"] == [card.card_id for card, _ in await all_lagging(store)]

    first = await store.placements.repair(after="", most=1)
    second = await store.placements.repair(after=first[1], most=1)

    assert [(0, "c1"), (1, "c2"), (0, "")] == [first, second, await store.placements.repair(after="c2", most=1)]
    assert ["c1", "c2"] == [card.card_id for card, _ in await all_lagging(store)]


async def test_a_card_whose_time_is_known_is_met_once(store: SqlStore) -> None:
    """It is met again when it gets another deadline, and when its message is lost."""
    await admitted(store)
    (card,) = await store.queue_messages.unmet(most=10)
    await store.queue_messages.meet({card.card_id: after(9)})
    assert () == await store.queue_messages.unmet(most=10)
    line = (await store.queue_messages.lines())[FINANCE]
    assert (1, 0, after(9), an_approval().deadline.at) == (line.count, line.unmet, line.up_by, line.deadline)

    moved = Deadline(at=after(100), source=a_deadline().source)
    lease = Lease(until=after(50), last_call=after(40))
    was = an_approval().deadline.at
    assert await store.approvals.retime("r1", was=was, route="default", deadline=moved, rungs=(), lease=lease)

    assert ["c1"] == [one.card_id for one in await store.queue_messages.unmet(most=10)]
    await store.queue_messages.meet({"c1": after(8)})
    await store.placements.shown("c1", ref="m1", revision=2)
    assert {} == await all_waiting(store)
    await store.placements.lost("c1")
    assert [None] == [one.up_by for one in (await all_waiting(store))[FINANCE]]


async def test_what_was_not_begun_can_be_gathered(store: SqlStore) -> None:
    """Of cards that were taken together, those behind one that failed wait in line as before."""
    await admitted(store)
    await store.placements.attempt("c1", at=NOW)
    assert 0 == await store.queue_messages.batch(["c1"])
    await store.placements.not_begun(["c1"])
    assert 1 == await store.queue_messages.batch(["c1"])


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What the block asks the database."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_what_is_due_is_found_by_an_index(store: SqlStore, url: str) -> None:
    """On both databases: no statement of a round looks through all placements."""
    await admitted(store)
    placements, queue = store.placements, store.queue_messages
    with statements() as asked:
        await placements.backlog(LATE)
        await placements.line(FINANCE, now=LATE, most=5, probes=3)
        await placements.outdated([Surface.SLACK], now=LATE, most=5, decided_before=LATE)
        await placements.first_sent(after=NOW)
        await queue.lines()
        await queue.waiting(FINANCE)
        await queue.batch(["c1"])
        await queue.standing(lines=1)

    plans = {statement: plan_of(url, statement, given) for statement, given in asked if "FROM" in statement}

    assert {} == {statement: plan for statement, plan in plans.items() if any(map(_reads_all, plan))}


def plan_of(url: str, statement: str, given: Any) -> list[str]:
    """How the database would run it, a line for each part."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as file:
            return [str(row[-1]) for row in file.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
    with psycopg.connect(url) as server:
        server.execute("SET enable_seqscan = off")  # the table is small
        return [str(row[0]) for row in server.execute(f"EXPLAIN {statement}", given)]


def _reads_all(part: str) -> bool:
    """Whether all rows of the table are read, and not those of an index alone."""
    return ("SCAN placements" in part and "INDEX" not in part) or "Seq Scan on placements" in part
