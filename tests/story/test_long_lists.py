"""Very long lists of the platform: others go on beside them, and beyond the bounds Reject and Skip still do."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.platform.listing import MOST_ITEMS
from bot.alerts import BLIND
from bot.approval import Outcome, Stage
from bot.errors import Unavailable
from bot.flow.ingest import ADMITTED_TOGETHER, Ingest
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision
from bot.records import Step
from sandbox.serve import serve
from sandbox.servers import open_sandbox
from sandbox.slack.messages import Message
from tests.servers.fake_clock_bot import open_fake_clock_bot
from tests.servers.system import ANN, FINANCE, System, open_bot, said, until
from tests.story.test_ladder import policy_of, stage_of

#: Seconds between two polls.
POLL = 2.0
POLICY = f"""
poll_every: {POLL:g}s
people: {{ann: {{email: ann@acme.example}}}}
routes:
  - {{name: healthy, match: {{tool: "healthy_*"}}, cards: [slack:C0FINANCE], approvers: [ann], ladder: []}}
  - {{name: default, match: {{}}, cards: [slack:C0APPROVALS], approvers: [ann], ladder: []}}
alerts: [slack:C0ALERTS]
"""


def item(request_id: str, *, tool: str = "loop", agent: str = "loop-1", pad: int = 0) -> dict[str, Any]:
    """What waits for an hour, with so many characters of arguments."""
    until = datetime.now(UTC) + timedelta(hours=1 if tool == "loop" else 0.5)
    return {
        "request_id": request_id, "tool": tool, "agent_id": agent, "run_id": f"run-{request_id}",
        "arguments": {"to": "ann", "text": "x" * pad},
        "hitl_metadata": {"decision": "pending", "timeout_at": until.isoformat()},
    }  # fmt: skip


@dataclass(kw_only=True)
class Long:
    """A platform with a list of any length, and the answers it got."""

    items: list[bytes] = field(default_factory=list)
    healthy: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    polls: int = 0

    def app(self) -> Starlette:
        """Its web front."""
        app = Starlette()
        app.add_route("/agents/hitl/pending", self.pending, methods=["GET"])
        app.add_route("/agents/hitl/decision", self.decide, methods=["POST"])
        return app

    async def pending(self, _: Request) -> Response:
        self.polls += 1
        return Response(b"[" + b",".join([*self.items, *self.healthy.values()]) + b"]")

    async def decide(self, request: Request) -> Response:
        said = await request.json()
        self.told[said["request_id"]] = said["decision"]
        self.healthy.pop(said["request_id"], None)
        return JSONResponse({"status": "ok"})

    def asks(self, request_id: str) -> None:
        """Another team's agent waits."""
        self.healthy[request_id] = json.dumps(
            item(request_id, tool=f"healthy_{request_id}", agent="good")
        ).encode()


@asynccontextmanager
async def open_long(folder: Path) -> AsyncIterator[tuple[Long, System]]:
    """A bot on such a platform."""
    long = Long()
    async with open_sandbox() as sandbox, serve(long.app()) as url:
        system = System(sandbox=sandbox, folder=folder)
        async with open_bot(system, folder, policy=POLICY, AIP_API_URL=url):
            yield long, system


async def card_of(system: System, request_id: str, *, within: float) -> Message:
    def found() -> list[Message]:
        return [card for card in system.cards(FINANCE) if f"healthy_{request_id}" in said(card)]

    await until(lambda: bool(found()), within=within, what=f"the card of {request_id}")
    return found()[0]


async def answered(
    system: System, long: Long, request_id: str, *, within: float
) -> tuple[float, int, float, int]:
    """Seconds and polls until the card of a new request is up, and from an Approve until it is delivered."""
    polls, began = long.polls, time.monotonic()
    long.asks(request_id)
    card = await card_of(system, request_id, within=within)
    shown, shown_after = time.monotonic() - began, long.polls - polls
    polls, began = long.polls, time.monotonic()
    await system.press(ANN, card, "approve")
    await until(lambda: request_id in long.told, within=within, what="the decision")
    return shown, shown_after, time.monotonic() - began, long.polls - polls


