"""Who is in a Slack user group, and who belongs to an organisation of many workspaces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.chat.payload import Malformed
from adapters.slack import SCOPES, Identity
from adapters.slack.payloads import is_home, who_of
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person as Approver
from bot.ports import GroupRef
from bot.surface import Surface
from sandbox.slack.people import App, Person
from tests.contract.slack_rig import open_rig
from tests.contract.test_slack_forged import forged

GROUP = GroupRef(kind="slack-usergroup", id="S0TESTGRP")
NOBODY = frozenset[Surface]()
IN_SLACK = frozenset({Surface.SLACK})


async def test_members_come_with_all_that_the_policy_needs() -> None:
    """Handle, name, address and account of each; guests and strangers marked, bots and leavers left out."""
    async with open_rig() as rig:
        people = rig.workspace.people
        people["U0LEFT"] = replace(people["U0EVE"], id="U0LEFT", deleted=True)
        rig.workspace.usergroups["S0TESTGRP"] = (
            *("U0ANN", "U0GUEST", "U0EXT", "U0NODBOT", "U0LEFT", "U0NOSUCH", "U0ANN"),
        )
        found = await rig.slack.directory.members(GROUP)
        assert [
            ("slack:U0ANN", "Ann Albers", "ann@acme.example", NOBODY),
            ("slack:U0GUEST", "Gus Guest", "gus@partner.example", IN_SLACK),
            ("slack:U0EXT", "Xia (other company)", "xia@other.example", IN_SLACK),
        ] == [(p.handle, p.name, p.email, p.outside) for p in found]
        assert ["U0ANN", "U0GUEST", "U0EXT"] == [p.accounts[Surface.SLACK] for p in found]


async def test_slackbot_decides_nothing() -> None:
    """Slack's own account says of itself that it is no bot."""
    async with open_rig() as rig:
        bot = Person(id="USLACKBOT", name="slackbot", real_name="Slackbot", email="")
        rig.workspace.people["USLACKBOT"] = bot
        rig.workspace.usergroups["S0TESTGRP"] = ("USLACKBOT",)
        assert () == await rig.slack.directory.members(GROUP)


async def test_a_group_that_is_not_there_is_gone() -> None:
    """Unknown, or of a kind that Slack does not keep: an error, never an empty group."""
    async with open_rig() as rig:
        with pytest.raises(Gone):
            await rig.slack.directory.members(GroupRef(kind="slack-usergroup", id="S0NOSUCH"))
        with pytest.raises(Forbidden):
            await rig.slack.directory.members(GroupRef(kind="entra-group", id="S0TESTGRP"))


async def test_without_the_scope_it_is_forbidden() -> None:
    """An app that was installed without usergroups:read is an operator's to mend."""
    scopes = ",".join(scope for scope in SCOPES if scope != "usergroups:read")
    async with open_rig(app=App(scopes=scopes)) as rig:
        with pytest.raises(Forbidden):
            await rig.slack.directory.members(GROUP)


@pytest.mark.parametrize("path", ["/api/usergroups.users.list", "/api/users.info"])
async def test_a_group_that_cannot_be_looked_up_has_nobody(path: str) -> None:
    """One member who cannot be asked for is enough: half a group is not taken for the whole."""
    async with open_rig() as rig:
        rig.faults.add(path=path, status=503)
        with pytest.raises(Unavailable):
            await rig.slack.directory.members(GROUP)


async def test_a_large_group_is_asked_for_a_few_at_a_time() -> None:
    """Forty members are looked up with at most five questions under way."""
    async with open_rig() as rig:
        ann = rig.workspace.people["U0ANN"]
        accounts = tuple(f"U0M{n}" for n in range(40))
        rig.workspace.people.update({account: replace(ann, id=account) for account in accounts})
        rig.workspace.usergroups["S0TESTGRP"] = accounts
        found = await rig.slack.directory.members(GROUP)
        assert list(accounts) == [p.accounts[Surface.SLACK] for p in found]
        assert 40 == len(rig.workspace.called("users.info"))


# --- Enterprise Grid --------------------------------------------------------------------------------------

WORKSPACE = Identity(team_id="T1", bot_user_id="U1", bot_id=None, app_id=None, scopes=frozenset())
IN_GRID = replace(WORKSPACE, enterprise_id="E1")
ORG_WIDE = replace(IN_GRID, org_wide=True)

