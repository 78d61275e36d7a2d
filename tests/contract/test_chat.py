"""What the core may rely on from any chat. Each surface has a world here; the promises are the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from bot.card import Notification
from bot.errors import Forbidden, Gone, Unanswered, Unavailable
from bot.ports import Chat
from bot.wording import CardState
from tests.contract.slack_rig import Rig, open_rig
from tests.render.cards import CARD_ID, DIGEST_ID, UNTIL, card, digest_card


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRig:
    """One surface with a bot in it, and what a test can see and do there."""

    chat: Chat
    channel: str  #: the bot may post there
    elsewhere: str  #: there, too
    without_bot: str  #: it may not
    somebody: str  #: the account of a person
    nobody: str  #: an account to which no message can be sent
    shown: Callable[[str], list[str]]  #: the fallback texts in a channel, oldest first, threads included
    alone: Callable[[str], bool]  #: in this channel are the bot and that person, and nobody else
    opens: Callable[[str, str], bool]  #: an address leads to the message with this ref in the channel
    delete: Callable[[str], None]  #: a person deletes the message with this ref
    revoke: Callable[[], None]  #: the token is no longer good
    spoil: Mapping[str, Callable[[], None]]  #: makes the channel one that takes no cards, by what it says then
    cut_off: Callable[[], None]  #: the surface cannot be reached
    lose_answers: Callable[[], None]  #: posts are carried out, but nothing comes back
    forge: Callable[[str], None]  #: another person posts a message with this mark


@asynccontextmanager
async def slack_rig_of() -> AsyncIterator[ChatRig]:
    """The local Slack."""
    async with open_rig() as rig:
        workspace = rig.workspace

        def delete(ref: str) -> None:
            workspace.conversations.remove(workspace.conversations.get("C0APPROVALS", ref))

        def forge(mark: str) -> None:
            said = workspace.say(user="U0EVE", channel="C0APPROVALS", text="a card, really")
            metadata = {"event_type": "nod_card", "event_payload": {"mark": mark}}
            workspace.conversations.put(replace(said, metadata=metadata))

        def lose_answers() -> None:
            rig.faults.add(path="/api/chat.postMessage", reset=True, after=True)

        change = partial(workspace.conversations.set_channel, "C0APPROVALS")
        yield ChatRig(
            chat=rig.slack.chat,
            channel="C0APPROVALS",
            elsewhere="C0FINANCE",
            without_bot="C0RANDOM",
            somebody="U0BOB",
            nobody="U0NODBOT",
            shown=lambda channel: [message.text for message in workspace.messages(channel)],
            alone=lambda room: {"U0BOB", "U0NODBOT"} == workspace.conversations.channels[room].members,
            opens=lambda link, ref: link == f"{rig.url}/archives/C0APPROVALS/p{ref.replace('.', '')}",
            spoil={
                "archived": lambda: workspace.archive("C0APPROVALS"),
                "bot": lambda: workspace.kick("C0APPROVALS"),
                "channel_not_found": lambda: change(is_private=True, members=frozenset({"U0BOB"})),
                "company": lambda: change(is_ext_shared=True),
            },
            cut_off=lambda: cut_off(rig),
            delete=delete,
            revoke=workspace.revoke_token,
            lose_answers=lose_answers,
            forge=forge,
        )


def cut_off(rig: Rig) -> None:
    """Every call ends without an answer."""
    rig.faults.add(path="/api/*", reset=True)


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[ChatRig]]] = {"slack": slack_rig_of}


@pytest.fixture(params=RIGS.values(), ids=RIGS.keys())
def new_rig(request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[ChatRig]]:
    """A fresh world of each surface in turn."""
    opener: Callable[[], AbstractAsyncContextManager[ChatRig]] = request.param
    return opener


Opener = Callable[[], AbstractAsyncContextManager[ChatRig]]


def just_now() -> datetime:
    """When a post of this test was begun, at the earliest."""
    return datetime.now(UTC) - timedelta(seconds=5)


async def test_a_card_goes_up_and_is_changed_in_place(new_rig: Opener) -> None:
    """One card is one message: updating it leaves no second one."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.post(card(), chat_rig.channel)
        (first,) = chat_rig.shown(chat_rig.channel)
        assert "Approve send_email?" in first
        await chat_rig.chat.update(card(CardState.APPROVED), chat_rig.channel, ref)
        assert ["✅ Approved: send_email, by Ann Albers"] == chat_rig.shown(chat_rig.channel)


