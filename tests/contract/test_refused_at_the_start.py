"""Credentials that a chat refuses are named at the start; and what Slack does not know for sure."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.slack import open_slack
from bot.errors import Forbidden
from bot.policy import Person
from bot.ports import NO_METRICS
from bot.surface import Surface
from tests.contract.slack_rig import ALLOWED, FakeDesk, open_rig, press, until
from tests.contract.teams_rig import open_rig as open_teams_rig


async def test_a_wrong_app_token_is_named_before_any_card_is_up() -> None:
    """By its variable, with Slack's code; and by the look that `nod check` takes, which opens no socket."""
    async with open_rig() as rig:
        with pytest.raises(Forbidden, match=r"SLACK_APP_TOKEN: invalid_auth\."):
            await rig.slack.check_app_token("xapp-wrong")
        await rig.slack.check_app_token(ALLOWED.app_token)
        assert 0 == rig.workspace.sockets.connected
        with pytest.raises(Forbidden, match="SLACK_APP_TOKEN"):
            async with open_slack(
                token=ALLOWED.bot_token,
                signing_secret=None,
                app_token="xapp-wrong",
                api_url=f"{rig.url}/api/",
                desk=FakeDesk(),
                clock=lambda: datetime.now(UTC),
                metrics=NO_METRICS,
            ):
                pytest.fail("Slack is not open")


async def test_a_refused_secret_of_entra_ends_the_start() -> None:
    """With Entra's own number, as Slack's refused token does."""
    with pytest.raises(Forbidden, match="AADSTS7000215"):
        async with open_teams_rig(app_password="wrong", announced=False):
            pytest.fail("Teams is not open")


@pytest.mark.parametrize(
    ("confirmed", "email"), [(True, "ann@acme.example"), (False, None), (None, "ann@acme.example")]
)
async def test_an_address_that_nobody_confirmed_ties_no_account_to_a_person(confirmed: Any, email: Any) -> None:
    """People named by id keep that account; the address that Slack has for it could be anyone's."""
    async with open_rig() as rig:
        user = {"id": "U0ANN", "team_id": rig.slack.identity.team_id, "profile": {"email": "ann@acme.example"}}
        user |= {} if confirmed is None else {"is_email_confirmed": confirmed}
        rig.faults.add(path="/api/users.info", status=200, body={"ok": True, "user": user})
        asked = Person(handle="ann", name="Ann", accounts={Surface.SLACK: "U0ANN"})
        (found,) = await rig.slack.directory.resolve([asked])
        assert ({Surface.SLACK: "U0ANN"}, email) == (found.accounts, found.email)


async def test_a_click_that_takes_too_long_is_late_and_not_unknown() -> None:
    """Slack hears 503, and the decision goes on."""
    async with open_rig(ack_seconds=6.0) as rig:

        async def slow() -> None:
            await asyncio.sleep(3.3)

        rig.desk.before_commit = slow
        result = await press(rig, "approve")
        assert 503 == result.status
        assert 1 == rig.counted["click_late"]
        await until(lambda: 1 == len(rig.desk.taken))