HERE = {"id": "T1", "enterprise_id": "E1"}
OTHER_WORKSPACE = {"id": "T2", "enterprise_id": "E1"}
OTHER_COMPANY = {"id": "T9", "enterprise_id": "E9"}

PEOPLE: dict[str, tuple[dict[str, Any], tuple[bool, bool, bool]]] = {
    "our workspace": ({"user": {"team_id": "T1"}, "team": HERE}, (True, True, True)),
    "the organisation's own id": ({"user": {"team_id": "E1"}, "team": HERE}, (False, False, True)),
    "another workspace of ours": (
        {"user": {"team_id": "T2"}, "team": OTHER_WORKSPACE},
        (False, False, True),
    ),
    "known as a member of the organisation": (
        {"user": {"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}, "team": HERE},
        (False, False, True),
    ),
    "an organisation-wide install without a team": (
        {"user": {"team_id": "T2", "enterprise_id": "E1"}, "team": None, "enterprise": {"id": "E1"}},
        (False, False, True),
    ),
    "a stranger in our channel": (
        {"user": {"team_id": "T9"}, "team": HERE, "enterprise": {"id": "E1"}},
        (False, False, False),
    ),
    "a stranger from another organisation": (
        {"user": {"team_id": "E9", "enterprise_id": "E9"}, "team": OTHER_COMPANY},
        (False, False, False),
    ),
    "nobody's": ({"user": {}, "team": None, "enterprise": {"id": "E1"}}, (False, False, False)),
}


@pytest.mark.parametrize(("payload", "home"), PEOPLE.values(), ids=PEOPLE.keys())
def test_where_the_person_belongs_is_what_counts(
    payload: dict[str, Any], home: tuple[bool, bool, bool]
) -> None:
    """At home: in our workspace; in our organisation only when the app was installed for all of it."""
    who = who_of({**payload, "user": {"id": "U1", **payload["user"]}})
    installs = (WORKSPACE, IN_GRID, ORG_WIDE)
    assert home == tuple(is_home(who.team_id, who.enterprise_id, install) for install in installs)


@pytest.mark.parametrize(
    "payload",
    [
        {"user": {"id": "U1", "enterprise_id": 7}},
        {"user": {"id": "U1", "enterprise_user": "E1"}},
        {"user": {"id": "U1", "enterprise_user": {"enterprise_id": ["E1"]}}},
        {"user": {"id": "U1"}, "team": {"id": "T1", "enterprise_id": {}}},
        {"user": {"id": "U1"}, "api_app_id": 7},
    ],
)
def test_an_origin_that_is_not_quite_right_is_malformed(payload: dict[str, Any]) -> None:
    """Nobody is at home by a value of another type."""
    with pytest.raises(Malformed):
        who_of(payload)


GRID = {
    "team_id": "E1",
    "user_id": "U0NODBOT",
    "bot_id": "B0NOD",
    "enterprise_id": "E1",
    "is_enterprise_install": True,
}


@pytest.mark.parametrize(("enterprise", "outside"), [("E1", NOBODY), ("E9", IN_SLACK), (None, IN_SLACK)])
async def test_the_directory_knows_the_organisation(
    enterprise: str | None, outside: frozenset[Surface]
) -> None:
    """Installed for an organisation, everybody in it is a member, and nobody else is."""
    user = {"id": "W1", "team_id": "T2", "real_name": "Wu", "profile": {"email": "wu@acme.example"}}
    user |= (
        {"enterprise_user": {"id": "W1", "enterprise_id": enterprise, "teams": ["T2"]}} if enterprise else {}
    )
    async with open_rig(identity=GRID) as rig:
        rig.faults.add(path="/api/users.info", status=200, body={"ok": True, "user": user})
        wu = Approver(handle="wu", name="wu", accounts={Surface.SLACK: "W1"})
        (found,) = await rig.slack.directory.resolve([wu])
        assert ("Wu", outside) == (found.name, found.outside)


@pytest.mark.parametrize(("team", "home"), [("E1", True), ("T0SANDBOX", False), ("E9", False)])
async def test_a_click_in_an_organisation_wide_install(team: str, home: bool) -> None:
    """People of our organisation are at home in each of its workspaces."""
    async with open_rig(identity=GRID) as rig:

        def change(payload: dict[str, Any]) -> None:
            payload["user"].update(team_id=team)
            payload.update(team=None, enterprise={"id": "E1", "name": "Acme"}, is_enterprise_install=True)

        assert 200 == (await forged(rig, change)).status_code
        assert [home] == [click.home for click in rig.desk.taken]
