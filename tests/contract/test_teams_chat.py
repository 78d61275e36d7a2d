"""Cards, notices and alerts in Teams: where they are posted, and what each refusal of the Connector means."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from adapters.teams import ConversationRef, Scope
from adapters.teams.conversations import ref_of
from bot.card import Notification
from bot.errors import ConfigError, Forbidden, Gone, Unanswered, Unavailable
from bot.surface import Destination, Surface
from bot.wording import CardState
from sandbox.teams.people import ALERTS, APPROVALS, CHAT, FINANCE, TENANT
from tests.contract.teams_rig import ANN, BOB, CHANNEL, STRANGER, open_rig, texts
from tests.render.cards import UNTIL, card, digest_card, open_card


async def test_a_card_is_one_message_with_a_line_for_the_lock_screen() -> None:
    """Updating changes it in place; what a notification says is in the summary."""
    async with open_rig() as rig:
        ref = await rig.teams.chat.post(card(), CHANNEL)
        (call,) = rig.system.called("send")
        assert "Approve send_email? hitl_approval_agent, by 14:32:00 UTC" == call.body["summary"]
        await rig.teams.chat.update(card(CardState.APPROVED), CHANNEL, ref)
        (message,) = rig.system.cards_in(APPROVALS)
        assert message.card is not None
        assert "✅ Approved: send_email" in texts(message.card)
        assert ["View call"] == [action["title"] for action in message.card["actions"]]
        assert "refresh" not in message.card


async def test_a_card_pings_who_is_there() -> None:
    """By mentions in the card; a person who is not in the conversation is left out."""
    async with open_rig() as rig:
        accounts = (ANN, STRANGER)
        await rig.teams.chat.post(replace(card(), mentions=accounts), CHANNEL)
        (message,) = rig.system.cards_in(APPROVALS)
        assert message.card is not None
        (entity,) = message.card["msteams"]["entities"]
        assert "<at>Ann Albers</at>" == entity["text"]


async def test_places_are_called_by_name_or_by_id() -> None:
    """A channel's name in small letters with hyphens, and a group chat's; the id always works."""
    async with open_rig() as rig:
        for channel, place in (
            ("finance-approvals", FINANCE),
            ("Nod alerts", ALERTS),
            ("on-call", CHAT),
            (CHAT, CHAT),
        ):
            await rig.teams.chat.post(card(), channel)
            assert rig.system.cards_in(place)
        with pytest.raises(Forbidden, match="not in any Teams conversation called no-such"):
            await rig.teams.chat.post(card(), "no-such")


async def test_a_name_of_two_places_leads_to_none() -> None:
    """A person who gives another chat the same name cannot have the cards sent there."""
    async with open_rig() as rig:
        twin = replace(rig.kept.refs[CHAT], id="19:twin@thread.v2", name=CHANNEL)
        await rig.teams.places.remember(twin)
        with pytest.raises(Forbidden, match="2 conversations called approvals"):
            await rig.teams.chat.post(card(), CHANNEL)
        assert await rig.teams.chat.post(card(), APPROVALS)


async def test_a_notice_stands_in_the_thread_and_mentions_people() -> None:
    """A rung is a reply under its card in a channel; the people it pings are notified, by name."""
    async with open_rig() as rig:
        thread = await rig.teams.chat.post(card(), CHANNEL)
        notice = Notification(
            mark="req-1:0", text=("Still waiting, until ", UNTIL), mentions=(ANN, BOB, STRANGER)
        )
        ref = await rig.teams.chat.say(notice, CHANNEL, thread=thread)
        (reply,) = rig.system.thread_of(rig.message(thread))
        assert [ref, thread] == [ref_of(APPROVALS, reply.id), ref_of(APPROVALS, reply.root or "")]
        assert {"ann", "bob"} == set(reply.mentioned)
        before = datetime.now(UTC) - timedelta(seconds=5)
        assert ref == await rig.teams.chat.find("req-1:0", CHANNEL, since=before, thread=thread)


async def test_a_group_chat_has_no_threads() -> None:
    """There the notice is posted below, in the chat itself."""
    async with open_rig() as rig:
        thread = await rig.teams.chat.post(card(), CHAT)
        await rig.teams.chat.say(Notification(mark="m", text=("Still waiting",)), CHAT, thread=thread)
        assert [None, None] == [message.root for message in rig.system.messages(CHAT)]


async def test_a_person_is_written_to_in_her_own_chat_with_a_way_to_the_card() -> None:
    """The chat that Teams told of is used, or one is opened; the link leads to the message."""
    async with open_rig(announced=False) as rig:
        await rig.system.events.install(APPROVALS)
        ref = await rig.teams.chat.post(card(), CHANNEL)
        room = await rig.teams.chat.dm_channel(BOB)
        assert rig.system.personal("bob").id == room
        assert room == await rig.teams.chat.dm_channel(BOB)
        assert 1 == len(rig.system.called("create"))
        link = rig.teams.chat.link(CHANNEL, ref)
        assert link is not None
        assert link.startswith("https://teams.microsoft.com/l/message/19%3Aapprovals")
        assert f"parentMessageId={rig.message(ref).id}" in link
        await rig.teams.chat.say(Notification(mark="m", text=("It still waits",), link=link), room)
        (told,) = rig.system.dm_of("bob")
        assert told.card is not None
        assert [link] == [action["url"] for action in told.card["actions"]]
        assert (await rig.kept.of_person(BOB)) == rig.kept.refs[room]


async def test_links_to_chats_and_to_nowhere() -> None:
    """A chat's message has a link of another form; an unknown place has none."""
    async with open_rig() as rig:
        link = rig.teams.chat.link(CHAT, "17")
        assert link is not None
        assert link.endswith("/17?context=%7B%22contextType%22%3A%22chat%22%7D")
        assert rig.teams.chat.link("no-such", "17") is None


