"""Clicks and decisions go before the redraw of cards, on a real store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.store.open import SqlStore
from bot.card import Button, Card
from bot.desk import Click
from bot.flow import HELD_FOR, Foreground, WorkerPool
from bot.flow.chat_step import StepDeps
from bot.flow.desk import FrontDesk
from bot.flow.show import SOON, Show
from bot.matching import Match
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLRequest, HITLResponse
from bot.records import NewApproval, Step
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Surface
from tests.contract.test_deliver import Rig
from tests.contract.values import FINANCE, NOW, a_placement, after, an_approval

POLICY = Policy(
    people={}, groups={}, routes=(Route(name="payments", match=Match(), cards=(FINANCE,), approvers=()),)
)


class Updates:
    """A chat that keeps which messages were redrawn."""

    interval = timedelta(0)

    def __init__(self) -> None:
        self.refs: list[str] = []

    async def update(self, card: Card, channel: str, ref: str) -> None:
        self.refs.append(ref)


async def test_a_redraw_waits_for_a_click_but_not_longer_than_it_may(store: SqlStore) -> None:
    """Three rounds over one card that is out of date: beside a click, beside it later, and after it."""
    seconds, chat = [0.0], Updates()
    foreground = Foreground(seconds=lambda: seconds[0])
    await store.approvals.insert(
        [NewApproval(approval=an_approval(deadline=after(600)), placements=[a_placement()])]
    )
    await store.placements.shown("c1", ref="1.1", revision=0)

    async def round_(now: float) -> object:
        async with asyncio.TaskGroup() as tasks:
            pool = WorkerPool(Step.SHOW, size=1, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)
            deps = StepDeps(
                store=store, chats={Surface.SLACK: chat}, policy=lambda: POLICY,  # type: ignore[dict-item]
                clock=lambda: after(now), metrics=NO_METRICS, pool=pool,
            )  # fmt: skip
            return await Show(deps, seal=Seal("s" * 32), foreground=foreground).round()

    with foreground.work():
        assert after(1) + SOON == await round_(1)
        assert [] == chat.refs
        seconds[0] += HELD_FOR
        await round_(2)
        assert ["1.1"] == chat.refs


class Asked(Exception):
    """The store was asked; how far a click comes after that is not looked at here."""


async def test_a_click_goes_first_until_it_is_answered() -> None:
    foreground = Foreground()
    seen: list[bool] = []

    class Placements:
        async def pressed(self, _: str) -> None:
            seen.append(foreground.take_turn())
            raise Asked

    class Nothing:
        placements = Placements()

    seal = Seal("s" * 32)
    desk = FrontDesk(
        store=Nothing(), policy=lambda: POLICY, seal=seal, clock=lambda: NOW, metrics=NO_METRICS,  # type: ignore[arg-type]
        foreground=foreground,
    )  # fmt: skip
    with pytest.raises(Asked):
        await desk.press(a_click(seal))

    assert [False] == seen
    assert foreground.take_turn()


def a_click(seal: Seal) -> Click:
    """A press of Approve with a good seal."""
    value = seal.value(card_id="c1", verb=Button.APPROVE.value, digest="d")
    return Click(
        surface=Surface.SLACK, account="U1", home=True, value=value, channel="C1", ref="1.1",
        verb=Button.APPROVE,
    )  # fmt: skip


async def test_a_decision_goes_first_until_the_platform_has_it(store: SqlStore) -> None:
    rig, foreground = Rig(store), Foreground()
    seen: dict[str, bool] = {}
    await rig.decided(deadline=after(60.5))
    decide, word_on = rig.platform.decide, rig.platform.word_on

    async def watched(request: HITLRequest, response: HITLResponse) -> None:
        seen["decide"] = foreground.take_turn()
        await decide(request, response)

    async def asked(request_id: str) -> str | None:
        seen["word_on"] = foreground.take_turn()
        return await word_on(request_id)

    rig.platform.decide, rig.platform.word_on = watched, asked  # type: ignore[method-assign]
    await rig.round(foreground)

    assert {"decide": False, "word_on": True} == seen
