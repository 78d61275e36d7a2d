"""Ladders and cards while something is in the way: said once when it is gone, never to the wrong people."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.alerts import CARD_REFUSED, UNDELIVERABLE, UNESCALATED, UNSEEN
from bot.approval import Outcome, Stage
from bot.card import Notification
from bot.errors import Forbidden, Gone, NodError, Unanswered, Unavailable
from bot.flow.undelivered import RAN_OUT
from bot.ladder import Action, Rung
from bot.protocol import HITLDecision
from bot.surface import Destination, Surface
from bot.wording import moment_parts
from tests.contract.values import found
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot
from tests.story.test_ladder import FINANCE, fired, heard, policy_of, stage_of

ROOM = Destination(surface=Surface.TEAMS, channel="finance-room")
PINGS = tuple(Rung(action=Action.PING, share=share, who=("olu",)) for share in (0.4, 0.55, 0.7, 0.85))


def texts(work: FakeClockBot, *, alone: bool) -> list[str]:
    """What was said to people alone, or in threads."""
    return [
        "".join(
            part if isinstance(part, str) else f"{moment_parts(part).at:%H:%M:%S}" for part in said.notice.text
        )
        for said in work.chat.notices
        if (said.thread is None) is alone
    ]


def causes(work: FakeClockBot) -> list[str]:
    """What pagers were told of; not what came right."""
    return [alert.cause for _, alert in work.pager.pages if not alert.resolved]


@pytest.mark.parametrize("trouble", [Unavailable("too fast"), Forbidden("not in the channel")], ids=type)
async def test_what_an_outage_held_up_is_one_message(tmp_path: Path, trouble: NodError) -> None:
    """Four rungs fire while the chat takes no message: afterwards the thread and Olu hear once."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS)) as work:
        work.ask("r1", window=1_000)
        await work.run(300)
        work.chat.trouble = trouble
        await work.run(600)
        work.chat.trouble = None
        await work.run(90)

        assert [0, 1, 2, 3] == [rung for _, rung, _ in fired(work)]
        assert (1, 1) == (len(heard(work, alone=False)), len(heard(work, alone=True)))


async def test_what_may_be_up_is_looked_for_and_not_said_again(tmp_path: Path) -> None:
    """A message whose answer was lost keeps its mark, and what fires meanwhile is said by itself."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS[:2])) as work:
        work.ask("r1", window=1_000)
        await work.run(300)
        say = work.chat.say

        async def lost(*args: object, **more: object) -> str:
            await say(*args, **more)  # type: ignore[arg-type]
            raise Unanswered("no answer came")

        work.chat.say = lost  # type: ignore[method-assign]
        await work.run(101)
        work.chat.say = say  # type: ignore[method-assign]
        await work.run(200)

        assert {1} == set(Counter(said.notice.mark for said in work.chat.notices).values())
        assert (2, 2) == (len(heard(work, alone=False)), len(heard(work, alone=True)))


async def test_nobody_is_called_for_what_is_over(tmp_path: Path) -> None:
    """Asleep past the deadline, over every rung: people hear how it ended, and not that it still waits."""
    ladder = (*PINGS, Rung(action=Action.PAGE, share=0.9, who=("bob",)))
    async with open_fake_clock_bot(tmp_path, policy_of(*ladder)) as work:
        work.ask("r1", window=60)
        await work.run(1)
        await work.jump(600)
        await work.run(5)

        assert (Stage.CLOSED, Outcome.TIMEOUT_SKIP) == await stage_of(work, "r1")
        assert [] == [text for text in texts(work, alone=True) + texts(work, alone=False) if "still" in text]
        assert 1 == len(heard(work, alone=False))
        assert [] == fired(work)
        assert [UNESCALATED] == causes(work)


async def test_others_are_left_in_peace_also_by_what_was_owed_before_the_claim(tmp_path: Path) -> None:
    """A ping that the chat held up goes out when the lease ends, and not in the middle of it."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS[:1])) as work:
        work.ask("r1", window=1_000)
        await work.run(399)
        work.chat.trouble = Unavailable("too fast", retry_after=10)
        await work.run(2)
        await work.is_on("ann", seconds=100)
        work.chat.trouble = None

        await work.run(98)
        assert [] == [mark for mark in heard(work, alone=True) if ".olu." in mark]
        assert [] == heard(work, alone=False)
        await work.run(10)
        assert 1 == len([mark for mark in heard(work, alone=True) if ".olu." in mark])
        assert 1 == len(heard(work, alone=False))


