"""Decisions that the platform refuses: an operator hears once, and nothing is hammered."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.alerts import UNDELIVERABLE, UNDELIVERED
from bot.approval import Outcome, Stage
from bot.errors import Forbidden, NodError, ShutOut, Unavailable
from bot.protocol import HITLDecision
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot
from tests.story.test_ladder import policy_of, stage_of

NAMES = [f"r{number}" for number in range(8)]


class Refusing(list[NodError]):
    """Trouble without end, with the moment of each POST."""

    def __init__(self, work: FakeClockBot, error: NodError) -> None:
        super().__init__([error])
        self._work, self._error, self.posts = work, error, list[float]()

    def pop(self, _: object = 0) -> NodError:  # type: ignore[override]  # what FakePlatform calls
        self.posts.append((self._work.clock() - BEGIN).total_seconds())
        return self._error


async def decided(work: FakeClockBot, names: list[str], *, window: float = 120) -> None:
    """People rejected all of these."""
    for name in names:
        work.ask(name, window=window)
    await work.run(1)
    for name in names:
        await work.votes("ann", name, verdict=HITLDecision.REJECTED)


def paged(work: FakeClockBot) -> list[tuple[str, str, bool]]:
    """What pagers were told: about what, why, and whether it was that it came right."""
    return [(alert.approval_id, alert.cause, bool(alert.resolved)) for _, alert in work.pager.pages]


async def test_a_wrong_key_is_one_alert_and_one_probe_at_a_time(tmp_path: Path) -> None:
    """401 for eight decisions: one page that says how many wait; mended, all go out at once."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.platform.decide_trouble = refusing = Refusing(work, ShutOut("the platform answered 401"))
        await decided(work, NAMES, window=600)
        await work.run(60)

        assert len(refusing.posts) <= len(NAMES) + 4
        assert len([at for at in refusing.posts if at > 5]) <= 4
        assert [("platform", UNDELIVERED, False)] == paged(work)
        assert "8 decisions" in work.pager.pages[0][1].text
        assert {Stage.DECIDED} == {(await stage_of(work, name))[0] for name in NAMES}
        assert all("401" in str(versions[-1][1].status) for versions in work.chat.cards.values())

        work.platform.decide_trouble = []
        await work.run(18)
        assert sorted(NAMES) == sorted(name for name, _ in work.platform.decided)
        assert [("platform", UNDELIVERED, False), ("platform", UNDELIVERED, True)] == paged(work)


async def test_each_has_a_last_try_before_its_end(tmp_path: Path) -> None:
    """Refused to the end: a probe each 15 s, one last try each, and every lost answer is owned up to."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.platform.decide_trouble = refusing = Refusing(work, ShutOut("the platform answered 403"))
        await decided(work, NAMES[:2], window=100)
        await work.run(120)
        assert 2 == len([at for at in refusing.posts if 98 <= at < 100])
        assert {(Stage.CLOSED, Outcome.UNDELIVERABLE)} == {await stage_of(work, name) for name in NAMES[:2]}
        (lost,) = await work.store.alerts.open_of(cause=UNDELIVERABLE)
        assert lost.text.startswith("2 decisions were not delivered before their deadlines (")
        assert lost.text == work.pager.pages[-1][1].text


async def test_lost_decisions_are_one_alert_with_a_count(tmp_path: Path) -> None:
    """An outage in which four deadlines pass; it is resolved once, when the platform takes a decision again."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.platform.decide_trouble = Refusing(work, Unavailable("the platform answered 503"))
        for number, name in enumerate(NAMES[:4]):
            await decided(work, [name], window=20 + 15 * number)
        await work.run(90)
        (lost,) = await work.store.alerts.open_of(cause=UNDELIVERABLE)
        assert lost.text.startswith("4 decisions")
        assert all("Not delivered" in versions[-1][1].title for versions in work.chat.cards.values())

        work.platform.decide_trouble = []
        await decided(work, ["after"], window=60)
        await work.run(10)
        pages = [alert for _, alert in work.pager.pages if alert.cause == UNDELIVERABLE]
        assert {"platform"} == {alert.approval_id for alert in pages}
        assert "Not delivered: the decision on pay." in pages[0].text
        assert [None] * (len(pages) - 1) == [alert.resolved for alert in pages[:-1]]
        assert "the platform accepts decisions again; 4 decisions were lost" == pages[-1].resolved
        assert () == await work.store.alerts.open_of()


async def test_a_call_that_is_refused_for_itself_is_tried_four_times(tmp_path: Path) -> None:
    """422: three tries, and a last one before the end."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.platform.decide_trouble = refusing = Refusing(work, Forbidden("the platform answered 422"))
        await decided(work, ["r1"], window=100)
        await work.run(120)
        assert [1, 2, 4, 98] == [int(at) for at in refusing.posts]
        assert (Stage.CLOSED, Outcome.UNDELIVERABLE) == await stage_of(work, "r1")


@pytest.mark.parametrize("number", [1, 8])
async def test_an_outage_is_one_alert(tmp_path: Path, number: int) -> None:
    """Whether one waits or eight; it names the one, or counts them, and is resolved once."""
    async with open_fake_clock_bot(tmp_path, policy_of()) as work:
        work.platform.decide_trouble = Refusing(work, Unavailable("the platform answered 503"))
        await decided(work, NAMES[:number])
        await work.run(30)
        about = "r0" if number == 1 else "platform"
        assert [(about, UNDELIVERED, False)] == paged(work)
        work.platform.decide_trouble = []
        await work.run(30)
        assert [(about, UNDELIVERED, False), (about, UNDELIVERED, True)] == paged(work)
