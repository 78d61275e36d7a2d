"""Messages of a ladder that nobody got until nobody had answered in time: told of, and only then."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.alerts import REQUESTS, UNTOLD
from bot.approval import Claim, Outcome
from bot.card import Notification
from bot.errors import Forbidden, Gone
from bot.flow.missed_requests import QUIET
from bot.ladder import Action, Rung
from bot.records import LAST_CALLS, Claimed, DueRung, Step
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot
from tests.story.test_ladder import policy_of, stage_of
from tests.story.test_trouble_in_time import PINGS, causes


async def fire_and_stand_still(work: FakeClockBot, seconds: float) -> None:
    """Only the rungs that are due then fire: nothing else gets its turn."""
    work.clock.now = BEGIN + timedelta(seconds=seconds)
    await work.rounds[Step.ESCALATE]()
    while work.under_way:
        await asyncio.wait(work.under_way)
    work.wake_ups.clear()


async def test_a_ladder_that_could_tell_nobody_is_reported(tmp_path: Path) -> None:
    """The card is up, and the chat refuses every message until the end: an operator hears of that."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS)) as work:
        work.ask("r1", window=100)
        await work.run(5)
        work.chat.trouble = Forbidden("restricted")
        await work.run(100)
        assert [UNTOLD] == [cause for cause in causes(work) if cause == UNTOLD]


async def test_an_answer_makes_up_for_messages_that_were_refused(tmp_path: Path) -> None:
    """A person answered all the same: no alert."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS)) as work:
        work.ask("r1", window=100)
        await work.run(5)
        work.chat.trouble = Forbidden("restricted")
        await work.run(60)
        work.platform.words["r1"] = "approved"
        work.gone("r1")
        for _ in range(3):
            work.ask("other", window=600)
            await work.run(1)
        assert Outcome.ELSEWHERE is (await stage_of(work, "r1"))[1]
        assert UNTOLD not in causes(work)


async def test_what_a_stop_kept_from_being_begun_until_the_end_is_told(tmp_path: Path) -> None:
    """The rung has fired, and the process was stopped from then on, until after the deadline."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS[3:])) as work:
        work.ask("r1", window=100)
        await work.run(80)
        await fire_and_stand_still(work, 85)
        await work.jump(60)
        await work.run(5)

        assert [] == [said for said in work.chat.notices if ".rung" in said.notice.mark]
        assert [UNTOLD] == causes(work)
        assert {"it expired"} == reasons(work)


@pytest.mark.parametrize(("lease", "told"), [(15.0, []), (5.0, [UNTOLD])], ids=["to the end", "not so long"])
async def test_what_a_claim_held_back_until_the_end_is_not_told(
    tmp_path: Path, lease: float, told: list[str]
) -> None:
    """A claim keeps the others from being pinged; once the lease ends, they should have been."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS[3:])) as work:
        work.ask("r1", window=100)
        await work.run(80)
        await fire_and_stand_still(work, 85)
        approval = await work.store.approvals.get("r1")
        assert approval is not None
        until = work.clock() + timedelta(seconds=lease)
        claim = Claim(person="ann", name="Ann", at=work.clock(), until=until)
        call = DueRung(approval_id="r1", number=LAST_CALLS, due_at=until, action=Action.LAST_CALL, who=("ann",))
        digest = approval.request.digest
        assert Claimed.YES is await work.store.approvals.claim("r1", claim=claim, digest=digest, last_call=call)
        await work.jump(60)
        await work.run(5)

        assert told == [cause for cause in causes(work) if cause == UNTOLD]


async def test_what_stands_on_a_digest_is_told_like_a_card(tmp_path: Path) -> None:
    """The digest is up, and the chat refuses every message below it until the end."""
    async with open_fake_clock_bot(tmp_path, replace(policy_of(*PINGS), flood=3)) as work:
        ids = [f"r{number}" for number in range(6)]
        for one in ids:
            work.ask(one, window=100)
        await work.run(10)
        work.chat.trouble = Forbidden("restricted")
        await work.run(100)

        await work.run(15)
        untold = [alert for _, alert in work.pager.pages if alert.cause == UNTOLD]
        assert {REQUESTS} == {alert.approval_id for alert in untold}
        assert 2 == len(untold), "one page, and its count once"
        assert (
            "6 requests expired with a ping that could not be sent. The latest was for pay." == untold[-1].text
        )
        await work.run(QUIET.total_seconds())
        (over,) = [alert.resolved for _, alert in work.pager.pages if alert.cause == UNTOLD and alert.resolved]
        assert "no request has expired with an unsent ping for 5 min; 6 in all" == over


async def test_an_answer_in_the_last_moment_makes_up_for_it(tmp_path: Path) -> None:
    """A person answered on the platform just before the end, and Nod hears of it only then."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS)) as work:
        work.ask("r1", window=100)
        await work.run(5)
        work.chat.trouble = Forbidden("restricted")
        await work.run(94)
        work.platform.words["r1"] = "approved"
        await work.jump(5)
        await work.run(5)

        assert Outcome.ELSEWHERE is (await stage_of(work, "r1"))[1]
        assert UNTOLD not in causes(work)
        assert {"it was answered before"} == reasons(work)


async def test_a_digest_that_somebody_deleted_comes_back_with_the_next_message(tmp_path: Path) -> None:
    """As a card does: its thread is gone when a rung has something to say there."""
    async with open_fake_clock_bot(tmp_path, replace(policy_of(*PINGS[:1]), flood=3)) as work:
        for number in range(6):
            work.ask(f"r{number}", window=1_000)
        await work.run(300)
        (first,) = work.chat.digests
        deleted(work, first)
        await work.run(120)

        (second,) = set(work.chat.digests) - {first}
        below = [said for said in work.chat.notices if said.thread in work.chat.digests]
        assert [second] == [said.thread for said in below]


async def test_a_thread_that_is_gone_again_and_again_is_told(tmp_path: Path) -> None:
    """Each card is deleted: no more of them go up after a few, and an operator hears that nobody was asked."""
    async with open_fake_clock_bot(tmp_path, policy_of(Rung(action=Action.REMIND, share=0.4))) as work:
        work.ask("r1", window=1_000)
        await work.run(300)
        deleted(work, *(f"m{number}" for number in range(100)))
        await work.run(690)
        assert 5 <= len(work.chat.cards) <= 7
        await work.run(20)
        assert [UNTOLD] == causes(work)


def deleted(work: FakeClockBot, *refs: str) -> None:
    """These messages are deleted, now or later: nothing can be said below them."""
    say = work.chat.say

    async def gone(notice: Notification, channel: str, *, thread: str | None = None) -> str:
        if thread in refs:
            raise Gone("thread_not_found")
        return await say(notice, channel, thread=thread)

    work.chat.say = gone  # type: ignore[method-assign]


def reasons(work: FakeClockBot) -> set[str]:
    """Why messages were not sent, by the audit."""
    rows = work.rows("SELECT body FROM audit WHERE kind = 'not_told'")
    return {json.loads(body)["why"] for (body,) in rows}
