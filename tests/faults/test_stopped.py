"""SIGSTOP over rungs and deadlines, then SIGCONT: what is overdue is done at once, merged; none is missed."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot.alerts import CHANNEL_LATE, NO_CARD, UNESCALATED, UNSEEN, UNTOLD
from tests.faults.child import Child, open_child
from tests.servers.notifications import alone, check_each_once, fired, in_threads, mark_of, notices
from tests.servers.system import FINANCE, OLU, System, said, until
from tests.servers.watched import ONE_INTERVAL, Watched, open_watched

ROUTES = """
routes:
  - name: quiet
    match: {tool: "quiet_*"}
    cards: [slack:C0FINANCE]
    approvers: [ann]
  - name: default
    match: {}
    cards: [slack:C0FINANCE]
    approvers: [ann]
    ladder: [{at: 14%, do: remind}, {at: 17%, do: ping, who: [olu]}, {at: 20%, do: page, who: [olu]}]
"""
RUNGS = 3
#: Requests that wait while the process is stopped. One person hears of all of them in one message.
ASKED = 3
#: Seconds. The long one's rungs come due while the process is stopped, and so does the short one's deadline.
LONG, SHORT = 58.0, 12.0
#: Longer than the scheduler may hang before the watchdog ends the process.
STOPPED = 13.0
#: After waking, everything that is overdue is attempted within this many seconds.
AT_ONCE = 5.0


def with_ladder(policy: str) -> str:
    """The usual policy with one route, which has this ladder."""
    return policy[: policy.index("routes:")] + ROUTES.lstrip() + "alerts: [slack:C0ALERTS]\n"


@asynccontextmanager
async def open_stoppable(folder: Path) -> AsyncIterator[tuple[Watched, Child]]:
    """A watched bot in a process of its own, after its first heartbeat."""
    async with open_watched(folder, policy=with_ladder, post_burst=None) as watched:
        policy = (folder / "nod.yaml").read_text()
        async with open_child(watched.system, folder, policy=policy, **watched.outside()) as child:
            await watched.alive()
            yield watched, child


async def test_what_came_due_while_it_was_stopped_is_done_at_once(tmp_path: Path) -> None:
    """Every overdue rung in 5 s, in one message for a thread and a person; nobody is alarmed for nothing."""
    async with open_stoppable(tmp_path / "system") as (watched, child):
        system = watched.system
        waiting = [system.ask(timeout_seconds=LONG) for _ in range(ASKED)]
        late = system.ask(tool="quiet_wire", timeout_seconds=SHORT)
        await until(lambda: len(system.cards(FINANCE)) == ASKED + 1, within=10, what="the cards")
        assert not fired(system)

        await stop_for(child, STOPPED)
        woken = time.time()
        due = {(one, rung) for one in waiting for rung in range(RUNGS)}
        await until(lambda: due == set(fired(system)), within=AT_ONCE, what="the rungs")
        await until(lambda: told_of(system, "olu") == set(waiting), within=AT_ONCE, what="a word to Olu")
        await until(lambda: len(in_threads(notices(system))) == ASKED, within=AT_ONCE, what="the threads")
        await until(lambda: late in closed(system), within=AT_ONCE, what="the end of the one that expired")
        assert max(float(word.ts) for word in notices(system)) - woken < AT_ONCE

        pings = watched.switch.pings
        await until(lambda: watched.switch.pings > pings, within=2 * ONE_INTERVAL, what="the heartbeat")
        check_woken(watched)
        assert not child.dead
        await child.stop()


@pytest.mark.slow
async def test_a_minute_of_stops(tmp_path: Path) -> None:
    """Stopped for seconds again and again while requests come and go: each of them escalated and reported."""
    async with open_stoppable(tmp_path / "system") as (watched, child):
        system, chance = watched.system, random.Random(4)
        asking = asyncio.create_task(ask_now_and_then(system, chance))
        until_then = time.monotonic() + 60
        while time.monotonic() < until_then:
            await asyncio.sleep(chance.uniform(0.5, 3))
            await stop_for(child, chance.uniform(1, 15))
        asking.cancel()
        await until(lambda: not list(system.sandbox.platform.approvals.pending()), within=30, what="quiet")
        await until(lambda: admitted(system) == closed(system), within=15, what="the end of each")

        check_each_once(system)
        unseen = {body["request_id"] for body in watched.receiver.bodies if body["cause"] == UNSEEN}
        assert closed(system) == reported(system) | unseen, outcomes(
            system, closed(system) - reported(system) - unseen
        )
        late = {body["request_id"] for body in watched.receiver.bodies if body["cause"] == UNESCALATED}
        escalated = {request for request, rung in fired(system) if rung == RUNGS - 1}
        assert closed(system) == escalated | late, outcomes(system, closed(system) - escalated - late)
        paged = {body["cause"] for body in watched.receiver.bodies}
        assert {"rung-2", UNSEEN, UNESCALATED, UNTOLD, NO_CARD, CHANNEL_LATE} >= paged, watched.receiver.bodies
        unsaid = {body["request_id"] for body in watched.receiver.bodies if body["cause"] == UNTOLD}
        assert unsent(system) <= unsaid | unseen, outcomes(system, unsent(system) - unsaid - unseen)
        await child.stop()


def check_woken(watched: Watched) -> None:
    """One message for each thread and person, a page for each request, and nothing else was paged."""
    system = watched.system
    words = notices(system)
    assert ASKED == len(in_threads(words))
    # Its card says that nobody answered, and nobody was called below it.
    assert [] == [word for word in words if mark_of(word).endswith(".outcome")]
    assert 1 == len([card for card in system.cards(FINANCE) if card.text.startswith("⌛ Expired:")])
    (ping,) = alone(words, OLU)
    assert f"{ASKED} requests are waiting" in said(ping)
    assert ["rung-2"] * ASKED == [body["cause"] for body in watched.receiver.bodies]
    check_each_once(system)


async def stop_for(child: Child, seconds: float) -> None:
    """SIGSTOP, and SIGCONT so many seconds later."""
    child.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    child.signal(signal.SIGCONT)


async def ask_now_and_then(system: System, chance: random.Random) -> None:
    """For ever: requests of some seconds each."""
    while True:
        system.ask(timeout_seconds=chance.uniform(5, 20))
        await asyncio.sleep(chance.uniform(1, 3))


def told_of(system: System, person: str) -> set[str]:
    """The requests of which the audit says that this person was told alone."""
    rows = [row for row in system.audit() if row["kind"] == "told"]
    return {row["approval"] for row in rows if row["body"]["person"] == person}


def admitted(system: System) -> set[str]:
    """The requests that the bot has seen."""
    return {row["approval"] for row in system.audit() if row["kind"] == "admitted"}


def outcomes(system: System, requests: set[str]) -> list[tuple[str, dict[str, object]]]:
    """For a failure: what the audit says of them."""
    return [(row["kind"], row["body"]) for row in system.audit() if row["approval"] in requests]


def reported(system: System) -> set[str]:
    """The requests whose end a thread reports, or that were on the channel's digest until then."""
    told = [row for row in system.audit() if row["kind"] == "told" and row["body"]["news"] == "outcome"]
    with closing(sqlite3.connect(f"file:{system.folder / 'nod.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT approval_id FROM placements WHERE gathered").fetchall()
    return {row["approval"] for row in told} | {approval_id for (approval_id,) in rows}


def unsent(system: System) -> set[str]:
    """The requests of whose ladder a message was not sent until their time was over."""
    rows = [row for row in system.audit() if row["kind"] == "not_told" and row["body"]["news"] == "rung"]
    return {row["approval"] for row in rows if row["body"]["why"] == "it expired"}


def closed(system: System) -> set[str]:
    """The requests that need nothing more."""
    with closing(sqlite3.connect(f"file:{system.folder / 'nod.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id FROM approvals WHERE stage = 'closed'").fetchall()
    return {approval_id for (approval_id,) in rows}
