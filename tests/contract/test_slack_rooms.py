"""Direct messages in Slack: who reads them, who gets none, and what they contain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.slack import SCOPES
from bot.card import Notification
from bot.errors import Forbidden, Gone
from sandbox.page.picture import picture
from sandbox.slack.people import App
from tests.contract.slack_rig import CHANNEL, open_rig
from tests.render.slack_parts import elements, parts

NOTICE = Notification(mark="req-1.ping", text=("send_email waits.",))


async def test_a_room_is_opened_once() -> None:
    """Slack is asked for each person's room once."""
    async with open_rig() as rig:
        rooms = [await rig.slack.chat.dm_channel(account) for account in ("U0ANN", "U0BOB", "U0ANN")]
        assert (rooms[0], 2) == (rooms[2], len(set(rooms)))
        assert 2 == len(rig.workspace.called("conversations.open"))


async def test_only_the_two_see_it() -> None:
    """What Nod tells Bob alone is on Bob's page and on nobody else's, and nobody else can press there."""
    async with open_rig() as rig:
        room = await rig.slack.chat.dm_channel("U0BOB")
        await rig.slack.chat.say(NOTICE, room)
        for person, sees in (("U0BOB", True), ("U0ANN", False), ("U0EVE", False)):
            seen = [channel["id"] for channel in picture(rig.workspace, viewer=person)["channels"]]
            assert sees == (room in seen)


async def test_a_way_to_the_card_is_a_link_of_ours() -> None:
    """It is an element of its own, with our words and our address; it leads to the card on the page."""
    async with open_rig() as rig:
        ref = await rig.card_up()
        room = await rig.slack.chat.dm_channel("U0BOB")
        link = rig.slack.chat.link(CHANNEL, ref)
        await rig.slack.chat.say(replace(NOTICE, link=link), room)
        (message,) = rig.workspace.messages(room)
        (element,) = elements(list(message.blocks), "link")
        assert {"type": "link", "url": link, "text": "Open card"} == element
        assert [] == parts(list(message.blocks), "mrkdwn")


async def test_without_an_address_there_is_no_link() -> None:
    """Where Slack names no workspace, the notice does without."""
    identity = {"team_id": "T0SANDBOX", "user_id": "U0NODBOT", "bot_id": "B0NOD", "url": "javascript:alert(1)"}
    async with open_rig(identity=identity) as rig:
        assert rig.slack.chat.link(CHANNEL, "1.0") is None


async def test_who_left_gets_none() -> None:
    """A person whose account is deactivated, or never existed, gets no message."""
    async with open_rig() as rig:
        rig.workspace.people["U0OLU"] = replace(rig.workspace.people["U0OLU"], deleted=True)
        with pytest.raises(Forbidden, match="user_disabled"):
            await rig.slack.chat.dm_channel("U0OLU")
        with pytest.raises(Gone):
            await rig.slack.chat.dm_channel("U0NOSUCH")


@pytest.mark.parametrize("scope", ["im:write", "im:history"])
async def test_a_missing_scope_is_named(scope: str) -> None:
    """An app that was installed before there were direct messages says which scope it lacks."""
    app = App(scopes=",".join(kept for kept in SCOPES if kept != scope))
    async with open_rig(app=app) as rig:
        (problem,) = (await rig.slack.check([])).problems
        assert f"lacks the scope {scope}" in problem.what
        room = rig.workspace.conversations.direct("U0BOB").id
        with pytest.raises(Forbidden, match=scope):
            await rig.slack.chat.find("m", await rig.slack.chat.dm_channel("U0BOB"), since=datetime.now(UTC))
        assert [] == rig.workspace.messages(room)