async def test_updating_twice_is_harmless(new_rig: Opener) -> None:
    """The same card once more changes nothing."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.post(card(), chat_rig.channel)
        await chat_rig.chat.update(card(CardState.EXPIRED), chat_rig.channel, ref)
        await chat_rig.chat.update(card(CardState.EXPIRED), chat_rig.channel, ref)
        assert ["⌛ Expired: send_email"] == chat_rig.shown(chat_rig.channel)


async def test_a_card_is_found_by_its_mark(new_rig: Opener) -> None:
    """After a post of unknown end the card is found, also when it was changed since."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.post(card(), chat_rig.channel)
        await chat_rig.chat.post(replace(card(), card_id="another"), chat_rig.channel)
        assert ref == await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=just_now())
        await chat_rig.chat.update(card(CardState.SENDING), chat_rig.channel, ref)
        assert ref == await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=just_now())


async def test_what_was_never_posted_is_not_found(new_rig: Opener) -> None:
    """No message with the mark, or only a deleted or an older one, is None."""
    async with new_rig() as chat_rig:
        assert await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=just_now()) is None
        ref = await chat_rig.chat.post(card(), chat_rig.channel)
        later = datetime.now(UTC) + timedelta(hours=1)
        assert await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=later) is None
        chat_rig.delete(ref)
        assert await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=just_now()) is None


async def test_somebody_elses_message_is_not_ours(new_rig: Opener) -> None:
    """A message that only copies the mark is no card of ours."""
    async with new_rig() as chat_rig:
        chat_rig.forge(CARD_ID)
        assert await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=just_now()) is None


async def test_a_lost_answer_says_look_first_and_looking_finds_it(new_rig: Opener) -> None:
    """Posted, answer lost: Unanswered, and then the card is found; nobody sees it twice."""
    async with new_rig() as chat_rig:
        chat_rig.lose_answers()
        with pytest.raises(Unanswered):
            await chat_rig.chat.post(card(), chat_rig.channel)
        assert await chat_rig.chat.find(CARD_ID, chat_rig.channel, since=just_now())
        assert 1 == len(chat_rig.shown(chat_rig.channel))


async def test_a_notice_is_said_in_the_thread_and_found_there(new_rig: Opener) -> None:
    """A rung is posted under its card, pings its people, and can be found again."""
    async with new_rig() as chat_rig:
        thread = await chat_rig.chat.post(card(), chat_rig.channel)
        notice = Notification(mark="req-1:0", text=("Still waiting, until ", UNTIL), mentions=("U0ANN",))
        ref = await chat_rig.chat.say(notice, chat_rig.channel, thread=thread)
        assert "Still waiting" in chat_rig.shown(chat_rig.channel)[-1]
        assert "U0ANN" in chat_rig.shown(chat_rig.channel)[-1]
        assert ref == await chat_rig.chat.find("req-1:0", chat_rig.channel, since=just_now(), thread=thread)
        assert await chat_rig.chat.find("req-1:1", chat_rig.channel, since=just_now(), thread=thread) is None


async def test_a_deleted_card_is_gone(new_rig: Opener) -> None:
    """Updating a message that a person deleted is Gone, not a retry."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.post(card(), chat_rig.channel)
        chat_rig.delete(ref)
        with pytest.raises(Gone):
            await chat_rig.chat.update(card(), chat_rig.channel, ref)


async def test_a_channel_without_the_bot_is_forbidden(new_rig: Opener) -> None:
    """No member, or no such channel: an operator must act."""
    async with new_rig() as chat_rig:
        with pytest.raises(Forbidden):
            await chat_rig.chat.post(card(), chat_rig.without_bot)
        with pytest.raises(Forbidden):
            await chat_rig.chat.post(card(), "C0NOSUCH")


async def test_a_refused_token_is_forbidden(new_rig: Opener) -> None:
    """A revoked token is no reason to try again."""
    async with new_rig() as chat_rig:
        chat_rig.revoke()
        with pytest.raises(Forbidden) as raised:
            await chat_rig.chat.post(card(), chat_rig.channel)
        assert not isinstance(raised.value, Unavailable)


NOTICE = Notification(mark="req-1.last", text=("send_email waits, until ", UNTIL))


async def test_a_notice_without_a_thread_stands_in_the_channel(new_rig: Opener) -> None:
    """What has no card to hang on is said in the channel itself, and found there."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.say(NOTICE, chat_rig.channel)
        assert ["send_email waits" in text for text in chat_rig.shown(chat_rig.channel)] == [True]
        assert ref == await chat_rig.chat.find(NOTICE.mark, chat_rig.channel, since=just_now())


