"""The spool keeps what the database cannot: each alert once, through crashes and a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.watch import Spool
from bot.records import Alert

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
ALERT = Alert(approval_id="r1", cause="undelivered", text='"é"\u2028\n\x00\udcff', raised_at=NOW)
OTHER = replace(ALERT, cause="no-card", resolved="It is up now.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nod-alerts.jsonl"


def test_what_is_put_is_there_for_the_next_process(path: Path) -> None:
    """Every field and every character comes back, in the order in which it was put."""
    assert Spool(path).put(ALERT)
    assert Spool(path).put(OTHER)

    assert (ALERT, OTHER) == Spool(path).entries()
    assert 0o600 == path.stat().st_mode & 0o777


def test_one_request_and_cause_is_kept_once(path: Path) -> None:
    """An alert that is raised each second fills no disk; after it was cleared it may come again."""
    spool = Spool(path)
    spool.put(ALERT)
    assert spool.put(replace(ALERT, text="again"))
    assert (ALERT,) == spool.entries()

    assert spool.clear([ALERT])
    assert spool.put(replace(ALERT, text="again"))
    assert ["again"] == [alert.text for alert in spool.entries()]


def test_clearing_takes_only_what_was_taken(path: Path) -> None:
    """What was put meanwhile stays; nothing else is left in the folder."""
    spool = Spool(path)
    for alert in (ALERT, OTHER):
        spool.put(alert)

    assert spool.clear([ALERT])

    assert (OTHER,) == spool.entries()
    assert [path] == list(path.parent.iterdir())


def test_an_empty_spool_needs_no_file(path: Path) -> None:
    """Reading makes none."""
    assert () == Spool(path).entries()
    assert not path.exists()


def test_it_is_on_the_disk_before_it_counts(path: Path) -> None:
    """The file is synchronised at every put, and its folder when the file is new or another one."""
    synced: list[str] = []

    def sync(held: int) -> None:
        os.fsync(held)
        synced.append(Path(f"/proc/self/fd/{held}").resolve().name)

    spool = Spool(path, sync=sync)

    spool.put(ALERT)
    assert [path.name, path.parent.name] == synced
    spool.put(OTHER)
    assert [path.name, path.parent.name, path.name] == synced
    spool.clear([ALERT])
    assert [f"{path.name}.new", path.parent.name] == synced[3:]


@pytest.mark.parametrize("cut", [1, 10, -3])
def test_a_torn_line_is_reported_and_harms_no_other(
    path: Path, cut: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """A crash in the middle of a line costs that line alone, and the next one begins on a new line."""
    spool = Spool(path)
    spool.put(ALERT)
    whole = path.read_bytes()
    spool.put(replace(OTHER, text="long" * 50))
    torn = path.read_bytes()[len(whole) :][:cut]
    path.write_bytes(whole + torn)

    assert (ALERT,) == spool.entries()
    assert "spool_lines_skipped" in "".join(capfd.readouterr())
    assert spool.put(OTHER)
    assert (ALERT, OTHER) == spool.entries()
    assert "spool_lines_skipped" not in "".join(capfd.readouterr())


def test_a_line_that_lacks_only_its_end_counts(path: Path) -> None:
    """A whole alert is not thrown away for a missing line break."""
    spool = Spool(path)
    spool.put(ALERT)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))

    assert spool.put(OTHER)

    assert (ALERT, OTHER) == spool.entries()


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[" * 100_000,
        b"7",
        b"[]",
        b"{}",
        json.dumps({"approval_id": 1, "cause": "c", "text": "t", "raised_at": NOW.isoformat()}).encode(),
        json.dumps({"approval_id": "1", "cause": "c", "text": "t", "raised_at": "2026-01-02"}).encode(),
        json.dumps({"approval_id": "1", "cause": "c", "text": "t", "raised_at": 5}).encode(),
    ],
    ids=["bytes", "deep", "number", "list", "empty", "type", "naive", "moment"],
)
def test_a_foreign_line_is_never_fatal(path: Path, line: bytes) -> None:
    """Whatever is in the file, the alerts around it are read, and clearing works."""
    spool = Spool(path)
    spool.put(ALERT)
    path.write_bytes(line + b"\n" + path.read_bytes())
    spool.put(OTHER)

    assert (ALERT, OTHER) == spool.entries()
    assert spool.clear([OTHER])
    assert (ALERT,) == spool.entries()


FULL = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from adapters.watch import Spool
from tests.unit.test_spool import ALERT, OTHER
path = Path(sys.argv[1])
spool = Spool(path)
spool.put(ALERT)
before = path.read_bytes()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 7, resource.RLIM_INFINITY))
assert not spool.put(OTHER)
assert before == path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 7, resource.RLIM_INFINITY))
assert not spool.clear([OTHER])
assert before == path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert spool.put(OTHER)
assert (ALERT, OTHER) == spool.entries()
"""


def test_a_full_disk_is_said_and_loses_nothing(path: Path) -> None:
    """What the disk refuses is logged and not half there; when there is space again it is taken."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert "alert_not_spooled" in done.stdout
    assert "spool_not_cleared" in done.stdout
    assert "File too large" in done.stdout


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It does not raise: its caller is in trouble already."""
    spool = Spool(tmp_path / "missing" / "alerts.jsonl")
    assert not spool.put(ALERT)
    assert not Spool(tmp_path).put(ALERT)
    assert () == Spool(tmp_path).entries()
    said = "".join(capfd.readouterr())
    assert 2 == said.count("alert_not_spooled")
    assert "spool_not_read" in said


def test_a_put_waits_for_the_one_before(path: Path) -> None:
    """While one is on its way to the disk nobody else writes."""
    begun, go_on, syncs = threading.Event(), threading.Event(), []

    def sync(held: int) -> None:
        syncs.append(held)
        begun.set()
        go_on.wait(10)

    spool = Spool(path, sync=sync)
    threads = [threading.Thread(target=spool.put, args=(alert,)) for alert in (ALERT, OTHER)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    assert 1 == len(syncs)
    go_on.set()
    for thread in threads:
        thread.join()
    assert (ALERT, OTHER) == spool.entries()


def test_threads_take_turns(path: Path) -> None:
    """The watchdog writes from a thread of its own: no line is lost or mixed."""
    spool = Spool(path)
    alerts = [replace(ALERT, approval_id=f"r{number}") for number in range(20)]
    threads = [threading.Thread(target=spool.put, args=(alert,)) for alert in alerts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {alert.approval_id for alert in alerts} == {kept.approval_id for kept in spool.entries()}
