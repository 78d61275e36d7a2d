"""Requests that nobody can see: shown elsewhere at once where there is an elsewhere, and told of anyway."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.alerts import CHANNEL_LATE, NO_CARD, UNESCALATED, UNSEEN
from bot.approval import Outcome, Stage
from bot.errors import Forbidden, NodError, Unavailable
from bot.ladder import Action, Rung
from bot.records import Step
from bot.surface import Destination, Surface
from tests.servers.fake_clock_bot import FakeClockBot, open_fake_clock_bot
from tests.story.test_ladder import policy_of, stage_of
from tests.story.test_reviewed import auditor

ROOM = Destination(surface=Surface.TEAMS, channel="finance-room")
FALLBACK = Rung(action=Action.FALLBACK, before=timedelta(seconds=10), cards=(ROOM,))
WINDOW = 600.0


def causes(work: FakeClockBot) -> list[str]:
    """What pagers were told of, in order; not what came right."""
    return [alert.cause for _, alert in work.pager.pages if not alert.resolved]


@pytest.mark.parametrize(
    ("trouble", "within"),
    [(Forbidden("the bot was removed"), 2.0), (Unavailable("the chat is away"), 62.0)],
    ids=["refused", "away"],
)
async def test_a_dead_surface_is_no_reason_to_wait_for_the_last_rung(
    tmp_path: Path, trouble: NodError, within: float
) -> None:
    """Slack takes no card: the fallback's is up as soon as that is known, not ten seconds before the end."""
    async with open_fake_clock_bot(tmp_path, policy_of(FALLBACK)) as work:
        work.chat.trouble = trouble
        work.ask("r1", window=WINDOW)
        await work.run(within)
        assert 1 == len(work.teams.cards)
        work.chat.trouble = None
        await work.run(WINDOW)
        assert 1 == len(work.teams.cards)


async def test_a_card_that_is_up_keeps_the_fallback_for_its_time(tmp_path: Path) -> None:
    """A chat that fails later hastens nothing: people can see the request."""
    async with open_fake_clock_bot(tmp_path, policy_of(FALLBACK)) as work:
        work.ask("r1", window=WINDOW)
        await work.run(5)
        work.chat.trouble = Forbidden("the bot was removed")
        await work.run(WINDOW - 20)
        assert {} == work.teams.cards
        await work.run(15)
        assert 1 == len(work.teams.cards)


async def test_a_card_of_the_call_before_shows_nobody_what_is_asked_now(tmp_path: Path) -> None:
    """The call changed, and its new card never went up: people could see the old one only."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=WINDOW)
        await work.run(5)
        work.chat.trouble = Unavailable("the chat is away")
        work.ask("r1", window=WINDOW - 60, tool="wire")
        await work.run(WINDOW)

        assert UNSEEN in causes(work)


async def test_a_digest_from_before_shows_nobody_what_joined_it(tmp_path: Path) -> None:
    """Its update fails for as long as the request waits: the auditor tells of it, and so does its end."""
    async with open_fake_clock_bot(tmp_path, replace(policy_of(), flood=3)) as work:
        for number in range(6):
            work.ask(f"r{number}", window=3_000)
        await work.run(5)
        assert 1 == len(work.chat.digests)
        work.chat.trouble = Unavailable("the chat is away")
        work.ask("late", window=100)
        await work.run(50)
        await auditor(work, []).round()
        (alert,) = await work.store.alerts.open_of(cause=CHANNEL_LATE)
        assert "1 request still has no card" in alert.text
        await work.run(60)
        assert [UNSEEN] == [cause for cause in causes(work) if cause == UNSEEN]


async def test_what_takes_the_place_of_another_on_a_digest_is_seen_there(tmp_path: Path) -> None:
    """The digest says the same words as before, as many wait on it: it tells of the new one all the same."""
    async with open_fake_clock_bot(tmp_path, replace(policy_of(), flood=3)) as work:
        for number in range(16):
            work.ask(f"r{number:02}", window=1_000 + number)
        await work.run(10)
        work.gone("r15")
        work.ask("another", window=1_005)  # which brings the digest up to date
        await work.settle()
        await work.run(6)
        work.ask("late", window=1_100)
        await work.settle()
        assert Outcome.ELSEWHERE is (await stage_of(work, "r15"))[1]
        await work.run(300)
        await auditor(work, []).round()
        assert () == await work.store.alerts.open_of(cause=NO_CARD)


@pytest.mark.parametrize("word", ["timeout", "timeout_skip"])
@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
async def test_an_end_on_the_platform_that_nobody_saw_coming_is_paged(
    tmp_path: Path, word: str, seen: bool
) -> None:
    """It ran out of time over there before our own deadline: paged when no card was up, and only then."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.chat.trouble = None if seen else Unavailable("the chat is away")
        work.ask("r1", window=WINDOW)
        await work.run(5)
        work.platform.words["r1"] = word
        work.gone("r1")
        for _ in range(3):  # polls
            work.ask("other", window=WINDOW)
            await work.run(1)

        assert Outcome.TIMEOUT_SKIP is (await stage_of(work, "r1"))[1]
        assert ([] if seen else [UNSEEN]) == [cause for cause in causes(work) if cause == UNSEEN]
        assert Stage.OPEN is (await stage_of(work, "other"))[0]


