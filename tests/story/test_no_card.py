"""Requests without a card are one matter of their channel: one alert that counts them, and ends once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.alerts import CARD_REFUSED, NO_CARD
from bot.errors import Forbidden, NodError, Unavailable
from bot.matching import Match
from bot.policy import Person, Policy
from bot.records import Alert
from bot.routing import Route
from bot.surface import Destination, Surface
from tests.servers.fake_clock_bot import FakeClockBot, open_fake_clock_bot
from tests.story.test_reviewed import auditor

FINANCE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
ROOM = Destination(surface=Surface.TEAMS, channel="finance-room")
ROUTE = Route(name="default", match=Match(), cards=(FINANCE,), approvers=("ann",))
SMALL = Policy(
    people={"ann": Person(handle="ann", name="Ann", accounts={Surface.SLACK: "UANN"})},
    groups={},
    routes=(ROUTE,),
)
TOGETHER = 3


def told(work: FakeClockBot, cause: str) -> list[Alert]:
    """What the pager heard of this cause, in order."""
    return [alert for _, alert in work.pager.pages if alert.cause == cause]


@pytest.mark.parametrize(
    "trouble",
    [Forbidden("this card is refused"), pytest.param(Unavailable("the chat is away"), marks=pytest.mark.slow)],
)
async def test_an_outage_of_a_channel_is_one_alert_that_counts(tmp_path: Path, trouble: NodError) -> None:
    """However many requests have no card there, by whichever step it is found; and it ends once."""
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        work.chat.trouble = trouble
        for number in range(TOGETHER):
            work.ask(f"r{number}", window=100)
        await work.run(2)
        await work.jump(28)
        await auditor(work, []).round()
        await work.jump(11)
        await work.jump(1)

        (open_,) = await work.store.alerts.open_of(cause=NO_CARD)
        assert str(FINANCE) == open_.approval_id
        assert f"{TOGETHER} requests have no card in {FINANCE}" in open_.text
        assert 3 >= len(told(work, NO_CARD))

        work.chat.trouble = None
        for _ in range(6):
            await work.jump(5)
        assert () == await work.store.alerts.open_of(cause=NO_CARD)
        assert 1 == len([alert for alert in told(work, NO_CARD) if alert.resolved])


async def test_what_one_channel_refuses_while_another_shows_it_is_one_alert_too(tmp_path: Path) -> None:
    """People see each request in the other chat, so it is another cause; it counts as well."""
    async with open_fake_clock_bot(
        tmp_path, replace(SMALL, routes=(replace(ROUTE, cards=(FINANCE, ROOM)),))
    ) as work:
        work.chat.trouble = Forbidden("this card is refused")
        for number in range(TOGETHER):
            work.ask(f"r{number}", window=300)
        await work.run(2)
        for _ in range(3):
            await work.jump(11)

        (open_,) = await work.store.alerts.open_of()
        assert (CARD_REFUSED, str(FINANCE)) == (open_.cause, open_.approval_id)
        assert f"{TOGETHER} requests have no card in {FINANCE} (this card is refused)" in open_.text
        work.chat.trouble = None
        for _ in range(6):
            await work.jump(10)
        assert () == await work.store.alerts.open_of()
        assert 1 == len([alert for alert in told(work, CARD_REFUSED) if alert.resolved])


async def test_the_next_process_ends_the_alert_of_the_one_before(tmp_path: Path) -> None:
    """Also one about a single request, as an earlier release raised it."""
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        for about in ("r1", str(FINANCE)):
            await work.store.alerts.raise_(
                Alert(approval_id=about, cause=NO_CARD, text="unseen", raised_at=work.clock())
            )
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        await work.run(1)
        assert () == await work.store.alerts.open_of()
