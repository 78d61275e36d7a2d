"""An alert ends when its cause ends: the people who were paged hear of it, whatever fixed it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.alerts import BLIND, CARD_REFUSED, NO_CARD, UNDELIVERED, UNREADABLE
from bot.approval import Outcome
from bot.card import Card, QueueCard
from bot.errors import Forbidden, Unanswered, Unavailable
from bot.flow.polls import BLIND_AFTER
from bot.ladder import Rung
from bot.matching import Match
from bot.policy import Person, Policy
from bot.protocol import HITLDecision
from bot.records import Alert, Step
from bot.routing import Route
from bot.surface import Destination, Surface
from tests.servers.fake_clock_bot import FakeClockBot, open_fake_clock_bot, outside_at
from tests.servers.system import ALERTS, POLICY, open_system, said, until

FINANCE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
ROOM = Destination(surface=Surface.TEAMS, channel="finance-room")
ROUTE = Route(
    name="default", match=Match(), cards=(FINANCE,), approvers=("ann",), ladder=(Rung(share=0.5, who=("ann",)),)
)
SMALL = Policy(
    people={"ann": Person(handle="ann", name="Ann", accounts={Surface.SLACK: "UANN"})},
    groups={},
    routes=(ROUTE,),
)


async def open_alerts(work: FakeClockBot) -> list[str]:
    """The causes of what is not mended."""
    return [alert.cause for alert in await work.store.alerts.open_of()]


async def test_a_request_that_nobody_saw_ends_its_alert_when_it_is_over(tmp_path: Path) -> None:
    """Its card never came up: the alert ends with the request, and another says that it expired unseen."""
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        work.chat.trouble = Forbidden("this card is refused")
        work.ask("r1", window=60)
        await work.run(30)
        assert [NO_CARD] == await open_alerts(work)

        await work.run(40)
        assert ["expired-unseen"] == await open_alerts(work)


async def test_a_request_that_comes_to_stand_on_a_digest_ends_its_alert(tmp_path: Path) -> None:
    """A digest is a place where it can be seen."""
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        for number in range(3):
            work.ask(f"r{number}", window=10)
        work.wake_ups.add(Step.INGEST)
        await work.rounds[Step.INGEST]()
        for number in range(3):
            about = Alert(approval_id=f"r{number}", cause=NO_CARD, text="unseen", raised_at=work.clock())
            await work.store.alerts.raise_(about)
        await work.rounds[Step.BATCH]()

        await work.run(1)

        assert [] == await open_alerts(work)
        assert 1 == len(work.chat.digests)


async def test_a_refused_card_that_is_found_after_all_ends_its_alert(tmp_path: Path) -> None:
    """The answer to its post was lost, then the chat refused to be searched; it was there all the time."""
    policy = replace(SMALL, routes=(replace(ROUTE, cards=(FINANCE, ROOM)),))
    async with open_fake_clock_bot(tmp_path, policy) as work:
        post = work.chat.post

        async def lost(card: Card | QueueCard, channel: str) -> str:
            await post(card, channel)
            raise Unanswered("no answer came")

        work.chat.post = lost  # type: ignore[method-assign]
        work.ask("r1", window=600)
        await work.run(1)
        work.chat.trouble = Forbidden("missing_scope")
        await work.run(5)
        assert [CARD_REFUSED] == await open_alerts(work)

        work.chat.trouble = None
        await work.run(20)
        assert [] == await open_alerts(work)
        assert 1 == len(work.chat.cards)


async def test_what_was_too_late_is_not_left_as_being_tried(tmp_path: Path) -> None:
    """After `undeliverable` nobody needs to wait for `undelivered` to come right."""
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        work.ask("r1", window=20)
        await work.run(1)
        work.platform.decide_trouble = [Unavailable("down")] * 50
        await work.votes("ann", verdict=HITLDecision.REJECTED)
        await work.run(15)
        assert [UNDELIVERED] == await open_alerts(work)

        await work.run(10)
        ended = await work.store.approvals.get("r1")
        assert ended is not None
        assert ended.outcome is Outcome.UNDELIVERABLE
        assert ["undeliverable"] == await open_alerts(work)


async def test_the_next_process_ends_the_alert_about_a_platform_that_it_can_read(tmp_path: Path) -> None:
    """The process that raised it is gone; the first good poll of the next one mends it."""
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        work.platform.poll_trouble = [Unavailable("down")] * 2
        await work.rounds[Step.INGEST]()
        work.clock.now += BLIND_AFTER + timedelta(seconds=1)
        await work.rounds[Step.INGEST]()
        assert [BLIND] == await open_alerts(work)
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        await work.rounds[Step.INGEST]()
        assert [] == await open_alerts(work)


async def test_a_request_that_cannot_be_read_is_told_until_the_list_is_well(tmp_path: Path) -> None:
    """Once for all of them, whatever process sees it first; the others go on."""
    why = "item 1 has no usable agent_id (string_type)"
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        work.platform.set_aside = [why]
        work.ask("r1", window=600)
        for _ in range(3):
            work.wake_ups.add(Step.INGEST)
            await work.run(2)
        ((_, alert),) = work.pager.pages
        assert (UNREADABLE, "platform") == (alert.cause, alert.approval_id)
        assert f"1 item of the platform's pending list cannot be read ({why})" in alert.text
        assert 1 == len(work.chat.cards)
    async with open_fake_clock_bot(tmp_path, SMALL) as work:
        await work.rounds[Step.INGEST]()
        assert [] == await open_alerts(work)
        work.platform.set_aside = [why, "item 2 has no usable tool (value_error)"]
        await work.rounds[Step.INGEST]()
        (again,) = await work.store.alerts.open_of()
        assert "2 items" in again.text


async def test_what_cannot_be_read_is_logged_once_for_each_change(tmp_path: Path) -> None:
    """Not at every poll; its position in the list is no change."""
    rig = outside_at()
    async with open_fake_clock_bot(tmp_path, SMALL, outside=rig) as work:
        for position in (1, 2, 3):
            work.platform.set_aside = [f"item {position} has no usable agent_id (string_type)"]
            await work.rounds[Step.INGEST]()
        assert 1 == rig.counts["request_set_aside"]
        work.platform.set_aside *= 2
        await work.rounds[Step.INGEST]()
        assert 3 == rig.counts["request_set_aside"]


async def test_a_policy_file_that_is_put_back_ends_its_alert(tmp_path: Path) -> None:
    """The same text as before is valid again, although nothing new comes into force."""
    async with open_system(tmp_path) as system:
        file = system.folder / "nod.yaml"
        file.write_text(POLICY + "routs: []\n")
        await until(lambda: any("has a mistake" in one for one in system.alerts()), within=8, what="the alert")
        file.write_text(POLICY)
        await until(lambda: "valid again" in said(system.sandbox.workspace.messages(ALERTS)[0]), within=8)

        assert 1 == len(system.alerts())
