"""kill -9 between any two rungs of a whole ladder: each rung once, each thread and person told once."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.servers import open_sandbox
from tests.faults.child import open_child
from tests.faults.launcher import KILLED
from tests.servers.notifications import alone, check_each_once, fired, in_threads, mark_of, notices
from tests.servers.system import APPROVALS, FINANCE, OLU, System, said, until

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  olu: {email: olu@acme.example}
routes:
  - name: default
    match: {}
    cards: [slack:C0FINANCE]
    approvers: [ann]
    ladder:
      - {at: 20%, do: remind}
      - {at: 35%, do: ping, who: [olu]}
      - {at: 50%, do: widen, who: [bob]}
      - {at: 65%, do: page, who: [olu]}
      - {at: 80%, do: fallback, cards: [slack:C0APPROVALS]}
alerts: [slack:C0ALERTS]
"""
RUNGS = 5
#: Seconds. A start takes one or two, on a busy machine four, so most rungs find a life of their own.
WINDOW = 30.0
WITHIN = 60.0
#: A bot that repeats what it did before it was killed would die at the same point for ever.
MOST_LIVES = 20

#: Where a life ends: after each commit of a rung; or somewhere else each time.
AFTER_EACH = ("rungs.trigger after",)
MIXED = (
    "rungs.trigger before",
    "chat.say after",
    "notices.sent before",
    "notices.sent after",
    "chat.say before",
    "alerts.attempt after",
    "pager.page after",
)
#: In turn with a life that gets a rung done: what dies at one point for ever never gets past it.
ONE_BY_ONE = [
    (point, "rungs.trigger after")
    for point in (
        "rungs.trigger before",
        "chat.say before",
        "chat.say after",
        "notices.sent before",
        "chat.post after",
    )
]


@pytest.mark.parametrize(
    "points", [AFTER_EACH, *(pytest.param(points, marks=pytest.mark.slow) for points in (MIXED, *ONE_BY_ONE))]
)
async def test_killed_between_any_two_rungs(points: tuple[str, ...], tmp_path: Path) -> None:
    """Killed again and again while the ladder runs: nothing of it happens twice, and nothing is left out."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        request_id, kills = await live_and_die(system, tmp_path, itertools.cycle(points))

        assert kills >= 2
        assert Counter({(request_id, rung): 1 for rung in range(RUNGS)}) == fired(system)
        check_each_once(system)
        assert [1, 1] == [len(system.cards(channel)) for channel in (FINANCE, APPROVALS)]
        check_said(system)


async def live_and_die(system: System, folder: Path, points: Iterator[str]) -> tuple[str, int]:
    """Lives of the bot that each end at the next of these points, until none is reached.

    The request that was asked, and how many lives ended so.
    """
    over = closed_in(folder)
    async with open_child(system, folder, policy=POLICY, crash_at=next(points)) as child:
        request_id = system.ask(timeout_seconds=WINDOW)
        assert KILLED == await child.ended()
    for kills in range(1, MOST_LIVES):
        async with open_child(system, folder, policy=POLICY, crash_at=next(points)) as child:
            await until(lambda: child.dead or over(), within=WITHIN, what=f"the end; see {child.log}")
            if not child.dead:
                await child.stop()
                return request_id, kills
            assert KILLED == await child.ended()
    raise AssertionError("it says or does the same again and again")


def check_said(system: System) -> None:
    """People were told of the highest rungs, and how it ended; the page went out once and is over."""
    words = in_threads(notices(system))
    assert any(f"<@{OLU}>" in said(look) for word in words for look in (*word.history, word))
    (*pings, end) = sorted(
        (word for word in words if word.channel == FINANCE), key=lambda word: mark_of(word).endswith(".outcome")
    )
    assert mark_of(end).endswith(".outcome")
    assert "Nobody answered" in said(end)
    assert all("No longer pending" in said(ping) for ping in pings)
    assert 1 <= len(alone(notices(system), OLU)) <= 2
    (page,) = [text for text in system.alerts() if "No answer yet" in text]
    assert "Resolved: " in page


def closed_in(folder: Path) -> Callable[[], bool]:
    """Whether the one record has come to its end, and every pager heard so."""

    def closed() -> bool:
        with closing(sqlite3.connect(f"file:{folder / 'nod.db'}?mode=ro", uri=True)) as database:
            (open_now,) = database.execute("SELECT count(*) FROM approvals WHERE stage != 'closed'").fetchone()
            told = "SELECT count(*) FROM pages JOIN alerts USING (approval_id, cause) WHERE NOT taken"
            (owed,) = database.execute(f"{told} OR (mended IS NOT NULL AND NOT told_mended)").fetchone()
            (seen,) = database.execute("SELECT count(*) FROM approvals").fetchone()
        return bool(seen) and not open_now and not owed

    return closed
