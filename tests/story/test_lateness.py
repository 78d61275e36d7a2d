"""How late rungs are in real time: a real bot with two hundred requests open at once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import quantiles

import pytest

from tests.servers.system import POLICY, System, open_system, until

REQUESTS = 200
LADDER = """    ladder:
      - {at: 30%, do: remind}
      - {at: 60%, do: ping, who: [olu]}
      - {at: 80%, do: widen, who: [olu]}
"""
RUNGS = 3
#: Of a hundred rungs 95 fire within so many seconds after they are due.
LATE = 2.0
WITH_LADDERS = POLICY.replace("    ladder: [{at: 50%, do: ping, who: [olu]}]\n", LADDER).replace(
    "    reason: {rejected: required}\n", LADDER
)


@pytest.mark.slow
@pytest.mark.parametrize(("shortest", "longest"), [(10.0, 12.0), (15.0, 45.0)])
async def test_two_hundred_open_requests_are_escalated_in_time(
    tmp_path: Path, shortest: float, longest: float
) -> None:
    """Over two channels and with agents that flood: each rung once, and 95 of 100 less than 2 s late."""
    async with open_system(tmp_path, policy=f"flood: 20\n{WITH_LADDERS}") as system:
        for number in range(REQUESTS):
            window = shortest + (longest - shortest) * number / REQUESTS
            tool = ("pay_invoice", "send_email")[number % 2]
            system.ask(tool=tool, timeout_seconds=window, agent_id=f"agent-{number % 8}")
        await until(lambda: ended(system) == REQUESTS, within=longest + 15, what="the end of all")

    late = lateness(system)
    assert {1} == set(Counter((one, rung) for one, rung, _ in late).values())
    assert REQUESTS * RUNGS == len(late)
    assert min(seconds for _, _, seconds in late) > -0.01
    assert quantiles([seconds for _, _, seconds in late], n=20)[-1] < LATE


def ended(system: System) -> int:
    """How many requests are over."""
    with closing(sqlite3.connect(f"file:{system.folder / 'nod.db'}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM approvals WHERE outcome IS NOT NULL").fetchone()
    return int(count)


def lateness(system: System) -> list[tuple[str, int, float]]:
    """The audit's rungs: which request, which number, and how many seconds after it was due."""
    with closing(sqlite3.connect(f"file:{system.folder / 'nod.db'}?mode=ro", uri=True)) as database:
        statement = "SELECT approval_id, at_ms, body FROM audit WHERE kind = 'rung_fired'"
        rows = database.execute(statement).fetchall()
    parsed = ((one, at / 1000, json.loads(body)) for one, at, body in rows)
    return [
        (one, body["rung"], at - datetime.fromisoformat(body["due"]).timestamp()) for one, at, body in parsed
    ]
