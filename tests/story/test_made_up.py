"""Deadlines that Nod makes up, because the platform names none: its list says whether a request has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.approval import Outcome, Stage
from bot.errors import Unavailable
from bot.ladder import Action, Rung
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Step
from tests.contract.values import found
from tests.sampling import sampled
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot
from tests.story.test_ladder import fired, policy_of, stage_of

#: Seconds of a deadline that is made up.
WINDOW = 60
PING = Rung(action=Action.PING, share=0.5, who=("olu",))


def ask(work: FakeClockBot) -> None:
    """An agent waits, and the platform does not say until when."""
    request = HITLRequest(request_id="r1", tool_name="pay", agent_id="treasury", arguments={"to": "ann"})
    work.platform.waiting["r1"] = request
    work.wake_ups.add(Step.INGEST)


async def polled(work: FakeClockBot, seconds: int) -> None:
    """The time goes by, with a poll every two seconds."""
    for _ in range(seconds // 2):
        work.wake_ups.add(Step.INGEST)
        await work.run(2)


async def test_what_is_still_listed_stays_open_under_the_same_card(tmp_path: Path) -> None:
    """Another deadline, steps from the start, three times; then none is known. It is never a timeout."""
    policy = replace(policy_of(PING), default_window=timedelta(seconds=WINDOW))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        ask(work)
        for times in range(4):
            await polled(work, WINDOW - 10)
            approval = await found(work.store)
            assert (Stage.OPEN, times) == (approval.stage, approval.deadline.renewed)
            assert times + 1 == len(fired(work))
            await polled(work, 12)
        approval = await found(work.store)
        assert approval.deadline.unknown
        assert approval.deadline.at - BEGIN > timedelta(days=365)
        (versions,) = work.chat.cards.values()
        assert "deadline unknown" in str(versions[-1][1].lead)
        await polled(work, 3 * WINDOW)
        assert (Stage.OPEN, None) == await stage_of(work, "r1")
        assert 4 == len(fired(work))
        work.gone("r1")
        await polled(work, 10)
        assert (Stage.CLOSED, Outcome.ELSEWHERE) == await stage_of(work, "r1")


@pytest.mark.parametrize("verdict", sampled([HITLDecision.REJECTED, HITLDecision.SKIPPED], quick=(0,)))
async def test_an_answer_after_a_made_up_end_counts(tmp_path: Path, verdict: HITLDecision) -> None:
    """The platform still waits, so an answer that comes then is delivered."""
    policy = replace(policy_of(), default_window=timedelta(seconds=WINDOW))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        ask(work)
        await polled(work, WINDOW + 20)
        await work.votes("ann", verdict=verdict)
        await polled(work, 4)
        assert [("r1", verdict)] == [(name, said.decision) for name, said in work.platform.decided]
        assert (Stage.CLOSED, Outcome(verdict.value)) == await stage_of(work, "r1")


async def test_a_decision_is_not_given_up_for_a_made_up_end(tmp_path: Path) -> None:
    """The platform is down over the end: the answer goes out when it is back."""
    policy = replace(policy_of(), default_window=timedelta(seconds=WINDOW))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        ask(work)
        await polled(work, WINDOW - 10)
        work.platform.decide_trouble = [Unavailable("down")] * 3
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await polled(work, 40)
        assert ["r1"] == [name for name, _ in work.platform.decided]


async def test_an_end_that_came_by_a_wrong_clock_is_taken_back(tmp_path: Path) -> None:
    """An hour ahead, so it was called expired; put right, and still listed: people are asked again."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=600)
        await work.run(5)
        work.clock.now += timedelta(hours=1)
        await work.run(1)
        assert Outcome.TIMEOUT_SKIP == (await stage_of(work, "r1"))[1]
        work.wake_ups.add(Step.INGEST)
        await work.run(1)
        assert Outcome.TIMEOUT_SKIP == (await stage_of(work, "r1"))[1]  # over, and only not taken off the list
        work.clock.now -= timedelta(hours=1)
        work.wake_ups.add(Step.INGEST)
        await work.run(2)
        assert (Stage.OPEN, None) == await stage_of(work, "r1")
