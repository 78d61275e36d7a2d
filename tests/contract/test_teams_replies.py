"""The answer to a press and the change of the message, in that order, so that nothing moves under a hand."""

from __future__ import annotations

import asyncio

from bot.card import Button
from tests.contract.teams_rig import CHANNEL, open_rig, texts, verbs


async def test_an_answer_is_there_before_the_message_changes() -> None:
    """An answer that came after the change would stay in its place, and say less than the message does."""
    stored = asyncio.Event()
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.desk.before_commit = stored.wait
        pressed = asyncio.create_task(rig.press("approve", message=message))
        while not rig.desk.seen or rig.desk.seen[-1].verb is not Button.APPROVE:
            await asyncio.sleep(0.01)
        changed = asyncio.create_task(rig.teams.chat.update(rig.desk.card, CHANNEL, message.id))
        await asyncio.sleep(0.05)
        stored.set()
        assert (await pressed).ok
        assert not changed.done()
        assert rig.message(message.id).views
        await changed
        assert not rig.message(message.id).views


async def test_a_change_does_not_wait_for_ever() -> None:
    """An answer that takes its time holds the message's change for a second: others wait for it."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.desk.before_commit = asyncio.Event().wait
        pressed = asyncio.create_task(rig.press("approve", message=message))
        while not rig.desk.seen or rig.desk.seen[-1].verb is not Button.APPROVE:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(1.5):
            await rig.teams.chat.update(rig.desk.card, CHANNEL, message.id)
        assert not pressed.done()
        pressed.cancel()


async def test_i_am_on_it_leaves_the_answers_where_they_were() -> None:
    """A claim is shown above the card: people can go on pressing what they saw while the message changes."""
    async with open_rig() as rig:
        message = await rig.card_up()
        before = verbs(message.card)
        assert (await rig.press("claim", message=message)).ok
        assert [Button.CLAIM] == [click.verb for click in rig.desk.taken]
        seen = rig.message(message.id).seen_by("ann")
        assert seen is not None
        assert any("You have this for now." in text for text in texts(seen))
        assert [verb for verb in before if verb != "claim"] == verbs(seen)