async def test_a_rung_that_was_not_attempted_in_time_is_paged_when_the_request_ends(tmp_path: Path) -> None:
    """Everything was stopped from before the rung until after the end: that nobody was pinged is reported."""
    ping = Rung(action=Action.PING, share=0.9, who=("olu",))
    async with open_fake_clock_bot(tmp_path, policy_of(ping)) as work:
        work.ask("r1", window=100)
        await work.run(80)
        work.clock.now += timedelta(seconds=30)
        work.wake_ups.add(Step.EXPIRE)
        await work.settle()

        assert [UNESCALATED] == causes(work)
        ((_, alert),) = work.pager.pages
        assert (
            "pay expired, and its escalation step (ping, due at 2026-03-02 09:01:30 UTC) did not run."
            == alert.text
        )
        await work.run(60)
        assert 1 == len(work.pager.pages), "it is over, and does not come right"
        assert {UNESCALATED} == raised_causes(work)


@pytest.mark.parametrize(
    ("claimed_for", "told"), [(90.0, []), (50.0, [UNESCALATED])], ids=["to the end", "not so long"]
)
async def test_what_a_claim_held_back_until_the_end_was_not_missed(
    tmp_path: Path, claimed_for: float, told: list[str]
) -> None:
    """A claim keeps the others from being pinged; once it ends, their pings are due again."""
    ping = Rung(action=Action.PING, share=0.2, who=("olu",))
    async with open_fake_clock_bot(tmp_path, policy_of(ping)) as work:
        work.ask("r1", window=100)
        await work.run(10)
        await work.is_on("ann", seconds=claimed_for)
        work.clock.now += timedelta(seconds=95)
        work.wake_ups.clear()
        work.wake_ups.add(Step.EXPIRE)
        await work.settle()

        assert told == causes(work)


async def test_what_came_due_and_was_attempted_is_no_matter_for_pagers(tmp_path: Path) -> None:
    """Nor is a rung whose moment is the end itself."""
    ladder = (Rung(action=Action.PING, share=0.5, who=("olu",)), Rung(action=Action.REMIND, share=1.0))
    async with open_fake_clock_bot(tmp_path, policy_of(*ladder)) as work:
        work.ask("r1", window=100)
        await work.run(99)
        work.clock.now += timedelta(seconds=1)
        work.wake_ups.add(Step.EXPIRE)
        await work.settle()

        assert Outcome.TIMEOUT_SKIP is (await stage_of(work, "r1"))[1]
        assert [] == causes(work)


def raised_causes(work: FakeClockBot) -> set[str]:
    """The causes of the audit's rows about alerts."""
    rows = work.rows("SELECT body FROM audit WHERE kind = 'alert_raised'")
    return {json.loads(body)["cause"] for (body,) in rows}