async def test_somebody_who_blocked_the_bot_is_forbidden() -> None:
    """403 MessageWritesBlocked waits for nothing: an operator is told."""
    async with open_rig() as rig:
        room = await rig.teams.chat.dm_channel(ANN)
        rig.system.events.block("ann")
        with pytest.raises(Forbidden, match="ask the person to unblock"):
            await rig.teams.chat.say(Notification(mark="m", text=("x",)), room)


async def test_a_deleted_card_is_gone_and_a_deleted_channel_forbidden() -> None:
    """A card that is gone can be posted again; in a place that is gone nothing can be posted."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.system.conversations.remove(message)
        with pytest.raises(Gone):
            await rig.teams.chat.update(card(), CHANNEL, message.id)
        rig.system.conversations.change(APPROVALS, gone=True)
        with pytest.raises(Forbidden):
            await rig.teams.chat.post(card(), CHANNEL)


@pytest.mark.parametrize("status", [412, 429])
async def test_too_fast_is_told_with_the_seconds_to_wait(status: int) -> None:
    """Nothing happened; until the wait is over nothing more is sent there, and elsewhere nobody waits."""
    async with open_rig() as rig:
        rig.fails(status, retry_after=7, path="*/activities")
        with pytest.raises(Unavailable) as busy:
            await rig.teams.chat.post(card(), CHANNEL)
        assert not isinstance(busy.value, Unanswered)
        assert busy.value.retry_after is not None
        assert 7 <= busy.value.retry_after < 7 * 1.26
        sent = len(rig.system.called("send"))
        with pytest.raises(Unavailable, match="asked Nod to wait"):
            await rig.teams.chat.post(card(), CHANNEL)
        assert sent == len(rig.system.called("send"))
        assert await rig.teams.chat.post(card(), FINANCE)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_trouble_over_there_may_have_posted(status: int) -> None:
    """After a 5xx a post may be up: look first. An update may be repeated without harm."""
    async with open_rig() as rig:
        rig.fails(status, path="*approvals*/activities")
        with pytest.raises(Unanswered):
            await rig.teams.chat.post(card(), CHANNEL)
        message = await rig.card_up()
        rig.fails(status, path="*/activities/*", method="PUT")
        with pytest.raises(Unavailable) as trouble:
            await rig.teams.chat.update(card(), CHANNEL, message.id)
        assert not isinstance(trouble.value, Unanswered)


async def test_a_lost_answer_may_have_posted() -> None:
    """Posted, answer lost: nobody is told that it failed for sure."""
    async with open_rig() as rig:
        rig.faults.add(method="POST", path="/teams/v3/*", reset=True, after=True)
        with pytest.raises(Unanswered):
            await rig.teams.chat.post(card(), CHANNEL)
        rig.faults.clear()
        rig.faults.add(method="POST", path="/teams/v3/*", status=201, body="<html>")
        with pytest.raises(Unanswered):
            await rig.teams.chat.post(card(), CHANNEL)


async def test_a_card_that_is_too_large_for_teams_goes_up_without_its_approve() -> None:
    """413: a smaller card with View all, so that a person can still answer."""
    async with open_rig() as rig:
        rig.fails(413, path="*/activities")
        given = open_card({"body": "\n".join(f"line {n}" for n in range(40))})
        await rig.teams.chat.post(given, CHANNEL)
        (message,) = rig.system.cards_in(APPROVALS)
        assert message.card is not None
        assert ["View all", "Reject…"] == [action["title"] for action in message.card["actions"]][:2]
        assert len(json.dumps(message.card)) < 7_500


async def test_a_token_that_is_refused_is_bought_again_once() -> None:
    """After a 401 the call goes out with a new token; a second 401 is final."""
    async with open_rig() as rig:
        await rig.teams.chat.post(card(), CHANNEL)
        bought = rig.system.entra.calls
        rig.fails(401, path="*/activities")
        assert await rig.teams.chat.post(card(), CHANNEL)
        assert bought + 1 == rig.system.entra.calls
        rig.fails(401, times=2, path="*/activities")
        with pytest.raises(Forbidden, match="MicrosoftAppPassword"):
            await rig.teams.chat.post(card(), CHANNEL)


async def test_one_token_serves_all_calls_and_the_loop_is_never_blocked() -> None:
    """Twenty calls buy one token over kept connections, and a slow token endpoint stalls nothing else."""
    async with open_rig() as rig:
        rig.faults.add(method="POST", path="/teams/login/*", delay=0.3, times=1)
        rig.teams._api._wire._sender._token._token = None  # type: ignore[attr-defined]
        bought = rig.system.entra.calls
        began = time.monotonic()
        posting = asyncio.create_task(rig.teams.chat.post(card(), CHANNEL))
        turns = 0
        while not posting.done():
            await asyncio.sleep(0.005)
            turns += 1
        await posting
        assert time.monotonic() - began >= 0.3
        assert turns >= 20
        await asyncio.gather(*(rig.teams.chat.post(card(), place) for place in (FINANCE, ALERTS, CHAT)))
        assert bought + 1 == rig.system.entra.calls


async def test_a_burst_is_never_refused_as_too_fast() -> None:
    """Eleven messages at once, cards, a digest and a notice: all go up within its rates, some put off."""
    async with open_rig() as rig:
        cards = [replace(card(), card_id=f"c{n}", deadline=UNTIL + timedelta(minutes=n)) for n in range(9)]
        posts: list[Callable[[], Awaitable[str]]]
        posts = [partial(rig.teams.chat.post, one, CHANNEL) for one in (*cards, digest_card(count=9))]
        posts += [partial(rig.teams.chat.say, Notification(mark="m", text=("x",)), CHANNEL)]

        async def up(post: Callable[[], Awaitable[str]]) -> str:
            """As the flow does it: what is put off comes again when it was told to."""
            while True:
                try:
                    return await post()
                except Unavailable as error:
                    await asyncio.sleep(error.retry_after or 0)

        async with asyncio.timeout(10):
            refs = await asyncio.gather(*(up(post) for post in posts))
        assert 11 == len(set(refs))
        assert {201} == {call.status for call in rig.system.called("send")}


async def test_the_token_goes_to_no_other_host() -> None:
    """A stored address that is not on the list gets nothing, and a redirect is not followed."""
    async with open_rig() as rig:
        foreign = ConversationRef(
            tenant=TENANT, service_url="http://127.0.0.2:1/", id="19:x@thread.tacv2", scope=Scope.TEAM
        )
        await rig.teams.places.remember(foreign)
        with pytest.raises(Forbidden, match="list of service hosts"):
            await rig.teams.chat.post(card(), foreign.id)
        rig.faults.add(path="/teams/v3/*", status=307, headers={"Location": "http://127.0.0.2:1/"}, times=1)
        with pytest.raises(Forbidden, match="HTTP 307"):
            await rig.teams.chat.say(Notification(mark="m", text=("x",)), CHANNEL)


async def test_what_ails_a_conversation_is_told_before_a_card_needs_it() -> None:
    """`nod check` and the running bot name each place that cannot be spoken in, and what to do."""
    async with open_rig() as rig:
        await rig.system.events.uninstall(CHAT)
        places = [Destination(surface=Surface.TEAMS, channel=name) for name in (CHANNEL, "on-call")]
        (problem,) = await rig.teams.problems([*places, Destination(surface=Surface.SLACK, channel="C0X")])
        assert isinstance(problem, ConfigError)
        assert "teams:on-call" == problem.where
        assert {"nowhere"} == set(await rig.teams.chat.problems([CHANNEL, "nowhere"]))


@pytest.mark.parametrize("channels", [[], ["nowhere"]], ids=["none", "unknown"])
async def test_what_ails_the_bot_is_told_without_a_conversation_to_ask_about(channels: list[str]) -> None:
    """A look at none of its channels is no look at all: the bot is asked about in any case."""
    async with open_rig() as rig:
        rig.faults.add(path="/teams/v3/*", status=403, body={"error": {"code": "Forbidden"}}, times=1)
        assert [] == [name for name in await rig.teams.chat.problems(channels) if name not in channels]
        rig.faults.add(path="/teams/v3/*", status=401, body={"error": {"code": "Unauthorized"}})
        assert [""] == list(await rig.teams.chat.problems(channels))
        rig.faults.clear()
        rig.faults.add(path="/teams/v3/*", status=503)
        with pytest.raises(Unavailable):
            await rig.teams.chat.problems(channels)


async def test_the_interval_is_what_can_go_on_for_ever() -> None:
    """Two new messages a second, as 1,800 an hour allow."""
    async with open_rig() as rig:
        assert timedelta(seconds=0.5) == rig.teams.chat.interval
        assert Surface.TEAMS is rig.teams.chat.surface


async def test_a_card_does_not_wait_for_the_roster_of_thousands() -> None:
    """Views of one's own are a gain, not a need: a slow roster delays a card by two seconds at most, once."""
    async with open_rig(announced=False) as rig:
        await rig.system.events.install(APPROVALS)
        rig.faults.add(path="*/pagedmembers", delay=30)
        began = time.monotonic()
        ref = await rig.teams.chat.post(card(), CHANNEL)
        assert time.monotonic() - began < 3
        assert "refresh" not in rig.message(ref).card  # type: ignore[operator]


async def test_a_message_says_who_sends_it_and_where() -> None:
    """Sender and conversation are in every activity, as the Connector's reference has it."""
    async with open_rig() as rig:
        await rig.card_up()
        # What Nod says where it was added goes to other places.
        (call,) = [one for one in rig.system.called("send") if one.body["conversation"]["id"] == APPROVALS]
        assert (rig.system.bot.id, APPROVALS) == (call.body["from"]["id"], call.body["conversation"]["id"])
