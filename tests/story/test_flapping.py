"""Lists of one of several runners: what a poll does not list is not over for that."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from bot.approval import Outcome, Stage
from bot.ports import Listing
from bot.protocol import HITLDecision
from bot.records import Step
from tests.sampling import sampled
from tests.servers.fake_clock_bot import FakeClockBot, open_fake_clock_bot, outside_at
from tests.story.test_ladder import policy_of, stage_of

#: Seconds for which the lists flap.
FOR = 60


def lists_some(work: FakeClockBot, share: float, seed: int) -> None:
    """Each poll lists this share of what waits, by lot."""
    pending, lot = work.platform.pending, random.Random(seed)

    async def some(*, known: str = "") -> Listing:  # a list by lot is never the one before
        listing = await pending()
        known = lot.sample(listing.requests, round(len(listing.requests) * share))
        return replace(listing, requests=tuple(known))

    work.platform.pending = some  # type: ignore[method-assign]


async def polled(work: FakeClockBot, *, seconds: int, every: int) -> None:
    """The time goes by, with polls at this interval."""
    for _ in range(seconds // every):
        work.wake_ups.add(Step.INGEST)
        await work.run(every)


async def flaps(folder: Path, share: float, every: int, seed: int) -> tuple[list[str], int]:
    """The false titles of cards, and how many messages there were."""
    async with open_fake_clock_bot(folder, policy_of()) as work:
        for number in range(4):
            work.ask(f"r{number}", window=3_600)
        await work.run(5)
        lists_some(work, share, seed)
        await polled(work, seconds=FOR, every=every)
        titles = {card.title for versions in work.chat.cards.values() for _, card in versions}
        return sorted(title for title in titles if "lsewhere" in title), len(work.chat.notices)


@pytest.mark.parametrize(("share", "every"), sampled([(0.5, 1), (0.5, 2), (0.75, 1), (0.75, 2)], quick=(0,)))
async def test_what_comes_back_is_never_called_answered(tmp_path: Path, share: float, every: int) -> None:
    """A random half, or three quarters, of four requests: no false card, no false message."""
    assert ([], 0) == await flaps(tmp_path, share, every, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("share", [0.5, 0.75])
async def test_it_is_no_luck(tmp_path: Path, share: float, every: int, seed: int) -> None:
    """The same for many lots."""
    assert ([], 0) == await flaps(tmp_path, share, every, seed)


async def test_what_is_gone_is_believed_also_where_others_flap(tmp_path: Path) -> None:
    """It takes longer, and not forever; what the audit says is believed at once."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        for number in range(5):
            work.ask(f"r{number}", window=3_600)
        await work.run(5)
        lists_some(work, 0.5, seed=3)
        await polled(work, seconds=FOR, every=1)
        work.gone("r0")
        work.gone("r1")
        work.platform.words["r1"] = "rejected"
        await polled(work, seconds=10, every=1)
        assert [Stage.OPEN, Stage.CLOSED] == [(await stage_of(work, name))[0] for name in ("r0", "r1")]
        await polled(work, seconds=60, every=1)
        assert (Stage.CLOSED, Outcome.ELSEWHERE) == await stage_of(work, "r0")
        assert {Stage.OPEN} == {(await stage_of(work, name))[0] for name in ("r2", "r3", "r4")}


@pytest.mark.parametrize("every", sampled([1, 60], quick=(1,)))
async def test_where_nothing_flaps_it_takes_seconds(tmp_path: Path, every: int) -> None:
    """Whatever the interval of polls: while it is open what vanished, the list is looked at each second."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=3_600)
        await work.run(5)
        work.gone("r1")
        work.wake_ups.add(Step.INGEST)
        await work.run(3)
        assert (Stage.OPEN, None) == await stage_of(work, "r1")
        await work.run(every and 5)
        assert (Stage.CLOSED, Outcome.ELSEWHERE) == await stage_of(work, "r1")


async def test_what_nod_told_itself_is_no_mass_that_vanished(tmp_path: Path) -> None:
    """Six decisions that the platform took are not listed any more: nothing is in trouble for that."""
    outside = outside_at()
    async with open_fake_clock_bot(tmp_path, policy_of(), outside=outside) as work:
        names = [f"r{number}" for number in range(6)]
        for name in names:
            work.ask(name, window=600)
        await work.run(5)
        decide, answers = work.platform.decide, 0

        async def slow(*args: object) -> None:
            nonlocal answers
            await decide(*args)  # type: ignore[arg-type]
            answers += 1
            if answers == 1:  # a poll comes before any of them is settled
                work.wake_ups.add(Step.INGEST)
                await work.rounds[Step.INGEST]()

        work.platform.decide = slow  # type: ignore[method-assign]
        for name in names:
            call = {name: work.platform.waiting[name].digest}
            await work.store.approvals.confirm(call, began_at=work.clock())
            await work.votes("ann", name, verdict=HITLDecision.REJECTED)
        await work.run(5)
        assert {Stage.CLOSED} == {(await stage_of(work, name))[0] for name in names}
        assert 0 == outside.counts["requests_vanished"]