async def check_others_go_on(folder: Path, items: list[bytes], *, times: int, within: float) -> None:
    """Others are asked and told within two polls, when the list has just become long and later."""
    async with open_long(folder) as (long, system):
        long.items = items
        for number in range(times):
            took = await answered(system, long, f"r{number}", within=within)
            print([round(one, 2) for one in took])
            assert took[1] <= 2
            assert took[3] <= 2
        assert {"approved"} == set(long.told.values())


async def test_others_go_on_beside_a_long_list(tmp_path: Path) -> None:
    """Hundreds of one agent's requests are new at once."""
    await check_others_go_on(
        tmp_path, [json.dumps(item(f"l{number}")).encode() for number in range(300)], times=1, within=10
    )


@pytest.mark.slow
@pytest.mark.parametrize(("count", "pad"), [(49_000, 0), (190, 500_000)], ids=["items", "bytes"])
async def test_others_go_on_beside_the_longest_list(tmp_path: Path, count: int, pad: int) -> None:
    """Nearly 50,000 items, or nearly 100 MB."""
    await check_others_go_on(
        tmp_path, [json.dumps(item(f"l{n}", pad=pad)).encode() for n in range(count)], times=3, within=240
    )


async def test_a_round_takes_in_what_it_has_time_for(tmp_path: Path) -> None:
    """The earliest deadlines first; the others come with the next reading, and then the poll is taken in."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        admit = Ingest(
            source=work.platform, store=work.store, policy=lambda: work.policy, clock=work.clock,
            metrics=NO_METRICS, admits_for=timedelta(0),
        )  # fmt: skip
        for number in range(ADMITTED_TOGETHER + 1):
            work.ask(f"r{number}", window=900 - number)
        assert work.clock() == await admit.round()
        waiting = work.store.approvals.waiting()
        assert ADMITTED_TOGETHER == len(waiting)
        assert "r0" not in waiting
        assert admit.polls.last_good is None
        assert await admit.round() is None
        assert "r0" in work.store.approvals.waiting()
        assert work.clock() == admit.polls.last_good


TOO_LONG = "the platform's pending list is longer than 50,000 items; most of it is from the agent loop-1"


async def test_beyond_the_bounds_a_refusal_goes_out_and_one_alert_names_the_agent(tmp_path: Path) -> None:
    """Only an Approve waits for a list that can be read, and its card says so."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        for name in ("r1", "r2", "r3"):
            work.ask(name, window=600)
        await work.run(5)
        work.platform.poll_trouble = [Unavailable(TOO_LONG)] * 100
        await work.votes("ann", "r1", verdict=HITLDecision.REJECTED)
        await work.votes("ann", "r2", verdict=HITLDecision.SKIPPED)
        await work.votes("ann", "r3")
        for _ in range(20):
            work.wake_ups.add(Step.INGEST)
            await work.run(2)
        assert {"r1": "rejected", "r2": "skipped"} == {
            name: response.decision.value for name, response in work.platform.decided
        }
        assert (Stage.DECIDED, None) == await stage_of(work, "r3")
        (blind,) = [alert for _, alert in work.pager.pages if alert.cause == BLIND]
        assert TOO_LONG in blind.text

        work.platform.poll_trouble = []
        work.wake_ups.add(Step.INGEST)
        await work.run(2)
        assert (Stage.CLOSED, Outcome.APPROVED) == await stage_of(work, "r3")
        assert [False, True] == [bool(a.resolved) for _, a in work.pager.pages if a.cause == BLIND]


@pytest.mark.slow
async def test_beyond_the_bounds_in_the_whole_bot(tmp_path: Path) -> None:
    """50,001 items: a Skip is delivered at once, and the one alert names the agent to stop."""
    async with open_long(tmp_path) as (long, system):
        long.asks("r1")
        card = await card_of(system, "r1", within=10)
        long.items = [json.dumps(item(f"l{number}")).encode() for number in range(MOST_ITEMS)]
        await until(
            lambda: any("most of it is from the agent loop-1" in one for one in system.alerts()), within=120
        )
        began = time.monotonic()
        await system.press(ANN, card, "skip")
        await until(lambda: "r1" in long.told, within=10)
        print(round(time.monotonic() - began, 2))
        assert 1 == len([one for one in system.alerts() if "loop-1" in one])
