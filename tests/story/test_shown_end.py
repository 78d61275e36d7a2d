"""How it ended is said below a card only where the card does not tell everybody who was asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.approval import Stage
from bot.card import Card, Notification, QueueCard
from bot.errors import Forbidden, Gone, NodError, NotYet, Unanswered, Unavailable
from bot.flow.notify import SHOWN_WITHIN
from bot.ladder import Action, Rung
from bot.matching import Match
from bot.policy import Person, Policy
from bot.protocol import HITLDecision
from bot.routing import Route
from bot.surface import Destination, Surface
from tests.contract.values import found
from tests.servers.fake_clock_bot import FakeClockBot, Outside, PaperChat, open_fake_clock_bot, outside_at

FINANCE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
PEOPLE = {
    name: Person(handle=name, name=name.title(), accounts={Surface.SLACK: f"U{name}"})
    for name in ("ann", "olu")
}
PING = Rung(action=Action.PING, share=0.4, who=("olu",))
REMIND = Rung(action=Action.REMIND, share=0.4)


def policy_of(*ladder: Rung) -> Policy:
    """Ann is asked, in one channel."""
    route = Route(name="default", match=Match(), cards=(FINANCE,), approvers=("ann",), ladder=ladder)
    return Policy(people=PEOPLE, groups={}, routes=(route,))


@dataclass
class StaleChat(PaperChat):
    """A chat that changes no message."""

    refuses: NodError | None = None
    pings: NodError | None = None  #: what becomes of a change of a ping

    async def update(self, card: Card | QueueCard, channel: str, ref: str) -> None:
        if self.refuses:
            raise self.refuses
        await super().update(card, channel, ref)

    async def amend(self, notice: Notification, channel: str, ref: str) -> None:
        if self.pings:
            raise self.pings
        await super().amend(notice, channel, ref)


def outside(refuses: NodError | None = None) -> Outside:
    """A world with such a chat."""
    rig = outside_at()
    rig.chat = StaleChat(rig.clock, refuses=refuses)
    return rig


def amended(work: FakeClockBot) -> list[str]:
    """What the messages say now that were changed."""
    return ["".join(str(part) for part in notice.text) for notice in work.chat.amended.values()]


async def ended(work: FakeClockBot) -> list[str]:
    """The messages about the end, once nothing is left to deliver."""
    assert (await found(work.store, "r1")).stage is Stage.CLOSED
    return [said.notice.mark for said in work.chat.notices if said.notice.mark.endswith(".outcome")]


async def test_an_answer_that_the_card_shows_is_not_said_once_more(tmp_path: Path) -> None:
    """Everybody who was asked was asked by this card."""
    async with open_fake_clock_bot(tmp_path, policy_of(REMIND)) as work:
        work.ask("r1", window=100)
        await work.run(5)
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(5)
        assert [] == await ended(work)


async def test_a_deadline_that_the_card_shows_is_not_said_once_more(tmp_path: Path) -> None:
    """The card names who was asked; nobody was to be called by more than it."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=20)
        await work.run(25)
        assert [] == await ended(work)


async def test_the_message_that_called_people_says_how_it_ended(tmp_path: Path) -> None:
    """They read it where they were called, so no further message is needed."""
    async with open_fake_clock_bot(tmp_path, policy_of(PING)) as work:
        work.ask("r1", window=100)
        await work.run(45)
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(5)
        assert [] == await ended(work)
        assert 2 == len(work.chat.notices)
        assert ["❌ Rejected: pay, by Ann"] * 2 == amended(work)


async def test_a_thread_says_once_that_it_expired(tmp_path: Path) -> None:
    """The message that calls people there says it; the pings before it say that they are out of date."""
    later = Rung(action=Action.REMIND, share=0.6)
    async with open_fake_clock_bot(tmp_path, policy_of(PING, later)) as work:
        work.ask("r1", window=100)
        await work.run(110)
        assert 1 == len(await ended(work))
        direct, *thread = sorted(amended(work), key=lambda said: not said.startswith("Expired"))
        assert direct.startswith("Expired: pay.")
        assert ["No longer pending."] * 2 == thread


@pytest.mark.parametrize("trouble", [Unavailable("busy", retry_after=1), Unanswered("lost"), NotYet("later")])
async def test_a_ping_that_the_chat_cannot_change_yet_is_changed_later(
    trouble: NodError, tmp_path: Path
) -> None:
    """Rate limits and lost answers cost lateness; the card and the answer wait for none of it."""
    rig = outside()
    async with open_fake_clock_bot(tmp_path, policy_of(PING), outside=rig) as work:
        work.ask("r1", window=100)
        await work.run(45)
        rig.chat.pings = trouble
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(10)
        assert Stage.CLOSED is (await found(work.store, "r1")).stage
        assert [] == amended(work)
        rig.chat.pings = None
    async with open_fake_clock_bot(tmp_path, policy_of(PING), outside=rig) as work:  # and another process
        await work.run(20)
        assert 2 == len(amended(work))


@pytest.mark.parametrize("refusal", [Forbidden("no changes here"), Gone("somebody deleted it")])
async def test_a_ping_that_is_gone_is_left_alone(refusal: NodError, tmp_path: Path) -> None:
    """Nobody can read it, so there is nothing to put right, and it is tried once."""
    rig = outside()
    async with open_fake_clock_bot(tmp_path, policy_of(PING), outside=rig) as work:
        work.ask("r1", window=100)
        await work.run(45)
        rig.chat.pings = refusal
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(30)
        assert () == await work.store.outbox.outdated(Surface.SLACK, most=10)
        assert [] == amended(work)


@pytest.mark.parametrize("refusal", [Forbidden("no changes here"), Gone("it cannot be changed")])
async def test_a_card_that_cannot_show_it_is_told_below(refusal: NodError, tmp_path: Path) -> None:
    """It goes on asking, so people have to hear it in another way."""
    async with open_fake_clock_bot(tmp_path, policy_of(), outside=outside(refusal)) as work:
        work.ask("r1", window=20)
        await work.run(25 + SHOWN_WITHIN.total_seconds())
        assert 1 == len(await ended(work))


async def test_an_answer_that_did_not_get_through_is_told_below(tmp_path: Path) -> None:
    """The card said that it was on its way; the person who pressed does not look there again."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.ask("r1", window=20)
        await work.run(5)
        work.platform.decide_trouble = [Forbidden("no")] * 100
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(20)
        assert 1 == len(await ended(work))
