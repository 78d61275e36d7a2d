"""One truth on two surfaces: whatever happens in whatever order, both chats end up showing the record."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from structlog.testing import capture_logs

from bot.alerts import UNDELIVERABLE, UNSEEN
from bot.approval import Outcome, Stage
from bot.audit import Row, first_break
from bot.card import Button, card_of
from bot.flow.batch import LINES
from bot.protocol import HITLDecision
from bot.wording import CardState
from tests.servers.fake_clock_bot import SEAL
from tests.servers.flaky import Mishap
from tests.servers.presses import During, Press, Together
from tests.servers.random_walk import SLACK, TEAMS, Ask, Step, Trouble, Wait, Walk
from tests.servers.steps import Away, Change, go, walks

#: Alerts that tell of an end, and so stay when it has come.
OF_AN_END = {UNDELIVERABLE, UNSEEN}
#: Longer than any wait for a next try.
CALM = (0, 2, 2, 40, 2, 40, 2, 5)
#: Longer than any window, and than the hold after many vanished at once.
TO_THE_END = (610, 2, 2, 130, 2, 2, 70, 2)
#: Seconds of real time; a walk that goes round in circles is a failure.
LONGEST = 60.0


class Rest(Step):
    """Nothing goes wrong any more and all is delivered: both surfaces are checked, then and at the end."""

    async def done(self, walk: Walk) -> None:
        walk.calm()
        walk.work.policy = walk.policy
        for seconds in CALM:
            await walk.work.run(seconds)
        await check_shown(walk)
        for seconds in TO_THE_END:
            await walk.work.run(seconds)
        await check_shown(walk)
        await check_over(walk)


async def check_shown(walk: Walk) -> None:
    """Every card and digest says what the record says; nothing is alerted that is over."""
    store = walk.work.store
    over = set()
    for approval_id in walk.asked:
        approval = await store.approvals.get(approval_id)
        if approval is None:
            continue
        if approval.stage in (Stage.SETTLED, Stage.CLOSED):
            over.add(approval_id)
        for placement in await store.placements.of(approval_id):
            chat = walk.chat(placement.destination.surface)
            ref = placement.ref
            if ref is None:
                up = placement.superseded or placement.gathered or approval_id in over
                assert up, f"{placement} is up nowhere"
                continue
            if ref in chat.deleted or ref in chat.refused:
                continue
            at, shown = chat.cards[ref][-1]
            expected = card_of(
                approval, card_id=placement.card_id, policy=walk.policy, seal=SEAL, now=at,
                superseded=placement.superseded,
            )  # fmt: skip
            assert expected.state is shown.state, placement
            assert expected.buttons == shown.buttons
            assert shown.state is CardState.OPEN or set(shown.buttons) <= {Button.VIEW_CALL}
            if not placement.superseded:  # else it may tell of a change before the last one
                assert (expected.digest, expected.revision) == (shown.digest, shown.revision)
                assert walk.reloaded or expected == shown
    for digest in await store.queue_messages.standing(lines=LINES):
        assert digest.ref is not None
        _, said = walk.chat(digest.destination.surface).digests[digest.ref][-1]
        assert (digest.count, digest.first[0].deadline.at) == (said.count, said.earliest)
    stale = [a for a in await store.alerts.open_of() if a.approval_id in over and a.cause not in OF_AN_END]
    assert [] == stale


async def check_over(walk: Walk) -> None:
    """Each request had at most one answer of ours, and it is the one on record; the audit holds."""
    store, platform = walk.work.store, walk.outside.platform
    answers = {request_id: (digest, response) for request_id, digest, response in platform.effects}
    assert len(platform.effects) == len(answers)
    for approval_id in walk.asked:
        approval = await store.approvals.get(approval_id)
        if approval is None:
            assert approval_id not in answers
            continue
        assert Stage.CLOSED is approval.stage
        decided = approval.outcome in (Outcome.APPROVED, Outcome.REJECTED, Outcome.SKIPPED)
        if approval_id not in answers:
            assert not decided, approval
            continue
        digest, response = answers[approval_id]
        assert approval.decision is not None
        assert approval.decision.verdict is response.decision
        assert decided or (walk.was_silent and approval.outcome is Outcome.ELSEWHERE), approval.outcome
        if response.decision is HITLDecision.APPROVED:
            assert approval.request.digest == digest
    assert [] == [got for got, may in walk.counted if not may]
    assert 0 == walk.outside.counts["piece_failed"]
    rows = audit_of(walk)
    assert first_break(rows) is None
    fired = Counter((r.approval_id, json.loads(r.body)["rung"]) for r in rows if r.kind == "rung_fired")
    assert {1} >= set(fired.values()), fired


def audit_of(walk: Walk) -> list[Row]:
    """The whole audit chain."""
    found = walk.work.rows(
        "SELECT number, at_ms, kind, approval_id, body, previous, hash FROM audit ORDER BY number"
    )
    names = ("number", "at_ms", "kind", "approval_id", "body", "previous", "hash")
    return [Row(**dict(zip(names, row, strict=True))) for row in found]


def check_walk(steps: list[Step]) -> None:
    """The steps on a new database, and then a rest with its checks."""
    with tempfile.TemporaryDirectory() as folder, capture_logs():
        asyncio.run(asyncio.wait_for(go(Walk(Path(folder)), [*steps, Rest()]), LONGEST))


ANY = settings(suppress_health_check=list(HealthCheck))


#: A press of what was there before the call changed; by two people, of whom one looks at the old card.
STALE: list[Step] = [
    Ask("pay", 120),
    Change(0, 1),
    Wait(1),
    Press("ann", SLACK, Button.APPROVE, look=1),
    Press("cyd", TEAMS, Button.APPROVE, look=1, twice=True),
    Wait(25),
]
#: The platform fails until operators hear of it, and takes the answer at last.
FAILING: list[Step] = [
    Ask("wire", 120),
    Trouble("answers", (Mishap.DOWN, Mishap.BUSY, Mishap.UNSENT, Mishap.DOWN)),
    Together(Press("ann", SLACK, Button.APPROVE), Press("dee", TEAMS, Button.APPROVE, twice=True)),
    Wait(25),
]
#: Teams is away for a vote and its decision; its first post had lost its answer.
AWAY: list[Step] = [
    Trouble("teams", (Mishap.LOST,)),
    Ask("wire", 600),
    Away(TEAMS),
    Press("bob", SLACK, Button.APPROVE),
    Wait(10),
    Press("ann", SLACK, Button.APPROVE, twice=True),
    Wait(25),
]
#: Skip in Teams while Slack shows a claim; the process ends when the platform has taken it.
BETWEEN: list[Step] = [
    Ask("pay", 60, 2),
    Trouble("answers", (Mishap.ENDS_AFTER,)),
    During("slack", Press("cyd", TEAMS, Button.SKIP)),
    Press("ann", SLACK, Button.CLAIM),
    Wait(3),
]


@example(steps=STALE)
@example(steps=FAILING)
@example(steps=AWAY)
@example(steps=BETWEEN)
@given(steps=walks(shortest=6, longest=16))
@settings(ANY, max_examples=3, derandomize=True)
def test_both_surfaces_end_up_showing_the_record(steps: list[Step]) -> None:
    """Clicks, troubles, changes, reloads and ends of processes in any order: one answer, in both chats."""
    check_walk(steps)


@pytest.mark.slow
@given(steps=walks(shortest=20, longest=40))
@settings(ANY, max_examples=600)
def test_long_walks_end_up_showing_the_record(steps: list[Step]) -> None:
    """The same for long walks, other ones each time."""
    check_walk(steps)
