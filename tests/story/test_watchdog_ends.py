"""The watchdog in real processes: one that hangs ends with code 70, and one that was only stopped lives on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.watch import EXIT_CODE, Spool
from bot.alerts import SCHEDULER_DEAD
from tests.story.watched_child import EVERY, WAKE

#: Seconds until a child has started or ended on a machine that has other work too.
WITHIN = 30.0


@contextmanager
def child(mode: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A watched ticker that has beaten twice."""
    command = [sys.executable, "-m", "tests.story.watched_child", mode, str(folder)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            beats(process, 2)
            yield process
        finally:
            process.kill()
            process.communicate()


def beats(process: subprocess.Popen[str], count: int) -> None:
    """Wait for so many pulses."""
    assert process.stdout is not None
    for _ in range(count):
        assert process.stdout.readline(), "it ended"


@pytest.mark.parametrize("mode", ["blocks", "store_raises", "paused", "shut_down"])
def test_a_scheduler_that_stands_still_ends_the_process(mode: str, tmp_path: Path) -> None:
    """Code 70; stderr has the event with the stack, and the spool an alert for the next start."""
    with child(mode, tmp_path) as process:
        _, said = process.communicate(timeout=WITHIN)

    assert EXIT_CODE == process.returncode
    assert '"event": "scheduler_late"' in said
    dead = next(json.loads(line) for line in said.splitlines() if "scheduler_dead" in line)
    assert EXIT_CODE == dead["exit_code"]
    assert (mode == "blocks") == any(frame.endswith(" blocks") for frame in dead["frames"])
    assert [SCHEDULER_DEAD] == [alert.cause for alert in Spool(tmp_path / "spool").entries()]


def test_a_log_that_nobody_reads_does_not_hold_it_up(tmp_path: Path) -> None:
    """The loop hangs in a write to stderr; the watchdog, which would write there too, ends the process."""
    with child("stderr_hangs", tmp_path) as process:
        assert EXIT_CODE == process.wait(timeout=WITHIN)
    assert [SCHEDULER_DEAD] == [alert.cause for alert in Spool(tmp_path / "spool").entries()]


def test_a_process_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """SIGSTOP for longer than the time after which it would end, then SIGCONT: it ticks on, each time."""
    with child("nothing", tmp_path) as process:
        for _ in range(3):  # which thread comes first after SIGCONT is chance
            time.sleep(2 * WAKE)
            process.send_signal(signal.SIGSTOP)
            time.sleep(4 * EVERY)
            process.send_signal(signal.SIGCONT)
            beats(process, 1)
        beats(process, 4)
        assert process.poll() is None
    assert () == Spool(tmp_path / "spool").entries()
