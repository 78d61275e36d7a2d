"""Five hundred requests at once for one channel that takes a message a second: nobody is asked late."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.slack.messages import Message
from tests.sampling import sampled
from tests.servers.notifications import marked
from tests.servers.system import ANN, APPROVALS, FINANCE, POLICY, System, open_system, until

REQUESTS, AGENTS = 500, 25
#: The longest window, in seconds.
LONGEST = 3_600.0
#: Every request can be seen within this share of its window.
SEEN_BY = 0.1
WITHOUT_LADDER = POLICY.replace("    ladder: [{at: 50%, do: ping, who: [olu]}]\n", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """When a request could be seen first, by the share of its window, and how."""

    share: float
    window: float
    gathered: bool


@pytest.mark.calm
@pytest.mark.parametrize(
    ("shortest", "own", "watched"),
    sampled([(120.0, 5, 16.0), (60.0, 4, 16.0), (60.0, 4, SEEN_BY * LONGEST + 10)], quick=(1,)),
)
async def test_five_hundred_requests_for_one_channel(
    shortest: float, own: int, watched: float, tmp_path: Path
) -> None:
    """Each is on a card or the digest within a tenth of its window; another channel and Next are not held up.

    So many of the earliest have cards of their own: of the six messages that a channel takes in a tenth of a
    minute one is the digest's, and one is kept in hand. Looked at after so many seconds: who has not been seen
    by then still has time.
    """
    chance = random.Random(7)
    windows = [shortest * (LONGEST / shortest) ** (n / REQUESTS) for n in range(REQUESTS)]
    chance.shuffle(windows)
    async with open_system(tmp_path, post_burst=3, policy=WITHOUT_LADDER) as system:
        asked = {
            system.ask(tool="pay_invoice", timeout_seconds=window, agent_id=f"agent-{n % AGENTS}"): window
            for n, window in enumerate(windows)
        }
        system.ask(tool="send_email", timeout_seconds=shortest)
        await until(lambda: bool(system.cards(APPROVALS)), within=SEEN_BY * shortest, what="the other channel")
        await asyncio.sleep(watched)
        found = seen(system, until=time.time())
        assert asked.keys() == found.keys()
        assert SEEN_BY >= max(one.share for one in found.values()), worst(found)
        earliest = sorted(found, key=lambda one: asked[one])[:own]
        assert not any(found[one].gathered for one in earliest), worst(found)
        assert 429 not in {call.status for call in system.sandbox.workspace.called("chat.postMessage")}
        await decide_one_by_one(system)


async def decide_one_by_one(system: System) -> None:
    """Next opens one request; an Approve from there reaches the platform, and Next goes on to another."""
    workspace, taken = system.sandbox.workspace, system.sandbox.platform.decisions
    (digest,) = [message for message in marked(system) if kind_of(message) == "nod_digest"]
    assert (await system.press(ANN, system.now(digest), "next_one")).ok
    for number in (1, 2):
        await until(lambda: bool(workspace.views(ANN)), what="the look at one request")
        view = workspace.views(ANN)[-1]
        assert (await workspace.submit(user=ANN, view_id=view.id)).ok
        await until(lambda n=number: len(taken) == n, within=10, what="the platform to be told")
        after = workspace.views(ANN)[-1]
        assert (await workspace.click_in_view(user=ANN, view_id=after.id, action_id="nod_next_one")).ok
        await until(lambda v=after: workspace.views(ANN)[-1].revision > v.revision, what="the next one")
    assert ["approved"] * 2 == [post.decision for post in taken]
    assert 2 == len({post.request_id for post in taken})


def seen(system: System, *, until: float) -> dict[str, Seen]:
    """When each request of the crowded channel could first be seen; one that still waits: at this moment."""
    workspace = system.sandbox.workspace
    offset = workspace.now().timestamp() - workspace.monotonic()
    looks = sorted(
        call.at + offset
        for call in workspace.calls
        if call.status == 200 and call.error is None and "nod_digest" in str(call.args.get("metadata"))
    )
    with closing(sqlite3.connect(f"file:{system.folder / 'nod.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT a.id, a.first_seen, a.deadline, p.card_id, p.ref FROM placements p "
            "JOIN approvals a ON a.id = p.approval_id WHERE p.channel = ?", (FINANCE,),
        ).fetchall()  # fmt: skip
        told = database.execute("SELECT at_ms, body FROM audit WHERE kind = 'gathered'").fetchall()
    gathered = {card: at / 1000 for at, body in told for card in json.loads(body)["cards"]}
    found = {}
    for request_id, first_seen, deadline, card, ref in rows:
        up = [float(ref)] if ref else []
        up += [at for at in looks if card in gathered and at >= gathered[card]]
        first, end = first_seen / 1000, deadline / 1000
        share = (min(up, default=until) - first) / (end - first)
        found[request_id] = Seen(share=share, window=end - first, gathered=card in gathered and not ref)
    return found


def worst(found: dict[str, Seen]) -> str:
    """For a failure: those that came last, and the earliest deadlines."""
    by_share = sorted(found.values(), key=lambda one: -one.share)[:5]
    return f"{by_share} {sorted(found.values(), key=lambda one: one.window)[:10]}"


def kind_of(message: Message) -> str:
    """Whether it is a card, a digest or a notice."""
    return str((message.metadata or {}).get("event_type"))
