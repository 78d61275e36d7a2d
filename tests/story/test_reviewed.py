"""What a hostile reader found in escalation, the auditor and the counting of votes: each as a story."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.alerts import CHANNEL_DEAD
from bot.approval import Stage
from bot.card import Button
from bot.desk import Click
from bot.errors import Forbidden, Refused
from bot.flow import Liveness
from bot.flow.desk import FrontDesk
from bot.flow.escalate import MOST_ALONE
from bot.flow.notify import CROWD
from bot.flow.self_check import SelfCheck
from bot.ladder import Action, Rung
from bot.matching import Match, Pattern
from bot.policy import Person, Policy, eligibility_of
from bot.ports import NO_METRICS
from bot.records import Step
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Destination, Surface
from tests.servers.fake_clock_bot import FakeClockBot, open_fake_clock_bot

FINANCE, BOARD = (Destination(surface=Surface.SLACK, channel=name) for name in ("C0FINANCE", "C0BOARD"))
PEOPLE = {
    name: Person(handle=name, name=name.title(), accounts={Surface.SLACK: f"U{name}"})
    for name in ("ann", "bob", "olu", "cfo")
}
PING = Rung(action=Action.PING, share=0.5, who=("olu",))


def policy_of(*ladder: Rung, quorum: int = 1, flood: int = 1_000) -> Policy:
    route = Route(
        name="default", match=Match(), cards=(FINANCE,), approvers=("ann", "bob"), quorum=quorum, ladder=ladder
    )
    return Policy(people=PEOPLE, groups={}, routes=(route,), flood=flood)


def texts(work: FakeClockBot) -> list[str]:
    return ["".join(str(part) for part in said.notice.text) for said in work.chat.notices]


def without_account(policy: Policy, handle: str) -> Policy:
    """As the roster leaves a person who was deactivated, or could not be looked up for a minute."""
    return replace(policy, people={**policy.people, handle: replace(policy.people[handle], accounts={})})


def auditor(work: FakeClockBot, liveness: list[float], *, blind: str | None = None) -> SelfCheck:
    async def all_well() -> None:
        liveness.append(work.clock().timestamp())

    return SelfCheck(
        store=work.store, alerts=work.store.alerts, chats={Surface.SLACK: work.chat},
        policy=lambda: work.policy, liveness=Liveness(), late_tick=lambda: None, blind=lambda: blind,
        all_well=all_well, clock=work.clock, metrics=NO_METRICS,
    )  # fmt: skip


async def looked(work: FakeClockBot, self_check: SelfCheck) -> None:
    """Ten seconds, and a look of the auditor."""
    await work.run(10)
    await self_check.round()
    work.wake_ups.update(Step)
    await work.settle()


async def test_a_vote_of_somebody_who_was_deactivated_since_makes_no_quorum(tmp_path: Path) -> None:
    """All that are counted may decide when the last one votes; and who counts again brings it to its end."""
    async with open_fake_clock_bot(tmp_path, policy_of(quorum=2)) as work:
        whole = work.policy
        work.ask("r1", window=3_600)
        await work.run(10)
        ((ref, shown),) = work.chat.cards.items()
        desk = FrontDesk(
            store=work.store, policy=lambda: work.policy, seal=Seal("0123456789abcdef0123456789abcdef"),
            clock=work.clock, metrics=NO_METRICS,
        )  # fmt: skip

        def click(account: str) -> Click:
            value = shown[0][1].buttons[Button.APPROVE]
            return Click(
                surface=Surface.SLACK, account=account, home=True, value=value, verb=Button.APPROVE,
                channel="C0FINANCE", ref=ref, form=True,
            )  # fmt: skip

        await desk.press(click("Uann"))
        work.policy = without_account(whole, "ann")
        await desk.press(click("Ubob"))
        open_still = await work.store.approvals.get("r1")
        assert open_still is not None
        assert Stage.OPEN is open_still.stage

        work.policy = whole
        await desk.press(click("Ubob"))
        decided = await work.store.approvals.get("r1")
        assert decided is not None
        assert decided.decision is not None


async def test_a_rung_that_was_taken_out_of_the_file_lets_nobody_in_any_more(tmp_path: Path) -> None:
    """Closing a hole in nod.yaml closes it for open requests, too."""
    async with open_fake_clock_bot(
        tmp_path, policy_of(Rung(action=Action.WIDEN, share=0.3, who=("cfo",)))
    ) as work:
        work.ask("r1", window=3_600)
        await work.run(1_800)
        approval = await work.store.approvals.get("r1")
        assert approval is not None
        where = {"surface": Surface.SLACK, "account": "Ucfo", "home": True, "now": work.clock()}
        assert "cfo" == eligibility_of(work.policy, approval, **where).person.handle

        with pytest.raises(Refused, match="Only Ann or Bob can decide"):
            eligibility_of(policy_of(PING), approval, **where)


async def test_a_surface_that_refuses_for_a_moment_gets_the_ping_later(tmp_path: Path) -> None:
    """The bot is out of the channel for seven seconds, just when a rung is due, in a window of three days."""
    async with open_fake_clock_bot(tmp_path, policy_of(PING)) as work:
        work.ask("r1", window=3 * 86_400)
        await work.run(1.5 * 86_400 - 5)
        work.chat.trouble = Forbidden("not_in_channel")
        await work.run(7)
        work.chat.trouble = None
        await work.run(600)

        assert ["C0FINANCE", "DUolu"] == sorted(said.channel for said in work.chat.notices)


async def test_somebody_who_cannot_be_found_just_now_is_told_when_she_is(tmp_path: Path) -> None:
    """Their account is not known at the moment of the rung: the message waits, and is not lost."""
    async with open_fake_clock_bot(tmp_path, policy_of(PING)) as work:
        whole = work.policy
        work.ask("r1", window=3_600)
        work.policy = without_account(whole, "olu")
        await work.run(1_900)
        assert ["C0FINANCE"] == [said.channel for said in work.chat.notices]

        work.policy = whole
        await work.run(400)
        assert ["C0FINANCE", "DUolu"] == [said.channel for said in work.chat.notices]


async def test_what_stood_on_a_digest_is_reported_when_it_ends(tmp_path: Path) -> None:
    """In one message, with how many nobody answered and who was asked."""
    async with open_fake_clock_bot(tmp_path, policy_of(flood=2)) as work:
        for number in range(10):
            work.ask(f"r{number}", window=600)
        work.wake_ups.add(Step.INGEST)
        await work.rounds[Step.INGEST]()
        await work.rounds[Step.BATCH]()
        await work.run(700)

        ends = [text for text in texts(work) if "ended" in text or "Nobody answered" in text]
        told = sum(int(text.split()[0]) if "ended" in text else 1 for text in ends)
        assert 10 == told
        assert len(ends) <= 3


#: A ladder that calls nobody below the card. Where there is one, the end is posted there, too.
PAGE = Rung(action=Action.PAGE, share=0.5, who=())


async def test_many_endings_in_one_channel_are_one_message_and_pings_go_first(tmp_path: Path) -> None:
    """Forty cards end at once: the channel hears it in one message, not in forty threads."""
    async with open_fake_clock_bot(tmp_path, policy_of(PAGE)) as work:
        work.chat.interval = timedelta(0)
        for number in range(40):
            work.ask(f"r{number}", window=60)
        await work.run(70)

        step, end = texts(work)
        assert step.startswith("40 requests are waiting.")
        assert "40 requests ended: 40 expired." == end
        assert [None, None] == [said.thread for said in work.chat.notices]


async def test_a_few_endings_stay_in_their_threads(tmp_path: Path) -> None:
    """Up to a handful each thread hears its own."""
    async with open_fake_clock_bot(tmp_path, policy_of(PAGE)) as work:
        work.chat.interval = timedelta(0)
        for number in range(CROWD):
            work.ask(f"r{number}", window=60)
        await work.run(70)

        assert CROWD == len({said.thread for said in work.chat.notices} - {None})


async def test_a_large_group_is_not_written_to_one_by_one(tmp_path: Path) -> None:
    """A thousand people are mentioned in the thread; direct messages go to the first few."""
    crowd = {
        f"p{n}": Person(handle=f"p{n}", name=f"P{n}", accounts={Surface.SLACK: f"UP{n}"}) for n in range(200)
    }
    rung = Rung(action=Action.PING, share=0.5, who=("all",))
    policy = replace(policy_of(rung), people={**PEOPLE, **crowd}, groups={"all": tuple(crowd)})
    async with open_fake_clock_bot(tmp_path, policy) as work:
        work.ask("r1", window=100)
        await work.run(60)

        assert MOST_ALONE == len([said for said in work.chat.notices if said.thread is None])


async def test_a_page_for_what_was_answered_meanwhile_is_not_raised(tmp_path: Path) -> None:
    """The rung was read as due before a person answered, and its turn came after."""
    async with open_fake_clock_bot(tmp_path, policy_of(Rung(action=Action.PAGE, share=0.5))) as work:
        work.ask("r1", window=100)
        await work.run(10)
        work.gone("r1")
        await work.store.approvals.miss(["r1"], began_at=work.clock())
        await work.store.approvals.miss(["r1"], began_at=work.clock())
        work.clock.now += timedelta(seconds=41)
        work.wake_ups.update({Step.RECONCILE, Step.ESCALATE})
        await work.settle()
        await work.run(5)

        assert () == await work.store.alerts.open_of(approval_id="r1")


async def test_cards_in_a_channel_that_a_rung_added_are_not_late_by_birth(tmp_path: Path) -> None:
    """Half of the window is gone when four requests widen; the idle channel has room for their cards."""
    rung = Rung(action=Action.WIDEN, share=0.5, who=("cfo",), cards=(BOARD,))
    async with open_fake_clock_bot(tmp_path, policy_of(rung)) as work:
        for number in range(4):
            work.ask(f"r{number}", window=3_600)
        await work.run(1_900)

        standing = [p for n in range(4) for p in await work.store.placements.of(f"r{n}") if p.ref]
        assert 8 == len(standing)
        assert {} == work.chat.digests


async def test_the_auditor_calls_nothing_well_that_it_did_not_look_at(tmp_path: Path) -> None:
    """One of thirty channels is archived all the time: one alert, until the channel leaves the file."""
    places = [Destination(surface=Surface.SLACK, channel=f"C{n:02}") for n in range(30)]
    routes = tuple(
        Route(name=f"r{n}", match=Match(tool=Pattern(text=f"t{n}")), cards=(places[n],), approvers=("ann",))
        for n in range(30)
    )
    policy = replace(policy_of(), routes=(*routes, *policy_of().routes))
    liveness: list[float] = []
    async with open_fake_clock_bot(tmp_path, policy) as work:
        self_check = auditor(work, liveness)
        work.chat.troubled = {"C29": "is archived"}
        for _ in range(12):
            await looked(work, self_check)
        pages = [(alert.cause, alert.resolved) for _, alert in work.pager.pages]
        assert [(CHANNEL_DEAD, None)] == pages
        heard = len(liveness)

        work.policy = policy_of()
        await looked(work, self_check)
        await looked(work, self_check)
        assert 2 == len(work.pager.pages)
        assert len(liveness) > heard


async def test_the_heart_stands_still_while_the_platform_cannot_be_read(tmp_path: Path) -> None:
    """Nothing in the store is wrong, and yet nobody is asked any more."""
    liveness: list[float] = []
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        await looked(work, auditor(work, liveness))
        await looked(work, auditor(work, liveness, blind="no good poll of the platform"))

    assert 1 == len(liveness)


async def test_the_heart_stands_still_while_nobody_takes_a_page(tmp_path: Path) -> None:
    """An alert is open and every pager refuses: the dead man's switch outside is what is left."""
    liveness: list[float] = []
    async with open_fake_clock_bot(tmp_path, policy_of(Rung(action=Action.PAGE, share=0.1))) as work:
        work.pager.trouble = Forbidden("the key is revoked")
        work.ask("r1", window=3_600)
        await work.run(370)
        self_check = auditor(work, liveness)
        await looked(work, self_check)
        assert 1 == len(liveness)
        for _ in range(15):
            await looked(work, self_check)
        before = len(liveness)
        await looked(work, self_check)
        assert before == len(liveness)

        work.pager.trouble = None
        await work.run(70)
        await looked(work, self_check)
        assert before + 1 == len(liveness)