@pytest.mark.parametrize("window", [40.0, 180.0, 3_600.0])
async def test_what_is_nowhere_to_be_seen_is_shown_elsewhere_in_time(tmp_path: Path, window: float) -> None:
    """Slack holds the card up for a minute at a time: before a quarter of the window Teams has it."""
    fallback = Rung(action=Action.FALLBACK, share=0.9, cards=(ROOM,))
    async with open_fake_clock_bot(tmp_path, policy_of(fallback)) as work:
        work.chat.trouble = Unavailable("too fast", retry_after=60)
        work.ask("r1", window=window)
        while not work.teams.cards:
            await work.run(1)
            assert work.clock() < BEGIN + timedelta(seconds=window)
        assert (work.clock() - BEGIN).total_seconds() <= min(21, window / 4)


async def test_one_of_two_places_that_refuses_is_no_request_without_a_card(tmp_path: Path) -> None:
    """Teams has it up: nothing is hastened, and no alert says that there is no card."""
    fallback = Rung(
        action=Action.FALLBACK, share=0.9, cards=(Destination(surface=Surface.TEAMS, channel="other"),)
    )
    policy = policy_of(fallback)
    policy = replace(policy, routes=(replace(policy.routes[0], cards=(FINANCE, ROOM)),))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        work.chat.trouble = Forbidden("is_archived")
        work.ask("r1", window=600)
        for _ in range(40):
            await work.run(1)
        assert [CARD_REFUSED] == [alert.cause for _, alert in work.pager.pages]
        assert 1 == len(work.teams.cards)
        work.chat.trouble = None
        await work.run(15)
        assert [None, f"every request has its card in {FINANCE}"] == [a.resolved for _, a in work.pager.pages]


async def test_a_chat_that_asks_for_a_pause_does_not_undo_the_digest(tmp_path: Path) -> None:
    """Sixty requests, and Slack takes nothing for half a minute: all are shown a moment later."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        post, until = work.chat.post, BEGIN + timedelta(seconds=30)

        async def too_fast(card: object, channel: str) -> str:
            if work.clock() < until:
                raise Unavailable("too fast", retry_after=(until - work.clock()).total_seconds())
            return await post(card, channel)  # type: ignore[arg-type]

        work.chat.post = too_fast  # type: ignore[method-assign]
        for number in range(60):
            work.ask(f"r{number}", window=180, agent=f"a{number % 9}")
            await work.run(0.5)
        await work.run(2)

        standing = await work.store.placements.of(*(f"r{number}" for number in range(60)))
        assert 60 == len(standing)
        assert 45 <= len([one for one in standing if one.gathered])
        assert all(one.gathered or one.ref or one.attempted_at is None for one in standing)
        assert 1 == len(work.chat.digests)


async def test_a_chat_that_does_not_answer_is_tried_with_few_cards(tmp_path: Path) -> None:
    """Each post that may be up can go on no digest any more: so only some are begun while it is silent."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.chat.trouble = Unanswered("no answer came")
        for number in range(40):
            work.ask(f"r{number}", window=180, agent=f"a{number % 9}")
            await work.run(0.5)
        standing = await work.store.placements.of(*(f"r{number}" for number in range(40)))
        assert len([one for one in standing if one.attempted_at]) < 10
        work.chat.trouble = None
        await work.run(60)
        shown = [
            one
            for one in await work.store.placements.of(*(f"r{n}" for n in range(40)))
            if one.ref or one.gathered
        ]
        assert 40 == len(shown)


