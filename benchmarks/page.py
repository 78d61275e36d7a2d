"""Writes what was measured into the page on performance, between two marks."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.rows import LIMITS, ROWS, Row
from benchmarks.sizes import Figures

BEGIN, END = "<!-- measured: written by `make bench` -->", "<!-- /measured -->"

#: What each part measured, run by run.
Runs = Mapping[str, Sequence[Figures]]


def machine() -> str:
    """What it was measured on, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU"
    )
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def tables(runs: Runs, *, version: str, loads: Sequence[float]) -> str:
    """Both tables, as Markdown."""
    ends = dict.fromkeys(f"{load:.1f}" for load in (min(loads), max(loads))) if loads else ("unknown",)
    load = " to ".join(ends)
    return "\n".join(
        [
            f"`make bench` measured version {version} on {machine()}.",
            f"During the runs, the load average was {load}. Figures are medians of `n` runs.",
            "",
            "| measure | Nod | naive | goal, stretch | verdict | n |",
            "|---|---|---|---|---|---|",
            *_lines(ROWS, runs, goals=True),
            "",
            "### Limits of the machine, and single parts",
            "",
            "| measure | figure | n |",
            "|---|---|---|",
            *_lines(LIMITS, runs, goals=False),
        ]
    )


def _lines(rows: Iterable[Row], runs: Runs, *, goals: bool) -> Iterable[str]:
    for row in rows:
        found = [value for run in _joined(runs, row.part) if (value := row.of(run)) is not None]
        if not found:
            continue
        value = statistics.median(found)
        shown = f"{number(value)}{row.unit}"
        if not goals:
            yield f"| {row.measure} | {shown} | {len(found)} |"
            continue
        beside = [run[row.naive] for run in runs[row.part] if row.naive in run]
        naive = f"{number(statistics.median(beside))}{row.unit}" if beside else ""
        yield f"| {row.measure} | {shown} | {naive} | {row.goals()} | {row.verdict(value)} | {len(found)} |"


def _joined(runs: Runs, part: str) -> Iterable[Figures]:
    """Each run of a part, with the figures of the burst beside it that some are compared with."""
    bursts = runs.get("burst", ())
    for place, run in enumerate(runs.get(part, ())):
        yield {**(bursts[place] if place < len(bursts) else {}), **run}


def number(value: float) -> str:
    """Three significant digits at most; thousands with a comma."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}" if value else "0"


def write(page: Path, measured: str) -> None:
    """Put the tables into the page. Raises ValueError for a page without the marks."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for what is measured")
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}")
