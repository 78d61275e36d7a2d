"""How fast a click becomes durable, beside what SQLite itself can do on this disk at this moment.

    .venv/bin/python -m benchmarks.store_click [--decisions 1000]

Three rows from one run: a bare `sqlite3` loop that writes the same two rows per commit with synchronous=FULL,
and the store's `decide` by 1 and by 16 callers at once. Disks differ, so the ratio to the bare loop is what
compares between machines. Slack waits 3 s for the answer to a click (slack.md): p99 must stay far below that.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from adapters.store.open import SqlStore, open_store
from bot.approval import Actor, Approval, Decision, Stage, Surface
from bot.ladder import Deadline, DeadlineSource
from bot.protocol import HITLDecision, HITLRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One row of the table; times in seconds."""

    name: str
    took: float
    each: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Commits per second."""
        return len(self.each) / self.took

    def percentile(self, share: float) -> float:
        """The time below which this share of the commits stayed, in milliseconds."""
        return sorted(self.each)[min(int(share * len(self.each)), len(self.each) - 1)] * 1_000


def bare(path: Path, decisions: int) -> Measured:
    """An update and an insert per commit, with nothing between us and SQLite."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE approvals (id TEXT PRIMARY KEY, stage TEXT)")
        connection.execute("CREATE TABLE decisions (approval_id TEXT PRIMARY KEY, note TEXT)")
        ids = [f"r{number}" for number in range(decisions)]
        connection.executemany("INSERT INTO approvals VALUES (?, 'open')", [(one,) for one in ids])
        each, began = [], time.perf_counter()
        for one in ids:
            start = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE approvals SET stage = 'decided' WHERE id = ? AND stage = 'open'", (one,))
            connection.execute("INSERT INTO decisions VALUES (?, 'fine')", (one,))
            connection.execute("COMMIT")
            each.append(time.perf_counter() - start)
        return Measured(name="bare sqlite3, FULL", took=time.perf_counter() - began, each=tuple(each))


async def clicks(path: Path, decisions: int, callers: int) -> Measured:
    """The store's own `decide`, by so many callers who each click again as soon as they are answered."""
    now = datetime.now(UTC)
    async with open_store(f"sqlite:///{path}", ring=lambda step: None, pagers=()) as store:
        approvals = [_approval(f"r{number}", now) for number in range(decisions)]
        for approval in approvals:
            await store.approvals.admit(approval, placements=(), rungs=())
        waiting, each, began = iter(approvals), list[float](), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(_click(store, waiting, now, each))
        took = time.perf_counter() - began
    return Measured(name=f"decide, {callers} at once", took=took, each=tuple(each))


async def _click(store: SqlStore, waiting: Iterator[Approval], now: datetime, each: list[float]) -> None:
    actor = Actor(surface=Surface.SLACK, account="U1", name="Ann")
    decision = Decision(verdict=HITLDecision.APPROVED, actor=actor, at=now, card_id="c1", note="fine")
    for approval in waiting:
        start = time.perf_counter()
        won = await store.approvals.decide(approval.id, decision=decision, digest=approval.request.digest)
        each.append(time.perf_counter() - start)
        if not won:
            raise RuntimeError(f"{approval.id} was not decided")


def _approval(approval_id: str, now: datetime) -> Approval:
    request = HITLRequest(
        request_id=approval_id, tool_name="pay", arguments={"to": "ann", "cents": 12}, agent_id="treasury"
    )
    deadline = Deadline(at=now + timedelta(hours=1), source=DeadlineSource.TIMEOUT_AT)
    return Approval(request=request, route="default", stage=Stage.OPEN, first_seen=now, deadline=deadline)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--decisions", type=int, default=1_000, help="commits per row (default: 1000)")
    decisions = parser.parse_args().decisions
    with tempfile.TemporaryDirectory(prefix="nod-bench") as folder:
        floor = bare(Path(folder) / "bare.db", decisions)
        rows = [floor] + [
            asyncio.run(clicks(Path(folder) / f"{callers}.db", decisions, callers)) for callers in (1, 16)
        ]
    table = Table("", "commits/s", "of bare", "p50 ms", "p99 ms", title=f"{decisions} decisions on SQLite")
    for row in rows:
        share = f"{row.rate / floor.rate:.0%}"
        table.add_row(
            row.name, f"{row.rate:,.0f}", share, f"{row.percentile(0.5):.2f}", f"{row.percentile(0.99):.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
