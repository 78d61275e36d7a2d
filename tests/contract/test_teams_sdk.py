"""The SDK behind its edge: none of its known defects reaches a user, and without Teams it is not there."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from dataclasses import fields
from typing import Any

import httpx
import pytest

from adapters.chat.errors import AppRefused
from adapters.chat.payload import Malformed
from adapters.teams.credentials import AHEAD, TOO_LATE, BotToken
from adapters.teams.payloads import Arrived, arrived_in
from bot.errors import Forbidden, Unavailable
from bot.surface import Destination, Surface
from sandbox.teams.identity import Trouble
from tests.contract.teams_rig import CHANNEL, cloud_of, open_rig
from tests.render.cards import card
from tests.servers.teams import serve_teams

#: What comes with botbuilder-core, and is needed by nothing else of Nod.
WITH_THE_SDK = ("botbuilder", "botframework", "msrest", "msal", "jwt", "requests_oauthlib", "azure")


def test_without_teams_the_sdk_is_not_imported() -> None:
    """Importing the package costs none of it; only `open_teams` does."""
    names = ", ".join(repr(name) for name in WITH_THE_SDK)
    code = (
        "import sys, adapters.teams; "
        f"print(sorted(m for m in sys.modules if m.partition('.')[0] in ({names},)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == told.stdout.strip()


async def test_no_call_runs_in_a_thread_or_through_requests() -> None:
    """Calls of the Connector wait on the event loop, over one client: defects 3, 8 and 9."""
    async with open_rig() as rig:
        before = {thread.name for thread in threading.enumerate()}
        message = await rig.card_up()
        await rig.teams.chat.update(card(), CHANNEL, message.id)
        assert before == {thread.name for thread in threading.enumerate()}
        assert 1 == rig.system.entra.calls


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_nothing_is_repeated_behind_our_back(method: str) -> None:
    """One call is one request: the caller decides whether to repeat it (defect 8)."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rule = rig.fails(503, times=9, path="*/activities*", method=method)
        chat = rig.teams.chat
        call = chat.post(card(), CHANNEL) if method == "POST" else chat.update(card(), CHANNEL, message.id)
        with pytest.raises(Unavailable):
            await call
        assert 1 == rule.hits


async def test_a_click_leaves_no_warning_of_the_sdk(caplog: pytest.LogCaptureFixture) -> None:
    """`trigger`, which the SDK does not know, is read by us (defect 7)."""
    with caplog.at_level(logging.INFO):
        async with open_rig() as rig:
            assert (await rig.press("approve")).ok
    names = ("botbuilder", "botframework", "msrest")
    assert [] == [record for record in caplog.records if record.name.startswith(names)]


async def test_an_update_may_be_answered_with_nothing() -> None:
    """An empty answer, or one that is no JSON, is a success like any other."""
    async with open_rig() as rig:
        message = await rig.card_up()
        for body in ("", "ok"):
            answer = rig.faults.add(method="PUT", path="*/activities/*", status=200, body=body, times=1)
            await rig.teams.chat.update(card(), CHANNEL, message.id)
            assert 1 == answer.hits


ACTIVITY: dict[str, Any] = {
    "type": "invoke",
    "name": "adaptiveCard/action",
    "id": "f:1",
    "channelId": "msteams",
    "serviceUrl": "https://smba.trafficmanager.net/emea/",
    "conversation": {"id": "19:x;messageid=1", "conversationType": "channel", "tenantId": "T", "name": "Money"},
    "from": {"id": "29:1", "aadObjectId": "AAD", "name": "Ann"},
    "recipient": {"id": "28:app"},
    "replyToId": "1",
    "timestamp": "not a time at all",
    "channelData": {"tenant": {"id": "T"}, "team": {"id": "19:t"}},
    "value": {"action": {"type": "Action.Execute", "data": {"deep": [1, {"x": None}]}}, "trigger": "automatic"},
    "membersAdded": [{"id": "28:app"}],
}


def test_what_is_read_is_what_came() -> None:
    """Every part that Nod needs, the tenant too, which the SDK drops."""
    arrived = arrived_in(ACTIVITY)
    wanted = Arrived(
        type="invoke",
        name="adaptiveCard/action",
        id="f:1",
        service_url="https://smba.trafficmanager.net/emea/",
        conversation="19:x;messageid=1",
        kind="channel",
        title="Money",
        tenant="t",
        user="29:1",
        aad="aad",
        bot="28:app",
        reply_to="1",
        action=None,
        added=("28:app",),
        removed=(),
        value=ACTIVITY["value"],
        channel_data=ACTIVITY["channelData"],
    )
    for field in fields(Arrived):
        assert getattr(wanted, field.name) == getattr(arrived, field.name), field.name


def test_an_account_that_is_nobodys_is_malformed() -> None:
    """A bot, or a client without an Entra account, decides nothing."""
    with pytest.raises(Malformed):
        _ = arrived_in({**ACTIVITY, "from": {"id": "29:1"}}).account


class Wall:
    """Seconds that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        """What the clock says."""
        return self.now


async def test_a_token_is_renewed_ahead_of_its_end_while_the_old_one_serves() -> None:
    """Nobody waits for a token but the first; when it is nearly over it is not used any more."""
    async with serve_teams() as served, httpx.AsyncClient(trust_env=False) as client:
        wall, bot = Wall(), served.teams.bot
        token = BotToken(
            client=client,
            cloud=cloud_of(served.teams),
            tenant=bot.tenant,
            app_id=bot.app_id,
            password=bot.password,
            seconds=wall,
        )
        first = await token.bearer()
        assert [first] * 9 == await asyncio.gather(*(token.bearer() for _ in range(9)))
        wall.now += 3_600 - AHEAD + 1
        assert first == await token.bearer()
        async with asyncio.timeout(5):
            while await token.bearer() == first:
                await asyncio.sleep(0.01)
        assert 2 == served.teams.entra.calls
        wall.now += 3_600 - TOO_LATE + 1
        served.teams.tokens.trouble = Trouble.BROKEN
        with pytest.raises(Unavailable):
            await token.bearer()
        await token.close()


async def test_a_secret_that_is_refused_is_an_operators_business() -> None:
    """Waiting does not mend it: the message names what to set, and no secret."""
    async with open_rig(app_password="wrong-secret", signs_in=False) as rig:
        with pytest.raises(AppRefused, match="MicrosoftAppPassword") as raised:
            await rig.teams.chat.post(card(), CHANNEL)
        assert isinstance(raised.value, Forbidden)
        assert "wrong-secret" not in str(raised.value)
        assert [""] == list(await rig.teams.chat.problems([CHANNEL]))
        (problem,) = await rig.teams.problems([Destination(surface=Surface.TEAMS, channel=CHANNEL)])
        assert "MicrosoftAppId" == problem.where


@pytest.mark.parametrize("trouble", [Trouble.BROKEN, Trouble.GARBAGE, Trouble.HUGE])
async def test_a_token_endpoint_in_trouble_is_waited_for(trouble: Trouble) -> None:
    """Nothing was posted, so nothing has to be looked for."""
    async with open_rig() as rig:
        rig.system.tokens.trouble = trouble
        rig.teams._api._wire._sender._token._token = None  # type: ignore[attr-defined]
        with pytest.raises(Unavailable):
            await rig.teams.chat.post(card(), CHANNEL)
        rig.system.tokens.trouble = Trouble.NONE
        assert await rig.teams.chat.post(card(), CHANNEL)