@pytest.mark.parametrize("found", ["by the list", "by the answer", "after a polite 200"])
async def test_a_decision_that_came_after_the_platforms_own_end_is_owned_up_to(
    tmp_path: Path, found: str
) -> None:
    """Ann approved, and over there time had run out: no card tells Ann that it was answered elsewhere."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=600)
        await work.run(5)
        # An Approve waits for a list that still has it; a rejection goes out at once.
        verdict = HITLDecision.APPROVED if found == "by the list" else HITLDecision.REJECTED
        await work.votes("ann", verdict=verdict)
        if found == "after a polite 200":
            decide = work.platform.decide

            async def forgiving(*args: object) -> None:
                await decide(*args)  # type: ignore[arg-type]
                work.platform.words["r1"] = "timeout"

            work.platform.decide = forgiving  # type: ignore[method-assign]
        else:
            work.platform.words["r1"] = "timeout"
            work.gone("r1")
        for _ in range(5):
            work.ask("other", window=600)
            await work.run(1)

        assert Outcome.UNDELIVERABLE is (await stage_of(work, "r1"))[1]
        (alert,) = [one for _, one in work.pager.pages if one.cause == UNDELIVERABLE]
        assert f"before the platform accepted it ({RAN_OUT})" in alert.text
        (outcome,) = [text for text in texts(work, alone=False) if "pay" in text]
        assert "Not delivered: pay" in outcome


@pytest.mark.parametrize(("after", "paged"), [(60.0, False), (200.0, True)])
async def test_what_vanishes_without_a_word_is_told_of_when_nobody_had_seen_it(
    tmp_path: Path, after: float, paged: bool
) -> None:
    """No card of it was up although a quarter of its time was gone, and the platform's audit is silent."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.chat.trouble = Unavailable("the chat is away")
        work.ask("r1", window=600)
        await work.run(after)
        work.gone("r1")
        for _ in range(3):
            work.ask("other", window=600)
            await work.run(1)
        assert Outcome.ELSEWHERE is (await stage_of(work, "r1"))[1]
        assert ([UNSEEN] if paged else []) == [cause for cause in causes(work) if cause == UNSEEN]


async def test_the_end_names_everybody_who_was_asked(tmp_path: Path) -> None:
    """The people who could have decided, and those the ladder called."""
    ladder = (
        *PINGS[:1],
        Rung(action=Action.PAGE, share=0.6, who=("bob", "olu")),
        Rung(share=0.9, who=("cfo",)),
    )
    async with open_fake_clock_bot(tmp_path, policy_of(*ladder)) as work:
        work.ask("r1", window=100)
        await work.run(80)
        await work.run(30)
        ((_, card),) = [cards[-1] for cards in work.chat.cards.values()]
        assert "asked: Ann, Olu, Bob and Cfo" in str(card.status)


async def test_a_page_and_its_end_tell_how_many_have_answered(tmp_path: Path) -> None:
    """One of two has voted: it is not that nobody answered."""
    policy = policy_of(Rung(action=Action.PAGE, share=0.5, who=("bob",)))
    policy = replace(policy, routes=(replace(policy.routes[0], quorum=2, approvers=("ann", "cfo")),))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        work.ask("r1", window=100)
        await work.run(5)
        await work.votes("ann", needs=2)
        await work.run(110)
        (page, end) = [alert for _, alert in work.pager.pages]
        assert "Not enough answers yet" in page.text
        assert "pay expired; not enough people answered" == end.resolved


async def test_whoever_stands_in_is_told_why_wherever_she_is_called(tmp_path: Path) -> None:
    """In the thread, alone, on the pager, and where several are reported together, to Ann and in a channel."""
    ladder = (Rung(action=Action.PAGE, share=0.5, who=("desk",)),)
    said = {"desk": "PagerDuty answers 503"}
    policy = replace(policy_of(*ladder), groups={"desk": ("olu",)}, stand_ins=said)
    async with open_fake_clock_bot(tmp_path, policy) as work:
        work.ask("first", window=40)
        for number in range(7):
            work.ask(f"r{number}", window=100)
        await work.run(60)
        why = "Nod could not read who is on call for desk (PagerDuty answers 503)."
        one, to_her, in_the_channel = texts(work, alone=True)
        assert to_her.startswith("7 requests are waiting")
        assert to_her == in_the_channel
        (thread,) = [text for text in texts(work, alone=False) if " left: " in text]
        assert [True] * 3 == [why in text for text in (one, to_her, thread)]
        assert {True} == {why in alert.text for _, alert in work.pager.pages}


