"""Ten thousand open requests of which ten are due, and how many rows the database returns while a step looks.

A step whose cost follows what is due reads about as many rows as it has work, however much is open.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine, event, make_url

from adapters.runtime import Runtime
from adapters.store import tables
from adapters.store.open import SqlStore
from bot.approval import Outcome, Stage
from bot.flow import Round, WorkerPool
from bot.flow.ingest import Ingest
from bot.ladder import Action
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.records import Alert, NewApproval, Step
from bot.routing import Match, Route
from bot.surface import Surface
from tests.contract.values import (
    FINANCE,
    NOW,
    a_notice,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    after,
    an_approval,
    fire,
)
from tests.fakes import FakePlatform
from tests.servers.fake_clock_bot import SEAL, NoCallbacks, PaperChat

#: How many are open, how many are decided and wait, and how many have something due for a step.
OPEN, WAITING, DUE = 10_000, 1_000, 10
#: A round may read this many rows: all that is due, a few rows each.
MOST_ROWS = 50
#: When the steps look: everything that is due at NOW is.
LOOKED_AT = after(1)
DEADLINE = NOW + timedelta(hours=1)
Rows = Callable[[str], object]  #: runs a statement past the store
#: Indexes that hold only what a step looks for.
PARTIAL = [
    index.name for index in tables.approvals.indexes if index.dialect_options["sqlite"]["where"] is not None
]
POLICY = Policy(
    flood=2 * OPEN,
    people={},
    groups={},
    routes=(Route(name="payments", match=Match(), cards=(FINANCE,), approvers=("ann",)),),
)


@dataclass(slots=True)
class Tally:
    """Rows that statements returned, and the statements that read, with their parameters."""

    rows: int = 0
    read: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def rows_counted() -> Iterator[Tally]:
    """Count what every statement of the block returns, on any engine."""
    tally = Tally()

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if cursor.description is None:
            return
        if statement.startswith("SELECT"):
            tally.read.append((statement, parameters))
        # SQLite's driver does not tell; SQLAlchemy's wrapper of it has fetched them all by now.
        fetched = getattr(cursor, "_rows", None)
        tally.rows += max(0, cursor.rowcount) if fetched is None else len(fetched)

    event.listen(Engine, "after_cursor_execute", note)
    try:
        yield tally
    finally:
        event.remove(Engine, "after_cursor_execute", note)


def whole_scans(url: str, tally: Tally) -> list[str]:
    """Lines of the database's plans for these statements that read a whole table of requests.

    A partial index may be read whole: it has only what a step looks for.
    """
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as connection:
            plans = [
                row[3]
                for one in tally.read
                for row in connection.execute(f"EXPLAIN QUERY PLAN {one[0]}", one[1])
            ]
        bounded = tuple(f"USING INDEX {name}" for name in PARTIAL)
        return [line for line in plans if line.startswith("SCAN approvals") and not line.endswith(bounded)]
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as server:
        server.execute("SET enable_seqscan = off")  # as if there were too many for it
        plans = [row[0] for one in tally.read for row in server.execute(f"EXPLAIN {one[0]}", one[1])]
    return [line for line in plans if "Seq Scan on approvals" in line]


async def fill(store: SqlStore, rows: Rows) -> None:
    """So many open requests: their cards are up, their next steps and their deadlines far ahead.

    And some decided ones that wait for another try. They are copies of one, unsigned: nobody is to read them.
    """
    await store.approvals.insert([an_open("open"), an_open("decided")])
    await _pinged(store, ["open"])
    await _paged(store, ["open"])
    await _decided(store, ["decided"])
    await store.approvals.postpone("decided", next_try=DEADLINE, trouble=None)
    await store.placements.shown("card-decided", ref="m-decided", revision=2, digest=a_request().digest)
    for like, many in (("open", OPEN), ("decided", WAITING)):
        for table in _COPIES:
            names = ", ".join(column.name for column in table.c)
            copied = ", ".join(_COPIED.get(column.name, column.name) for column in table.c)
            key = table.c["id" if table is tables.approvals else "approval_id"].name
            await asyncio.to_thread(  # a store that nobody looks after lapses
                rows,
                f"WITH RECURSIVE copies(copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM copies"
                f" WHERE copy < {many}) INSERT INTO {table.name} ({names})"
                f" SELECT {copied} FROM {table.name} CROSS JOIN copies WHERE {key} = '{like}'",
            )
    rows("ANALYZE")


_COPIES = (
    tables.approvals, tables.placements, tables.rungs, tables.decisions, tables.votes, tables.notices,
    tables.alerts, tables.pages,
)  # fmt: skip
#: What differs in a copy.
_COPIED = {
    **{
        name: f"{name} || '-' || copy" for name in ("id", "request_id", "approval_id", "card_id", "ref", "mark")
    },
    "request": "replace(request, '\"' || id || '\"', '\"' || id || '-' || copy || '\"')",
}


def an_open(approval_id: str, **changes: Any) -> NewApproval:
    """A request with one card that shows it."""
    approval = replace(an_approval(approval_id, deadline=DEADLINE), **changes)
    card = replace(a_placement(f"card-{approval_id}", approval_id), attempted_at=NOW)
    card = replace(card, ref=f"m-{approval_id}", shown_revision=1, digest=approval.request.digest)
    rung = a_rung(due=1800, approval_id=approval_id, action=Action.PING, who=("ann",))
    return NewApproval(approval=approval, placements=(card,), rungs=(rung,))


async def make_due(store: SqlStore, step: Step, platform: FakePlatform) -> None:
    """Ten requests that are due for this step."""
    if step is Step.SHOW:
        return  # the cards of what is decided and settled for other steps are out of date
    ids = [f"{step}-{number}" for number in range(DUE)]
    changes: Mapping[str, Any] = {}
    if step is Step.ANSWER:
        changes = {"rule": "reads"}
    new = [an_open(one, **changes) for one in ids]
    if step is Step.BATCH:  # they wait for their first post, in one channel
        new = [
            replace(one, placements=[a_placement(f"card-{one.approval.id}", one.approval.id)]) for one in new
        ]
    if step is Step.EXPIRE:
        past = replace(new[0].approval.deadline, at=after(0.5))
        new = [replace(one, approval=replace(one.approval, deadline=past)) for one in new]
    if step is Step.ESCALATE:
        rung = a_rung(due=0.5, who=("ann",))
        new = [replace(one, rungs=(replace(rung, approval_id=one.approval.id),)) for one in new]
    await store.approvals.insert(new)
    if step not in (Step.EXPIRE, Step.RECONCILE, Step.AMEND):
        platform.waiting.update({one.approval.id: one.approval.request for one in new})
    if step in (Step.DELIVER, Step.ANNOUNCE, Step.CLOSE):
        await _decided(store, ids)
    if step in (Step.ANNOUNCE, Step.CLOSE):
        for one in ids:
            await store.approvals.settle(one, was=Stage.DECIDED, outcome=Outcome.REJECTED, at=NOW)
    if step is Step.CLOSE:
        for one in ids:
            await store.placements.shown(f"card-{one}", ref=f"m-{one}", revision=9)
            await store.approvals.told({one: ()})
    if step in (Step.NOTIFY, Step.AMEND):
        await _pinged(store, ids, sent=step is Step.AMEND)
    if step is Step.AMEND:
        for one in ids:
            await store.approvals.settle(one, was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP, at=NOW)
            await store.placements.shown(f"card-{one}", ref=f"m-{one}", revision=9)
    if step is Step.ALERT:
        for one in ids:
            await store.alerts.raise_(Alert(approval_id=one, cause="rung-0", text="", raised_at=NOW))
    if step is Step.RECONCILE:
        for _ in range(9):
            await store.approvals.miss(ids, began_at=NOW)


async def _pinged(store: SqlStore, ids: list[str], *, sent: bool = True) -> None:
    """Their first step fired, and its ping is queued, or up."""
    for one in ids:
        notice = a_notice(f"ping-{one}", one, card_id=f"card-{one}")
        rung = a_rung(due=1800, approval_id=one, action=Action.PING, who=("ann",))
        assert await fire(store, [rung], at=NOW, notices=[notice])
        await store.placements.shown(f"card-{one}", ref=f"m-{one}", revision=2)
        if sent:
            await store.outbox.sent([notice], channel=FINANCE.channel, ref=f"p-{one}", at=NOW)


async def _paged(store: SqlStore, ids: list[str]) -> None:
    """An alert that every pager has."""
    for one in ids:
        await store.alerts.raise_(Alert(approval_id=one, cause="rung-0", text="", raised_at=NOW))
    for page in await store.alerts.due(NOW, most=9):
        await store.alerts.taken(page, ref="p")


async def _decided(store: SqlStore, ids: list[str]) -> None:
    for one in ids:
        vote = a_vote(digest=a_request(one).digest, card_id=f"card-{one}")
        await store.approvals.vote(one, vote=vote, needs=1, eligible=None)
    await store.approvals.confirm({one: a_request(one).digest for one in ids}, began_at=after(0.5))


class NoPager:
    """Is never asked: nobody takes what rounds find."""

    async def page(self, *_: object, **__: object) -> str | None:
        raise NotImplementedError


class Looking(WorkerPool):
    """Takes what rounds find, and leaves it undone."""

    def __init__(self, step: Step) -> None:
        # No task is ever made.
        super().__init__(step, size=1, tasks=asyncio.TaskGroup(), ring=lambda _: None, metrics=NO_METRICS)
        self.taken: list[str] = []

    def take(self, key: Any, approval_id: str, work: Any, *args: Any) -> bool:
        self.taken.append(approval_id)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Every step's round on one store, and what each found."""

    rounds: Mapping[Step, Round]
    pools: Mapping[Step, Looking]


def rounds_on(store: SqlStore, platform: FakePlatform) -> Rounds:
    """The steps as the bot wires them, with nothing outside."""
    pools = {step: Looking(step) for step in Step}

    def clock() -> Any:
        return LOOKED_AT

    ingest = Ingest(source=platform, store=store, policy=lambda: POLICY, clock=clock, metrics=NO_METRICS)
    runtime = Runtime(
        ingests=(ingest,), store=store, chats={Surface.SLACK: PaperChat(clock)},
        pagers={"ops": NoPager()}, callbacks=NoCallbacks(), policy=lambda: POLICY, reach=lambda: POLICY,
        seal=SEAL, clock=clock, metrics=NO_METRICS, ring_of=lambda _: lambda _: None,
    )  # fmt: skip
    (rounds,) = runtime.steps(lambda step: pools[step]).values()
    return Rounds(rounds=rounds, pools=pools)
