"""Each mutant in a fork of one process that collected the tests once, against those that reach its lines."""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import Process, get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutations import Mutant, spans_of
from tests.servers.sqlite_template import empty_database

#: A test that takes longer is no help in thousands of trials; in seconds, as is what follows.
LONGEST_TEST = 6.0
#: What a mutant may cost that no test notices.
LONGEST_TRIAL = 20.0
MOST_TESTS = 300
#: So many tests are measured before what is known is kept.
PORTION = 500
QUICK = "tests/unit/"
#: Beside ten times what a test usually takes, before it counts as hanging.
PATIENCE = 6.0

_fork = get_context("fork")


@dataclass
class Reach:
    """Which tests reach which lines of which functions, and how long they take. Kept between runs."""

    tests: dict[str, tuple[str, float]] = field(
        default_factory=dict
    )  #: file's hash, seconds; below 0: not used
    #: By test, then by `file::function@hash`: the bits of the lines, counted from the function's first.
    lines: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_function: dict[str, dict[str, list[tuple[int | None, str]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for test, reached in self.lines.items():
            for key, bits in reached.items():
                function, _, at = key.partition("@")
                self.by_function[function][at].append((bits, test))

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Those that reach it, the quick ones first."""
        found = self.by_function.get(mutant.function, {})
        now = found.get(mutant.span.hash, [])
        others = {test for at, each in found.items() if at != mutant.span.hash for _, test in each}
        reaching = [test for bits, test in now if bits & _bits(mutant, mutant.lines)] or [
            test for bits, test in now if bits & _bits(mutant, mutant.statement)
        ]
        reaching += others - {test for _, test in now}  # seen before the function changed: it may still
        return sorted(reaching, key=lambda test: self.tests[test][1])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"tests": self.tests, "lines": self.lines}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Reach:
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls()


def _bits(mutant: Mutant, lines: tuple[int, int]) -> int:
    return sum(1 << (line - mutant.span.first) for line in range(lines[0], lines[1] + 1))


class Functions:
    """The functions of these files, as they live in this process."""

    def __init__(self, files: Iterable[str]) -> None:
        self._paths = {str(Path(file).resolve()): file for file in files}
        self._live: dict[tuple[str, str], dict[int, list[FunctionType]]] = defaultdict(
            lambda: defaultdict(list)
        )
        gc.unfreeze()
        for each in gc.get_objects():
            if self._is_here(each):
                file = self._paths[each.__code__.co_filename]
                self._live[file, each.__code__.co_qualname][each.__code__.co_firstlineno].append(each)
            elif isinstance(each, functools._lru_cache_wrapper) and self._is_here(each.__wrapped__):
                each.cache_clear()
        gc.collect()
        gc.freeze()

    def _is_here(self, function: Any) -> bool:
        return isinstance(function, FunctionType) and function.__code__.co_filename in self._paths

    def put_in(self, mutant: Mutant) -> None:
        """Give the living functions of the mutant's name the code with the fault."""
        codes = list(
            _codes(compile(mutant.source(), str(Path(mutant.file).resolve()), "exec"), mutant.span.function)
        )
        living = sorted(self._live[mutant.file, mutant.span.function].items())
        for code, (_, functions) in zip(codes, living, strict=True):
            for function in functions:
                # Without its super() it has no use for a cell that the function has.
                free = function.__code__.co_freevars
                function.__code__ = code if code.co_freevars == free else code.replace(co_freevars=free)

    def reached(self, data: coverage.CoverageData) -> dict[str, dict[str, int]]:
        """By test, as `Reach` keeps it."""
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for path, file in self._paths.items():
            for line, tests in data.contexts_by_lineno(path).items():
                for span in spans_of(file):
                    if span.first <= line <= span.last:
                        for test in filter(None, tests):
                            found[test][f"{file}::{span.function}@{span.hash}"] |= 1 << (line - span.first)
        return found


def _codes(code: CodeType, name: str) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_qualname == name:
                yield each
            else:
                yield from _codes(each, name)


#: A server that outlives a fork which is ended.
_OWN = frozenset({"postgres_address"})


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


class Trials:
    """A plugin that does this in place of pytest's own loop."""

    def __init__(self, *, files: Iterable[str], work: Callable[[Trials], None]) -> None:
        self._files, self._work = tuple(files), work
        self.items: dict[str, pytest.Item] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._session = session
        self.items = {item.nodeid: item for item in session.items if not _OWN & set(_fixtures(item))}
        empty_database()  # once for all the forks
        self._functions = Functions(self._files)
        self._work(self)
        return True

    def measured(self, path: Path, *, children: int) -> Reach:
        """What this file keeps, with what is missing: tests that are new, or in a file that was changed."""
        reach = Reach.load(path)
        hashes = functools.cache(lambda path: sha256(path.read_bytes()).hexdigest()[:12])
        now = {name: hashes(item.path) for name, item in self.items.items()}
        missing = [name for name, at in now.items() if reach.tests.get(name, ("",))[0] != at]
        missing.sort(key=lambda name: QUICK not in name)
        for start in range(0, len(missing), PORTION):
            print(f"{len(missing) - start} of {len(now)} tests to measure", flush=True)
            portion = missing[start : start + PORTION]
            for name in portion:
                reach.lines.pop(name, None)
            for part in _together(self._measure, [portion[n::children] for n in range(children)]):
                reach.tests |= {name: (now[name], seconds) for name, seconds in part["tests"].items()}
                reach.lines |= part["lines"]
            reach.save(path)
        return Reach(reach.tests, reach.lines)

    def _measure(self, names: list[str], talk: Connection) -> None:
        seen = coverage.Coverage(
            data_file=None, config_file=False, include=[str(Path(file).resolve()) for file in self._files],
            concurrency=["thread", "greenlet"],
        )  # fmt: skip
        seconds = {}
        seen.set_option("run:disable_warnings", ["no-data-collected"])
        with self._apart():
            seen.start()
            for name, following in zip(names, [*names[1:], None], strict=True):
                seen.switch_context(name)
                before = time.monotonic()
                good = self._passes(name, following)
                took = time.monotonic() - before
                seconds[name] = took if good and took < LONGEST_TEST else -1.0
            seen.stop()
        lines = self._functions.reached(seen.get_data())
        talk.send(
            {"tests": seconds, "lines": {name: each for name, each in lines.items() if seconds[name] >= 0}}
        )

    def tried(self, mutant: Mutant, tests: list[str], talk: Connection) -> None:
        """Tell which test is on, and at last the one that fails, or an empty name."""
        with self._apart():
            self._functions.put_in(mutant)
            for name, following in zip(tests, [*tests[1:], None], strict=True):
                talk.send(("on", name))
                if not self._passes(name, following):
                    talk.send(("killed", name))
                    return
        talk.send(("survived", ""))

    def _passes(self, name: str, following: str | None) -> bool:
        reports = runtestprotocol(
            self.items[name], log=False, nextitem=self.items[following] if following else None
        )
        return not any(report.failed for report in reports)

    def _apart(self) -> _Apart:
        return _Apart(self._session.config)


class _Apart:
    """A fork's own folder for files, and what it prints away from what the run prints."""

    def __init__(self, config: pytest.Config) -> None:
        self._factory: Any = config._tmp_path_factory  # type: ignore[attr-defined]

    def __enter__(self) -> None:
        self._folder = os.environ["MUTANT_FOLDER"]
        tempfile.tempdir = os.environ["TMPDIR"] = self._folder
        self._factory._basetemp = Path(self._folder) / "pytest"
        self._factory._basetemp.mkdir()
        output = os.open("mutants/output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)

    def __exit__(self, *_: object) -> None:
        os.environ.pop("TMPDIR")


class Fork:
    """One child, its pipe and its deadline."""

    def __init__(
        self, work: Callable[..., None], *given: object, seconds: dict[str, float] | None = None
    ) -> None:
        self.talk, theirs = _fork.Pipe(duplex=False)
        self._folder = tempfile.mkdtemp(prefix="mutant")
        self._seconds = seconds or {}
        self.until, self.on = float("inf"), ""
        self._process: Process = _fork.Process(target=self._run, args=(work, given, theirs))  # type: ignore[assignment]
        self._process.start()
        theirs.close()

    def _run(self, work: Callable[..., None], given: tuple[object, ...], talk: Connection) -> None:
        os.setsid()
        os.environ["MUTANT_FOLDER"] = self._folder
        try:
            work(*given, talk)
        except BaseException:  # noqa: BLE001  # the parent sees that it said nothing; here is why
            traceback.print_exc()
        os._exit(0)

    def answer(self) -> Any:
        """What it says next; None where it only goes on. EOFError if it died."""
        said = self.talk.recv()
        if isinstance(said, tuple) and said[0] == "on":
            self.until = time.monotonic() + PATIENCE + 10 * self._seconds.get(said[1], 0)
            self.on = said[1]
            return None
        return said

    def end(self) -> None:
        """And whatever it started."""
        try:
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()
        self._process.join()
        self.talk.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _together(work: Callable[..., None], parts: list[list[str]]) -> list[Any]:
    forks = [Fork(work, part) for part in parts if part]
    try:
        return [fork.answer() for fork in forks]
    finally:
        for fork in forks:
            fork.end()


def run(
    trials: Trials, mutants: Iterable[tuple[Mutant, list[str]]], reach: Reach, *, children: int
) -> Iterator[tuple[Mutant, str, str]]:
    """Each with `killed`, `survived`, `timeout` or `untested`, and the test that told."""
    coming, on = iter(mutants), dict[Fork, Mutant]()
    try:
        while True:
            while len(on) < children and (following := next(coming, None)):
                mutant, tests = following
                chosen = list(_affordable(tests, reach))
                if not chosen:
                    yield mutant, "untested", ""
                    continue
                on[Fork(trials.tried, mutant, chosen, seconds={t: reach.tests[t][1] for t in chosen})] = mutant
            if not on:
                return
            ready = wait([fork.talk for fork in on], timeout=0.5)
            for fork, mutant in list(on.items()):
                said = None
                if fork.talk in ready:
                    try:
                        said = fork.answer()
                    except EOFError:
                        said = ("killed", fork.on) if fork.on else ("untested", "")
                elif time.monotonic() > fork.until:
                    said = ("timeout", fork.on)
                if said:
                    fork.end()
                    del on[fork]
                    yield mutant, *said
    finally:
        for fork in on:
            fork.end()


def _affordable(tests: list[str], reach: Reach) -> Iterator[str]:
    left = LONGEST_TRIAL
    for test in tests[:MOST_TESTS]:
        left -= reach.tests[test][1]
        if left < 0:
            return
        yield test
