"""The platform calls a request resolved (404, 409): its own list has the last word."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.alerts import UNDELIVERABLE, UNDELIVERED
from bot.approval import Outcome, Stage
from bot.errors import Gone
from bot.ports import Listing
from bot.protocol import HITLDecision
from bot.records import Step
from tests.contract.values import found
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot, outside_at
from tests.story.test_ladder import policy_of, stage_of

GONE = Gone("the platform answered 404")
#: Seconds after the first POST at which it is sent again.
AGAIN = [1, 3, 7, 17, 27, 37, 47, 57]


def polls_take_time(work: FakeClockBot) -> None:
    """A millisecond each: one that begins after a click is later than it."""
    pending = work.platform.pending

    async def later(*, known: str = "") -> Listing:
        work.clock.now += timedelta(milliseconds=1)
        return await pending(known=known)

    work.platform.pending = later  # type: ignore[method-assign]


class Denying(list[Gone]):
    """Trouble without end, with the moment of each POST."""

    def __init__(self, work: FakeClockBot) -> None:
        super().__init__([GONE])
        self._work, self.posts = work, list[float]()

    def pop(self, _: object = 0) -> Gone:  # type: ignore[override]  # what FakePlatform calls
        self.posts.append((self._work.clock() - BEGIN).total_seconds())
        return GONE


def shown(work: FakeClockBot) -> list[str]:
    """The titles that the card has had."""
    return [card.title for versions in work.chat.cards.values() for _, card in versions]


def paged(work: FakeClockBot) -> list[tuple[str, bool]]:
    """What pagers were told, and whether it was that it came right."""
    return [(alert.cause, bool(alert.resolved)) for _, alert in work.pager.pages]


@pytest.mark.parametrize("verdict", HITLDecision)
async def test_what_is_still_listed_is_sent_again(tmp_path: Path, verdict: HITLDecision) -> None:
    """One 404: the same word goes out a second later without a click, and an operator hears of it once."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        polls_take_time(work)
        work.ask("r1", window=120)
        await work.run(5)
        work.platform.decide_trouble.append(GONE)
        await work.votes("ann", verdict=verdict)
        await work.run(0.5)
        assert (Stage.DECIDED, None) == await stage_of(work, "r1")
        await work.run(5)

        assert [("r1", verdict)] == [(name, said.decision) for name, said in work.platform.decided]
        assert (Stage.CLOSED, Outcome(verdict.value)) == await stage_of(work, "r1")
        assert [] == [title for title in shown(work) if "lsewhere" in title]
        assert [(UNDELIVERED, False), (UNDELIVERED, True)] == paged(work)


async def test_it_is_sent_again_eight_times_at_most(tmp_path: Path) -> None:
    """Listed to the end and refused to the end: never approved, never answered elsewhere, and owned up to."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        polls_take_time(work)
        work.ask("r1", window=300)
        await work.run(1)
        work.platform.decide_trouble = denying = Denying(work)
        await work.votes("ann")
        await work.run(250)

        first, *again = denying.posts
        assert AGAIN == [round(at - first) for at in again]
        assert (Stage.DECIDED, None) == await stage_of(work, "r1")
        assert [(UNDELIVERED, False)] == paged(work)
        await work.run(60)
        assert (Stage.CLOSED, Outcome.UNDELIVERABLE) == await stage_of(work, "r1")
        assert 9 == len(denying.posts)
        assert 1 == [cause for cause, resolved in paged(work) if not resolved].count(UNDELIVERABLE)


@pytest.mark.parametrize(
    ("word", "outcome"), [(None, "elsewhere"), ("approved", "elsewhere"), ("timeout", "undeliverable")]
)
async def test_what_is_listed_no_more_is_over_at_the_next_poll(
    tmp_path: Path, word: str | None, outcome: str
) -> None:
    """Until then the card says that it is sent; a 404 never means approved, even if another person approved."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        polls_take_time(work)
        work.ask("r1", window=120)
        await work.run(5)
        await work.votes("ann")

        async def decide(*_: object) -> None:
            work.gone("r1")
            if word:
                work.platform.words["r1"] = word
            raise GONE

        work.platform.decide = decide  # type: ignore[method-assign]
        await work.run(3)
        assert [] == work.platform.decided
        assert (Stage.CLOSED, Outcome(outcome)) == await stage_of(work, "r1")
        assert 1 == (await found(work.store)).attempts


async def test_another_call_under_the_id_asks_people_anew(tmp_path: Path) -> None:
    """What was answered is not sent for a call that nobody saw."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        polls_take_time(work)
        work.ask("r1", window=120)
        await work.run(5)
        request = work.platform.waiting["r1"]
        await work.votes("ann", verdict=HITLDecision.REJECTED)

        async def decide(*_: object) -> None:
            work.platform.waiting["r1"] = replace(request, arguments={"to": "bob"})
            raise GONE

        work.platform.decide = decide  # type: ignore[method-assign]
        await work.run(5)
        assert (Stage.OPEN, None) == await stage_of(work, "r1")
        assert [] == work.platform.decided


async def test_a_process_that_ends_in_between_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was called resolved is durable: the next process asks the list before it sends anything."""
    outside = outside_at()
    async with open_fake_clock_bot(tmp_path, policy_of(), outside=outside) as work:
        polls_take_time(work)
        work.ask("r1", window=120)
        await work.run(5)
        work.platform.decide_trouble.append(GONE)
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await delivers(work)
        assert (await found(work.store)).gone_at is not None
    async with open_fake_clock_bot(tmp_path, policy_of(), outside=outside) as work:
        await delivers(work)
        assert [] == work.platform.decided
        await work.run(5)
        assert ["r1"] == [name for name, _ in work.platform.decided]


async def delivers(work: FakeClockBot) -> None:
    """One round of that step alone."""
    await work.rounds[Step.DELIVER]()
    while work.under_way:
        await asyncio.wait(work.under_way)
    work.wake_ups.clear()