async def test_a_request_that_is_found_late_starts_where_its_window_is(tmp_path: Path) -> None:
    """It has waited for nine tenths of its time when Nod first sees it: one message, at the highest rung."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS)) as work:
        work.ask("r1", window=100, created=BEGIN - timedelta(seconds=900))
        await work.run(2)
        assert [0, 1, 2, 3] == [rung for _, rung, _ in fired(work)]
        assert (1, 1) == (len(heard(work, alone=False)), len(heard(work, alone=True)))


async def test_a_deadline_that_moves_takes_nothing_back(tmp_path: Path) -> None:
    """The platform waits longer, again and again: the same card, the same vote, and the rungs move along."""
    policy = policy_of(Rung(action=Action.PING, share=0.5, who=("olu",)))
    policy = replace(policy, routes=(replace(policy.routes[0], quorum=2, approvers=("ann", "cfo")),))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        work.ask("r1", window=100)
        await work.run(5)
        await work.votes("ann", needs=2)
        for _ in range(15):
            work.ask("r1", window=100)
            await work.run(2)

        moved = await found(work.store, "r1")
        assert (["ann"], BEGIN + timedelta(seconds=133)) == (
            [one.person for one in moved.votes],
            moved.deadline.at,
        )
        assert 1 == len(work.chat.cards)
        await work.run(60)
        assert [(0, 66.5)] == [(rung, at) for _, rung, at in fired(work)]
        assert [] == work.pager.pages


async def test_a_card_that_somebody_deleted_comes_back_with_the_next_message(tmp_path: Path) -> None:
    """Its thread is gone when a rung has something to say there: a card goes up again, and the word below."""
    async with open_fake_clock_bot(tmp_path, policy_of(*PINGS[:1])) as work:
        work.ask("r1", window=1_000)
        await work.run(300)
        (first,) = work.chat.cards
        say = work.chat.say

        async def gone(notice: Notification, channel: str, *, thread: str | None = None) -> str:
            if thread == first:
                raise Gone("thread_not_found")
            return await say(notice, channel, thread=thread)

        work.chat.say = gone  # type: ignore[method-assign]
        await work.run(120)
        assert 2 == len(work.chat.cards)
        (second,) = {said.thread for said in work.chat.notices if said.thread is not None}
        assert second in work.chat.cards
        assert second != first


async def test_an_agent_that_floods_is_named_wherever_its_requests_stand(tmp_path: Path) -> None:
    """Also when ten others with earlier deadlines come first on the digest."""
    async with open_fake_clock_bot(tmp_path, policy_of(flood=15)) as work:
        for number in range(40):
            work.ask(f"calm{number}", window=100, agent=f"calm{number % 4}")
        for number in range(16):
            work.ask(f"r{number}", window=3_600, agent="eager")
        await work.run(5)
        ((_, card), *_) = [shown[-1] for shown in work.chat.digests.values()]
        assert not any("eager" in line for line, _ in card.first)
        assert ("eager",) == card.flooding


async def test_what_stands_on_a_surface_that_left_the_settings_holds_nothing_open(tmp_path: Path) -> None:
    """Its card there cannot be changed any more; the request closes all the same."""
    policy = policy_of()
    policy = replace(policy, routes=(replace(policy.routes[0], cards=(FINANCE, ROOM)),))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        work.ask("r1", window=60)
        await work.run(5)
        waiting = dict(work.platform.waiting)
    async with open_fake_clock_bot(tmp_path, policy, without=Surface.TEAMS) as work:
        work.platform.waiting.update(waiting)
        await work.run(0, until=BEGIN + timedelta(seconds=10))
        await work.run(60)
        assert (Stage.CLOSED, Outcome.TIMEOUT_SKIP) == await stage_of(work, "r1")
