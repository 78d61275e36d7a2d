"""What Slack will not or cannot tell of one person takes nobody else out, and keeps nobody in for long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.chat.errors import AppRefused
from adapters.directory_cache import LONGEST_AGE, DirectoryCache
from adapters.slack.errors import APP_REFUSED
from bot.errors import Unavailable
from bot.policy import Person, Policy
from bot.ports import NO_METRICS, GroupRef
from bot.surface import Surface
from tests.contract.slack_rig import Rig, open_rig

#: Asked about by users.info and by users.lookupByEmail, so that a fault can hit one of the two.
ANN = Person(handle="ann", name="ann", accounts={Surface.SLACK: "U0ANN"})
BOB = Person(handle="bob", name="bob", email="bob@acme.example")
INFO = "/api/users.info"


def no(code: str) -> dict[str, Any]:
    """HTTP 200 with Slack's way to say no."""
    return {"status": 200, "body": {"ok": False, "error": code}}


async def accounts(rig: Rig) -> dict[str, Mapping[Surface, str]]:
    """Who of the two is in the answer, with which accounts."""
    return {one.handle: one.accounts for one in await rig.slack.directory.resolve([ANN, BOB])}


@pytest.mark.parametrize("code", ["user_not_visible", "user_not_found", "access_denied", "code_of_tomorrow"])
async def test_a_refusal_about_one_is_hers_alone(code: str) -> None:
    """Ann has no account, and Bob keeps his."""
    async with open_rig() as rig:
        rig.faults.add(path=INFO, **no(code))
        assert {"ann": {}, "bob": {Surface.SLACK: "U0BOB"}} == await accounts(rig)


@pytest.mark.parametrize("fault", [*map(no, sorted(APP_REFUSED)), {"status": 403, "body": "<html>"}], ids=repr)
async def test_a_refusal_of_the_app_is_no_answer_about_anybody(fault: dict[str, Any]) -> None:
    """A wrong token says nothing about a person: the lookup fails as a whole, and an operator hears of it."""
    async with open_rig() as rig:
        rig.faults.add(path=INFO, **fault)
        with pytest.raises(AppRefused):
            await accounts(rig)


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": True}, {"status": 429}, no("internal_error")])
async def test_trouble_with_one_leaves_only_her_out(fault: dict[str, Any]) -> None:
    """It says nothing about that person; and when no lookup at all was possible, that is an error."""
    async with open_rig() as rig:
        rig.faults.add(path=INFO, **fault)
        assert {"bob": {Surface.SLACK: "U0BOB"}} == await accounts(rig)
        with pytest.raises(Unavailable):
            await rig.slack.directory.resolve([ANN])
        assert () == await rig.slack.directory.resolve([])


async def test_half_a_group_is_not_the_group() -> None:
    """A refused account is no member; one that Slack did not answer about might be, so the lookup fails."""
    async with open_rig() as rig:
        rig.workspace.usergroups["S0TESTGRP"] = ("U0ANN", "U0BOB")
        group = GroupRef(kind="slack-usergroup", id="S0TESTGRP")
        rule = rig.faults.add(path=INFO, times=1, **no("access_denied"))
        assert 1 == len(await rig.slack.directory.members(group))
        rig.faults.add(path=INFO, times=1, status=503)
        with pytest.raises(Unavailable):
            await rig.slack.directory.members(group)
        assert 1 == rule.hits


async def test_who_cannot_be_asked_about_stays_for_a_minute() -> None:
    """Ann keeps her account until the last lookup is too old; meanwhile Bob is looked up again."""
    now = 0.0
    directory_cache = DirectoryCache(
        metrics=NO_METRICS, clock=lambda: datetime(2026, 3, 2, tzinfo=UTC), seconds=lambda: now
    )
    policy = Policy(people={"ann": ANN, "bob": BOB}, groups={}, routes=())

    def known() -> dict[str, Mapping[Surface, str]]:
        people = directory_cache.filled(policy, {}).policy.people.values()
        return {one.handle: one.accounts for one in people}

    async with open_rig() as rig:

        async def refresh() -> None:
            directories = {Surface.SLACK: rig.slack.directory}
            await directory_cache.refresh(policy, {}, directories=directories, groups={}, schedules={})

        both = {"ann": {Surface.SLACK: "U0ANN"}, "bob": {Surface.SLACK: "U0BOB"}}
        await refresh()
        assert both == known()
        rig.faults.add(path=INFO, status=503)
        now = LONGEST_AGE / 2
        await refresh()
        assert both == known()
        now = LONGEST_AGE
        assert {**both, "ann": {}} == known()
        rig.faults.clear()
        await refresh()
        assert both == known()
        rig.faults.add(path=INFO, **no("user_not_found"))
        await refresh()
        assert {**both, "ann": {}} == known()
