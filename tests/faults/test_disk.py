"""Disks that are full, or read-only, under a running store: a write of one page tells, and nothing is taken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.disks import reason_against

ROOT = Path(__file__).parents[2]


def told(fault: str, folder: Path) -> list[str]:
    """What the store says on such a disk."""
    if why := reason_against():
        pytest.skip(why)
    command = [sys.executable, "-m", "tests.faults.disk_child", fault, str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert 0 == run.returncode, run.stderr
    return run.stdout.splitlines()


def test_a_full_disk_is_found_by_a_write_and_recovers_with_room(tmp_path: Path) -> None:
    """By the first one, and by each; a new request is not half admitted."""
    before, first, second, request, recovered, after, end = told("full", tmp_path)

    assert ("well", "well", "ended") == (before, after, end)
    assert "trouble: the disk is full" == first == second
    assert "not admitted: the disk is full" == request
    assert float(recovered.removeprefix("recovered: ")) < 20


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="mkfs.ext4 is not installed")
def test_a_file_system_that_becomes_read_only_is_found_by_a_write(tmp_path: Path) -> None:
    """As Linux does it when a disk has an error; files that are open for writing fail from then on."""
    before, trouble, request, end = told("read-only", tmp_path)

    assert ("well", "ended") == (before, end)
    assert trouble.removeprefix("trouble: ") in ("the disk reports errors", "the file cannot be written")
    assert request.startswith("not admitted: ")
