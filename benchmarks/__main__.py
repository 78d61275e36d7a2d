"""How fast Nod is: measures each part and writes docs/performance.md (`make bench`).

What was measured is kept in `.bench`, by version: a run that was stopped goes on where it was, and parts can be
measured one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from benchmarks import burst, crowd, growth, handlers, limits, page, redaction, relay, singles, starts, teams
from benchmarks.bots import ROOT
from benchmarks.sizes import FULL, SMOKE, Figures, Sizes

PARTS = {
    "starts": starts.measure,
    "singles": singles.measure,
    "limits": limits.measure,
    "burst": burst.measure,
    "larger": burst.measure_larger,
    "growth": growth.measure,
    "crowd": crowd.measure,
    "teams": teams.measure,
    "handlers": handlers.measure,
    "relay": relay.measure,
    "redaction": redaction.measure,
}
PAGE, KEPT = ROOT / "docs" / "performance.md", ROOT / ".bench"
RUNS = 5


@dataclass(kw_only=True)
class Kept:
    """What was measured of one version so far, in a file."""

    file: Path
    runs: dict[str, list[Figures]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path) -> Kept:
        """What the file holds; nothing yet when there is none."""
        return cls(file=file, **(json.loads(file.read_text()) if file.exists() else {}))

    def add(self, part: str, figures: Figures) -> None:
        """One more run of a part, on the disk at once."""
        self.runs.setdefault(part, []).append(figures)
        self.loads.append(os.getloadavg()[0])
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps({"runs": self.runs, "loads": self.loads}, indent=1))


def version() -> str:
    """The commit, and whether something beside the page was changed since."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["git", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours

    commit = git("rev-parse", "--short", "HEAD").stdout.strip() or "unknown"
    changed = git("diff", "--quiet", "HEAD", "--", ".", f":!{PAGE.relative_to(ROOT)}").returncode
    return f"{commit}-dirty" if changed else commit


async def measure(parts: list[str], *, runs: int, sizes: Sizes, kept: Kept) -> None:
    """Each part once, then each once more, so that what is compared was measured in turn."""
    for number in range(1, runs + 1):
        for part in parts:
            if len(kept.runs.get(part, ())) >= number:
                continue
            began = time.perf_counter()
            kept.add(part, await PARTS[part](sizes))
            print(f"{part}, run {number} of {runs}: {time.perf_counter() - began:.0f} s", flush=True)


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without one")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of which the medians are shown ({RUNS})")
    parser.add_argument("--smoke", action="store_true", help="as little as possible, once, and no page")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured of this version")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"unknown part: {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}")
    return given


def main(given: argparse.Namespace) -> Mapping[str, list[Figures]]:
    """Measure, write the page, and return all figures of this version."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parts, name = given.parts or list(PARTS), version()
    kept = Kept.of(KEPT / f"{name}{'-smoke' if given.smoke else ''}.json")
    if given.fresh or given.smoke:
        kept = Kept(file=kept.file)
    runs, sizes = (1, SMOKE) if given.smoke else (given.runs, FULL)
    asyncio.run(measure(parts, runs=runs, sizes=sizes, kept=kept))
    measured = page.tables(kept.runs, version=name, loads=kept.loads)
    print(measured)
    if not given.smoke:
        page.write(PAGE, measured)
    return kept.runs


if __name__ == "__main__":
    main(options())
