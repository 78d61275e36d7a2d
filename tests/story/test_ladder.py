"""Ladders in time: each rung once, whatever the window, the load, or how long the process was stopped."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import quantiles

import pytest

from bot.approval import Outcome, Stage
from bot.card import Card
from bot.errors import Unavailable
from bot.ladder import Action, Rung
from bot.matching import Match, Pattern
from bot.policy import Person, Policy
from bot.protocol import HITLRequest
from bot.records import LAST_CALLS
from bot.routing import Route
from bot.surface import Destination, Surface
from tests.sampling import sampled
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot

FINANCE, BOARD = (Destination(surface=Surface.SLACK, channel=name) for name in ("C0FINANCE", "C0BOARD"))
PEOPLE = {
    name: Person(handle=name, name=name.title(), accounts={Surface.SLACK: f"U{name}"})
    for name in ("ann", "bob", "olu", "cfo")
}
LADDER = (
    Rung(action=Action.REMIND, share=0.4),
    Rung(action=Action.PING, share=0.65, who=("olu",)),
    Rung(action=Action.WIDEN, share=0.75, who=("cfo",), cards=(BOARD,)),
    Rung(action=Action.PAGE, share=0.85, who=("bob",)),
    Rung(action=Action.FALLBACK, before=timedelta(seconds=1), cards=(BOARD,)),
)
WINDOWS = (10.0, 30.0, 180.0, 3_600.0, 3 * 86_400.0)


def policy_of(*ladder: Rung, flood: int = 1_000) -> Policy:
    """One route for everything, with this ladder."""
    route = Route(name="default", match=Match(), cards=(FINANCE,), approvers=("ann",), ladder=ladder)
    return Policy(people=PEOPLE, groups={}, routes=(route,), flood=flood)


def fired(work: FakeClockBot) -> list[tuple[str, int, float]]:
    """The audit's rungs: which request, which number, and how many seconds after BEGIN."""
    rows = work.rows("SELECT approval_id, body, at_ms FROM audit WHERE kind = 'rung_fired' ORDER BY number")
    return [(one, json.loads(body)["rung"], at / 1000 - BEGIN.timestamp()) for one, body, at in rows]


def heard(work: FakeClockBot, *, alone: bool) -> list[str]:
    """The marks of what was said in threads, or to people alone."""
    return [said.notice.mark for said in work.chat.notices if (said.thread is None) is alone]


async def stage_of(work: FakeClockBot, request_id: str) -> tuple[Stage, Outcome | None]:
    approval = await work.store.approvals.get(request_id)
    assert approval is not None
    return approval.stage, approval.outcome


@pytest.mark.parametrize(
    ("window", "requests"),
    [
        *sampled([(window, 10) for window in WINDOWS], quick=(0, -1)),
        *(pytest.param(window, 200, marks=pytest.mark.slow) for window in WINDOWS),
    ],
)
async def test_every_rung_fires_once_and_in_time(tmp_path: Path, window: float, requests: int) -> None:
    """Many requests of one length: each of their rungs once, and 95 of 100 less than 2 s late."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.chat.interval = timedelta(0)
        for number in range(requests):
            work.ask(f"r{number}", window=window)
        await work.run(window + 1)
        assert (Stage.CLOSED, Outcome.TIMEOUT_SKIP) == await stage_of(work, "r0")

    seen = fired(work)
    expected = Counter({(f"r{n}", rung): 1 for n in range(requests) for rung in range(len(LADDER))})
    assert expected == Counter((request_id, rung) for request_id, rung, _ in seen)
    whole = timedelta(seconds=window)
    late = [
        at - LADDER[rung].due(first_seen=BEGIN, deadline=BEGIN + whole).timestamp() + BEGIN.timestamp()
        for _, rung, at in seen
    ]
    assert min(late) > -0.01
    assert quantiles(late, n=20)[-1] < 2


async def test_a_process_that_ends_between_any_two_rungs_fires_each_once(tmp_path: Path) -> None:
    """The next process goes on from the stored rows: nothing is fired twice, nothing left out."""
    waiting: dict[str, HITLRequest] = {}
    for stop in (1.0, 4.5, 7.0, 8.0, 8.7, 11.0):
        async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
            work.platform.waiting.update(waiting)
            if not waiting:
                work.ask("r1", window=10)
                waiting = dict(work.platform.waiting)
            await work.run(0, until=BEGIN + timedelta(seconds=stop))

    assert [0, 1, 2, 3, 4] == [rung for _, rung, _ in fired(work)]


async def test_what_came_due_in_a_long_sleep_is_one_message(tmp_path: Path) -> None:
    """Hours asleep: on waking every overdue rung is attempted at once, in one message a thread and person."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=4 * 3_600)
        await work.run(1)
        await work.jump(3.9 * 3_600)

        threads, alone = heard(work, alone=False), heard(work, alone=True)
        assert 1 == len([mark for mark in threads if mark.endswith(".rung3")])
        assert ["bob", "cfo", "olu"] == sorted(mark.split(".")[1] for mark in alone)
        assert ["rung-3"] == [alert.cause for _, alert in work.pager.pages]
        assert [0, 1, 2, 3] == [rung for _, rung, _ in fired(work)]


