"""`make mutants`: small faults in the code that decides, one at a time, to see that a test notices each.

Results are kept in mutants/, so that a run goes on where another was stopped: what was killed stays so while
its function does, and what survived is tried again once a test was changed.

mutmut's own runner collects the tests once for each mutant, which is two seconds. This one collects them once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.mutation.mutations import Mutant, mutants_of
from tests.mutation.trials import Trials, run

KEPT = Path("mutants")
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
CHILDREN = 2
ENOUGH = 95.0

FILES = [
    "bot/seal.py",
    "bot/matching.py",
    "bot/policy.py",
    "bot/retry.py",
    "adapters/chat/payload.py",
    "adapters/slack/verify.py",
    "adapters/teams/authentication.py",
    "adapters/teams/payloads.py",
    "adapters/store/compare_and_set.py",
    *(
        f"bot/flow/{name}.py"
        for name in ("check", "decide", "desk", "deliver", "ways", "reconcile", "polls", "ingest")
    ),
    *sorted(str(path) for path in Path("bot/flow").glob("*.py")),
    *(
        f"adapters/store/{name}.py"
        for name in ("votes", "decided", "placements", "polled", "rungs", "outbox", "approvals")
    ),
]
FILES = list(dict.fromkeys(FILES))

#: PostgreSQL runs the same moves; servers of other processes do not see the fault.
TESTS = [
    "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--capture=no", "-k", "not postgres",
    "-m", "not slow and not calm and not browser and not sdk", "tests/unit", "tests/contract",
]  # fmt: skip


class Results:
    """What is known of each mutant, a line each in a file; the last one counts."""

    def __init__(self, *, tests: str) -> None:
        self._path, self._tests = KEPT / "results.jsonl", tests
        self._known: dict[str, dict[str, str]] = {}
        if self._path.exists():
            rows = (json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines())
            self._known = {row["name"]: row for row in rows}
        self.killers: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self._known.values():
            self._count(row)

    def outcome(self, mutant: Mutant) -> str:
        """Empty where it is to be tried (again)."""
        row = self._known.get(mutant.name)
        if row is None or row["function"] != mutant.span.hash:
            return ""
        return row["outcome"] if row["outcome"] in ("killed", "timeout") or row["tests"] == self._tests else ""

    def add(self, mutant: Mutant, outcome: str, test: str) -> None:
        row = {
            "name": mutant.name,
            "outcome": outcome,
            "test": test,
            "function": mutant.span.hash,
            "tests": self._tests,
        }
        self._known[mutant.name] = row
        self._count(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _count(self, row: dict[str, str]) -> None:
        if row["test"]:
            for of in (row["name"].partition(": ")[0], row["name"].partition("::")[0]):
                self.killers[of][row["test"]] += 1


def main(wanted: list[str]) -> int:
    """0 where enough was killed or is argued equivalent."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no fork is left behind
    os.environ["CI"] = "1"  # properties draw the same examples each time
    KEPT.mkdir(exist_ok=True)
    files = wanted or FILES
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    results = Results(tests=_digest_of_tests())
    if any(not results.outcome(mutant) for mutant in mutants):
        pytest.main(TESTS, plugins=[Trials(files=FILES, work=lambda trials: _try(trials, mutants, results))])
    return _report(files, mutants, results)


def _try(trials: Trials, mutants: list[Mutant], results: Results) -> None:
    reach = trials.measured(KEPT / "reach.json", children=CHILDREN)
    argued = _argued()

    def left() -> Iterator[tuple[Mutant, list[str]]]:
        for mutant in mutants:
            if not results.outcome(mutant) and mutant.name not in argued:
                tests = [test for test in reach.tests_of(mutant) if test in trials.items]
                # What noticed most other faults of this function and of this file comes first.
                for of in (mutant.file, mutant.function):
                    first = dict(results.killers[of].most_common(10))
                    tests.sort(key=lambda test: -first.get(test, 0))
                yield mutant, tests

    for number, (mutant, outcome, test) in enumerate(run(trials, left(), reach, children=CHILDREN), start=1):
        results.add(mutant, outcome, test)
        if outcome not in ("killed", "timeout"):
            print(f"{outcome}: {mutant.name}", flush=True)
        if number % 100 == 0:
            print(f"... {number}", flush=True)


def _report(files: list[str], mutants: list[Mutant], results: Results) -> int:
    argued = _argued()
    total: Counter[str] = Counter()
    for file in files:
        counts = Counter(
            "argued" if mutant.name in argued else results.outcome(mutant) or "untried"
            for mutant in mutants
            if mutant.file == file
        )
        total += counts
        print(f"{file:40}", _words(counts))
    for name in argued.keys() - {mutant.name for mutant in mutants if mutant.file in files}:
        if name.partition("::")[0] in files:
            print(f"argued, but there is no such mutant (any more): {name}")
    held = sum(total[each] for each in ("killed", "timeout", "argued"))
    percent = 100 * held / max(1, total.total())
    print(f"\n{_words(total)}: {percent:.1f} %")
    return 0 if percent >= ENOUGH else 1


def _words(counts: Counter[str]) -> str:
    kinds = ("killed", "timeout", "argued", "survived", "untested", "untried")
    tried = counts.total() - counts["untried"]
    return f"tried {tried:5}  " + "  ".join(f"{kind} {counts[kind]:4}" for kind in kinds)


def _argued() -> dict[str, str]:
    """Mutants that change nothing a test could see: a name a line, its reason in the line above."""
    found, reason = {}, ""
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = line.strip("# ")
        elif line:
            found[line] = reason
    return found


def _digest_of_tests() -> str:
    digest = sha256()
    for path in sorted(Path("tests").rglob("*.py")):
        if path.parent != EQUIVALENT.parent:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