async def test_one_person_is_told_alone(new_rig: Opener) -> None:
    """A room is the same each time; what is said there is read by that person only, and can be found again."""
    async with new_rig() as chat_rig:
        room = await chat_rig.chat.dm_channel(chat_rig.somebody)
        assert room == await chat_rig.chat.dm_channel(chat_rig.somebody)
        assert chat_rig.alone(room)
        card_ref = await chat_rig.chat.post(card(), chat_rig.channel)
        link = chat_rig.chat.link(chat_rig.channel, card_ref)
        ref = await chat_rig.chat.say(replace(NOTICE, link=link), room)
        assert "send_email waits" in chat_rig.shown(room)[0]
        assert ref == await chat_rig.chat.find(NOTICE.mark, room, since=just_now())
        assert 1 == len(chat_rig.shown(chat_rig.channel))


async def test_who_cannot_be_messaged_is_forbidden(new_rig: Opener) -> None:
    """An account that takes no messages is no reason to try again."""
    async with new_rig() as chat_rig:
        with pytest.raises(Forbidden):
            await chat_rig.chat.dm_channel(chat_rig.nobody)


async def test_a_link_opens_the_message(new_rig: Opener) -> None:
    """The address of a card leads to that card."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.post(card(), chat_rig.channel)
        link = chat_rig.chat.link(chat_rig.channel, ref)
        assert link is not None
        assert chat_rig.opens(link, ref)


async def test_a_digest_goes_up_and_is_changed_in_place(new_rig: Opener) -> None:
    """One digest is one message; it says how many wait, is found by its mark, and at its end that none does."""
    async with new_rig() as chat_rig:
        ref = await chat_rig.chat.post(digest_card(count=7), chat_rig.channel)
        assert "7 more requests" in chat_rig.shown(chat_rig.channel)[0]
        assert ref == await chat_rig.chat.find(DIGEST_ID, chat_rig.channel, since=just_now())
        await chat_rig.chat.update(digest_card(count=1), chat_rig.channel, ref)
        assert "1 more request" in chat_rig.shown(chat_rig.channel)[0]
        await chat_rig.chat.update(digest_card(count=0), chat_rig.channel, ref)
        assert ["No more requests here"] == chat_rig.shown(chat_rig.channel)


async def test_notices_go_first_then_digests_then_the_earliest_card(new_rig: Opener) -> None:
    """Of what waits for one channel, whatever came first."""
    async with new_rig() as chat_rig:
        late = replace(card(), card_id="late", deadline=UNTIL + timedelta(minutes=9))
        posts = [chat_rig.chat.post(replace(card(), card_id="first"), chat_rig.channel)]
        posts += [chat_rig.chat.post(late, chat_rig.channel), chat_rig.chat.post(card(), chat_rig.channel)]
        posts += [
            chat_rig.chat.post(digest_card(count=7), chat_rig.channel),
            chat_rig.chat.say(NOTICE, chat_rig.channel),
        ]
        refs = await asyncio.gather(*posts)
        assert [0, 4, 3, 2, 1] == sorted(range(5), key=lambda number: refs[number])
        assert timedelta(0) < chat_rig.chat.interval


async def test_a_surface_without_troubles_has_none(new_rig: Opener) -> None:
    """Where cards can be posted, nothing is said."""
    async with new_rig() as chat_rig:
        assert {} == await chat_rig.chat.problems([chat_rig.channel, chat_rig.elsewhere])


@pytest.mark.parametrize("word", ["archived", "bot", "channel_not_found", "company"])
async def test_a_channel_in_which_no_card_can_stand_says_why(new_rig: Opener, word: str) -> None:
    """Archived, without the bot, gone, or read by another company: each is told, for that channel alone."""
    async with new_rig() as chat_rig:
        chat_rig.spoil[word]()
        troubles = await chat_rig.chat.problems([chat_rig.elsewhere, chat_rig.channel])
        assert [chat_rig.channel] == list(troubles)
        assert word in troubles[chat_rig.channel]


async def test_a_refused_token_ails_the_whole_surface(new_rig: Opener) -> None:
    """With the token gone no channel is told apart."""
    async with new_rig() as chat_rig:
        chat_rig.revoke()
        assert [""] == list(await chat_rig.chat.problems([chat_rig.channel]))
        assert [""] == list(await chat_rig.chat.problems([]))


async def test_a_surface_that_cannot_be_asked_tells_nothing(new_rig: Opener) -> None:
    """No answer is no trouble of a channel, and no proof of health."""
    async with new_rig() as chat_rig:
        chat_rig.cut_off()
        with pytest.raises(Unavailable):
            await chat_rig.chat.problems([chat_rig.channel])
        with pytest.raises(Unavailable):
            await chat_rig.chat.problems([])
