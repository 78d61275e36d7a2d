"""Decisions that hang at the platform are in nobody's way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sandbox.slack.messages import Message
from tests.servers.system import ANN, FINANCE, System, open_system, said, until

DECISION = {"method": "POST", "path": "/agents/hitl/decision"}
#: A healthy decision is POSTed within so many seconds whatever else hangs.
AT_ONCE = 2.0
#: What hangs is answered by a rule, so that it is decided all at once.
POLICY = """
poll_every: 1s
flood: 1000
people: {ann: {email: ann@acme.example}}
routes:
  - {name: healthy, match: {tool: "healthy_*"}, cards: [slack:C0FINANCE], approvers: [ann], ladder: []}
  - {name: default, match: {}, cards: [slack:C0APPROVALS], approvers: [ann], ladder: []}
automatic:
  - {name: stuck, match: {tool: stuck}, decide: approved}
alerts: [slack:C0ALERTS]
"""


async def answered_beside(folder: Path, *, hang: int) -> list[float]:
    """The seconds from each of four clicks to the platform's answer, while so many others hang forever."""
    async with open_system(folder, policy=POLICY) as system:
        system.sandbox.faults.add(**DECISION, holds="rule stuck", delay=120)
        (rule,) = system.sandbox.faults.rules
        for _ in range(hang):
            system.ask(tool="stuck", timeout_seconds=600)
        healthy = {f"healthy_{number}": "" for number in range(4)}
        for tool in healthy:
            healthy[tool] = system.ask(tool=tool, timeout_seconds=180)
        await system.shown(FINANCE, count=4, within=30)
        await until(lambda: rule.hits == hang, within=30, what="all of them to hang")
        cards = {tool: card for card in system.cards(FINANCE) for tool in healthy if tool in said(card)}
        return [await told(system, request_id, cards[tool]) for tool, request_id in healthy.items()]


async def told(system: System, request_id: str, card: Message) -> float:
    """Approve it; the seconds from the acknowledgement until the platform has taken it."""
    await system.press(ANN, card, "approve")
    began = time.monotonic()
    await until(lambda: system.posts(request_id) == [200], within=150, what="the POST")
    return time.monotonic() - began


@pytest.mark.calm
async def test_a_healthy_decision_is_told_at_once_whatever_else_hangs(tmp_path: Path) -> None:
    """Twenty POSTs never answer, more than are under way at once."""
    took = await answered_beside(tmp_path, hang=20)
    assert max(took) < AT_ONCE, took


@pytest.mark.slow
@pytest.mark.parametrize("run", range(4))
async def test_the_four_runs(tmp_path: Path, run: int) -> None:
    """Thirty-two that hang, four times: none of sixteen is lost, and each is delivered within two seconds."""
    took = await answered_beside(tmp_path, hang=32)
    print(f"run {run}: {[round(seconds, 2) for seconds in took]}")
    assert max(took) < AT_ONCE, took
