"""What the core may rely on from any chat. Each surface has a world here; the promises are the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.card import Notice
from bot.errors import Forbidden, Gone, Unanswered, Unavailable
from bot.ports import Chat
from bot.wording import CardState
from tests.contract.slack_rig import open_rig
from tests.render.cards import CARD_ID, UNTIL, card


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One surface with a bot in it, and what a test can see and do there."""

    chat: Chat
    channel: str  #: the bot may post there
    without_bot: str  #: it may not
    shown: Callable[[], list[str]]  #: the fallback texts in the channel, oldest first, threads included
    delete: Callable[[str], None]  #: a person deletes the message with this ref
    revoke: Callable[[], None]  #: the token is no longer good
    lose_answers: Callable[[], None]  #: posts are carried out, but nothing comes back
    forge: Callable[[str], None]  #: somebody else posts a message with this mark


@asynccontextmanager
async def slack_world() -> AsyncIterator[World]:
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

        yield World(
            chat=rig.slack.chat,
            channel="C0APPROVALS",
            without_bot="C0RANDOM",
            shown=lambda: [message.text for message in workspace.messages("C0APPROVALS")],
            delete=delete,
            revoke=workspace.revoke_token,
            lose_answers=lose_answers,
            forge=forge,
        )


WORLDS: dict[str, Callable[[], AbstractAsyncContextManager[World]]] = {"slack": slack_world}


@pytest.fixture(params=WORLDS.values(), ids=WORLDS.keys())
def new_world(request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[World]]:
    """A fresh world of each surface in turn."""
    opener: Callable[[], AbstractAsyncContextManager[World]] = request.param
    return opener


Opener = Callable[[], AbstractAsyncContextManager[World]]


def just_now() -> datetime:
    """When a post of this test was begun, at the earliest."""
    return datetime.now(UTC) - timedelta(seconds=5)


async def test_a_card_goes_up_and_is_changed_in_place(new_world: Opener) -> None:
    """One card is one message: updating it leaves no second one."""
    async with new_world() as world:
        ref = await world.chat.post(card(), world.channel)
        (first,) = world.shown()
        assert "Approve send_email?" in first
        await world.chat.update(card(CardState.APPROVED), world.channel, ref)
        assert ["Approved: send_email, by Ann Albers"] == world.shown()


async def test_updating_twice_is_harmless(new_world: Opener) -> None:
    """The same card once more changes nothing."""
    async with new_world() as world:
        ref = await world.chat.post(card(), world.channel)
        await world.chat.update(card(CardState.EXPIRED), world.channel, ref)
        await world.chat.update(card(CardState.EXPIRED), world.channel, ref)
        assert ["Expired: send_email"] == world.shown()


async def test_a_card_is_found_by_its_mark(new_world: Opener) -> None:
    """After a post of unknown end the card is found, also when it was changed since."""
    async with new_world() as world:
        ref = await world.chat.post(card(), world.channel)
        await world.chat.post(replace(card(), card_id="another"), world.channel)
        assert ref == await world.chat.find(CARD_ID, world.channel, since=just_now())
        await world.chat.update(card(CardState.SENDING), world.channel, ref)
        assert ref == await world.chat.find(CARD_ID, world.channel, since=just_now())


async def test_what_was_never_posted_is_not_found(new_world: Opener) -> None:
    """No message with the mark, or only a deleted or an older one, is None."""
    async with new_world() as world:
        assert await world.chat.find(CARD_ID, world.channel, since=just_now()) is None
        ref = await world.chat.post(card(), world.channel)
        later = datetime.now(UTC) + timedelta(hours=1)
        assert await world.chat.find(CARD_ID, world.channel, since=later) is None
        world.delete(ref)
        assert await world.chat.find(CARD_ID, world.channel, since=just_now()) is None


async def test_somebody_elses_message_is_not_ours(new_world: Opener) -> None:
    """A message that only copies the mark is no card of ours."""
    async with new_world() as world:
        world.forge(CARD_ID)
        assert await world.chat.find(CARD_ID, world.channel, since=just_now()) is None


async def test_a_lost_answer_says_look_first_and_looking_finds_it(new_world: Opener) -> None:
    """Posted, answer lost: Unanswered, and then the card is found; nobody sees it twice."""
    async with new_world() as world:
        world.lose_answers()
        with pytest.raises(Unanswered):
            await world.chat.post(card(), world.channel)
        assert await world.chat.find(CARD_ID, world.channel, since=just_now())
        assert 1 == len(world.shown())


async def test_a_notice_is_said_in_the_thread_and_found_there(new_world: Opener) -> None:
    """A rung stands under its card, with whom it pings, and can be found again."""
    async with new_world() as world:
        thread = await world.chat.post(card(), world.channel)
        notice = Notice(mark="req-1:0", text=("Still waiting, until ", UNTIL), mentions=("U0ANN",))
        ref = await world.chat.reply(notice, world.channel, thread)
        assert "Still waiting" in world.shown()[-1]
        assert "U0ANN" in world.shown()[-1]
        assert ref == await world.chat.find("req-1:0", world.channel, since=just_now(), thread=thread)
        assert await world.chat.find("req-1:1", world.channel, since=just_now(), thread=thread) is None


async def test_a_deleted_card_is_gone(new_world: Opener) -> None:
    """Updating a message that somebody deleted is Gone, not a retry."""
    async with new_world() as world:
        ref = await world.chat.post(card(), world.channel)
        world.delete(ref)
        with pytest.raises(Gone):
            await world.chat.update(card(), world.channel, ref)


async def test_a_channel_without_the_bot_is_forbidden(new_world: Opener) -> None:
    """No member, or no such channel: an operator must act."""
    async with new_world() as world:
        with pytest.raises(Forbidden):
            await world.chat.post(card(), world.without_bot)
        with pytest.raises(Forbidden):
            await world.chat.post(card(), "C0NOSUCH")


async def test_a_refused_token_is_forbidden(new_world: Opener) -> None:
    """A revoked token is no reason to try again."""
    async with new_world() as world:
        world.revoke()
        with pytest.raises(Forbidden) as raised:
            await world.chat.post(card(), world.channel)
        assert not isinstance(raised.value, Unavailable)