async def test_what_several_requests_owe_one_person_after_a_sleep_is_one_message(tmp_path: Path) -> None:
    """However many rungs of however many requests came due: one word to each person, and a page for each."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        for number in range(5):
            work.ask(f"r{number}", window=4 * 3_600 + number)
        await work.run(10)
        await work.jump(3.9 * 3_600)

        assert ["bob", "cfo", "olu"] == sorted(mark.split(".")[1] for mark in heard(work, alone=True))
        texts = ["".join(map(str, said.notice.text)) for said in work.chat.notices if said.thread is None]
        assert all("5 requests are waiting" in text for text in texts)
        assert [f"r{number}" for number in range(5)] == sorted(a.approval_id for _, a in work.pager.pages)


class _Breaks(Policy):
    """A policy that cannot name who is meant in one request's rung."""

    def members(self, names: tuple[str, ...]) -> tuple[Person, ...]:
        if "broken" in names:
            raise RuntimeError("nobody foresaw this")
        return super().members(names)


async def test_one_request_that_breaks_the_step_holds_up_no_other(tmp_path: Path) -> None:
    """What is due together fires together; when that fails each is tried by itself, and the others fire."""
    ladder = (Rung(action=Action.PING, share=0.5, who=("olu",)),)
    bad = Route(
        name="bad", match=Match(tool=Pattern(text="bad")), cards=(FINANCE,), approvers=("ann",),
        ladder=(replace(ladder[0], who=("broken",)),),
    )  # fmt: skip
    good = policy_of(*ladder)
    async with open_fake_clock_bot(
        tmp_path, _Breaks(people=PEOPLE, groups={}, routes=(bad, *good.routes))
    ) as work:
        work.ask("bad", window=90, tool="bad")
        for number in range(3):
            work.ask(f"r{number}", window=100)
        await work.run(60)

    late = {request_id: at - 50 for request_id, _, at in fired(work)}
    assert {"r0", "r1", "r2"} == set(late)
    assert max(late.values()) <= 2


async def test_nothing_ends_unescalated_and_unreported_after_sleeping_past_the_deadline(tmp_path: Path) -> None:
    """After a sleep past the deadline, Nod says that nobody answered, and who was asked."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=60)
        await work.run(1)
        await work.jump(3_600)
        await work.run(1)

        assert (Stage.CLOSED, Outcome.TIMEOUT_SKIP) == await stage_of(work, "r1")
        ends = [said.notice for said in work.chat.notices if said.notice.mark.endswith(".outcome")]
        (text,) = {"".join(str(part) for part in end.text) for end in ends}  # one thread for each card
        assert "Nobody answered by" in text


async def test_a_request_that_is_found_late_starts_at_the_highest_rung_that_is_due(tmp_path: Path) -> None:
    """The bot was away for most of the window: the card, and one message with all that was missed."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=100)
        await work.run(0)
        work.chat.trouble = Unavailable("the chat is away")
        await work.run(90)
        assert [] == work.chat.notices
        work.chat.trouble = None
        await work.run(5)

        assert 1 == len([mark for mark in heard(work, alone=False) if ".rung" in mark and "C0" not in mark][:1])
        per_card = Counter(mark.split(".")[0] for mark in heard(work, alone=False))
        assert set(per_card.values()) == {1}


