"""Cards, digests and threads that were deleted in Slack: found within a minute, and no message goes astray."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.store.open import SqlStore
from bot.card import Notification
from bot.errors import Gone
from bot.flow.missing import FIRST, FRESH, LOOK_EVERY, Missing
from bot.records import NewApproval
from bot.surface import Destination, Surface
from tests.contract.slack_rig import CHANNEL, Rig, open_rig
from tests.contract.values import NOW, a_placement, after, an_approval
from tests.fakes import Counting
from tests.render.cards import card

HERE = Destination(surface=Surface.SLACK, channel=CHANNEL)
ASKED = "chat.getPermalink"


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Slack without a limit for posts."""
    async with open_rig(post_burst=None) as opened:
        yield opened


class Look:
    """The step on a real store and a real Slack, under a clock that goes on by its interval."""

    def __init__(self, store: SqlStore, rig: Rig, *, first: int = FIRST) -> None:
        self.store, self.rig, self.now = store, rig, NOW
        self.heard: list[str] = []
        self._missing = Missing(
            store=store,
            chats={Surface.SLACK: rig.slack.chat},
            clock=lambda: self.now,
            metrics=Counting(self.heard.append),
            first=first,
        )

    async def put_up(self, number: int) -> list[str]:
        """So many cards, the first with the earliest deadline; what Slack has of each is one message."""
        workspace, refs = self.rig.workspace, []
        for n in range(number):
            request_id = f"r{n}"
            approval = an_approval(request_id, deadline=after(600.0 + n))
            placement = a_placement(f"c{n}", request_id, at=HERE)
            await self.store.approvals.insert([NewApproval(approval=approval, placements=[placement])])
            ref = workspace.say(user="U0ANN", channel=CHANNEL, text="a card").ts
            await self.store.placements.shown(f"c{n}", ref=ref, revision=1)
            refs.append(ref)
        return refs

    async def run(self, seconds: float) -> None:
        """Let so much time go by."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now += LOOK_EVERY
            await self._missing.round()

    def delete(self, ref: str) -> None:
        conversations = self.rig.workspace.conversations
        conversations.remove(conversations.get(CHANNEL, ref))

    @property
    def asked(self) -> list[str]:
        return [str(call.args["message_ts"]) for call in self.rig.workspace.called(ASKED)]

    async def lost(self) -> list[str]:
        return [
            one.card_id
            for n in range(100)
            for one in await self.store.placements.of(f"r{n}")
            if one.ref is None
        ]


async def test_the_earliest_deadlines_are_looked_at_first_and_none_twice_in_a_minute(
    store: SqlStore, rig: Rig
) -> None:
    """One look a second; what was deleted is as good as never posted, and the flow puts it up."""
    look = Look(store, rig)
    refs = await look.put_up(4)
    await look.run(FRESH.total_seconds() + 1)
    look.delete(refs[2])
    await look.run(10)

    assert refs == look.asked
    assert ["c2"] == await look.lost()
    assert ["card_missing"] == look.heard


@pytest.mark.parametrize("first", [3, pytest.param(FIRST, marks=pytest.mark.slow)])
async def test_the_first_cards_are_each_looked_at_within_a_minute(
    store: SqlStore, rig: Rig, first: int
) -> None:
    """Deleted right after its look is the worst that can be; what is behind the first has its turns, too."""
    look = Look(store, rig, first=first)
    refs = await look.put_up(first + 3)
    await look.run(FRESH.total_seconds() + first + 3)
    assert refs == look.asked
    for ref in refs[:first]:
        look.delete(ref)
    await look.run(60)

    assert len(look.asked) <= first + 3 + 60
    assert first == len(await look.lost())


async def test_a_card_that_went_up_again_meanwhile_is_not_lost(store: SqlStore, rig: Rig) -> None:
    """Only the message that is gone is: another one took its place while Slack was asked."""
    look = Look(store, rig)
    (ref,) = await look.put_up(1)
    assert not await store.placements.lost("c0", ref="1.1")
    assert await store.placements.lost("c0", ref=ref)
    assert ["c0"] == await look.lost()


async def test_a_digest_is_looked_at_as_well(store: SqlStore, rig: Rig) -> None:
    """It has many cards on it, and its place in the line is its earliest deadline's."""
    look = Look(store, rig)
    await look.put_up(1)
    early = an_approval("early", deadline=after(60))
    await store.approvals.insert([NewApproval(approval=early, placements=[a_placement("e", "early", at=HERE)])])
    await store.queue_messages.batch(["e"])
    (digest,) = await store.queue_messages.standing(lines=1)
    await store.queue_messages.shown(digest.digest_id, ref="7.7", shown="x", at=NOW)
    await look.run(FRESH.total_seconds() + 1)

    assert ["7.7"] == look.asked
    (digest,) = await store.queue_messages.standing(lines=1)
    assert digest.ref is None


async def test_a_channel_that_refuses_loses_no_card(store: SqlStore, rig: Rig) -> None:
    """A bot that was thrown out, or a token that is refused, says nothing about the message."""
    look = Look(store, rig)
    await look.put_up(1)
    rig.workspace.revoke_token()
    await look.run(FRESH.total_seconds() + 2)
    assert [] == await look.lost()


async def test_a_word_below_a_deleted_card_does_not_stay_in_the_channel(rig: Rig) -> None:
    """Slack puts it at the root without a word; then its card is gone, and it is said below the next one."""
    chat = rig.slack.chat
    ref = await chat.post(card(), CHANNEL)
    said = await chat.say(Notification(mark="m1", text=("still waits",)), CHANNEL, thread=ref)
    assert [ref, said] == [message.ts for message in rig.workspace.messages(CHANNEL)]
    for message in rig.workspace.messages(CHANNEL):
        rig.workspace.conversations.remove(message)

    with pytest.raises(Gone):
        await chat.say(Notification(mark="m2", text=("still waits",)), CHANNEL, thread=ref)
    assert [] == rig.workspace.messages(CHANNEL)
