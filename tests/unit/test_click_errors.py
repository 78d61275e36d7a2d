"""A click that could not be taken: one line for each cause, and a traceback only of what is a fault in Nod."""

from __future__ import annotations

from collections import Counter

from structlog.testing import capture_logs

from adapters.chat.click_errors import AGAIN_AFTER, ClickErrors
from bot.errors import Unavailable
from bot.ports import NO_METRICS
from tests.fakes import Counting


def test_a_database_that_is_away_is_one_line_and_no_traceback() -> None:
    """Each click is counted; the line comes again once a minute."""
    counted, now = Counter[str](), [0.0]
    broken = ClickErrors(metrics=Counting(lambda name: counted.update([name])), monotonic=lambda: now[0])
    with capture_logs() as logs:
        for _ in range(30):
            broken.note(Unavailable("the database is away"))
        broken.note(Unavailable("the disk is full"), late=True)
        now[0] = AGAIN_AFTER
        broken.note(Unavailable("the database is away"))

    assert {"click_failed": 32} == counted
    away, full = "the database is away", "the disk is full"
    assert [(False, away), (True, full), (False, away)] == [(line["late"], line["reason"]) for line in logs]
    assert not any("exc_info" in line for line in logs)


def test_a_fault_in_nod_is_told_with_its_traceback_each_time() -> None:
    """Nobody can mend what was not seen."""
    broken = ClickErrors(metrics=NO_METRICS)
    error = OSError("disk full")
    with capture_logs() as logs:
        broken.note(error)
        broken.note(error)
    assert [error, error] == [line["exc_info"] for line in logs]
