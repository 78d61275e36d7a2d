"""How fast a click becomes durable, beside what SQLite itself can do on this disk at this moment.

    .venv/bin/python -m benchmarks.store_click [--decisions 1000]

From one run: a bare `sqlite3` loop that writes two rows per commit with synchronous=FULL; the same two rows
through the store's own connection, which is all that a click wrote before there were votes and an audit; the
store's `vote`, which adds the vote and two rows of the audit chain; and the desk's `decide`, which adds the
seal, the policy and the check that everything was shown. Disks differ, so the ratios are what compares
between machines. Slack waits 3 s for the answer to a click (docs.slack.dev, Handling user interaction):
p99 must stay far below that.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from adapters.store.open import open_store
from benchmarks.click_world import BY_DESK, BY_STORE, BY_TWO_ROWS, Way, approvals_for


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


async def clicks(path: Path, decisions: int, callers: int, way: Way) -> Measured:
    """Clicks by so many callers who each click again as soon as they are answered."""
    async with open_store(f"sqlite:///{path}", ring=lambda step: None, pagers=()) as store:
        ids = await approvals_for(store, decisions)
        click = way.of(store)
        waiting, each, began = iter(ids), list[float](), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(_click(click, waiting, each))
        took = time.perf_counter() - began
    return Measured(name=f"{way.name}, {callers} at once", took=took, each=tuple(each))


async def _click(click: Callable[[str], Awaitable[bool]], waiting: Iterator[str], each: list[float]) -> None:
    for approval_id in waiting:
        start = time.perf_counter()
        won = await click(approval_id)
        each.append(time.perf_counter() - start)
        if not won:
            raise RuntimeError(f"{approval_id} was not decided")


def main() -> None:
    """Measure and print the table, and below it what the click path pays for what it promises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--decisions", type=int, default=1_000, help="commits per row (default: 1000)")
    decisions = parser.parse_args().decisions
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="nod-bench") as folder:
        floor = bare(Path(folder) / "bare.db", decisions)
        ways = [(way, callers) for callers in (1, 16) for way in (BY_TWO_ROWS, BY_STORE, BY_DESK)]
        rows = [floor]
        for number, (way, callers) in enumerate(ways):
            rows.append(asyncio.run(clicks(Path(folder) / f"{number}.db", decisions, callers, way)))
    table = Table("", "commits/s", "of bare", "p50 ms", "p99 ms", title=f"{decisions} decisions on SQLite")
    for row in rows:
        share = f"{row.rate / floor.rate:.0%}"
        table.add_row(
            row.name, f"{row.rate:,.0f}", share, f"{row.percentile(0.5):.2f}", f"{row.percentile(0.99):.2f}"
        )
    console = Console()
    console.print(table)
    two_rows, vote, desk = rows[1:4]
    console.print(
        "What policy, consent and audit add to the click path: "
        f"votes and audit x{vote.percentile(0.5) / two_rows.percentile(0.5):.2f}, "
        f"with seal and policy x{desk.percentile(0.5) / two_rows.percentile(0.5):.2f} "
        f"({desk.percentile(0.5) - two_rows.percentile(0.5):.2f} ms at p50, "
        f"{desk.percentile(0.99) - two_rows.percentile(0.99):.2f} ms at p99)"
    )


if __name__ == "__main__":
    main()
