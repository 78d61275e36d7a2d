"""A decision changes its card once where the platform answers within a second, and twice where it does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.flow.show import ANSWERS_WITHIN
from bot.protocol import HITLDecision
from bot.records import Step
from bot.wording import CardState
from tests.servers.fake_clock_bot import FakeClockBot, open_fake_clock_bot
from tests.story.test_ladder import policy_of


def states(work: FakeClockBot) -> list[CardState]:
    """What the one card said, in order."""
    (shown,) = work.chat.cards.values()
    return [card.state for _, card in shown]


async def test_a_prompt_platform_skips_the_state_in_between(tmp_path: Path) -> None:
    """The card asks, then it says how it ended."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=600)
        await work.run(5)
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(30)
        assert [CardState.OPEN, CardState.REJECTED] == states(work)


async def test_a_slow_platform_is_waited_for_in_the_open(tmp_path: Path) -> None:
    """After a second the card says that the answer is on its way."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=600)
        await work.run(5)
        await work.votes("ann")
        work.wake_ups.clear()  # nothing is delivered
        work.clock.now += ANSWERS_WITHIN - timedelta(milliseconds=1)
        work.wake_ups.add(Step.SHOW)
        await work.settle()
        assert [CardState.OPEN] == states(work)
        assert work.clock.now + timedelta(milliseconds=1) == work.dues[Step.SHOW]
        work.clock.now += timedelta(milliseconds=1)
        work.wake_ups.add(Step.SHOW)
        await work.settle()
        assert [CardState.OPEN, CardState.SENDING] == states(work)
        await work.run(30)
        assert CardState.APPROVED is states(work)[-1]
