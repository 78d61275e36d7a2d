"""A channel as a pager, in both chats: an alert is posted once, and its end replaces it in the same message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.chat.channel_pager import ChannelPager
from bot.errors import Unavailable
from bot.records import Alert
from sandbox.faults import Faults
from sandbox.teams.people import ALERTS
from tests.contract import slack_rig, teams_rig

ALERT = Alert(
    approval_id="req-1",
    cause="undelivered",
    text="Ann's answer could not be told",
    raised_at=datetime(2026, 11, 22, 12, tzinfo=UTC),
)
OVER = replace(ALERT, resolved="the platform took it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One alert channel of one chat."""

    name: str
    pager: ChannelPager
    faults: Faults
    told: Callable[[], list[str]]  #: the messages in the channel
    posts: str  #: the path of a post
    delete: Callable[[], object]  #: a person deletes the messages there


@asynccontextmanager
async def in_slack() -> AsyncIterator[Channel]:
    """A channel of the local Slack."""
    async with slack_rig.open_rig() as rig:
        messages = lambda: rig.workspace.messages("C0ALERTS")  # noqa: E731 - read again each time
        yield Channel(
            name="slack:C0ALERTS",
            pager=rig.slack.pager("C0ALERTS"),
            faults=rig.faults,
            told=lambda: [message.text for message in messages()],
            posts="/api/chat.postMessage",
            delete=lambda: [rig.workspace.conversations.remove(one) for one in messages()],
        )


@asynccontextmanager
async def in_teams() -> AsyncIterator[Channel]:
    """A conversation of the local Teams."""
    async with teams_rig.open_rig() as rig:
        yield Channel(
            name="teams:nod-alerts",
            pager=rig.teams.pager("nod-alerts"),
            faults=rig.faults,
            told=lambda: [" ".join(teams_rig.texts(one.card)) for one in rig.system.messages(ALERTS)],
            posts="/teams/v3/*",
            delete=lambda: [rig.system.conversations.remove(one) for one in rig.system.messages(ALERTS)],
        )


CHATS = pytest.mark.parametrize("chat", [in_slack, in_teams])
Chat = Callable[[], AbstractAsyncContextManager[Channel]]


@CHATS
async def test_an_alert_is_told_once_and_ends_in_place(chat: Chat) -> None:
    """The good news replaces the bad news in the same message."""
    async with chat() as channel:
        assert channel.name == channel.pager.name
        ref = await channel.pager.page(ALERT, ref=None, attempted_at=None)
        (told,) = channel.told()
        assert ALERT.text in told
        assert ref == await channel.pager.page(OVER, ref=ref, attempted_at=None)
        (told,) = channel.told()
        assert "Resolved: " in told
        assert "the platform took it" in told


@CHATS
async def test_a_deleted_alert_is_told_again(chat: Chat) -> None:
    """The person who deleted it may not be the one who should read how it ended."""
    async with chat() as channel:
        ref = await channel.pager.page(ALERT, ref=None, attempted_at=None)
        channel.delete()
        assert ref != await channel.pager.page(OVER, ref=ref, attempted_at=None)
        (told,) = channel.told()
        assert "Resolved: " in told


@CHATS
async def test_an_alert_of_unknown_end_is_looked_for(chat: Chat) -> None:
    """After a lost answer the pager looks first; Teams shows a bot no history, so it can be posted twice."""
    async with chat() as channel:
        channel.faults.add(method="POST", path=channel.posts, reset=True, after=True, times=1)
        with pytest.raises(Unavailable):
            await channel.pager.page(ALERT, ref=None, attempted_at=None)
        began = datetime.now(UTC) - timedelta(seconds=1)
        assert await channel.pager.page(ALERT, ref=None, attempted_at=began)
        assert (1 if channel.name.startswith("slack") else 2) == len(channel.told())