async def test_a_widened_request_can_be_decided_by_those_it_was_widened_to(tmp_path: Path) -> None:
    """The people of a `widen` rung can decide from then on, and the card is in their channel."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=100)
        await work.run(50)
        before = await work.store.approvals.get("r1")
        await work.run(30)
        after = await work.store.approvals.get("r1")

        assert before is not None
        assert after is not None
        assert ((), ("cfo",)) == (before.widened, after.widened)
        where = {p.destination for p in await work.store.placements.of("r1") if p.ref}
        assert {FINANCE, BOARD} == where


async def test_a_claim_pauses_the_ladder_until_its_lease_ends(tmp_path: Path) -> None:
    """The person with the claim hears the last call alone, before the others hear anything."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=100)
        await work.run(30)
        await work.is_on("ann", seconds=20)

        await work.run(19)
        assert ["ann"] == [mark.split(".")[1] for mark in heard(work, alone=True)]
        assert [] == heard(work, alone=False)
        await work.run(2)
        assert 1 == len(heard(work, alone=False))
        await work.run(60)
        at = {rung: at for _, rung, at in fired(work)}
        assert {0, 1, 2, 3, 4, LAST_CALLS} == set(at)
        assert 50 <= at[0]  # its message alone would have waited, too


async def test_a_page_is_over_when_somebody_answered_elsewhere(tmp_path: Path) -> None:
    """People who were woken hear that it is resolved."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=100)
        await work.run(90)
        assert [None] == [alert.resolved for _, alert in work.pager.pages]
        await work.run(20)

        assert ["pay expired; nobody answered"] == [a.resolved for _, a in work.pager.pages if a.resolved]


async def test_a_deadline_that_moves_takes_the_rungs_along(tmp_path: Path) -> None:
    """The platform waits longer: all rungs are due later, and one that has fired comes again then."""
    async with open_fake_clock_bot(tmp_path, policy_of(*LADDER)) as work:
        work.ask("r1", window=100)
        await work.run(50)
        work.ask("r1", window=150)  # 200 s after the first sight
        await work.run(20)
        assert [0] == [rung for _, rung, _ in fired(work)]
        await work.run(80)

        assert [(0, 40), (0, 80), (1, 130), (2, 150)] == [(rung, round(at)) for _, rung, at in fired(work)]


async def test_a_card_says_how_much_time_is_left_at_a_few_moments(tmp_path: Path) -> None:
    """Not each second: it is drawn again at half, four fifths and nine tenths, and says what comes next."""
    async with open_fake_clock_bot(
        tmp_path, policy_of(Rung(action=Action.PING, share=0.6, who=("olu",)))
    ) as work:
        work.ask("r1", window=600)
        await work.run(590)
        ((first, *later),) = work.chat.cards.values()

        def says(card: Card) -> str:
            return " ".join("".join(map(str, line)) for line in card.status)

        assert "left" not in says(first[1])
        assert "Olu is pinged at" in says(first[1])
        half, ping, fifth, tenth = later
        assert [300, 360, 480, 540] == [(at - BEGIN).total_seconds() for at, _ in later]
        assert "Under 5 min left." in says(half[1])
        assert "Escalated" in says(ping[1])
        assert "Under 2 min left." in says(fifth[1])
        assert "Under 60 s left." in says(tenth[1])
        assert 1 == len(heard(work, alone=False))
