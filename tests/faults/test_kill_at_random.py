"""kill -9 at any moment, again and again, while agents ask and people click."""

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.store.open import open_store
from bot.approval import Approval, Stage
from sandbox.servers import open_sandbox
from tests.faults.child import open_child
from tests.faults.crowd import NAMES, Crowd, Question
from tests.sampling import sampled
from tests.servers.notifications import check_each_once
from tests.servers.system import System, said, until

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  olu: {email: olu@acme.example}
routes:
  - name: payments
    match: {tool: "pay_*"}
    cards: [slack:C0FINANCE]
    approvers: [ann, bob, olu]
    reason: {rejected: none}
    ladder: [{at: 30%, do: ping, who: [olu]}]
  - name: default
    match: {}
    cards: [slack:C0APPROVALS]
    approvers: [ann, bob, olu]
    reason: {rejected: none}
    ladder: [{at: 30%, do: ping, who: [olu]}]
alerts: [slack:C0ALERTS]
flood: 1000
"""

#: What a card is headed by when the platform's record says so.
TITLES = {
    "approved": "✅ Approved:",
    "rejected": "❌ Rejected:",
    "skipped": "⏭ Skipped:",
    "timeout_skip": "⌛ Expired:",
}


@pytest.mark.parametrize("kills", sampled([6, 30, 120], quick=(0,)))
async def test_no_kill_loses_or_doubles_anything(kills: int, tmp_path: Path) -> None:
    """One card each, the platform has the word of the first click that counted, and every card says it."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # pytest shows it when the test fails
    chance = random.Random(seed)
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        crowd = Crowd(system, chance=chance)
        people = [asyncio.create_task(crowd.click_now_and_then(user)) for user in NAMES]
        try:
            await kill_again_and_again(system, crowd, tmp_path, kills=kills, chance=chance)
            async with open_child(system, tmp_path, policy=POLICY) as child:
                await until(lambda: over(system, crowd), within=120, what=f"quiet; see {child.log}")
                await until(lambda: closed(tmp_path), within=60, what="everybody to be told")
                await child.stop()
        finally:
            for task in people:
                task.cancel()
        records = await read_records(crowd, tmp_path)
        pressed = [click.acknowledged for question in crowd.questions for click in question.history]
        print(f"{len(crowd.questions)} requests, {len(pressed)} clicks, {pressed.count(False)} without an ack")
        check_each_once(system)
        for question in crowd.questions:
            check(system, crowd, question, records.get(question.request_id))


async def kill_again_and_again(
    system: System, crowd: Crowd, folder: Path, *, kills: int, chance: random.Random
) -> None:
    asking = asyncio.create_task(crowd.ask_now_and_then())
    for _ in range(kills):
        async with open_child(system, folder, policy=POLICY) as child:
            await asyncio.sleep(chance.uniform(0, 2))
            await child.kill()
    asking.cancel()


def over(system: System, crowd: Crowd) -> bool:
    """Whether nothing waits on the platform, and no card that is up can be pressed or is still being told."""
    if list(system.sandbox.platform.approvals.pending()):
        return False
    return all(card.text.startswith(tuple(TITLES.values())) for card in crowd.all_cards())


def closed(folder: Path) -> bool:
    """Whether nothing is left to deliver: everybody heard how it ended."""
    with closing(sqlite3.connect(f"file:{folder / 'nod.db'}?mode=ro", uri=True)) as connection:
        (left,) = connection.execute("SELECT count(*) FROM approvals WHERE stage != 'closed'").fetchone()
    return bool(left == 0)


async def read_records(crowd: Crowd, folder: Path) -> dict[str, Approval]:
    """What Nod remembers, once it has stopped."""
    url = f"sqlite:///{folder / 'nod.db'}"
    async with open_store(url, ring=lambda step: None, pagers=()) as store:
        assert () == await store.approvals.at(Stage.OPEN, Stage.DECIDED, Stage.SETTLED)
        found = [await store.approvals.get(question.request_id) for question in crowd.questions]
    return {approval.id: approval for approval in found if approval}


def check(system: System, crowd: Crowd, question: Question, record: Approval | None) -> None:
    """Everything that must agree about one request: clicks, record, platform, cards."""
    platform, request_id, cards = system.sandbox.platform, question.request_id, crowd.cards(question)
    ended = platform.approvals.resolution(request_id)
    posts = [post.decision for post in platform.decisions if post.request_id == request_id]
    assert ended is not None
    if record is None:  # no bot lived while it waited
        assert not question.answerable
        assert [] == cards
        return
    assert record.outcome is not None
    assert ended.decision == record.outcome.value
    assert [card for card in cards if card.text.startswith(TITLES[ended.decision])] == cards
    assert all(len(system.replies(card)) <= 2 for card in cards), "a ping, and how it ended"
    if not question.answerable:
        assert len(cards) <= 1
        assert [] == posts
        return
    assert record.decision is not None
    account, verdict = record.decision.actor.account, record.decision.verdict.value
    assert 1 == len(cards)
    assert (account, verdict) in question.winners(), question.history
    assert {verdict} == set(posts), "the platform was told two things"
    assert [verdict] == system.effects(request_id)
    assert f"{verdict} by {NAMES[account]}" in str(ended.operator_input)
    assert f"by {NAMES[account]}" in said(cards[0])
    assert (verdict == "approved") == (request_id in platform.executed)
