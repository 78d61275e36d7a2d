"""What no bot can go below on this machine, beside what Nod's store needs for one click.

A click is durable when it is acknowledged, so each costs a share of one commit with an fsync; a poll is read,
so it costs at least one reading of its bytes; a decision is one POST.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from adapters.store.open import SqlStore, open_store
from benchmarks.clicks import quantile
from benchmarks.outside import open_outside
from benchmarks.sizes import Figures, Sizes
from bot.approval import Approval, Stage
from bot.card import Button
from bot.desk import Click, Voted
from bot.flow.desk import FrontDesk
from bot.ladder import Deadline, DeadlineSource
from bot.matching import Match
from bot.policy import Person, Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLRequest
from bot.records import NewApproval, Placement
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Destination, Surface

PLACE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
SEAL = Seal("a secret that is long enough for a benchmark")
#: Clicks that share one commit at most in the grouped limit.
GROUP = 100


async def measure(sizes: Sizes) -> Figures:
    """Milliseconds each, except where the name says otherwise."""
    with TemporaryDirectory(prefix="nod-bench") as name:
        folder = Path(name)
        one = await asyncio.to_thread(_commits, folder / "one.db", sizes.commits, 1)
        grouped = await asyncio.to_thread(_commits, folder / "grouped.db", sizes.commits, GROUP)
        alone = await _clicks(folder / "alone.db", sizes.commits, 1)
        together = await _clicks(folder / "together.db", sizes.commits, GROUP)
    return {
        "commits_per_s": one,
        "grouped_per_s": grouped,
        "desk_per_s": alone["per_s"],
        "desk_p50_ms": alone["p50_ms"],
        "desk_together_per_s": together["per_s"],
        "desk_together_p99_ms": together["p99_ms"],
        "desk_together_cpu_ms": together["cpu_ms"],
        "loads_ms": await _loads(sizes.crowd),
        **await _posts(sizes.commits),
    }


def _commits(path: Path, clicks: int, group: int) -> float:
    """Clicks a second in bare SQLite: an update and an insert each, so many to a commit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = wal; PRAGMA synchronous = FULL;")
        connection.execute("CREATE TABLE approvals (id TEXT PRIMARY KEY, stage TEXT)")
        connection.execute("CREATE TABLE decisions (approval_id TEXT PRIMARY KEY, note TEXT)")
        ids = [(f"r{number}",) for number in range(clicks)]
        connection.executemany("INSERT INTO approvals VALUES (?, 'open')", ids)
        began = time.perf_counter()
        for first in range(0, clicks, group):
            connection.execute("BEGIN IMMEDIATE")
            for one in ids[first : first + group]:
                connection.execute(
                    "UPDATE approvals SET stage = 'decided' WHERE id = ? AND stage = 'open'", one
                )
                connection.execute("INSERT INTO decisions VALUES (?, 'fine')", one)
            connection.execute("COMMIT")
        return clicks / (time.perf_counter() - began)


async def _loads(number: int) -> float:
    """Milliseconds of CPU to read the list of so many pending requests with json.loads."""
    async with open_outside() as outside:
        outside.ask(number)
        body = outside.body()
    began = time.process_time()
    json.loads(body)
    return (time.process_time() - began) * 1e3


async def _posts(number: int) -> Figures:
    """One POST with httpx on a kept connection: CPU of the thread that sends, and the time until the answer."""
    async with open_outside() as outside:
        found = await asyncio.to_thread(lambda: asyncio.run(_post(outside.url, outside.ask(number))))
    return {"post_cpu_ms": found[0] * 1e3 / number, "post_p50_ms": quantile(found[1], 0.5) * 1e3}


async def _post(url: str, ids: list[str]) -> tuple[float, list[float]]:
    taken = []
    async with httpx.AsyncClient(base_url=url) as client:
        used = time.thread_time()
        for one in ids:
            began = time.perf_counter()
            await client.post("/agents/hitl/decision", json={"request_id": one, "decision": "approved"})
            taken.append(time.perf_counter() - began)
        return time.thread_time() - used, taken


async def _clicks(path: Path, clicks: int, callers: int) -> Figures:
    """Clicks through the desk: seal, policy, the call as it was shown, vote, decision and audit, one commit."""
    async with open_store(f"sqlite:///{path}", ring=lambda step: None, pagers=()) as store:
        ids = await _open(store, clicks)
        press = _desk(store)
        waiting, taken, began, used = iter(ids), list[float](), time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(_click(press, waiting, taken))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {
        "per_s": clicks / seconds,
        "p50_ms": quantile(taken, 0.5) * 1e3,
        "p99_ms": quantile(taken, 0.99) * 1e3,
        "cpu_ms": cpu * 1e3 / clicks,
    }


async def _click(press: Callable[[str], Awaitable[bool]], waiting: Iterator[str], taken: list[float]) -> None:
    for one in waiting:
        began = time.perf_counter()
        won = await press(one)
        taken.append(time.perf_counter() - began)
        if not won:
            raise RuntimeError(f"{one} was not decided")


def _request(approval_id: str) -> HITLRequest:
    call = {"to": "ann", "cents": 12}
    return HITLRequest(request_id=approval_id, tool_name="pay", arguments=call, agent_id="treasury")


async def _open(store: SqlStore, number: int) -> list[str]:
    """So many open approvals, each with its card up."""
    now = datetime.now(UTC)
    deadline = Deadline(at=now + timedelta(hours=1), source=DeadlineSource.TIMEOUT_AT)
    ids = [f"r{one}" for one in range(number)]
    new = []
    for one in ids:
        approval = Approval(
            request=_request(one), route="default", stage=Stage.OPEN, first_seen=now, deadline=deadline
        )
        card = Placement(card_id=f"c-{one}", approval_id=one, destination=PLACE)
        new.append(NewApproval(approval=approval, placements=[card]))
    await store.approvals.insert(new)
    for one in ids:
        await store.placements.shown(f"c-{one}", ref="ts", revision=1, digest=_request(one).digest)
    return ids


def _desk(store: SqlStore) -> Callable[[str], Awaitable[bool]]:
    ann = Person(handle="ann", name="Ann", accounts={Surface.SLACK: "U1"})
    route = Route(name="default", match=Match(), cards=(PLACE,), approvers=("ann",))
    policy = Policy(people={"ann": ann}, groups={}, routes=(route,))
    desk = FrontDesk(
        store=store,
        policy=lambda: policy,
        seal=SEAL,
        clock=lambda: datetime.now(UTC),
        metrics=NO_METRICS,
    )

    async def press(approval_id: str) -> bool:
        digest = _request(approval_id).digest
        value = SEAL.value(card_id=f"c-{approval_id}", verb=Button.APPROVE.value, digest=digest)
        pressed = Click(
            surface=Surface.SLACK,
            account="U1",
            home=True,
            value=value,
            channel=PLACE.channel,
            ref="ts",
            verb=Button.APPROVE,
        )
        return isinstance(await desk.press(pressed), Voted)

    return press
